"""~/points: labels meet the depth image of the same moment."""
from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from tdnet_ros.ros.cloud import Labelled, depth_in_metres, organised_points, pinhole
from tdnet_ros.ros.errors import one_line
from tdnet_ros.ros.messages import points_to_cloud
from tdnet_ros.ros.stamps import stamp_ns

DEPTH_QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
SLOP_NS = 20_000_000
KEPT = 16


class PointPainter:
    """Keeps the last depth images and labels until their stamps meet.

    `problem` says why there are no points, in words.
    """

    def __init__(self, node: Node, base: str, publisher: Publisher) -> None:
        self._node = node
        self._publisher = publisher
        self._topics = {name: node.resolve_topic_name(f'{base}{name}')
                        for name in ('depth', 'camera_info')}
        self._subscriptions: list[Any] = []
        self._info: CameraInfo | None = None
        self._depths: deque[Image] = deque(maxlen=KEPT)
        self._waiting: deque[Labelled] = deque(maxlen=KEPT)
        self.problem = ''

    def open(self, wake: Callable[[], None]) -> None:
        """Subscribe; `wake` is called when a depth image came."""
        def on_depth(msg: Image) -> None:
            self._depths.append(msg)
            wake()

        def on_info(msg: CameraInfo) -> None:
            self._info = msg

        self._subscriptions = [
            self._node.create_subscription(Image, self._topics['depth'], on_depth, DEPTH_QOS),
            self._node.create_subscription(
                CameraInfo, self._topics['camera_info'], on_info, DEPTH_QOS)]

    def close(self) -> None:
        """Unsubscribe and forget what waits."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []
        self._depths.clear()
        self._waiting.clear()

    @property
    def wanted(self) -> bool:
        """Whether somebody takes the points."""
        return bool(self._publisher.get_subscription_count())

    def add(self, seen: Labelled) -> None:
        """Labels that points are to be made of (in the worker's thread, as the next)."""
        self._waiting.append(seen)

    def publish_due(self) -> None:
        """Publish points of all labels whose depth has come."""
        waiting = []
        for seen in self._waiting.copy():
            depth = self._match(stamp_ns(seen.header))
            if depth is None:
                waiting.append(seen)
            else:
                self._publish(seen, depth)
        self._waiting = deque(waiting, KEPT)
        if len(waiting) == KEPT:
            self.problem = (f'no depth image on {self._topics["depth"]} within '
                            f'{SLOP_NS / 1e6:.0f} ms of an image')

    def _match(self, stamp: int) -> Image | None:
        depths = list(self._depths)
        nearest = min(depths, key=lambda msg: abs(stamp_ns(msg.header) - stamp), default=None)
        near = nearest is not None and abs(stamp_ns(nearest.header) - stamp) <= SLOP_NS
        return nearest if near else None

    def _publish(self, seen: Labelled, depth: Image) -> None:
        if self._info is None:
            self.problem = f'no camera_info on {self._topics["camera_info"]}'
            return
        try:
            size = seen.labels.shape[0], seen.labels.shape[1]
            camera = pinhole(self._info, size)
            points = organised_points(depth_in_metres(depth, size), camera, seen)
            self._publisher.publish(points_to_cloud(points, seen.header))
            self.problem = ''
        except Exception as error:
            self.problem = one_line(error)
