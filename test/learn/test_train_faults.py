"""What the training command says instead of a run, and before one: one clear line."""
from contextlib import suppress
import re
import resource
import shutil

import cv2
import numpy as np
import pytest
import torch

from learn.runs import command, write_config
from tdnet_ros.learn.progress import Progress
from tdnet_ros.learn.run import claimed
from tdnet_ros.learn.train import main as train
from tdnet_ros.learn.trainer import Trainer
from tdnet_ros.learn.validator import Validator
from tdnet_ros.nets.card import find_model


def test_a_full_disk_leaves_the_last_checkpoint(data, tmp_path, capsys):
    config = write_config(tmp_path / 'c.yaml', [{'name': 'one', 'steps': 1},
                                                {'name': 'two', 'steps': 1}])
    out = tmp_path / 'run'
    arguments = command(data, config, out, '--resume')
    assert train([*arguments, '--until', 'one']) == 0
    before = (out / 'last.pt').read_bytes()
    capsys.readouterr()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A limit on the size of files fails as a full disk does; the weights alone fit.
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) * 9 // 10, limits[1]))
    try:
        assert train(arguments) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert capsys.readouterr().err == f'tdnet_train: cannot write {out}/last.pt: File too large\n'
    assert (out / 'last.pt').read_bytes() == before
    assert not list(out.glob('.*'))


def test_a_disk_without_room_for_a_checkpoint_is_told_before_the_first_step(
        data, tmp_path, capsys, monkeypatch):
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1}], calibrate=False)
    out, finished = tmp_path / 'run', command(data, config, tmp_path / 'finished', '--resume')
    assert train(finished) == 0
    nearly_full = shutil.disk_usage(tmp_path)._replace(free=1 << 20)
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: nearly_full)
    monkeypatch.setattr(Trainer, 'take_step', None)
    assert train(finished) == 0  # there is nothing left to write
    assert train(command(data, config, out)) == 1
    assert re.fullmatch(
        f'tdnet_train: {out} has room for 1 MiB: last.pt, written anew before the old one goes, '
        r'takes [1-9]\d*\n', capsys.readouterr().err)


@pytest.mark.parametrize(('change', 'message'), [
    ({'stages': []}, 'at least one stage'),
    ({'stages': [{}]}, 'stages 0: steps missing'),
    ({'stages': [{'steps': 'two'}]}, "stages 0: steps is 'two', expected a whole number of at"),
    ({'stages': [{'steps': 1, 'crop': 64}]}, 'stages 0: crop is 64, expected a list of 2'),
    ({'stages': [{'steps': 1, 'crop': [64, 9]}]}, 'stages 0: crop 1 is 9, expected a whole'),
    ({'stages': [{'steps': 1, 'batch': 0}]}, 'stages 0: batch is 0, expected a whole number of'),
    ({'speed': 3}, 'the run: unknown speed; expected stages'),
    ({'optimizer': 'adam'}, "the run: optimizer is 'adam', expected 'adamw' or 'sgd'"),
    ({'precision': 'int4'}, "the run: precision is 'int4', expected '32-true' or 'bf16-mixed'"),
    ({'ema_decay': 1.5}, 'the run: ema_decay is 1.5, expected a number from 0 to 1'),
    ({'loss': {'sub': True}}, 'loss: sub is True, expected a number of at least 0'),
    ({'stages': [{'steps': 1, 'batch': 3, 'accumulate': 2}]},
     "stage 'one': a batch of 3 can't be cut into 2"),
])
def test_a_bad_configuration_is_one_clear_line(data, tmp_path, capsys, change, message):
    config = write_config(tmp_path / 'c.yaml', **{'stages': [{'steps': 1}], **change})
    assert train(command(data, config, tmp_path / 'run')) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith('tdnet_train: ')
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(('more', 'message'), [
    (['--max-minutes', '-1'], '--max-minutes -1: expected a time of at least 0'),
    (['--max-minutes', 'nan'], '--max-minutes nan: expected'),
    (['--seed', '-3'], 'seed is -3, expected a whole number from 0 to 4294967295'),
    (['--set', 'loss.speed=1'], "setting 'loss.speed': there is no such setting"),
    (['--set', 'seed'], '--set seed: expected NAME=VALUE'),
    (['--set', 'seed=['], 'the value is no YAML'),
    (['--config', 'nothing'], 'config nothing: no such file, nor one of ablation, '),
    (['--input-size', '0', '5'], '--input-size 0 5: expected a height and a width'),
    (['--input-size', '33', '9999'], 'input size 33x9985, expected at least 32x32 pixels and at'),
    (['--set', 'stages.0.accumulate=4'], 'than the 2 clips at a time that this network needs'),
    (['--until', 'never'], "stage 'never', expected one of one"),
    (['--model', 'td5'], "model 'td5'"),
    (['--model', 'street-small'], 'it is trained; --init street-small starts from it'),
    (['--init', 'td4-tiny'], 'model td4-tiny has no weights to start from'),
    pytest.param(['--accelerator', 'cuda'], "device 'cuda': CUDA is not available",
                 marks=pytest.mark.skipif(torch.cuda.is_available(), reason='there is CUDA')),
])
def test_a_bad_request_is_one_clear_line(data, tmp_path, capsys, more, message):
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1}])
    assert train(command(data, config, tmp_path / 'run', *more)) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith('tdnet_train: ')
    assert len(error.splitlines()) == 1
    assert not (tmp_path / 'run/last.pt').exists()


