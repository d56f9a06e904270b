"""What a run left in its bag."""
from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Float32

from tdnet_ros.bags.reading import header_stamp_ns, open_bag, read_messages
from tdnet_ros.demo.counters import NodeReport
from tdnet_ros.demo.plan import DIAGNOSTICS, LABELS, OVERLAY_JPEG, debug_topic
from tdnet_ros.demo.stages import STAGES
from tdnet_ros.ros.compressed import compressed_to_rgb
from tdnet_ros.ros.decoding import image_to_rgb
from tdnet_ros.ros.meter import LATENCY

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Results:
    """Stamps, times and the last report; pictures stay in the bag until they are needed."""

    bag: Path
    label_stamps_ns: NDArray[np.int64]
    overlay_stamps_ns: NDArray[np.int64]
    times_ms: dict[str, NDArray[np.float64]]  # LATENCY and STAGES, one value a frame
    report: NodeReport

    @property
    def times_s(self) -> NDArray[np.float64]:
        """When each labelled frame was taken, from the first one on."""
        first = self.label_stamps_ns[:1]
        return np.asarray((self.label_stamps_ns - first) * 1e-9, np.float64)

    def overlays(self) -> Iterator[tuple[int, Picture]]:
        """Every overlay with its stamp in ns, BGR."""
        for cdr in _messages(self.bag, {OVERLAY_JPEG}):
            data = deserialize_message(cdr, CompressedImage).data
            yield header_stamp_ns(cdr), np.asarray(
                cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)

    def images(self, topic: str, stamps_ns: Collection[int]) -> dict[int, Picture]:
        """Camera images with these stamps, BGR, of a topic that was recorded."""
        found = {}
        for cdr in _messages(self.bag, {topic}):
            stamp_ns = header_stamp_ns(cdr)
            if stamp_ns in stamps_ns:
                found[stamp_ns] = image_of(cdr, topic.endswith('/compressed'))
        return found


def read_results(bag: Path) -> Results:
    """Read everything but the pictures; whatever is missing is empty."""
    labels, overlays = [], []
    times: dict[str, list[float]] = {debug_topic(name): [] for name in (*STAGES, LATENCY)}
    report = NodeReport(values={}, problem='')
    with closing(open_bag(bag)) as reader:
        for topic, _, cdr in read_messages(reader, {LABELS, OVERLAY_JPEG, DIAGNOSTICS, *times}):
            if topic == LABELS:
                labels.append(header_stamp_ns(cdr))
            elif topic == OVERLAY_JPEG:
                overlays.append(header_stamp_ns(cdr))
            elif topic == DIAGNOSTICS:
                report = NodeReport.of(deserialize_message(cdr, DiagnosticArray)) or report
            else:
                times[topic].append(deserialize_message(cdr, Float32).data)
    return Results(
        bag=bag, label_stamps_ns=np.array(labels, np.int64),
        overlay_stamps_ns=np.array(overlays, np.int64), report=report,
        times_ms={name: np.array(times[debug_topic(name)]) for name in (*STAGES, LATENCY)})


def image_of(cdr: bytes, compressed: bool) -> Picture:
    """The pixels of a serialized image message, BGR."""
    rgb = (compressed_to_rgb(deserialize_message(cdr, CompressedImage)) if compressed
           else image_to_rgb(deserialize_message(cdr, Image)))
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), np.uint8)


def _messages(bag: Path, topics: Collection[str]) -> Iterator[bytes]:
    with closing(open_bag(bag)) as reader:
        for message in read_messages(reader, topics):
            yield message.cdr
