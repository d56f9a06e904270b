"""What the node publishes for one camera."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image, PointCloud2
from std_msgs.msg import Float32, Header

from tdnet_ros.nets.card import ModelCard
from tdnet_ros.ros.label_map import LabelMap
from tdnet_ros.ros.messages import LabelInfo, array_to_image, label_info, to_jpeg, to_png
from tdnet_ros.ros.meter import LATENCY, STAGES
from tdnet_ros.ros.names import debug_topic
from tdnet_ros.ros.parameters import NodeParameters
from tdnet_ros.ros.qos import naming_topic, overridable
from tdnet_ros.stream.labels import Painter, overlay

# Reliable, because displays that ask for reliable would not see a best-effort publisher.
OUTPUT_QOS = QoSProfile(depth=2, reliability=ReliabilityPolicy.RELIABLE,
                        durability=DurabilityPolicy.VOLATILE)
LATCHED_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE,
                         durability=DurabilityPolicy.TRANSIENT_LOCAL)


class CameraOutputs:
    """The publishers of one camera; a message is made only when somebody subscribes to it."""

    def __init__(self, node: Node, prefix: str, card: ModelCard, with_points: bool) -> None:
        self._node = node
        self._card = card
        self._painter = Painter(card.classes.palette, bgr=True)
        self._label_map = LabelMap(card.classes)
        self._mapping: tuple[tuple[str, ...], ...] = ()
        self._publishers: list[Publisher] = []
        self.topics: dict[str, QoSProfile] = {}
        try:
            self._offer(prefix, with_points)
        except Exception:
            self.destroy()
            raise

    def _offer(self, prefix: str, with_points: bool) -> None:
        self._labels = self._publisher(Image, f'{prefix}labels')
        self._labels_png = self._publisher(CompressedImage, f'{prefix}labels/compressed')
        self._labels_color = self._publisher(Image, f'{prefix}labels/color')
        self._confidence = self._publisher(Image, f'{prefix}confidence')
        self._overlay = self._publisher(Image, f'{prefix}overlay')
        self._overlay_jpeg = self._publisher(CompressedImage, f'{prefix}overlay/compressed')
        self._label_info = (self._publisher(LabelInfo, f'{prefix}label_info', LATCHED_QOS)
                            if LabelInfo else None)
        self.points = self._publisher(PointCloud2, f'{prefix}points') if with_points else None
        self._debug = {name: self._publisher(Float32, debug_topic(prefix, name))
                       for name in (*STAGES, LATENCY)}

    def destroy(self) -> None:
        """Take all topics off the graph."""
        for publisher in self._publishers:
            self._node.destroy_publisher(publisher)

    def use_classes(self, parameters: NodeParameters) -> None:
        """Keep and merge classes as the parameters say, and name them when that changed."""
        mapping = parameters.keep_classes, parameters.class_remap
        if mapping != self._mapping:
            self._label_map = LabelMap(self._card.classes, *mapping)
            self._mapping = mapping
            self._publish_label_info()

    def mapped(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Labels uint8 [H, W] with classes merged and left out."""
        return self._label_map.apply(labels)

    @property
    def wants_confidence(self) -> bool:
        """Whether somebody needs the confidence of the labels."""
        return bool(self._confidence.get_subscription_count())

    def publish_labels(self, labels: NDArray[np.uint8], confidence: NDArray[np.uint8] | None,
                       header: Header) -> None:
        """Publish label ids and their confidence, uint8 [H, W], where somebody wants them."""
        if self._labels.get_subscription_count():
            self._labels.publish(array_to_image(labels, 'mono8', header))
        if confidence is not None and self.wants_confidence:
            self._confidence.publish(array_to_image(confidence, 'mono8', header))

    @property
    def wants_pictures(self) -> bool:
        """Whether somebody looks at overlay or coloured labels, or takes labels as PNG."""
        return any(publisher.get_subscription_count() for publisher in (
            self._overlay, self._overlay_jpeg, self._labels_png, self._labels_color))

    def publish_pictures(self, rgb: NDArray[np.uint8], labels: NDArray[np.uint8], header: Header,
                         parameters: NodeParameters) -> None:
        """Publish what is for looking at, the overlay and coloured labels, and labels as PNG."""
        if self._labels_color.get_subscription_count():
            colors = self._painter.colorize(labels)
            self._labels_color.publish(array_to_image(colors, 'bgr8', header))
        if self._labels_png.get_subscription_count():
            self._labels_png.publish(to_png(labels, header))
        wants_raw, wants_jpeg = (publisher.get_subscription_count()
                                 for publisher in (self._overlay, self._overlay_jpeg))
        if not wants_raw and not wants_jpeg:
            return
        painted = overlay(self._painter, rgb, labels, parameters.overlay_opacity,
                          self._card.trained)
        if parameters.overlay_legend:
            self._painter.legend(painted, self._label_map.names)
        if wants_raw:
            self._overlay.publish(array_to_image(painted, 'bgr8', header))
        if wants_jpeg:
            self._overlay_jpeg.publish(to_jpeg(painted, header, parameters.overlay_quality))

    def publish_times(self, times_ms: Mapping[str, float]) -> None:
        """Publish the times of one image, for plotting."""
        for name, value in times_ms.items():
            if self._debug[name].get_subscription_count():
                self._debug[name].publish(Float32(data=value))

    def _publish_label_info(self) -> None:
        if self._label_info:
            header = Header(stamp=self._node.get_clock().now().to_msg())
            self._label_info.publish(label_info(self._label_map.names, header))

    def _publisher(self, kind: Any, topic: str, qos: QoSProfile = OUTPUT_QOS) -> Publisher:
        with naming_topic(self._node.resolve_topic_name(topic)):
            publisher = self._node.create_publisher(kind, topic, **overridable(qos))
        self._publishers.append(publisher)
        self.topics[publisher.topic_name] = publisher.qos_profile
        return publisher
