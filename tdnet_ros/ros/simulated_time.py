"""Whether simulated time goes on."""
from __future__ import annotations

import time

from rclpy.node import Node

from tdnet_ros.ros.diagnostics import WARN, Finding
from tdnet_ros.ros.stamps import MAX_TICK_S, is_simulated


class SimulatedTime:
    """The node's clock where it follows /clock, as diagnostics see it again and again."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._last_ns = 0
        self._changed_s = time.monotonic()

    def pause(self) -> Finding | None:
        """That simulated time stands, if it does."""
        now_ns, now_s = self._node.get_clock().now().nanoseconds, time.monotonic()
        if now_ns != self._last_ns:
            self._last_ns, self._changed_s = now_ns, now_s
        if not is_simulated(self._node):
            return None
        topic = self._node.resolve_topic_name('/clock')
        if not now_ns:  # most often a robot with the parameters of a simulation
            return Finding(WARN, f'use_sim_time is true and {topic} is silent: set it to false '
                                 'with real cameras, or play with --clock')
        if now_s - self._changed_s < 2 * MAX_TICK_S:
            return None
        cause = ('the bag or the simulation is paused' if self._node.count_publishers(topic) else
                 f'{topic} has no publisher; set use_sim_time to false with real cameras')
        return Finding(WARN, f'simulated time stands at {now_ns / 1e9:.1f} s: {cause}')
