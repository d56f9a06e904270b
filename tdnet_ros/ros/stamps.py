"""Stamps of messages, and whether they are of the node's clock."""
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # bags read stamps without ROS
    from rclpy.node import Node

MAX_AGE_S = 60.0
MAX_AHEAD_S = 0.005
'''What resolution and jitter of synchronised clocks explain.'''
MAX_TICK_S = 1.0
'''Between two messages of a simulation's /clock.'''


def stamp_ns(header: Any) -> int:
    """The header's stamp in nanoseconds."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


def is_simulated(node: Node) -> bool:
    """Whether the node's clock is that of a simulation or a bag."""
    return bool(node.get_parameter('use_sim_time').value)


def age_s(node: Node, header: Any) -> float:
    """How old a message is by the node's clock; infinite if it has no stamp.

    Simulated time stands between two ticks, so stamps may be ahead of it.
    """
    taken_ns = stamp_ns(header)
    if not taken_ns:
        return math.inf
    age = (node.get_clock().now().nanoseconds - taken_ns) / 1e9
    return 0.0 if -MAX_TICK_S < age < 0 and is_simulated(node) else age


def is_comparable(age: float) -> bool:
    """Whether a stamp of this age in seconds is of the node's clock, not of a bag or another."""
    return -MAX_AHEAD_S <= age <= MAX_AGE_S
