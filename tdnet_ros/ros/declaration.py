"""The parameters as a node has them: declared, changed, and those that it does not know."""
from __future__ import annotations

import dataclasses
import difflib
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from tdnet_ros.ros.parameters import FIELDS, NodeParameters, expected

_QOS = 'qos_overrides.'


def current(node: Node, changes: dict[str, Any], is_configured: bool) -> NodeParameters:
    """The node's parameters as they are with changes; ValueError where one does not fit.

    Of a node that is configured only live ones can change; the value that one has is no change.
    """
    values = {name: node.get_parameter(name).value for name in FIELDS}
    settings = NodeParameters().changed({**values, **changes})
    before = NodeParameters().changed(values) if is_configured else settings
    for name, field in FIELDS.items():
        if not field.metadata['live'] and getattr(settings, name) != getattr(before, name):
            raise ValueError(f"'{name}' can be set only while unconfigured: ros2 lifecycle set "
                             f'{node.get_fully_qualified_name()} deactivate, then cleanup (or '
                             'call ~/change_state)')
    return settings


def declare(node: Node) -> tuple[NodeParameters, dict[str, str]]:
    """Declare all parameters; returns them and what is wrong with the values given, by name.

    A value that does not fit is replaced by the default, so that a node with a wrong parameter
    file comes up and can say what is wrong with it. An empty list is the default; 5 is 5.0 where
    a number may have decimals.
    """
    problems: dict[str, str] = {}
    values: dict[str, Any] = {}
    for name, field in FIELDS.items():
        default = list(field.default) if isinstance(field.default, tuple) else field.default
        given = _overrides(node).get(name)
        instead = _instead(given, default)
        try:
            value = node.declare_parameter(
                name, default if instead is None else instead, _descriptor(field),
                ignore_override=instead is not None).value
        except (InvalidParameterTypeException, InvalidParameterValueException):
            shown = f' is {given.value!r}' if given else ''
            problems[name] = f"parameter '{name}'{shown}: expected {expected(field)}"
            value = node.declare_parameter(name, default, _descriptor(field),
                                           ignore_override=True).value
        values[name] = value
    try:
        return NodeParameters().changed(values), problems
    except ValueError as error:
        return NodeParameters(), {**problems, '': str(error)}


def _instead(given: Parameter | None, default: Any) -> Any:
    """What is meant by a value of another type; None for all others."""
    if given is not None and given.value is None:  # an empty list has no type
        return default
    if given is not None and isinstance(default, float) and type(given.value) is int:
        return float(given.value)
    return None


def unknown_names(node: Node) -> list[str]:
    """One line for each parameter given to the node that it does not have."""
    lines = []
    for name in _undeclared(node):
        if not name.startswith(_QOS):
            near = difflib.get_close_matches(name, FIELDS, n=1)
            hint = f", did you mean '{near[0]}'?" if near else ''
            lines.append(f"there is no parameter '{name}'{hint}")
    return lines


def unused_qos_overrides(node: Node) -> list[str]:
    """One line for each QoS override that no topic took; topics take theirs when they are made."""
    return [f"'{name}' is for no topic of this node: expected {_QOS}/TOPIC.publisher.POLICY or "
            '.subscription., with the full name of the topic'
            for name in _undeclared(node) if name.startswith(_QOS)]


def _undeclared(node: Node) -> list[str]:
    return [name for name in _overrides(node) if not node.has_parameter(name)]


def _overrides(node: Node) -> dict[str, Parameter]:
    # rclpy has no public way to ask which values the node was started with.
    return dict(getattr(node, '_parameter_overrides', {}))


def _descriptor(field: dataclasses.Field[Any]) -> ParameterDescriptor:
    meta = field.metadata
    unit = f' [{meta["unit"]}]' if meta['unit'] else ''
    descriptor = ParameterDescriptor(
        description=meta['description'] + unit, read_only=meta['fixed'])
    if meta['low'] is not None:
        limits = {'from_value': meta['low'], 'to_value': meta['high']}
        if isinstance(field.default, float):
            descriptor.floating_point_range = [FloatingPointRange(**limits)]
        elif isinstance(field.default, int):
            descriptor.integer_range = [IntegerRange(**limits)]
    return descriptor
