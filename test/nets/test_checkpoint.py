"""Checkpoints: the authors' layout, odd files, and one clear message for wrong ones."""
from __future__ import annotations

from dataclasses import replace
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from nets.official import layout, random_state
from tdnet_ros.nets.card import find_model
from tdnet_ros.nets.checkpoint import (
    load_network,
    load_state,
    read_official,
    rename_official,
    save_weights,
)
from tdnet_ros.nets.convert import main
from tdnet_ros.nets.zoo import build, variant

REFERENCE = Path(__file__).parents[3] / 'shared' / 'reference' / 'official_keys.json'
PUBLISHED = ['td4-psp18', 'td2-psp50', 'psp101']


@pytest.mark.parametrize('model', PUBLISHED)
def test_layout_is_the_recorded_one(model: str) -> None:
    if not REFERENCE.is_file():
        pytest.skip('the recorded key listing of the authors is not on this machine')
    name = {'psp101': 'pspnet101'}.get(model, model.replace('-', '_'))
    assert layout(model) == json.loads(REFERENCE.read_text())[name]


def test_layout_of_fanet_is_of_the_recorded_size() -> None:
    shapes = layout('td2-fa18')
    weights = [math.prod(shape) for key, shape in shapes.items()
               if not key.endswith(('running_mean', 'running_var', 'num_batches_tracked'))]
    assert len(shapes) == 616
    assert round(sum(weights) / 1e6, 2) == 28.21


@pytest.mark.parametrize('model', [*PUBLISHED, 'td2-fa18', 'fa18'])
def test_every_key_of_the_layout_is_used(model: str) -> None:
    architecture = variant(model)
    with torch.device('meta'):
        network = build(architecture, 19)
        state = {key: torch.empty(shape) for key, shape in layout(model).items()}
    renamed = rename_official(state, architecture.paths)
    wanted = {key: value.shape for key, value in network.state_dict().items()
              if not key.endswith('num_batches_tracked')}
    assert {key: value.shape for key, value in renamed.items()} == wanted


@pytest.fixture(scope='module')
def td4(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write an authors' training file: prefix, auxiliary layers, scores."""
    state = {f'module.{key}': value for key, value in random_state('td4-psp18').items()}
    state['module.auxlayer1.conv5.0.weight'] = torch.zeros(64, 256, 3, 3)
    path = tmp_path_factory.mktemp('checkpoint') / 'td4.pkl'
    torch.save({'epoch': 3, 'model_state': state, 'best_iou': np.float64(0.7)}, path)
    return path


def test_convert_training_file(td4: Path, tmp_path: Path,
                               capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / 'mine.safetensors'
    assert main([str(td4), '--model', 'td4-psp18', '--classes', 'cityscapes',
                 '--out', str(out), '--licence', 'MIT']) == 0
    card = find_model(out)
    assert (card.trained, card.licence, card.input_size) == (True, 'MIT', (769, 1537))
    assert card.classes.names[0] == 'road'
    network = load_network(card)
    original = read_official(td4)['module.atn3_1.fc.0.conv.weight']
    assert torch.equal(network.state_dict()['paths.2.hops.1.fc.weight'], original)


@pytest.mark.parametrize(('change', 'expected'), [
    (lambda state: state.pop('enc2.w_vs.0.conv.bias'),
     '1 missing: paths.1.encoder.value.bias'),
    (lambda state: state.update({'surprise': torch.zeros(1)}), '1 not expected: surprise'),
    (lambda state: state['head2.conv5.4.bias'].fill_(torch.nan),
     '1 not finite: heads.1.classifier.1.bias'),
    (lambda state: state.update({'head1.conv5.4.weight': torch.zeros(11, 128, 1, 1)}),
     r'heads.0.classifier.1.weight \[11, 128, 1, 1\] \(expected \[19, 128, 1, 1\]\)'),
])
def test_faults_are_named(change: object, expected: str) -> None:
    state = {key: torch.zeros(shape) for key, shape in layout('td4-psp18').items()}
    change(state)  # type: ignore[operator]
    network = build(variant('td4-psp18'), 19)
    with pytest.raises(ValueError, match=expected):
        load_state(network, rename_official(state, 4), 'file')


def run_convert(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main([str(argument) for argument in arguments]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


def test_convert_says_what_is_wrong(td4: Path, tmp_path: Path,
                                    capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / 'x.safetensors'
    options = ('--classes', 'cityscapes', '--out', out)
    assert 'no such file' in run_convert(
        capsys, tmp_path / 'none.pkl', '--model', 'td4-psp18', *options)
    assert 'do not fit the network' in run_convert(
        capsys, td4, '--model', 'td2-psp50', *options)
    assert "model 'td5'" in run_convert(capsys, td4, '--model', 'td5', *options)
    garbage = tmp_path / 'garbage.pkl'
    garbage.write_bytes(b'not weights at all')
    assert 'cannot be read' in run_convert(capsys, garbage, '--model', 'psp18', *options)
    assert not out.exists()
    out.touch()
    assert 'exists already' in run_convert(capsys, td4, '--model', 'td4-psp18', *options)


def test_half_precision_keeps_the_statistics_of_batch_norm(tmp_path: Path) -> None:
    card = find_model('fa18')
    network = build(card.architecture, len(card.classes))
    network.state_dict()['context.levels.0.mix.1.running_var'].fill_(178756)
    path = tmp_path / 'w.safetensors'
    save_weights(network, path, torch.float16)
    loaded = load_network(replace(card, weights=path)).state_dict()
    assert (loaded['context.levels.0.mix.1.running_var'] == 178756).all()
    weight = 'context.levels.0.mix.0.weight'
    assert torch.equal(loaded[weight], network.state_dict()[weight].half())


class Bomb:
    """Runs code when unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return open, ('pwned', )


def test_code_in_a_checkpoint_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({'model_state': Bomb()}, tmp_path / 'bomb.pkl')
    with pytest.raises(ValueError, match='cannot be read'):
        read_official(tmp_path / 'bomb.pkl')


@pytest.mark.parametrize('content', [{'epoch': 3}, {0: torch.zeros(1)}])
def test_what_is_no_state_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / 'odd.pkl')
    with pytest.raises(ValueError, match=r"odd\.pkl: ('epoch'|0) names no weights: expected"):
        read_official(tmp_path / 'odd.pkl')


def test_weights_that_are_no_safetensors(tmp_path: Path) -> None:
    weights = tmp_path / 'w.safetensors'
    weights.write_bytes(b'garbage')
    with pytest.raises(ValueError, match='not a safetensors file'):
        load_network(find_model('td2-tiny', weights))
