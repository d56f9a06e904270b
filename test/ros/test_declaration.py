"""Parameters on a node: declared, given, and not known."""
from __future__ import annotations

from collections.abc import Callable, Iterator
import dataclasses
from functools import partial
import re
from typing import Any

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter

from tdnet_ros.ros.declaration import DeclaredParameters, unknown_names
from tdnet_ros.ros.parameters import NodeParameters


@pytest.fixture
def make_node() -> Iterator[Callable[..., Node]]:
    context = Context()
    rclpy.init(context=context)
    yield lambda **values: rclpy.create_node(
        'tdnet', context=context,
        parameter_overrides=[Parameter(name, value=value) for name, value in values.items()])
    rclpy.shutdown(context=context)


def test_declared_with_description_range_and_read_only(make_node: Callable[..., Node]) -> None:
    node = make_node()
    parameters = DeclaredParameters(node)
    assert (parameters.current, parameters.problem) == (NodeParameters(), '')
    for field in dataclasses.fields(NodeParameters):
        descriptor = node.describe_parameter(field.name)
        assert descriptor.description.startswith(field.metadata['description'])
        assert descriptor.read_only == (field.name in ('autostart', 'diagnostics_period_s'))
    limits = node.describe_parameter('overlay_opacity').floating_point_range[0]
    assert (limits.from_value, limits.to_value) == (0.0, 1.0)


def test_given_values_arrive(make_node: Callable[..., Node]) -> None:
    given = {'input_size': [360, 480], 'cameras': ['front', 'rear'], 'max_gap_s': 0.5}
    parameters = DeclaredParameters(make_node(**given))
    values = parameters.current
    assert not parameters.problem
    assert (values.input_size, values.cameras, values.max_gap_s) == (
        (360, 480), ('front', 'rear'), 0.5)


def test_whole_numbers_are_numbers(make_node: Callable[..., Node]) -> None:
    parameters = DeclaredParameters(make_node(max_gap_s=2, overlay_opacity=1))
    values = parameters.current
    assert not parameters.problem
    assert (values.max_gap_s, values.overlay_opacity) == (2.0, 1.0)
    assert isinstance(values.max_gap_s, float)


def test_an_empty_list_is_the_default() -> None:
    context = Context()
    rclpy.init(context=context)
    given = [argument for name in ('cameras', 'keep_classes', 'input_size')
             for argument in ('-p', f'{name}:=[]')]
    node = rclpy.create_node('tdnet', context=context, cli_args=['--ros-args', *given])
    parameters = DeclaredParameters(node)
    assert (parameters.current, parameters.problem) == (NodeParameters(), '')
    assert node.get_parameter('cameras').value == ['']
    rclpy.shutdown(context=context)


@pytest.mark.parametrize(('name', 'value', 'words'), [
    ('overlay_opacity', 2.0, "'overlay_opacity' is 2.0: expected number from 0.0 to 1.0"),
    ('max_gap_s', 'long', "'max_gap_s' is 'long': expected number"),
    ('overlay_opacity', 2, "'overlay_opacity' is 2: expected number from 0.0 to 1.0"),
    ('autostart', 'yes', "'autostart' is 'yes': expected true or false"),
    ('input_size', [360], r"'input_size' is \[360\]: expected height and width"),
    ('input_size', [0, 480], 'expected height and width'),
    ('input_size', [-8, 480], 'expected a list of whole numbers from 0 to 8192 px'),
    ('input_size', ['big'], 'expected a list of whole numbers from 0 to 8192 px'),
    ('cameras', 'front', r"'front': expected a list of texts, such as \['a', 'b'\]"),
    ('engine', 'fast', "'fast': expected one of torch"),
    ('precision', 'int4', "'int4': expected one of float32"),
    ('image_transport', 'theora', "'theora': expected one of raw, compressed"),
    ('cameras', ['a', 'a'], 'at least one name, each once'),
    ('cameras', ['front camera'], 'letters, digits'),
    ('cameras', ['0', '1'], 'letters, digits and underscores, a letter first'),
    ('cameras', ['front', 'device'], "expected names other than 'device' and 'image'"),
    ('cameras', ['image'], "expected names other than 'device' and 'image'"),
])
def test_a_value_that_does_not_fit_is_reported(
        make_node: Callable[..., Node], name: str, value: Any, words: str) -> None:
    parameters = DeclaredParameters(make_node(**{name: value}))
    assert re.search(words, parameters.problem)
    assert getattr(parameters.current, name) == getattr(NodeParameters(), name)


def test_what_a_configured_node_has_may_be_set_again(make_node: Callable[..., Node]) -> None:
    node = make_node(input_size=[360, 480])
    parameters = DeclaredParameters(node)
    given = parameters.current
    again = {name: node.get_parameter(name).value for name in ('model', 'input_size', 'cameras')}
    change = partial(parameters.change, is_configured=True, check=lambda settings: None)
    change(again)
    assert parameters.current == given
    change({**again, 'overlay_opacity': 0.2})
    changed = dataclasses.replace(given, overlay_opacity=0.2)
    assert parameters.current == changed
    with pytest.raises(ValueError, match="'input_size' can be set only while unconfigured"):
        change({**again, 'input_size': [0, 0]})
    assert parameters.current == changed


def test_an_unknown_name_is_reported(make_node: Callable[..., Node]) -> None:
    node = make_node(overlay_opacty=0.2, zoom=3)
    DeclaredParameters(node)
    assert unknown_names(node) == [
        "there is no parameter 'overlay_opacty', did you mean 'overlay_opacity'?",
        "there is no parameter 'zoom'"]
