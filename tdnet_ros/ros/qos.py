"""Quality of service: profiles that parameters may override, and whether two sides match."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import copy
from typing import Any, NamedTuple
import warnings

from rcl_interfaces.msg import SetParametersResult
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.qos import (
    DurabilityPolicy,
    LivelinessPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

from tdnet_ros.ros.errors import printable

POLICIES = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY,
            QoSPolicyKind.DURABILITY)
'''What parameters named qos_overrides.TOPIC.publisher.POLICY (or .subscription.) may set.'''
MAX_DEPTH = 2**31 - 1
_FOREVER_NS = (2**31 - 1) * 10**9  # from here on, and at 0, middleware means no deadline


warnings.filterwarnings('ignore', 'A zero depth with KEEP_LAST')  # it is refused below


class Mismatch(NamedTuple):
    """A policy of which more is asked than is offered, and what of it, in words."""

    policy: str
    asked: str
    offered: str

    def __str__(self) -> str:
        return f'{self.asked}, {self.offered} is offered'

    def override(self, topic: str, side: str) -> str:
        """The parameter with the value that makes our side fit; empty if there is none."""
        if self.policy.upper() not in {kind.name for kind in POLICIES}:
            return ''
        value = self.asked if side == 'publisher' else self.offered
        return f'set qos_overrides.{topic}.{side}.{self.policy} to {value.replace(" ", "_")}'


def overridable(profile: QoSProfile) -> dict[str, Any]:
    """Arguments for create_publisher and create_subscription: a profile that parameters override.

    It is a copy, because rclpy writes what the parameters say into the profile that it gets.
    """
    return {'qos_profile': copy.copy(profile),
            'qos_overriding_options': QoSOverridingOptions(POLICIES, callback=_check)}


@contextmanager
def naming_topic(topic: str) -> Iterator[None]:
    """Say which topic it is that cannot be had, with an override of its QoS, say: ValueError."""
    try:
        yield
    except (RuntimeError, ValueError, InvalidParameterTypeException) as error:
        raise ValueError(f'{topic}: {printable(str(error))}') from error


def _check(profile: QoSProfile) -> SetParametersResult:
    """Refuse a depth that the middleware fails at, or takes for another."""
    if not 0 < profile.depth <= MAX_DEPTH:
        raise ValueError(f'QoS depth is {profile.depth}: expected 1 to {MAX_DEPTH}')
    return SetParametersResult(successful=True)


def mismatches(offered: QoSProfile, asked: QoSProfile) -> list[Mismatch]:
    """What a subscriber asks for that a publisher does not give, so that nothing is sent."""
    found = []
    if (asked.reliability == ReliabilityPolicy.RELIABLE
            and offered.reliability == ReliabilityPolicy.BEST_EFFORT):
        found.append(Mismatch('reliability', 'reliable', 'best effort'))
    if (asked.durability == DurabilityPolicy.TRANSIENT_LOCAL
            and offered.durability == DurabilityPolicy.VOLATILE):
        found.append(Mismatch('durability', 'transient local', 'volatile'))
    if _deadline_ns(asked) < _deadline_ns(offered):
        found.append(Mismatch('deadline', f'a deadline of {_deadline_ns(asked) / 1e9:g} s',
                              _deadline_text(offered)))
    if (asked.liveliness == LivelinessPolicy.MANUAL_BY_TOPIC
            and offered.liveliness != LivelinessPolicy.MANUAL_BY_TOPIC):
        found.append(Mismatch('liveliness', 'manual liveliness', 'automatic'))
    return found


def _deadline_ns(profile: QoSProfile) -> int:
    nanoseconds = int(profile.deadline.nanoseconds)
    return nanoseconds if 0 < nanoseconds < _FOREVER_NS else _FOREVER_NS


def _deadline_text(profile: QoSProfile) -> str:
    nanoseconds = _deadline_ns(profile)
    return 'none' if nanoseconds == _FOREVER_NS else f'one of {nanoseconds / 1e9:g} s'
