"""The best weights of a run, and their calibration at its end."""
import re
import shutil

import pytest
import torch
import yaml

from learn.runs import command, write_config
from tdnet_ros.learn.train import main as train
from tdnet_ros.nets.card import find_model


def test_the_best_weights_are_calibrated_once(data, tmp_path, capsys):
    config = write_config(tmp_path / 'c.yaml', [{'steps': 12}], class_balance=1.0)
    out = tmp_path / 'run'
    assert train(command(data, config, out)) == 0
    before, after = (float(value) for value in re.search(
        r'\ncalibrating on .*\ncalibrated on the training split: val mIoU (\S+) -> (\S+)',
        capsys.readouterr().out).groups())
    card = yaml.safe_load((out / 'best.yaml').read_text())
    assert before < after == pytest.approx(card['metrics']['squares val mIoU'], abs=1e-4)
    assert len(card['training']['calibration']) == 3
    resume = command(data, config, out, '--resume')
    assert train(resume) == 0
    assert 'calibrated' not in capsys.readouterr().out


def test_a_run_that_goes_on_replaces_the_calibrated_model_by_better_ones(data, tmp_path, capsys):
    config = write_config(tmp_path / 'c.yaml', [{'steps': 12}], class_balance=1.0)
    assert train(command(data, config, tmp_path / 'run')) == 0
    best = find_model(tmp_path / 'run/best.yaml').metrics['squares val mIoU']
    for rates, verdict, step in (([1, 1], 'not calibrated', 12),
                                 ([2e-3, 0], 'calibrated on the training split', 18)):
        out = shutil.copytree(tmp_path / 'run', tmp_path / str(step))
        capsys.readouterr()
        assert train(command(data, config, out, '--resume', '--length', '1.5', '--set',
                             f'stages.0.learning_rate={rates}')) == 0
        assert f'{verdict}: val mIoU {best:.4f} ' in capsys.readouterr().out
        card = find_model(out / 'best.yaml')
        assert card.training['step'] == step
        assert len(card.training['calibration']) == 3
        assert (card.metrics['squares val mIoU'] > best) == (step == 18)


def test_calibrated_weights_keep_what_they_were_made_with(data, tmp_path):
    """Those of an earlier leg, where the steps since are worse."""
    config = write_config(tmp_path / 'c.yaml', [{'name': 'one', 'steps': 12}, {
        'name': 'two', 'steps': 1, 'learning_rate': [1.0, 1.0]}], class_balance=1.0)
    first = command(data, config, tmp_path / 'run', '--seed', '1')
    assert train([*first, '--until', 'one']) == 0
    assert train([*first, '--seed', '2', '--resume']) == 0
    made = find_model(tmp_path / 'run/best.yaml').training
    assert (made['step'], made['config']['seed']) == (12, 1)
    assert '--until one' in made['command']
    assert len(made['calibration']) == 3


def test_a_calibration_that_changes_nothing_is_no_better(data, tmp_path, capsys, monkeypatch):
    """The figure of the best weights is a rounded one, here down."""
    monkeypatch.setattr('tdnet_ros.learn.validator.calibrate', lambda *_: [0.0] * 3)
    monkeypatch.setattr('tdnet_ros.learn.metrics.Confusion.miou', lambda _: 0.50004)
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1}])
    assert train(command(data, config, tmp_path / 'run')) == 0
    assert 'not calibrated: val mIoU 0.5000 would be 0.5000\n' in capsys.readouterr().out


def test_a_calibration_that_does_not_help_is_not_tried_again(data, tmp_path, capsys, monkeypatch):
    def spoil(network, *_):
        for head in network.heads:
            torch.nn.init.constant_(head.classifier[-1].bias[2], 1e3)

    monkeypatch.setattr('tdnet_ros.learn.validator.calibrate', spoil)
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1}])
    out = tmp_path / 'run'
    assert train(command(data, config, out)) == 0
    assert 'not calibrated: val mIoU ' in capsys.readouterr().out
    assert 'calibration' in find_model(out / 'best.yaml').training
    weights = (out / 'best.safetensors').read_bytes()
    assert train(command(data, config, out, '--resume')) == 0
    assert 'calibrated' not in capsys.readouterr().out
    assert (out / 'best.safetensors').read_bytes() == weights
