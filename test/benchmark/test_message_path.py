"""Which frames count in the times of images on their way through the node."""
from __future__ import annotations

from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='rclpy is missing')

from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from tdnet_ros.benchmark import message_path
from tdnet_ros.benchmark.message_path import SETTLING, Course, _Camera

IN_WORK = 2


class Node:
    """Answers an image when two more have been sent; the first ones take long."""

    def __init__(self) -> None:
        self._hearers: dict[str, Any] = {}
        self._sent: deque[Time] = deque()
        self._count = self._answered = 0

    def create_publisher(self, *_: Any) -> Any:
        return self

    def create_subscription(self, kind: Any, topic: str, hear: Any, *_: Any) -> None:
        self._hearers[topic] = hear

    def publish(self, msg: Any) -> None:
        stamp = msg.header.stamp
        self._sent.append(Time(sec=stamp.sec, nanosec=stamp.nanosec))
        self._count += 1

    def spin_once(self, _: float) -> None:
        while len(self._sent) > (IN_WORK if self._count < SETTLING + 20 else 0):
            self._hearers['/tdnet/labels'](SimpleNamespace(
                header=Header(stamp=self._sent.popleft())))
            took = 1000.0 if self._answered < SETTLING else 10.0
            for topic, hear in self._hearers.items():
                if topic.startswith('/tdnet/debug/'):
                    hear(SimpleNamespace(data=took))
            self._answered += 1


def test_frames_of_settling_that_are_still_in_work_do_not_count(
        monkeypatch: pytest.MonkeyPatch) -> None:
    node: Any = Node()
    monkeypatch.setattr(message_path, 'SingleThreadedExecutor', lambda: SimpleNamespace(
        add_node=lambda _: None, spin_once=node.spin_once))
    monkeypatch.setattr(message_path, 'LINGER_S', 0.01)
    camera, course = _Camera(node), Course((48, 64), 500.0, 20, 'td2-tiny')
    found = camera.report(course, camera.send(course))
    assert found['labelled'] == 20
    assert found['latency_ms'] == {'p50': 10, 'p95': 10, 'p99': 10, 'max': 10}
