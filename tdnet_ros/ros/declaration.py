"""The parameters as a node has them: declared, changed, and those that it does not know."""
from __future__ import annotations

from collections.abc import Callable
import dataclasses
import difflib
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from tdnet_ros.ros.parameters import FIELDS, NodeParameters, expected

_QOS = 'qos_overrides.'


class DeclaredParameters:
    """A node's parameters as they were set last, and what is wrong with those that it was given.

    A value that does not fit is replaced by the default, so that a node with a wrong parameter
    file comes up and can say what is wrong with it. An empty list is the default; 5 is 5.0 where
    a number may have decimals.
    """

    def __init__(self, node: Node) -> None:
        """Declare all parameters on a node."""
        self._node = node
        self._problems: dict[str, str] = {}
        '''By the name of the parameter; what does not fit together has none.'''
        values = {name: self._declare(name) for name in FIELDS}
        try:
            self.current = NodeParameters().changed(values)
        except ValueError as error:
            self.current = NodeParameters()
            self._problems[''] = str(error)

    @property
    def problem(self) -> str:
        """What is wrong and has not been set anew, in words."""
        return '; '.join(self._problems.values())

    def change(self, changes: dict[str, Any], is_configured: bool,
               check: Callable[[NodeParameters], None]) -> None:
        """Take changes that the node is asked for; ValueError where one does not fit.

        Of a node that is configured only live ones can change; the value that one has is no
        change. check: fails if the network does not take them.
        """
        problems = {name: text for name, text in self._problems.items()
                    if name and name not in changes}
        NodeParameters().changed(changes)
        try:
            self.current = self._with(changes, is_configured, check)
        except ValueError as error:
            if '' not in self._problems:
                raise
            problems[''] = str(error)  # others may be wrong, too: they are mended one by one
        self._problems = problems

    def _with(self, changes: dict[str, Any], is_configured: bool,
              check: Callable[[NodeParameters], None]) -> NodeParameters:
        values = {name: self._node.get_parameter(name).value for name in FIELDS}
        parameters = NodeParameters().changed({**values, **changes})
        for name, field in FIELDS.items():
            if (is_configured and not field.metadata['live']
                    and getattr(parameters, name) != getattr(self.current, name)):
                raise ValueError(f"'{name}' can be set only while unconfigured: ros2 lifecycle "
                                 f'set {self._node.get_fully_qualified_name()} deactivate, then '
                                 'cleanup (or call ~/change_state)')
        check(parameters)
        return parameters

    def _declare(self, name: str) -> Any:
        """Declare a parameter; returns the value that it has, and notes what is wrong with it."""
        field = FIELDS[name]
        default = list(field.default) if isinstance(field.default, tuple) else field.default
        given = _overrides(self._node).get(name)
        instead = _instead(given, default)
        try:
            return self._node.declare_parameter(
                name, default if instead is None else instead, _descriptor(field),
                ignore_override=instead is not None).value
        except (InvalidParameterTypeException, InvalidParameterValueException):
            shown = f' is {given.value!r}' if given else ''
            self._problems[name] = f"parameter '{name}'{shown}: expected {expected(field)}"
            return self._node.declare_parameter(name, default, _descriptor(field),
                                                ignore_override=True).value


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