def test_a_gradient_that_is_no_number_says_what_to_try(data, tmp_path, capsys):
    config = write_config(tmp_path / 'c.yaml', [{'steps': 9, 'learning_rate': [1e30, 1e30]}],
                          warmup_steps=0)
    assert train(command(data, config, tmp_path / 'run')) == 1
    assert 'is not a number at step 1: try a lower learning rate\n' in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_named_before_the_work(data, tmp_path, capsys):
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1}])
    for out, reason in ((config / 'run', 'Not a directory'),
                        ('/proc/run', 'No such file or directory')):
        assert train(command(data, config, out, '--model', 'nothing')) == 1
        assert capsys.readouterr().err == f'tdnet_train: cannot write {out}: {reason}\n'


@pytest.mark.parametrize(('option', 'message'), [
    ('--init', 'model street-small has context bise'),
    ('--teacher', "teacher 'street-small' is a TDNet")])
def test_models_that_do_not_fit_are_refused_before_the_data_are_read(data, tmp_path, capsys,
                                                                     option, message):
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1}])
    root = shutil.copytree(data, tmp_path / 'data')
    (root / 'train/labels/v0_000.png').write_bytes(b'no image')
    assert train(command(root, config, tmp_path / 'run', option, 'street-small')) == 1
    assert message in capsys.readouterr().err


def test_a_folder_is_no_model_but_may_hold_one(data, tmp_path, capsys):
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1}])
    for said in ('is a folder: expected a card (.yaml)\n',
                 f'is a folder: expected the card {tmp_path}/best.yaml in it\n'):
        assert train(command(data, config, tmp_path / 'run', '--init', str(tmp_path))) == 1
        assert capsys.readouterr().err.endswith(said)
        (tmp_path / 'best.yaml').touch()


def test_masks_of_0_and_255_are_no_two_classes(data, tmp_path, capsys):
    masks = shutil.copytree(data, tmp_path / 'masks')
    (masks / 'classes.yaml').write_text('ground: [0, 128, 0]\nsquare: [255, 255, 0]\n')
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1}], calibrate=False)
    for known, outcome, said in ((0, 0, 'no training picture has square (255 in a label'),
                                 (255, 1, 'all pixels of the labels are void')):
        for path in masks.glob('*/labels/*.png'):
            label = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
            cv2.imwrite(str(path), np.where(label % 255 < 2, known, 255).astype(np.uint8))
        assert train(command(masks, config, tmp_path / f'run{known}')) == outcome
        assert said in ''.join(capsys.readouterr())


