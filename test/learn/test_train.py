"""The training command: it learns, it resumes exactly, and processes add up."""
import json
import os
from pathlib import Path
import re
import resource
import shutil
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
import torch
import yaml

from learn.synthetic import write_folder
from tdnet_ros.learn.config import RECIPES, load_config
from tdnet_ros.learn.evaluate import main as evaluate
from tdnet_ros.learn.loading import check_batches
from tdnet_ros.learn.train import main as train
from tdnet_ros.learn.trainer import Trainer
from tdnet_ros.nets.card import find_model

EXACT = {'scale': [1, 1], 'rotation_deg': 0, 'flip': False, 'brightness': 0.05, 'contrast': 0.05,
         'saturation': 0, 'tint': 0}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp('data') / 'squares', videos=8, frames=1)


def write_config(path, stages, **settings):
    common = {'crop': [65, 97], 'batch': 4, 'learning_rate': [2e-3, 0]}
    content = {'stages': [{'name': 'one', **common, **stage} for stage in stages], 'log_every': 1,
               'warmup_steps': 2, 'augmentation': EXACT, 'validate_every': 1000, **settings}
    path.write_text(yaml.safe_dump(content))
    return path


def command(data, config, out, *more):
    return ['--dataset', 'folder', '--root', str(data), '--model', 'td2-tiny', '--accelerator',
            'cpu', '--config', str(config), '--out', str(out), *more]


def losses(out: Path) -> dict[int, float]:
    events = EventAccumulator(str(out))
    events.Reload()
    return {event.step: event.value for event in events.Scalars('loss/total')}


def test_a_tiny_network_overfits_a_few_clips(data, tmp_path, capsys):
    config = write_config(tmp_path / 'c.yaml', [
        {'steps': 60, 'batch': 8, 'solo': True, 'learning_rate': [5e-3, 3e-3]},
        {'steps': 120, 'batch': 8, 'still_share': 0.5, 'learning_rate': [4e-3, 0]},
    ], ema_decay=0.9, motion={'pan': 0.01, 'zoom': 0.01, 'roll_deg': 0.2, 'parallax': 0})
    assert train(command(data, config, tmp_path / 'run')) == 0
    figures = tmp_path / 'figures.json'
    assert evaluate(['--dataset', 'folder', '--root', str(data), '--split', 'train', '--model',
                     str(tmp_path / 'run/best.yaml'), '--mode', 'repeated', '--device', 'cpu',
                     '--json', str(figures), '--confusion', str(tmp_path / 'c.png')]) == 0
    result = yaml.safe_load(figures.read_text())
    assert result['miou'] > 0.95
    assert result['flip_rate'] < 0.02
    assert result['mode'] == 'repeated'
    assert (tmp_path / 'c.png').stat().st_size > 1000


def test_a_killed_run_resumes_exactly(data, tmp_path):
    config = write_config(tmp_path / 'c.yaml', [
        {'steps': 3, 'solo': True}, {'steps': 9, 'still_share': 0.5}], checkpoint_minutes=0)
    assert train(command(data, config, tmp_path / 'whole')) == 0
    out = tmp_path / 'killed'
    program = f'''
import os, signal, sys
from tdnet_ros.learn.train import main
from tdnet_ros.learn.trainer import Trainer
save = Trainer.save
def killed(self, name):
    save(self, name)
    if self.step == 5:
        os.killpg(0, signal.SIGKILL)
Trainer.save = killed
sys.exit(main({command(data, config, out)!r}))
'''
    run = subprocess.run([sys.executable, '-c', program], start_new_session=True, check=False)
    assert run.returncode == -signal.SIGKILL
    assert not (out / 'best.yaml').exists()
    assert train(command(data, config, out)) == 1  # a run is never overwritten
    assert train(command(data, config, out, '--resume')) == 0
    resumed, whole = losses(out), losses(tmp_path / 'whole')
    assert {6, 12} <= set(resumed)
    assert resumed == {step: whole[step] for step in resumed}


