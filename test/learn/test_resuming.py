"""What a run goes on with, and with what it does not."""
import shutil

import torch

from learn.runs import command, write_config
from learn.synthetic import write_folder
from tdnet_ros.learn.train import main as train
from tdnet_ros.nets.card import find_model


def test_a_checkpoint_of_another_run_is_refused(data, tmp_path, capsys):
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1}])
    resume = command(data, config, tmp_path / 'run', '--resume')
    assert train(resume) == 0
    written = (tmp_path / 'run/config.yaml').read_text()
    for change in (['--model', 'td4-tiny'], ['--set', 'optimizer=sgd']):
        capsys.readouterr()
        assert train([*resume, *change]) == 1
        assert 'last.pt does not fit this run' in capsys.readouterr().err
        assert (tmp_path / 'run/config.yaml').read_text() == written
    torch.save([1], tmp_path / 'run/last.pt')
    assert train(resume) == 1
    assert 'last.pt does not fit this run' in capsys.readouterr().err
    (tmp_path / 'run/last.pt').write_bytes(b'cut off')
    assert train(resume) == 1
    assert 'last.pt cannot be read as a checkpoint' in capsys.readouterr().err


def test_a_run_keeps_its_classes(data, tmp_path, capsys):
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1}], calibrate=False)
    root = shutil.copytree(data, tmp_path / 'data')
    resume = command(root, config, tmp_path / 'run', '--resume')
    assert train(resume) == 0
    last = tmp_path / 'run/last.pt'
    sky, ground, square = (root / 'classes.yaml').read_text().splitlines(keepends=True)
    for classes, said in (
            (ground + sky + square, 'class 0 was sky [0, 0, 255] and is ground [0, 128, 0] now'),
            (sky + ground + 'robot: [255, 255, 0]\n',
             'class 2 was square [255, 255, 0] and is robot [255, 255, 0] now'),
            (sky + ground + 'square: [9, 9, 9]\n',
             'class 2 was square [255, 255, 0] and is square [9, 9, 9] now'),
            (sky + ground + square + 'robot: [9, 9, 9]\n',
             'class 3 was none and is robot [9, 9, 9] now')):
        (root / 'classes.yaml').write_text(classes)
        capsys.readouterr()
        assert train(resume) == 1
        assert capsys.readouterr().err == (
            f'tdnet_train: {last}: {said}: put classes.yaml back, or choose another --out\n')
    state = torch.load(last, weights_only=True)
    del state['classes'], state['data']  # as older versions wrote it
    torch.save(state, last)
    (root / 'classes.yaml').write_text(ground + sky + square)
    assert train(resume) == 0


def test_a_run_keeps_its_data(tmp_path, capsys):
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1}], calibrate=False)
    root = write_folder(tmp_path / 'data', videos=2, frames=2)
    resume = command(root, config, tmp_path / 'run', '--resume')
    assert train(resume) == 0
    last = tmp_path / 'run/last.pt'
    (root / 'val/labels/v0_000.png').unlink()
    for more, split, now in (
            ([], 'val', 'labelled 3, clips 2 (longest 2)'),
            (['--dataset', 'stills'], 'train', 'labelled 4, clips 4 (longest 1)')):
        capsys.readouterr()
        assert train([*resume, *more]) == 1
        assert capsys.readouterr().err == (
            f'tdnet_train: {last}: {split} had frames 4, labelled 4, clips 2 (longest 2), and has '
            f'frames 4, {now} now: name the same data, or choose another --out\n')


def test_a_run_that_goes_on_with_other_settings_says_so(data, tmp_path, capsys):
    """As where --resume is given, but not the --config and the --input-size of the start."""
    config = write_config(tmp_path / 'c.yaml', [{'name': 'one', 'steps': 1},
                                                {'name': 'two', 'steps': 1}], calibrate=False)
    resume = command(data, config, tmp_path / 'run', '--resume')
    assert train([*resume, '--until', 'one', '--input-size', '33', '65']) == 0
    capsys.readouterr()
    assert train([*resume, '--set', 'loss.sub=1', '--set', 'stages.1.steps=2',
                  '--max-minutes', '0']) == 75
    assert capsys.readouterr().out.startswith(
        f'{tmp_path}/run/last.pt: stages.1.steps was 1 and is 2 now; loss.sub was 0.5 and is 1.0 '
        'now; --input-size was [33, 65] and is [65, 97] now\n')
    assert train([*resume, '--set', 'loss.sub=1', '--set', 'stages.1.steps=2']) == 0
    assert ' now' not in capsys.readouterr().out


def test_figures_that_a_person_adds_to_the_card_are_not_taken_for_the_runs(data, tmp_path):
    config = write_config(tmp_path / 'c.yaml', [{'name': 'one', 'steps': 1},
                                                {'name': 'two', 'steps': 11}], calibrate=False)
    resume = command(data, config, tmp_path / 'run', '--resume')
    assert train([*resume, '--until', 'one']) == 0
    best = tmp_path / 'run/best.yaml'
    best.write_text(best.read_text().replace(
        '\nmetrics:', '\nmetrics:\n  squares test mIoU: 0.99\n  seen by: Ada'))
    assert train(resume) == 0
    assert find_model(best).training['step'] == 12
