"""The demo's own eye on the node: its state and its counters, from /diagnostics."""
from __future__ import annotations

from collections.abc import Callable
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from tdnet_ros.demo.counters import NodeReport
from tdnet_ros.demo.plan import NODE
from tdnet_ros.demo.processes import DemoError
from tdnet_ros.ros.names import DIAGNOSTICS


class Watch:
    """Waits for things to happen while the node reports."""

    def __init__(self, node: Node, check: Callable[[], None]) -> None:
        self.report: NodeReport | None = None
        self._before: NodeReport | None = None
        self._node = node
        self._check = check
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        node.create_subscription(DiagnosticArray, DIAGNOSTICS, self._read, 10)

    def wait(self, what: str, done: Callable[[], bool], timeout_s: float = float('inf'),
             on_wait: Callable[[], None] = lambda: None) -> None:
        """Return when `done`; fail when a process dies, the node is in trouble or time is up."""
        end_s = time.monotonic() + timeout_s
        while not done():
            self._executor.spin_once(timeout_sec=0.05)
            self._check()
            if self.report and self.report.problem:
                raise DemoError(f'the node reports: {self.report.problem}')
            if time.monotonic() > end_s:
                raise DemoError(f'{what} did not happen within {timeout_s:g} s')
            on_wait()

    def pause(self, seconds: float) -> None:
        """Look on for a while."""
        end_s = time.monotonic() + seconds
        self.wait('', lambda: time.monotonic() > end_s)

    def others(self, camera: str) -> str:
        """A node like the one to be started, or a publisher of its images; '' without any."""
        if NODE in self._node.get_node_names():
            return f'a node named {NODE}'
        return f'a publisher of {camera}' if self._node.count_publishers(camera) else ''

    def active(self) -> bool:
        """Whether the node labels images."""
        return self.report is not None and self.report.values.get('state') == 'active'

    def recorded(self, topics: list[str]) -> bool:
        """Whether every topic has a subscriber."""
        return all(self._node.count_subscribers(topic) for topic in topics)

    def settled(self) -> bool:
        """Whether the node has nothing left to do: two equal reports, no image waiting."""
        return (self.report is not None and not self.report.waiting
                and self._before is not None and self._before.counts == self.report.counts)

    def describe(self) -> str:
        """The node in words."""
        values = self.report.values if self.report else {}
        weights = '' if values.get('trained') == 'True' else ' WITHOUT TRAINED WEIGHTS'
        return (f'{values.get("model")}{weights} on {values.get("device")}, network input '
                f'{values.get("input size")}')

    def forget(self) -> None:
        """Let only reports that are yet to come count."""
        self._before = self.report = None

    def _read(self, message: Any) -> None:
        report = NodeReport.of(message)
        if report is not None:
            self._before, self.report = self.report, report
