"""Parameters: once in the code, checked, and the same in the YAML file."""
from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml

from tdnet_ros.ros.parameters import NodeParameters, describe

ROOT = Path(__file__).parents[2]


def test_the_yaml_file_has_every_parameter_with_its_default() -> None:
    content = yaml.safe_load((ROOT / 'config/tdnet.yaml').read_text())
    values = {name: tuple(value) if isinstance(value, list) else value
              for name, value in content['/**']['ros__parameters'].items()}
    assert values == dataclasses.asdict(NodeParameters())
    assert list(values) == [field.name for field in dataclasses.fields(NodeParameters)]


def test_the_yaml_file_marks_what_may_change_while_running() -> None:
    text = (ROOT / 'config/tdnet.yaml').read_text()
    for field in dataclasses.fields(NodeParameters):
        comment = text.split(f'\n    {field.name}:')[0].rsplit('\n', 1)[1]
        assert comment.endswith('(live)') == field.metadata['live'], field.name


def test_a_rate_limit_does_not_empty_the_memory() -> None:
    values = NodeParameters(max_gap_s=1.0, max_rate_hz=0.5)
    assert values.longest_gap_s == 3.0
    assert values.changed({'max_rate_hz': 0.0}).longest_gap_s == 1.0
    assert values.changed({'max_gap_s': 0.0}).longest_gap_s == 0.0


def test_only_an_engine_of_any_size_is_adaptive() -> None:
    assert NodeParameters(adaptive=True).adaptive
    with pytest.raises(ValueError, match="'adaptive' is True: expected false with engine onnx"):
        NodeParameters(adaptive=True, engine='onnxruntime')


def test_help_names_every_parameter() -> None:
    text = describe()
    assert all(field.name in text for field in dataclasses.fields(NodeParameters))
