"""Model cards survive a round trip and say what is wrong with them."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
import re
from typing import Any

import pytest
import yaml

from tdnet_ros.nets.card import find_model, load_card, save_card, shipped_models, untrained_card
from tdnet_ros.nets.checkpoint import load_network, save_weights
from tdnet_ros.nets.variants import VARIANTS
from tdnet_ros.nets.zoo import build


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


def test_weights_and_card_may_be_renamed_together(tmp_path: Path) -> None:
    weights = tmp_path / 'new.safetensors'
    save_weights(build(VARIANTS['td2-tiny'], 19), weights)
    save_card(replace(untrained_card('td2-tiny'), weights=tmp_path / 'old.safetensors'),
              tmp_path / 'new.yaml')
    assert find_model(weights) == find_model('td4-psp18', weights)
    assert find_model(weights).weights == weights
    with pytest.raises(FileNotFoundError, match=r'old\.safetensors .* do not exist'):
        find_model(tmp_path / 'new.yaml')


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_card(untrained_card('td2-tiny'), tmp_path / 'mine.yaml')
    monkeypatch.setenv('HOME', str(tmp_path))
    assert find_model('~/mine.yaml') == untrained_card('td2-tiny')


@pytest.mark.parametrize(('change', 'expected'), [
    ({'colour': 'red'}, 'unknown colour; expected name, architecture'),
    *(({'name': name}, f'name is {name!r}, expected 1 to 100 characters')
      for name in ('', '../../elsewhere', 'two\nlines')),
    ({'mean': ...}, 'mean missing'),
    ({'mean': [0.5, float('nan'), 0.5]}, 'mean 1 is nan, expected a number from 0 to 1'),
    ({'mean': [123.7, 116.3, 103.5]}, 'mean 0 is 123.7, expected a number from 0 to 1'),
    ({'std': [0, 0, 0]}, 'std 0 is 0, expected a number from 0.0001 to 1'),
    ({'std': 0.2}, 'std is 0.2, expected a list of 3'),
    ({'input_size': [353]}, 'input_size is [353], expected a list of 2'),
    ({'input_size': '353x481'}, "input_size is '353x481', expected a list of 2"),
    ({'input_size': [353, 4.5]}, 'input_size 1 is 4.5, expected a whole number from 32 to 8192'),
    ({'weights': ['a']}, "weights is ['a'], expected the name of a file"),
    ({'metrics': 0.5}, 'metrics is 0.5, expected a mapping'),
    ({'architecture': None}, 'architecture: expected a mapping, not None'),
    ({'mean': [10**400, 0, 0]}, 'mean 0 is 1000'),
    ({'architecture.paths': 0}, 'architecture: paths is 0, expected a whole number from 1 to 64'),
    ({'architecture.depth': '18'}, "architecture: depth is '18', expected a whole number"),
    ({'architecture.depth': 19}, 'architecture: depth is 19, expected one of [18, 34, 50, 101]'),
    ({'architecture.norm_size': [13]}, 'architecture: norm_size is [13], expected a list of 2'),
    ({'architecture.groups': 3}, 'architecture: groups is 3, expected a divisor of 16'),
    ({'architecture.groups': 2, 'architecture.context': 'bise'},
     "architecture: groups is 2, expected 1 with context 'bise' and paths 2"),
    ({'architecture.groups': 2, 'architecture.paths': 1},
     "architecture: groups is 2, expected 1 with context 'psp' and paths 1"),
    ({'architecture.head_reduction': 128},
     'architecture: head_reduction is 128, expected a divisor of 64'),
    ({'architecture.paths': 100_000}, 'architecture: paths is 100000, expected a whole number'),
    ({'architecture.raised_channels': 10**9}, 'architecture: raised_channels is 1000000000, exp'),
    ({'architecture.pths': 2}, 'architecture: unknown pths; expected paths, depth'),
    ({'classes.names': ['road', False]}, 'classes: names 1 is False, expected a text'),
    *(({'classes.names': ['road', name], 'classes.palette': [[1, 1, 1], [2, 2, 2]]},
       f"classes: class set 'cityscapes': a class is named {name!r}, expected a text in one line")
      for name in ('', 'no\nsky')),
    ({'classes.names': ['road']}, "classes: class set 'cityscapes': 1 names and 19 colours"),
])
def test_a_field_that_is_wrong_is_named(tmp_path: Path, change: dict[str, Any],
                                        expected: str) -> None:
    path = tmp_path / 'card.yaml'
    save_card(untrained_card('td2-tiny'), path)
    content = yaml.safe_load(path.read_text())
    for name, value in change.items():
        *outer, field = name.split('.')
        place = content[outer[0]] if outer else content
        if value is ...:
            del place[field]
        else:
            place[field] = value
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ValueError, match=f'^model card {path}: {re.escape(expected)}'):
        load_card(path)


@pytest.mark.parametrize(('content', 'expected'), [
    ('', 'expected a mapping, not None'),
    ('- just\n- a list\n', "expected a mapping, not ['just', 'a list']"),
    ('{', 'line 1: expected the node content, but found'),
    ('name: a\nname: b\n', 'line 2: name is there twice'),
    ('\N{BOM}\0', 'unacceptable character'),
    ('[' * 1500, 'it is nested too deeply'),
    ('name: !!int ""\n', 'a value is not of the kind that its tag says'),
    ('name: !!timestamp now\n', 'a value is not of the kind that its tag says'),
    ('name: !!bool maybe\n', 'a value is not of the kind that its tag says'),
])
def test_what_is_no_card_is_one_clear_line(tmp_path: Path, content: str, expected: str) -> None:
    path = tmp_path / 'card.yaml'
    path.write_text(content)
    with pytest.raises(ValueError, match=f'^model card {path}: {re.escape(expected)}') as told:
        load_card(path)
    assert len(str(told.value).splitlines()) == 1


def test_a_file_of_bytes_is_no_card(tmp_path: Path) -> None:
    path = tmp_path / 'card.yaml'
    path.write_bytes(b'name: a\x80')
    with pytest.raises(ValueError, match=f'^model card {path}: it is no text '):
        load_card(path)


def test_a_card_may_leave_values_out_and_merge_mappings(tmp_path: Path) -> None:
    path = tmp_path / 'card.yaml'
    save_card(untrained_card('td2-tiny'), path)
    content = yaml.safe_load(path.read_text())
    del content['metrics'], content['licence']
    path.write_text(yaml.safe_dump(content) + 'licence:\nmetrics: {a: &a {x: 1}, b: &b {<<: *a, '
                    'x: 2}, c: {<<: *b}}\n')
    card = load_card(path)
    assert card.licence == ''
    assert card.metrics['c'] == {'x': 2}


def test_unknown_model_lists_what_there_is() -> None:
    with pytest.raises(ValueError, match='td4-psp18'):
        find_model('resnet-9000')


def test_no_name_is_not_the_folder_of_the_program() -> None:
    with pytest.raises(ValueError, match="model '': expected a card"):
        find_model('')


@pytest.mark.parametrize(('model', 'near'), [
    ('street-smal', 'street-small'), ('td4_psp18', 'td4-psp18')])
def test_a_misspelt_name_is_understood(model: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"no model '{model}', did you mean '{near}'"):
        find_model(model)


@pytest.mark.parametrize('name', ['td4-psp18.pkl', 'last.pt'])
def test_checkpoints_are_to_be_converted(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    for given in ((name,), (tmp_path / name,), ('td4-psp18', tmp_path / name)):
        with pytest.raises(ValueError, match=rf'{name}.* is a checkpoint .*tdnet_convert .*best'):
            find_model(*given)
    (tmp_path / name).with_suffix('.yaml').touch()
    with pytest.raises(ValueError, match=rf'{name}.* is a checkpoint '):
        find_model('td4-psp18', tmp_path / name)


def test_a_card_is_no_weights(tmp_path: Path) -> None:
    (tmp_path / 'mine.yaml').touch()
    with pytest.raises(ValueError, match=r'weights .*mine\.yaml: this is a card; expected a '):
        find_model('td4-psp18', tmp_path / 'mine.yaml')


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