def test_processes_see_what_one_process_accumulates(data, tmp_path):
    stages = [{'steps': 2, 'solo': True}, {'steps': 3, 'still_share': 0.5}]
    parts = [{**stage, 'accumulate': 2} for stage in stages]
    one = write_config(tmp_path / 'one.yaml', parts, loss={'auxiliary': 0.2})
    two = write_config(tmp_path / 'two.yaml', stages, loss={'auxiliary': 0.2})
    assert train(command(data, one, tmp_path / 'one')) == 0
    run = subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2',
         '-m', 'tdnet_ros.learn.train', *command(data, two, tmp_path / 'two')],
        capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert 'UserWarning' not in run.stderr
    single, double = losses(tmp_path / 'one'), losses(tmp_path / 'two')
    assert list(single) == [1, 2, 3, 4, 5]
    assert double == pytest.approx(single, rel=1e-3)


def test_processes_save_and_stop_at_the_same_step(data, tmp_path):
    """Their clocks differ; one that does so alone would wait for the other for ever."""
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1000, 'solo': True}],
                          checkpoint_minutes=0.003, calibrate=False)
    run = subprocess.Popen(
        [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2',
         '-m', 'tdnet_ros.learn.train', *command(data, config, tmp_path / 'run',
                                                    '--max-minutes', '0.02')],
        stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        _, err = run.communicate(timeout=120)
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
    assert 'exitcode  : 75' in err
    assert torch.load(tmp_path / 'run/last.pt', weights_only=True)['step'] > 0


SMALL = ['--model', 'td2-bise18-half']


def test_what_is_kept_while_the_first_path_learns_is_a_model(data, tmp_path):
    """All its paths do what the first does, so its figure is that of its stream."""
    stages = [{'name': 'alone', 'steps': 6, 'solo': True}, {'name': 'all', 'steps': 1}]
    config = write_config(tmp_path / 'c.yaml', stages)
    out = tmp_path / 'run'
    assert train(command(data, config, out, *SMALL, '--until', 'alone')) == 0
    figures = tmp_path / 'figures.json'
    assert evaluate(['--dataset', 'folder', '--root', str(data), '--mode', 'repeated', '--model',
                     str(out / 'best.yaml'), '--json', str(figures)]) == 0
    measured = json.loads(figures.read_text())
    card = find_model(out / 'best.yaml')
    assert measured['miou'] == pytest.approx(card.metrics['squares val streaming mIoU'], abs=2e-3)
    assert measured['flip_rate'] == 0


def test_the_other_paths_start_after_a_stage_that_was_cut_short(data, tmp_path):
    stages = [{'name': 'alone', 'steps': 8, 'solo': True}, {'name': 'all', 'steps': 4}]
    config = write_config(tmp_path / 'c.yaml', stages, calibrate=False, warmup_steps=0)
    resume = command(data, config, tmp_path / 'run', *SMALL, '--resume')
    assert train([*resume, '--until', 'alone']) == 0
    assert train([*resume, '--set', 'stages.0.steps=6', '--set',
                  'stages.1.learning_rate=[0, 0]']) == 0
    state = torch.load(tmp_path / 'run/last.pt', weights_only=True)['learner']
    weights = {key: value for key, value in state.items() if key.endswith('query.0.weight')}
    assert len(weights) == 2
    assert torch.equal(*weights.values())


def test_time_can_be_cut_into_chunks(data, tmp_path):
    config = write_config(tmp_path / 'c.yaml', [{'steps': 2}])
    arguments = command(data, config, tmp_path / 'run', '--resume', '--max-minutes', '0')
    assert train(arguments) == 75
    assert not (tmp_path / 'run/best.yaml').exists()
    assert train(arguments) == 0
    assert (tmp_path / 'run/best.yaml').exists()


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
    assert not list(out.glob('*.part'))


def test_a_finished_run_says_so(data, tmp_path, capsys):
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1}])
    arguments = command(data, config, tmp_path / 'run', '--resume')
    assert train(arguments) == 0
    assert 'finished' not in capsys.readouterr().out
    assert train(arguments) == 0
    assert capsys.readouterr().out == f'{tmp_path}/run is finished: 1 of 1 steps are done\n'


def test_the_best_weights_are_calibrated_once(data, tmp_path, capsys):
    config = write_config(tmp_path / 'c.yaml', [{'steps': 12}], class_balance=1.0)
    out = tmp_path / 'run'
    assert train(command(data, config, out)) == 0
    before, after = (float(value) for value in re.search(
        r'calibrated on the training split: val mIoU (\S+) -> (\S+)',
        capsys.readouterr().out).groups())
    card = yaml.safe_load((out / 'best.yaml').read_text())
    assert before < after == pytest.approx(card['metrics']['squares val streaming mIoU'], abs=1e-4)
    assert len(card['training']['calibration']) == 3
    assert train(command(data, config, out, '--resume')) == 0
    assert 'calibrated' not in capsys.readouterr().out


