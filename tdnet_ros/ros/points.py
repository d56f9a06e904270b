"""~/points: labels meet the depth image or the cloud of the same moment."""
from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
import threading
import time
from typing import Any, Protocol

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from tdnet_ros.ros.admission import LATE_NS
from tdnet_ros.ros.cloud import (
    SLOP_NS,
    Labelled,
    depth_in_metres,
    organised_points,
    painted_points,
    pinhole,
    xyz_of_cloud,
)
from tdnet_ros.ros.errors import ErrorLog, one_line
from tdnet_ros.ros.inputs import Input
from tdnet_ros.ros.messages import points_to_cloud
from tdnet_ros.ros.stamps import stamp_ns

DEPTH_QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
KEPT = 16
KEPT_BYTES = 128 * 2**20
IN_WORK = 2
'''Images of a camera that are labelled at a time: on CUDA the next goes up before one is down.'''
MISSING_S = 3.0
'''Without depth for all images of so long it is missing, not rare.'''


class PointSource(Protocol):
    """Where the places of points come from."""

    inputs: Sequence[Input]
    '''The first comes with each image.'''

    def paint(self, msg: Any, seen: Labelled) -> PointCloud2:
        """The cloud of a message of the first input and labels; ValueError says why not."""


class DepthSource:
    """Depth images, registered to the camera, and the camera's calibration."""

    def __init__(self, node: Node, base: str) -> None:
        self._info = Input(
            node, 'camera_info', f'{base}camera_info', CameraInfo, DEPTH_QOS, once=True)
        self.inputs: Sequence[Input] = (
            Input(node, 'depth image', f'{base}depth', Image, DEPTH_QOS), self._info)

    def paint(self, msg: Any, seen: Labelled) -> PointCloud2:
        """See PointSource."""
        if self._info.last is None:
            raise ValueError(f'no camera_info on {self._info.topic}')
        camera = pinhole(self._info.last, seen.size)
        points = organised_points(depth_in_metres(msg, seen.size), camera, seen)
        return points_to_cloud(points, seen.header)


class CloudSource:
    """Organised clouds with a point for every pixel; they stay in their own frame."""

    def __init__(self, node: Node, base: str) -> None:
        self.inputs: Sequence[Input] = (
            Input(node, 'cloud', f'{base}cloud_in', PointCloud2, DEPTH_QOS),)

    def paint(self, msg: Any, seen: Labelled) -> PointCloud2:
        """See PointSource."""
        header = Header(stamp=seen.header.stamp, frame_id=msg.header.frame_id)
        return points_to_cloud(painted_points(xyz_of_cloud(msg, seen.size), seen), header)


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
        self._is_final = False

    @property
    def is_due(self) -> bool:
        """Whether it is near enough, and messages yet to come will be farther."""
        return self.msg is not None and self._is_final

    def see(self, msg: Any, period_ns: int) -> None:
        """Take a message if it is nearer; the next one is a period later."""
        offset_ns = stamp_ns(msg.header) - self.stamp
        self._is_final |= offset_ns >= -period_ns / 2
        if self.offset_ns is None or abs(offset_ns) < abs(self.offset_ns):
            self.offset_ns = offset_ns
            self.msg = msg if abs(offset_ns) <= SLOP_NS else None


