"""Playing a source as a camera: images on topics, paced on an absolute schedule."""
from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
import threading
import time
from typing import Any

from builtin_interfaces.msg import Time
import numpy as np
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.session import check_topic, message_class, ros_node
from tdnet_ros.bags.sources import Sample, Source, info_topic
from tdnet_ros.ros.errors import one_line
from tdnet_ros.ros.messages import array_to_image, to_jpeg
from tdnet_ros.ros.names import COMPRESSED
from tdnet_ros.ros.parameters import TRANSPORTS

DEFAULT_TOPIC = '/camera/image_raw'
DEFAULT_FRAME_ID = 'camera_optical_frame'
JPEG_QUALITY = 90
# As camera drivers do (REP 2003): reliable serves reliable and best-effort subscribers alike.
QOS = QoSProfile(depth=10)
# How long the last images may take to leave; shared memory goes away with its owner. To wait until
# all are acknowledged would take up to 3 s each time: so rarely does Fast DDS ask its readers.
LINGER_S = 0.5
# A publisher learns of its subscriber before the subscriber learns of it.
MATCH_S = 0.2


@dataclass(frozen=True)
class PlayOptions:
    """How to play."""

    topic: str | None = None  # None: a bag's own names, else DEFAULT_TOPIC
    loop: bool = False
    frames: int | None = None
    original_stamps: bool = False
    clock: bool = False  # publish /clock before each message
    frame_id: str | None = None  # None: a bag's own, else DEFAULT_FRAME_ID
    wait_s: float = 10.0  # for subscribers; 0 plays to nobody
    subscribers: int = 1  # that one of the topics must have at the start
    compressed: bool = False  # pictures go out as JPEG, on TOPIC/compressed


