"""From the labels of a frame to the messages that are written."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tdnet_ros.bags.label.options import LabelOptions
from tdnet_ros.bags.label.plan import Camera
from tdnet_ros.bags.label.wire import (
    LABEL_INFO,
    POINT_CLOUD,
    compressed_image,
    decoded,
    image,
    label_info,
    point_cloud,
)
from tdnet_ros.bags.message import CAMERA_INFO, COMPRESSED_IMAGE, RAW_IMAGE
from tdnet_ros.nets.card import ModelCard
from tdnet_ros.ros.cloud import Labelled, depth_in_metres, organised_points, pinhole
from tdnet_ros.ros.compressed import encode_jpeg, encode_png
from tdnet_ros.ros.errors import one_line
from tdnet_ros.ros.label_map import LabelMap
from tdnet_ros.ros.parameters import NodeParameters
from tdnet_ros.stream import Frame, Segmentation
from tdnet_ros.stream.frame import Image
from tdnet_ros.stream.labels import Painter, overlay

Messages = list[tuple[str, bytes]]
'''Topic and CDR.'''


class Encoder:
    """Makes what the options ask for; safe to use from several threads."""

    def __init__(self, card: ModelCard, options: LabelOptions) -> None:
        self._card = card
        self._options = options
        self._painter = Painter(card.classes.palette, bgr=True)
        self._map = LabelMap(card.classes, options.keep_classes, options.class_remap)

    def types(self, camera: Camera) -> dict[str, str]:
        """Message types of a camera's outputs, by topic."""
        picture = RAW_IMAGE if self._options.raw else COMPRESSED_IMAGE
        kinds = {camera.labels: picture, camera.label_info: LABEL_INFO,
                 camera.overlay: COMPRESSED_IMAGE, camera.confidence: picture,
                 camera.points: POINT_CLOUD}
        return {topic: kind for topic, kind in kinds.items() if topic}

    def names(self, camera: Camera, header: Any) -> Messages:
        """The camera's label_info."""
        return [(camera.label_info, label_info(header, self._map.names))]

    def encode(self, camera: Camera, header: Any, frame: Frame, result: Segmentation,
               depth: bytes | None, problem: Callable[[str], None]) -> Messages:
        """Everything of one frame; `problem` is told why there are no points."""
        labels = self._map.apply(result.labels)
        messages = [(camera.labels, self._picture(header, labels))]
        if camera.confidence and result.confidence is not None:
            messages.append((camera.confidence, self._picture(header, result.confidence)))
        if camera.overlay:
            painted = overlay(self._painter, frame.rgb, labels,
                              NodeParameters.overlay_opacity, self._card.trained)
            messages.append((camera.overlay, compressed_image(
                header, encode_jpeg(painted, NodeParameters.overlay_quality))))
        if camera.points and result.confidence is not None:
            seen = Labelled(header, frame.rgb, labels, result.confidence)
            try:
                messages.append((camera.points, _points(camera, seen, depth)))
            except Exception as error:  # damaged bytes raise nearly anything
                problem(one_line(error))
        return messages

    def _picture(self, header: Any, pixels: Image) -> bytes:
        if self._options.raw:
            return image(header, pixels)
        return compressed_image(header, encode_png(pixels))


def _points(camera: Camera, seen: Labelled, depth: bytes | None) -> bytes:
    if depth is None:
        raise ValueError(f'no image on {camera.depth} with the stamp of the frame')
    metres = depth_in_metres(decoded(depth, RAW_IMAGE), seen.size)
    projection = pinhole(decoded(camera.camera_info, CAMERA_INFO), seen.size)
    return point_cloud(seen.header, organised_points(metres, projection, seen))