class PointPainter:
    """Keeps the last messages of a source and the last labels until their stamps meet.

    What belongs to an image is put aside when the image is taken up: while it is labelled more
    messages may come than are kept. `problem` says why there are no points, in words.
    """

    def __init__(self, node: Node, source: PointSource, publisher: Publisher) -> None:
        self._source = source
        self._publisher = publisher
        self.inputs = source.inputs
        self._lock = threading.Lock()
        self._arrived: deque[Any] = deque(maxlen=KEPT)
        self._period_ns = 0
        '''Between the stamps of the last two messages; 0 until two have come.'''
        self._taken: deque[Match] = deque(maxlen=IN_WORK)
        self._waiting: deque[tuple[Match, Labelled]] = deque(maxlen=KEPT)
        self._unmatched_since: float | None = None
        self.problem = ''
        self.log = ErrorLog(node)
        '''Used by the thread of the diagnostics alone.'''

    def open(self, wake: Callable[[], None], on_lost: Callable[[int], None]) -> None:
        """Subscribe; `wake` is called when a message of the source came.

        `on_lost` gets how many of them the middleware just lost while somebody takes the points.
        """
        def on_message(msg: Any) -> None:
            if self.wanted:
                self._keep(msg)
                wake()

        first, *others = self.inputs
        first.open(on_message, lambda count: on_lost(count) if self.wanted else None)
        for other in others:
            other.open(lambda _: None)

    def close(self) -> None:
        """Unsubscribe and forget what waits."""
        for item in self.inputs:
            item.close()
        self._forget()

    def _forget(self) -> None:
        with self._lock:
            self._arrived.clear()
            self._period_ns = 0
            self._taken.clear()
            self._waiting.clear()
        self._unmatched_since = None
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
                match.see(msg, self._period_ns)
            while match.msg is not None and self._arrived[0] is not match.msg:
                self._arrived.popleft()  # clouds are large
            self._taken.append(match)
            # Labels of later images are of the time before it started over.
            self._waiting = deque(
                (pair for pair in self._waiting if pair[0].stamp <= match.stamp), KEPT)
        return match

    def add(self, match: Match, seen: Labelled) -> None:
        """Labels that points are to be made of (in the worker's thread, as the next)."""
        with self._lock:
            if match not in self._taken:  # forgotten: the camera was closed
                return
            self._waiting.append((match, seen))
            _limit(self._waiting, lambda pair: sum(pixels.nbytes for pixels in pair[1][1:]))
        if self._unmatched_since is None:
            self._unmatched_since = time.monotonic()

    def publish_due(self) -> None:
        """Publish points of all labels whose depth or cloud has come; forget the others' past."""
        if not self.wanted:  # what is kept is large, and of no use to the next who wants points
            self._forget()
            return
        with self._lock:
            pairs = list(self._waiting)
            due = [pair for pair in pairs if pair[0].is_due]
            newest = stamp_ns(self._arrived[-1].header) if self._arrived else 0
            self._waiting = deque(
                (pair for pair in pairs
                 if not pair[0].is_due and pair[0].stamp + SLOP_NS >= newest), KEPT)
        for match, seen in due:
            self._unmatched_since = None
            self._publish(seen, match.msg)
        since = self._unmatched_since
        if since is not None and pairs and time.monotonic() - since >= MISSING_S:
            self.problem = self._missing(pairs[-1][0])

    def _keep(self, msg: Any) -> None:
        with self._lock:
            if self._arrived:
                later_ns = stamp_ns(msg.header) - stamp_ns(self._arrived[-1].header)
                self._period_ns = max(0, later_ns)
                if later_ns <= -LATE_NS:  # time starts over
                    self._arrived.clear()
            self._arrived.append(msg)
            _limit(self._arrived, lambda kept: len(kept.data))
            for match in (*self._taken, *(match for match, _ in self._waiting)):
                match.see(msg, self._period_ns)

    def _missing(self, match: Match) -> str:
        """Why no message meets an image, which may be that one of both comes much later."""
        nearest = 'none came' if match.offset_ns is None else (
            f'of the last {KEPT} the nearest is {abs(match.offset_ns) / 1e6:.0f} ms '
            f'{"newer" if match.offset_ns > 0 else "older"}')
        first = self.inputs[0]
        return (f'no {first.what} on {first.topic} within {SLOP_NS / 1e6:.0f} ms '
                f'of an image: {nearest}')

    def _publish(self, seen: Labelled, msg: Any) -> None:
        try:
            self._publisher.publish(self._source.paint(msg, seen))
            self.problem = ''
        except Exception as error:
            self.problem = one_line(error)


def _limit(kept: deque[Any], size: Callable[[Any], int]) -> None:
    """Let the oldest go, but for the last, until the others take no more than KEPT_BYTES."""
    while len(kept) > 1 and sum(map(size, kept)) > KEPT_BYTES:
        kept.popleft()