@pytest.mark.parametrize('saved', [False, True])
def test_an_interrupted_run_says_where_it_goes_on(data, tmp_path, capsys, monkeypatch, saved):
    def interrupt(*_):
        raise KeyboardInterrupt

    config = write_config(tmp_path / 'c.yaml', [{'steps': 2}])
    arguments = command(data, config, tmp_path / 'run', '--resume')
    if saved:
        assert train([*arguments, '--max-minutes', '0']) == 75
    monkeypatch.setattr(Trainer, 'take_step', interrupt)
    capsys.readouterr()
    assert train(arguments) == 130
    more = '; --resume goes on' if saved else ''
    assert capsys.readouterr().err == f'tdnet_train: interrupted{more}\n'


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
    (['--seed', '-3'], 'seed is -3, expected a whole number of at least 0'),
    (['--set', 'loss.speed=1'], "setting 'loss.speed': there is no such setting"),
    (['--set', 'seed'], '--set seed: expected NAME=VALUE'),
    (['--set', 'seed=['], 'the value is no YAML'),
    (['--config', 'nothing'], 'config nothing: no such file, nor one of ablation, '),
    (['--input-size', '0', '5'], '--input-size 0 5: expected a height and a width'),
    (['--set', 'stages.0.accumulate=4'], 'than the 2 clips at a time that this network needs'),
    (['--until', 'never'], "stage 'never', expected one of one"),
    (['--model', 'td5'], "model 'td5'"),
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


def test_a_run_starts_from_another_of_other_classes(data, tmp_path, capsys):
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1}], calibrate=False)
    assert train(command(data, config, tmp_path / 'base', '--set', 'stages.0.solo=true')) == 0
    own = shutil.copytree(data, tmp_path / 'own')
    classes = own / 'classes.yaml'
    classes.write_text(classes.read_text().replace('square', 'robot'))
    capsys.readouterr()
    assert train(['--dataset', 'folder', '--root', str(own), '--accelerator', 'cpu',
                  '--config', str(config), '--init', str(tmp_path / 'base/best.yaml'),
                  '--input-size', '97', '193', '--out', str(tmp_path / 'mine')]) == 0
    assert 'base/best.yaml does not know robot: it starts from nothing' in capsys.readouterr().out
    base, mine = (find_model(tmp_path / run / 'best.yaml') for run in ('base', 'mine'))
    assert mine.architecture == base.architecture
    assert mine.classes.names == ('sky', 'ground', 'robot')
    assert mine.input_size == (97, 193)
    assert mine.source.startswith('started from base (trained from scratch on ')
    low, high = mine.training['config']['augmentation']['scale']
    assert low == high == pytest.approx((97 * 193 / (65 * 97)) ** 0.5)


def test_crops_far_from_the_pictures_are_named(data, tmp_path, capsys):
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1}], calibrate=False)
    for crop, named in (('[65, 97]', False), ('[257, 385]', True)):
        assert train(command(data, config, tmp_path / crop, '--set',
                             f'stages.0.crop={crop}')) == 0
        assert ('but the pictures are some 65 x 97' in capsys.readouterr().out) == named


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


def test_a_cpu_without_bfloat16_computes_in_float32(data, tmp_path, capsys, monkeypatch):
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1}], calibrate=False,
                          precision='bf16-mixed')
    for has in (True, False):
        monkeypatch.setattr(torch.cpu, '_is_avx512_bf16_supported', lambda has=has: has)
        assert train(command(data, config, tmp_path / str(has))) == 0
        assert ('computing in float32' in capsys.readouterr().out) != has


def test_a_stage_of_all_paths_that_is_worse_replaces_nothing(data, tmp_path):
    stages = [{'name': 'alone', 'steps': 20, 'solo': True, 'learning_rate': [5e-3, 1e-3]},
              {'name': 'all', 'steps': 4, 'learning_rate': [1.0, 1.0]}]
    config = write_config(tmp_path / 'c.yaml', stages, calibrate=False, warmup_steps=0,
                          validate_every=20, ema_decay=0.5)
    assert train(command(data, config, tmp_path / 'run', *SMALL)) == 0
    assert find_model(tmp_path / 'run/best.yaml').training['step'] == 20


