"""Model cards survive a round trip and say what is wrong with them."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tdnet_ros.nets.card import find_model, load_card, save_card, shipped_models, untrained_card
from tdnet_ros.nets.checkpoint import load_network, save_weights
from tdnet_ros.nets.zoo import VARIANTS, build


@pytest.mark.parametrize('name', VARIANTS)
def test_round_trip(name: str, tmp_path: Path) -> None:
    card = replace(untrained_card(name), metrics={'miou': 0.5}, licence='MIT')
    save_card(card, tmp_path / 'card.yaml')
    assert load_card(tmp_path / 'card.yaml') == card


def test_weights_lie_beside_the_card(tmp_path: Path) -> None:
    weights = tmp_path / 'mine.safetensors'
    card = replace(untrained_card('td2-tiny'), weights=weights)
    save_weights(build(card.architecture, len(card.classes)), weights)
    save_card(card, tmp_path / 'mine.yaml')
    for found in (find_model(weights), find_model(tmp_path / 'mine.yaml'),
                  find_model('td4-psp18', weights)):
        assert found == card
        load_network(found)


def test_weights_alone_go_with_the_model(tmp_path: Path) -> None:
    weights = tmp_path / 'alone.safetensors'
    save_weights(build(VARIANTS['td2-tiny'], 19), weights)
    assert find_model('td2-tiny', weights) == replace(find_model('td2-tiny'), weights=weights)


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_card(untrained_card('td2-tiny'), tmp_path / 'mine.yaml')
    monkeypatch.setenv('HOME', str(tmp_path))
    assert find_model('~/mine.yaml') == untrained_card('td2-tiny')


@pytest.mark.parametrize(('edit', 'expected'), [
    (lambda text: text.replace('paths: 2', 'paths: 0'), 'paths is 0, expected at least 1'),
    (lambda text: text + 'colour: red\n', 'unknown colour'),
    (lambda text: text.replace('input_size:', 'size:'), 'unknown size'),
    (lambda text: '- just\n- a list\n', 'expected a mapping, not list'),
    (lambda text: '{', 'line 1'),
])
def test_faults_are_named(edit: object, expected: str, tmp_path: Path) -> None:
    path = tmp_path / 'card.yaml'
    save_card(untrained_card('td2-tiny'), path)
    path.write_text(edit(path.read_text()))  # type: ignore[operator]
    with pytest.raises(ValueError, match=expected):
        load_card(path)


def test_unknown_model_lists_what_there_is() -> None:
    with pytest.raises(ValueError, match='td4-psp18'):
        find_model('resnet-9000')


@pytest.mark.parametrize('model', ['none.yaml', 'none.safetensors'])
def test_missing_file(model: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='no such file'):
        find_model(tmp_path / model)


def test_safetensors_without_a_card(tmp_path: Path) -> None:
    (tmp_path / 'w.safetensors').touch()
    with pytest.raises(FileNotFoundError, match='no model card'):
        find_model(tmp_path / 'w.safetensors')


@pytest.mark.parametrize('name', shipped_models())
def test_shipped_models_load(name: str) -> None:
    card = find_model(name)
    assert card.trained
    assert card.licence
    assert card.metrics
    load_network(card)
