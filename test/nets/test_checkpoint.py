"""Checkpoints: the authors' layout, odd files, and one clear message for wrong ones."""
from __future__ import annotations

from dataclasses import replace
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

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
from tdnet_ros.nets.variants import variant
from tdnet_ros.nets.zoo import Network, build

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
def fa18(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write an authors' training file: prefix, auxiliary layers, scores."""
    state = {f'module.{key}': value for key, value in random_state('fa18').items()}
    state['module.auxlayer1.conv5.0.weight'] = torch.zeros(64, 256, 3, 3)
    path = tmp_path_factory.mktemp('checkpoint') / 'fa18.pkl'
    torch.save({'epoch': 3, 'model_state': state, 'best_iou': np.float64(0.7)}, path)
    return path


def test_convert_training_file(fa18: Path, tmp_path: Path) -> None:
    out = tmp_path / 'mine.safetensors'
    assert main([str(fa18), '--model', 'fa18', '--classes', 'cityscapes',
                 '--out', str(out), '--licence', 'MIT']) == 0
    card = find_model(out)
    assert (card.trained, card.licence, card.input_size) == (True, 'MIT', (768, 1536))
    assert card.classes.names[0] == 'road'
    network = load_network(card)
    original = read_official(fa18)['module.clslayer_8.conv_out.weight']
    assert torch.equal(network.state_dict()['head.classifier.1.weight'], original)


@pytest.fixture(scope='module')
def td2_fa18() -> Network:
    return build(variant('td2-fa18'), 19)


@pytest.mark.parametrize(('change', 'expected'), [
    (lambda state: state.pop('enc2.w_vs.0.conv.bias'),
     '1 missing: paths.1.encoder.value.bias'),
    (lambda state: state.update({'surprise': torch.zeros(1)}), '1 not expected: surprise'),
    (lambda state: state['enc2.w_vs.0.conv.bias'].fill_(torch.nan),
     '1 not finite: paths.1.encoder.value.bias'),
    (lambda state: state.update({'head1.conv_out.weight': torch.zeros(11, 256, 1, 1)}),
     r'heads.0.classifier.1.weight \[11, 256, 1, 1\] \(expected \[19, 256, 1, 1\]\)'),
    *((lambda state, change=change: state.update({'head2.conv_out.weight': change(
        state['head2.conv_out.weight'])}), '1 not dense tensors .*: heads.1.classifier.1.weight')
      for change in (Tensor.to_sparse, Tensor.char, lambda weight: weight.to('meta'),
                     lambda weight: torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8))),
])
@pytest.mark.filterwarnings('ignore:torch.quantize_per_tensor')
def test_faults_are_named(change: object, expected: str, td2_fa18: Network) -> None:
    state = {key: torch.zeros(shape) for key, shape in layout('td2-fa18').items()}
    change(state)  # type: ignore[operator]
    with pytest.raises(ValueError, match=expected):
        load_state(td2_fa18, rename_official(state, 2), 'file')


def run_convert(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main([str(argument) for argument in arguments]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


def test_convert_says_what_is_wrong(fa18: Path, tmp_path: Path,
                                    capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / 'x.safetensors'
    options = ('--classes', 'cityscapes', '--out', out)
    assert 'no such file' in run_convert(
        capsys, tmp_path / 'none.pkl', '--model', 'fa18', *options)
    assert f'{tmp_path}: this is no file' in run_convert(
        capsys, tmp_path, '--model', 'fa18', *options)
    assert 'do not fit the network' in run_convert(
        capsys, fa18, '--model', 'bise18-half', *options)
    assert "model 'td5'" in run_convert(capsys, fa18, '--model', 'td5', *options)
    garbage = tmp_path / 'garbage.pkl'
    garbage.write_bytes(b'not weights at all')
    assert 'cannot be read' in run_convert(capsys, garbage, '--model', 'fa18', *options)
    assert 'name is ' in run_convert(capsys, fa18, '--model', 'fa18', *options[:-1],
                                     tmp_path / f'{"x" * 101}.safetensors')
    assert not [*tmp_path.glob('*.safetensors')]
    out.touch()
    assert 'exists already' in run_convert(capsys, fa18, '--model', 'fa18', *options)


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
    network.state_dict()[weight][0, 0, 0, 0] = 7e4
    with pytest.raises(ValueError, match=rf'{weight} holds .* more than torch.float16 can hold'):
        save_weights(network, tmp_path / 'other.safetensors', torch.float16)
    assert not (tmp_path / 'other.safetensors').exists()


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
