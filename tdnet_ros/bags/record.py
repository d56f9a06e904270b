"""Recording topics into a rosbag2 MCAP bag, as serialized bytes and with their publishers' QoS."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
import threading
import time
from typing import Any

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from tdnet_ros.bags import qos
from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.session import check_topic, message_class, ros_node
from tdnet_ros.bags.writing import BagWriter
from tdnet_ros.ros.subscribing import when_lost

TICK_S = 0.1
DRAIN_S = 0.3
DEPTH = 64


@dataclass(frozen=True)
class Recording:
    """What has been recorded so far."""

    counts: dict[str, int]  # messages by topic
    bytes: int
    lost: int  # in the middleware, as far as it says so
    dropped: int  # because the disk was too slow
    problems: tuple[str, ...]  # one line for each topic, or type of it, that is not in the bag

    @property
    def total(self) -> int:
        """Messages of all topics."""
        return sum(self.counts.values())


class Recorder:
    """Subscribes to topics as their publishers appear and hands every message to a bag."""

    def __init__(self, node: Node, writer: BagWriter, topics: Sequence[str]) -> None:
        self._node = node
        self._writer = writer
        self._waiting = dict.fromkeys(node.resolve_topic_name(topic) for topic in topics)
        self._types: dict[str, str] = {}  # of topics that are recorded
        self._lost = 0
        self._problems: list[str] = []

    def discover(self) -> None:
        """Subscribe to the topics that have got a publisher since the last look.

        A publisher that came to a topic later, with another type, is told.
        """
        for topic, msgtype in self._types.items():
            for offer in self._node.get_publishers_info_by_topic(topic):
                if offer.topic_type != msgtype:
                    self._tell(f'{topic}: messages of {offer.topic_type} are not recorded: those '
                               f'of {msgtype} came first')
        for topic in list(self._waiting):
            offers = self._node.get_publishers_info_by_topic(topic)
            if offers:
                del self._waiting[topic]
                try:
                    self._subscribe(topic, offers)
                except BagError as error:
                    self._tell(f'{topic} is not recorded: {error}')

    @property
    def progress(self) -> Recording:
        """State of the recording now."""
        absent = [f'{topic} never had a publisher' for topic in self._waiting]
        return Recording(counts=self._writer.counts, bytes=self._writer.bytes, lost=self._lost,
                         dropped=self._writer.dropped, problems=(*self._problems, *absent))

    def _tell(self, problem: str) -> None:
        if problem not in self._problems:
            self._problems.append(problem)
            self._node.get_logger().error(problem)

    def _subscribe(self, topic: str, publishers: Sequence[Any]) -> None:
        types = {publisher.topic_type for publisher in publishers}
        if len(types) > 1:
            raise BagError(f'its publishers differ in type: {", ".join(sorted(types))}')
        msgtype = types.pop()
        offers = [publisher.qos_profile for publisher in publishers]
        connection = self._writer.add_topic(topic, msgtype, [qos.as_recorded(o) for o in offers])
        self._node.create_subscription(
            message_class(msgtype), topic, partial(self._keep, connection),
            qos.request(offers, DEPTH), raw=True,
            event_callbacks=when_lost(self._count_lost))
        self._types[topic] = msgtype
        self._node.get_logger().info(f'recording {topic} [{msgtype}]')

    def _keep(self, connection: Any, cdr: bytes) -> None:
        self._writer.put(connection, time.time_ns(), cdr)

    def _count_lost(self, count: int) -> None:
        self._lost += count


def record(topics: Sequence[str], out: Path, stop: threading.Event,
           duration_s: float | None = None,
           on_progress: Callable[[Recording], None] = lambda recording: None) -> Recording:
    """Record until `stop` is set or the time is over; the bag is complete on return.

    Where none of the topics ever had a publisher no bag is left.
    """
    for topic in topics:
        check_topic(topic)
    with ros_node('tdnet_bag_record') as node, BagWriter(out) as writer:
        recorder = Recorder(node, writer, topics)

        def look() -> None:
            recorder.discover()
            on_progress(recorder.progress)

        node.create_timer(TICK_S, look)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        end_s = time.monotonic() + (duration_s if duration_s is not None else float('inf'))
        while not stop.is_set() and time.monotonic() < end_s and writer.error is None:
            executor.spin_once(timeout_sec=0.05)
        end_s = time.monotonic() + DRAIN_S
        while time.monotonic() < end_s:
            executor.spin_once(timeout_sec=0.05)
    if not writer.counts:
        writer.remove()
    return recorder.progress