@pytest.mark.parametrize('kind', [torch.cuda.OutOfMemoryError, MemoryError])
def test_out_of_memory_is_one_clear_line(data, tmp_path, capsys, monkeypatch, kind):
    def fail(*_):
        raise kind('CUDA out of memory. Tried to allocate 2 GiB')

    config = write_config(tmp_path / 'c.yaml', [{'steps': 1}])
    monkeypatch.setattr(Trainer, 'take_step', fail)
    assert train(command(data, config, tmp_path / 'run')) == 1
    error = capsys.readouterr().err
    assert 'out of memory: CUDA out of memory. Tried to allocate 2 GiB; a smaller batch' in error
    assert len(error.splitlines()) == 1


def test_a_model_that_is_there_is_not_overwritten(data, tmp_path, capsys):
    """One of a run whose checkpoint, larger by far, was removed."""
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1}])
    best = tmp_path / 'run/best.yaml'
    best.parent.mkdir()
    best.write_text('a model')
    assert train(command(data, config, tmp_path / 'run')) == 1
    assert capsys.readouterr().err == f'tdnet_train: {best} is there: choose another --out\n'
    assert train(command(data, config, tmp_path / 'run', '--resume')) == 1
    assert capsys.readouterr().err == (
        f'tdnet_train: {best} is there without last.pt to go on from: choose another --out\n')
    assert best.read_text() == 'a model'


def test_a_run_whose_last_model_could_not_be_written_makes_it_when_it_goes_on(
        data, tmp_path, monkeypatch):
    def full(*_):
        raise OSError('cannot write best.safetensors: No space left on device')

    config = write_config(tmp_path / 'c.yaml', [{'name': 'one', 'steps': 1},
                                                {'name': 'two', 'steps': 1}], calibrate=False)
    arguments = command(data, config, tmp_path / 'run', '--resume')
    assert train([*arguments, '--until', 'one']) == 0
    with monkeypatch.context() as patch:
        patch.setattr(Validator, 'keep', full)
        assert train(arguments) == 1
    monkeypatch.setattr('tdnet_ros.learn.metrics.Confusion.miou', lambda _: 0.99)
    assert train(arguments) == 0
    assert find_model(tmp_path / 'run/best.yaml').training['step'] == 2


def test_a_folder_is_of_one_run_at_a_time(data, tmp_path, capsys):
    """Two of one model, without --out, have the same."""
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1}], calibrate=False)
    arguments = command(data, config, tmp_path / 'run', '--resume')
    with claimed(tmp_path / 'run'):
        assert train(arguments) == 1
    assert capsys.readouterr().err == (
        f'tdnet_train: another run writes to {tmp_path}/run: choose another --out\n')
    assert not list((tmp_path / 'run').iterdir())
    assert train(arguments) == 0


def test_the_first_model_comes_with_a_checkpoint(data, tmp_path, monkeypatch):
    """A run that ends just after it goes on, though none was due yet."""
    config = write_config(tmp_path / 'c.yaml', [{'steps': 2}], validate_every=1, calibrate=False)
    arguments = command(data, config, tmp_path / 'run', '--resume')

    class KilledError(Exception):
        pass

    def step(self, number, *figures, show=Progress.step):
        if number == 2:
            raise KilledError
        show(self, number, *figures)

    with monkeypatch.context() as patch:
        patch.setattr(Progress, 'step', step)
        with pytest.raises(KilledError):
            train(arguments)
    assert (tmp_path / 'run/best.yaml').exists()
    assert torch.load(tmp_path / 'run/last.pt', weights_only=True)['step'] == 1
    assert train(arguments) == 0


@pytest.mark.parametrize('error', [SystemExit(141), BrokenPipeError()])
def test_output_that_nobody_reads_costs_no_step(data, tmp_path, monkeypatch, error):
    """As `| tee log` reads none any more after a Ctrl-C; a model comes with its checkpoint."""
    def validated(*_):
        raise error

    config = write_config(tmp_path / 'c.yaml', [{'steps': 2}], validate_every=1, calibrate=False)
    arguments = command(data, config, tmp_path / 'run', '--resume')
    with monkeypatch.context() as patch, suppress(SystemExit):
        patch.setattr(Progress, 'validated', validated)
        assert train(arguments) == 1
    assert torch.load(tmp_path / 'run/last.pt', weights_only=True)['step'] == 1
    assert train(arguments) == 0