def test_out_of_memory_is_one_clear_line(data, tmp_path, capsys, monkeypatch):
    def fail(*_):
        raise torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate 2 GiB')

    config = write_config(tmp_path / 'c.yaml', [{'steps': 1}])
    monkeypatch.setattr(Trainer, 'take_step', fail)
    assert train(command(data, config, tmp_path / 'run')) == 1
    error = capsys.readouterr().err
    assert 'out of memory: CUDA out of memory. Tried to allocate 2 GiB; a smaller batch' in error
    assert len(error.splitlines()) == 1


def test_terms_of_the_first_model_stay(data, tmp_path):
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1}], calibrate=False)
    assert train(command(data, config, tmp_path / 'run', '--model', 'td2-bise18-half', '--init',
                         'street-small')) == 0
    assert 'research use' in find_model(tmp_path / 'run/best.yaml').licence


def test_a_bad_frame_of_a_video_is_one_clear_line(tmp_path, capsys):
    root = write_folder(tmp_path / 'data', videos=2, frames=2)
    (root / 'train/labels/v0_000.png').unlink()
    (root / 'train/images/v0_000.png').write_bytes(b'no image')
    config = write_config(tmp_path / 'c.yaml', [{'steps': 4, 'still_share': 0}], max_gap=1,
                          workers=1)
    assert train(command(root, config, tmp_path / 'run')) == 1
    error = capsys.readouterr().err
    assert error.startswith('tdnet_train: cannot read the image ')
    assert error.endswith('v0_000.png\n')
    assert len(error.splitlines()) == 1


def test_a_checkpoint_of_another_run_is_refused(data, tmp_path, capsys):
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1}])
    resume = command(data, config, tmp_path / 'run', '--resume')
    assert train(resume) == 0
    for change in (['--model', 'td4-tiny'], ['--set', 'optimizer=sgd']):
        capsys.readouterr()
        assert train([*resume, *change]) == 1
        assert 'last.pt does not fit this run' in capsys.readouterr().err
    (tmp_path / 'run/last.pt').write_bytes(b'cut off')
    assert train(resume) == 1
    assert 'last.pt cannot be read as a checkpoint' in capsys.readouterr().err


def test_a_run_ends_with_a_stage_and_goes_on_with_other_losses(data, tmp_path, recwarn):
    stages = [{'name': 'alone', 'steps': 2, 'solo': True}, {'name': 'all', 'steps': 2}]
    config = write_config(tmp_path / 'c.yaml', stages, workers=64, precision='bf16-mixed')
    first = command(data, config, tmp_path / 'run', '--resume', '--set', 'loss.agreement=0')
    assert train([*first, '--until', 'alone']) == 0
    assert list(losses(tmp_path / 'run')) == [1, 2]
    assert train(first) == 0
    assert list(losses(tmp_path / 'run')) == [1, 2, 3, 4]
    written = yaml.safe_load((tmp_path / 'run/best.yaml').read_text())['training']
    assert written['step'] == 4
    assert written['config']['loss']['agreement'] == 0
    assert not [w for w in recwarn if 'worker' in str(w.message)]


def test_a_teacher_is_trained_and_distilled(data, tmp_path):
    config = write_config(tmp_path / 'c.yaml', [{'steps': 2}], loss={'auxiliary': 0.1})
    arguments = command(data, config, tmp_path / 'teacher')
    arguments[arguments.index('td2-tiny')] = 'bise18-half'
    assert train(arguments) == 0
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1, 'solo': True}, {'steps': 2}],
                          loss={'auxiliary': 0.1})
    student = command(data, config, tmp_path / 'student')
    assert train([*student, '--teacher', str(tmp_path / 'teacher/best.yaml')]) == 0
    events = EventAccumulator(str(tmp_path / 'student'))
    events.Reload()
    assert {'loss/distillation', 'loss/grouped', 'loss/auxiliary', 'loss/sub', 'loss/agreement',
            'val/miou', 'learning_rate'} <= set(events.Tags()['scalars'])
    assert len(events.Tags()['images']) == 3
    assert [e.step for e in events.Scalars('loss/grouped')] == [2, 3]


@pytest.mark.parametrize('recipe', sorted(RECIPES.glob('*.yaml')), ids=lambda path: path.stem)
def test_shipped_recipes_are_complete(recipe):
    config = load_config(recipe)
    assert config.learning_rate(config.steps - 1) < 1e-5
    check_batches(config, world=2)
