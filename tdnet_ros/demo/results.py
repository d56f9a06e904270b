"""What a run left in its bag."""
from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import TypeVar

import cv2
from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Float32

from tdnet_ros.bags.files.bag import Bag
from tdnet_ros.bags.message import Message, header_stamp_ns
from tdnet_ros.demo.counters import NodeReport
from tdnet_ros.demo.plan import LABELS, OVERLAY_JPEG, TIMES
from tdnet_ros.ros.compressed import compressed_to_rgb
from tdnet_ros.ros.decoding import image_to_rgb
from tdnet_ros.ros.errors import one_line
from tdnet_ros.ros.names import COMPRESSED, DIAGNOSTICS

Picture = NDArray[np.uint8]
Found = TypeVar('Found')


@dataclass(frozen=True)
class Results:
    """Stamps, times and the last report; pictures stay in the bag until they are needed."""

    bag: Bag
    label_stamps_ns: NDArray[np.int64]
    overlay_stamps_ns: NDArray[np.int64]
    times_ms: dict[str, NDArray[np.float64]]  # of each stage and LATENCY, one value a frame
    report: NodeReport

    @property
    def times_s(self) -> NDArray[np.float64]:
        """When each labelled frame was taken, from the first one on."""
        first = self.label_stamps_ns[:1]
        return np.asarray((self.label_stamps_ns - first) * 1e-9, np.float64)

    def overlays(self) -> Iterator[tuple[int, Picture]]:
        """Every overlay with its stamp in ns, BGR."""
        yield from _read(self.bag, {OVERLAY_JPEG}, lambda message: (
            header_stamp_ns(message.cdr), image_of(message.cdr, compressed=True)))

    def images(self, topic: str, stamps_ns: Collection[int]) -> dict[int, Picture]:
        """Camera images with these stamps, BGR, of a topic that was recorded."""
        found = {}

        def take(message: Message) -> None:
            stamp_ns = header_stamp_ns(message.cdr)
            if stamp_ns in stamps_ns:
                found[stamp_ns] = image_of(message.cdr, topic.endswith(COMPRESSED))

        deque(_read(self.bag, {topic}, take), maxlen=0)
        return found


def read_results(bag: Bag) -> Results:
    """Read everything but the pictures; whatever is missing is empty."""
    stamps: dict[str, list[int]] = {LABELS: [], OVERLAY_JPEG: []}
    times: dict[str, list[float]] = {topic: [] for topic in TIMES.values()}
    report = NodeReport(values={}, problem='')

    def take(message: Message) -> None:
        nonlocal report
        topic, _, cdr = message
        if topic in stamps:
            stamps[topic].append(header_stamp_ns(cdr))
        elif topic == DIAGNOSTICS:
            report = NodeReport.of(deserialize_message(cdr, DiagnosticArray)) or report
        else:
            times[topic].append(deserialize_message(cdr, Float32).data)

    deque(_read(bag, {*stamps, DIAGNOSTICS, *times}, take), maxlen=0)
    return Results(
        bag=bag, label_stamps_ns=np.array(stamps[LABELS], np.int64),
        overlay_stamps_ns=np.array(stamps[OVERLAY_JPEG], np.int64), report=report,
        times_ms={name: np.array(times[topic]) for name, topic in TIMES.items()})


def image_of(cdr: bytes, compressed: bool) -> Picture:
    """The pixels of a serialized image message, BGR."""
    rgb = (compressed_to_rgb(deserialize_message(cdr, CompressedImage)) if compressed
           else image_to_rgb(deserialize_message(cdr, Image)))
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), np.uint8)


def _read(bag: Bag, topics: Collection[str],
          read: Callable[[Message], Found]) -> Iterator[Found]:
    """What is read of the messages of a bag; those that cannot be read are noted."""
    for message in bag.messages(topics):
        try:
            found = read(message)
        except Exception as error:  # middlewares fail in ways of their own
            bag.unread.note(message.topic, message.logged_ns, one_line(error))
            continue
        yield found