@dataclass
class Summary:
    """What has been sent."""

    stamps_ns: array[int] = field(default_factory=lambda: array('q'))
    samples: array[int] = field(default_factory=lambda: array('q'))
    '''Which sample of the source each image was, from 0.'''
    seconds: float = 0.0
    max_late_ms: float = 0.0  # behind the schedule, at worst

    @property
    def sent(self) -> int:
        """Images so far."""
        return len(self.stamps_ns)

    @property
    def rate_hz(self) -> float:
        """Images per second so far."""
        return (self.sent - 1) / self.seconds if self.seconds else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Everything in plain types, for JSON."""
        return {'sent': self.sent, 'stamps_ns': self.stamps_ns.tolist(),
                'samples': self.samples.tolist(), 'seconds': self.seconds,
                'rate_hz': self.rate_hz, 'max_late_ms': self.max_late_ms}


class Player:
    """Publishes the samples of one source."""

    def __init__(self, node: Node, source: Source, options: PlayOptions) -> None:
        self._source = source
        self._options = options
        if options.compressed and source.topics:
            raise BagError('--compressed is for videos, pictures and cameras: the images of a bag '
                           'go out as they are')
        self._types = dict(source.topics) or {
            '': TRANSPORTS['compressed' if options.compressed else 'raw']}
        if options.topic and len(self._types) > 1:
            raise BagError(f'--topic {options.topic} needs one image topic and the bag has '
                           f'{len(self._types)}; choose with --from: {", ".join(self._types)}')
        for recorded in self._types:
            check_topic(self._topic(recorded))
        self._publishers: dict[str, Publisher] = {
            recorded: node.create_publisher(message_class(msgtype), self._topic(recorded), QOS)
            for recorded, msgtype in self._types.items()}
        self._infos: dict[str, Publisher] = {
            info: node.create_publisher(
                CameraInfo, info_topic(options.topic) if options.topic else info, QOS)
            for info in set(source.infos.values())}
        self._clock = node.create_publisher(Clock, '/clock', QOS) if options.clock else None
        self._captured_ns = self._sent_ns = -1  # before any
        self._topics_of_moment: set[str] = set()

    def _topic(self, recorded: str) -> str:
        topic = self._options.topic or recorded or DEFAULT_TOPIC
        return (f'{topic.removesuffix(COMPRESSED)}{COMPRESSED}' if self._options.compressed
                else topic)

    def wait_for_subscribers(self, stop: threading.Event) -> None:
        """Return when any of the topics has enough subscribers; fail when they do not come."""
        end_s = time.monotonic() + self._options.wait_s
        wanted = self._options.subscribers
        while (found := max(item.get_subscription_count()
                            for item in self._publishers.values())) < wanted:
            if self._options.wait_s <= 0 or stop.is_set():
                return
            if time.monotonic() > end_s:
                topics = ', '.join(item.topic_name for item in self._publishers.values())
                count = f'{found} of {wanted} subscribers' if found else 'no subscriber'
                raise BagError(f'{count} on {topics} after {self._options.wait_s:g} s: is '
                               'the node up, on this ROS_DOMAIN_ID, and remapped to that topic? '
                               '(--wait-for-subscriber 0 plays anyway)')
            stop.wait(0.02)
        stop.wait(MATCH_S)

    def run(self, stop: threading.Event,
            on_frame: Callable[[Summary], None] = lambda summary: None) -> Summary:
        """Publish every sample when it is due, until the end or until `stop` is set.

        BagError where the source has been read to its end and no image was among it.
        """
        summary = Summary()
        start_s = None
        for number, sample in self._samples(summary):
            if stop.is_set():
                break
            message = self._message(sample)
            if message is None:
                continue
            now_s = time.monotonic()
            start_s = now_s if start_s is None else start_s
            due_s = start_s + sample.due_s if sample.due_s is not None else now_s
            if stop.wait(max(0.0, due_s - now_s)):
                break
            summary.max_late_ms = max(summary.max_late_ms, (time.monotonic() - due_s) * 1e3)
            stamp_ns = self._stamp_ns(sample)
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10 ** 9)
            self._tell_time(sample)
            if sample.topic in self._infos:
                self._infos[sample.topic].publish(message)
                continue
            self._publishers[sample.topic].publish(message)
            summary.stamps_ns.append(stamp_ns)
            summary.samples.append(number)
            summary.seconds = time.monotonic() - start_s
            on_frame(summary)
            if summary.sent == self._options.frames:
                break
        time.sleep(LINGER_S if summary.sent else 0.0)
        return summary

    def _samples(self, summary: Summary) -> Iterator[tuple[int, Sample]]:
        """The source's samples with their numbers, once or for ever, due on one timeline."""
        offset_s = 0.0
        while True:
            last_s, sent = 0.0, summary.sent
            for number, sample in enumerate(self._source):
                if sample.due_s is not None:
                    last_s = sample.due_s
                    sample = replace(sample, due_s=offset_s + last_s)
                yield number, sample
            if summary.sent == sent:  # another pass would send none either
                raise BagError('\n'.join(['no image of it can be read', *self._source.problems]))
            if not self._options.loop or sample.due_s is None:  # a camera has no second pass
                return
            offset_s += last_s + self._source.period_s

    def _message(self, sample: Sample) -> Any:
        """The message to send; None where it cannot be read, which the source then says."""
        if isinstance(sample.payload, np.ndarray):
            header = Header(frame_id=self._options.frame_id or DEFAULT_FRAME_ID)
            if self._options.compressed:
                return to_jpeg(sample.payload, header, JPEG_QUALITY)
            return array_to_image(sample.payload, 'bgr8', header)
        kind = (CameraInfo if sample.topic in self._infos
                else message_class(self._types[sample.topic]))
        try:
            message = deserialize_message(sample.payload, kind)
        except Exception as error:  # middlewares fail in ways of their own
            self._source.unread.note(sample.topic, sample.logged_ns, one_line(error))
            return None
        if self._options.frame_id is not None:
            message.header.frame_id = self._options.frame_id
        return message

    def _tell_time(self, sample: Sample) -> None:
        """Publish the time of the source, as nodes with use_sim_time take it."""
        if self._clock is not None:
            now_ns = sample.stamp_ns if sample.logged_ns is None else sample.logged_ns
            sec, nanosec = divmod(now_ns, 10 ** 9)
            self._clock.publish(Clock(clock=Time(sec=sec, nanosec=nanosec)))

    def _stamp_ns(self, sample: Sample) -> int:
        """A camera's image keeps its time of capture; others are taken when they are sent.

        What had one stamp, such as an image and its calibration, has one again.
        """
        if self._options.original_stamps or self._options.clock or sample.due_s is None:
            return sample.stamp_ns
        if sample.stamp_ns != self._captured_ns or sample.topic in self._topics_of_moment:
            self._captured_ns, self._sent_ns = sample.stamp_ns, time.time_ns()
            self._topics_of_moment.clear()
        self._topics_of_moment.add(sample.topic)
        return self._sent_ns


def play(source: Source, options: PlayOptions, stop: threading.Event,
         before_start: Callable[[], None] = lambda: None,
         on_frame: Callable[[Summary], None] = lambda summary: None) -> Summary:
    """Play a source once its subscribers are there."""
    with ros_node('tdnet_bag_play') as node:
        player = Player(node, source, options)
        player.wait_for_subscribers(stop)
        before_start()
        return player.run(stop, on_frame)
