"""~/points: labels meet the depth image or the cloud of the same moment."""
from __future__ import annotations

from collections import deque
from collections.abc import Callable
import threading
from typing import Any, Protocol

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from tdnet_ros.ros.cloud import (
    SLOP_NS,
    Labelled,
    depth_in_metres,
    organised_points,
    painted_points,
    pinhole,
    xyz_of_cloud,
)
from tdnet_ros.ros.errors import one_line
from tdnet_ros.ros.messages import points_to_cloud
from tdnet_ros.ros.qos import naming, overridable
from tdnet_ros.ros.stamps import stamp_ns

DEPTH_QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
KEPT = 16
IN_WORK = 2
'''Images of a camera that are labelled at a time: on CUDA the next goes up before one is down.'''
MISSING = 60
'''Images in a row without depth from which on it is missing, not rare.'''


class PointSource(Protocol):
    """Where the places of points come from."""

    kind: Any
    name: str
    topic: str

    def open(self, node: Node) -> list[Any]:
        """Subscribe what is needed beside `topic`; returns the subscriptions."""

    def paint(self, msg: Any, seen: Labelled) -> PointCloud2:
        """The cloud of a message of `kind` and labels; ValueError says why there is none."""


class DepthSource:
    """Depth images, registered to the camera, and the camera's calibration."""

    kind, name = Image, 'depth image'

    def __init__(self, node: Node, base: str) -> None:
        self.topic = node.resolve_topic_name(f'{base}depth')
        self._info_topic = node.resolve_topic_name(f'{base}camera_info')
        self._info: CameraInfo | None = None

    def open(self, node: Node) -> list[Any]:
        """See PointSource."""
        def on_info(msg: CameraInfo) -> None:
            self._info = msg

        with naming(self._info_topic):
            return [node.create_subscription(
                CameraInfo, self._info_topic, on_info, **overridable(DEPTH_QOS))]

    def paint(self, msg: Any, seen: Labelled) -> PointCloud2:
        """See PointSource."""
        if self._info is None:
            raise ValueError(f'no camera_info on {self._info_topic}')
        size = seen.labels.shape[0], seen.labels.shape[1]
        camera = pinhole(self._info, size)
        points = organised_points(depth_in_metres(msg, size), camera, seen)
        return points_to_cloud(points, seen.header)


class CloudSource:
    """Organised clouds with a point for every pixel; they stay in their own frame."""

    kind, name = PointCloud2, 'cloud'

    def __init__(self, node: Node, base: str) -> None:
        self.topic = node.resolve_topic_name(f'{base}cloud_in')

    def open(self, node: Node) -> list[Any]:
        """See PointSource."""
        return []

    def paint(self, msg: Any, seen: Labelled) -> PointCloud2:
        """See PointSource."""
        size = seen.labels.shape[0], seen.labels.shape[1]
        header = Header(stamp=seen.header.stamp, frame_id=msg.header.frame_id)
        return points_to_cloud(painted_points(xyz_of_cloud(msg, size), seen), header)


SOURCES: dict[str, Callable[[Node, str], PointSource]] = {
    'depth': DepthSource, 'cloud': CloudSource}
'''By the values of the parameter `points_source`.'''


class Match:
    """The stamp of an image, and the message of a source that is nearest to it so far."""

    def __init__(self, stamp: int) -> None:
        self.stamp = stamp
        self.offset_ns: int | None = None
        self.msg: Any = None
        '''None unless it is near enough.'''

    def see(self, msg: Any) -> None:
        """Take a message if it is nearer."""
        offset_ns = stamp_ns(msg.header) - self.stamp
        if self.offset_ns is None or abs(offset_ns) < abs(self.offset_ns):
            self.offset_ns = offset_ns
            self.msg = msg if abs(offset_ns) <= SLOP_NS else None


class PointPainter:
    """Keeps the last messages of a source and the last labels until their stamps meet.

    What belongs to an image is put aside when the image is taken up: while it is labelled more
    messages may come than are kept. `problem` says why there are no points, in words.
    """

    def __init__(self, node: Node, source: PointSource, publisher: Publisher) -> None:
        self._node = node
        self._source = source
        self._publisher = publisher
        self._subscriptions: list[Any] = []
        self._lock = threading.Lock()
        self._arrived: deque[Any] = deque(maxlen=KEPT)
        self._taken: deque[Match] = deque(maxlen=IN_WORK)
        self._waiting: deque[tuple[Match, Labelled]] = deque(maxlen=KEPT)
        self._unmatched = 0
        self.problem = ''

    def open(self, wake: Callable[[], None]) -> None:
        """Subscribe; `wake` is called when a message of the source came."""
        def on_message(msg: Any) -> None:
            if self.wanted:
                self._keep(msg)
                wake()

        self._subscriptions = self._source.open(self._node)  # to be closed if the next one fails
        with naming(self._source.topic):
            self._subscriptions.append(self._node.create_subscription(
                self._source.kind, self._source.topic, on_message, **overridable(DEPTH_QOS)))

    def close(self) -> None:
        """Unsubscribe and forget what waits."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []
        with self._lock:
            self._arrived.clear()
            self._taken.clear()
            self._waiting.clear()
        self._unmatched = 0
        self.problem = ''

    @property
    def wanted(self) -> bool:
        """Whether somebody takes the points."""
        return bool(self._publisher.get_subscription_count())

    def expect(self, header: Header) -> Match:
        """Put aside what belongs to an image that is taken up, now or when it comes."""
        match = Match(stamp_ns(header))
        with self._lock:
            for msg in reversed(self._arrived):  # of those without a stamp the newest
                match.see(msg)
            while match.msg is not None and self._arrived[0] is not match.msg:
                self._arrived.popleft()  # clouds are large
            self._taken.append(match)
        return match

    def add(self, match: Match, seen: Labelled) -> None:
        """Labels that points are to be made of (in the worker's thread, as the next)."""
        with self._lock:
            self._waiting.append((match, seen))
        self._unmatched += 1

    def publish_due(self) -> None:
        """Publish points of all labels whose depth or cloud has come; forget the others' past."""
        with self._lock:
            pairs = list(self._waiting)
            due = [pair for pair in pairs if pair[0].msg is not None]
            newest = stamp_ns(self._arrived[-1].header) if self._arrived else 0
            self._waiting = deque(
                (pair for pair in pairs
                 if pair[0].msg is None and pair[0].stamp + SLOP_NS >= newest), KEPT)
        for match, seen in due:
            self._unmatched = 0
            self._publish(seen, match.msg)
        if self._unmatched >= MISSING and pairs:
            self.problem = self._missing(pairs[-1][0])

    def _keep(self, msg: Any) -> None:
        with self._lock:
            self._arrived.append(msg)
            for match in (*self._taken, *(match for match, _ in self._waiting)):
                match.see(msg)

    def _missing(self, match: Match) -> str:
        """Why no message meets an image, which may be that one of both comes much later."""
        nearest = 'none came' if match.offset_ns is None else (
            f'of the last {KEPT} the nearest is {abs(match.offset_ns) / 1e6:.0f} ms '
            f'{"newer" if match.offset_ns > 0 else "older"}')
        return (f'no {self._source.name} on {self._source.topic} within {SLOP_NS / 1e6:.0f} ms '
                f'of an image: {nearest}')

    def _publish(self, seen: Labelled, msg: Any) -> None:
        try:
            self._publisher.publish(self._source.paint(msg, seen))
            self.problem = ''
        except Exception as error:
            self.problem = one_line(error)
