"""A few pictures of a camera's labels, evenly spread over its frames."""
from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from tdnet_ros.bags.labelled import LabelledBag
from tdnet_ros.bags.reading import COMPRESSED_IMAGE, IMAGE_TYPES, Message, header_stamp_ns
from tdnet_ros.ros.compressed import compressed_to_rgb, encode_jpeg
from tdnet_ros.ros.decoding import image_to_rgb
from tdnet_ros.stream.labels import Painter

WIDTH = 480  # px at most
QUALITY = 80  # JPEG
OPACITY = 0.5
BEFORE_NS, AFTER_NS = 5 * 10**9, 10**9
'''A live image is logged up to so long before its labels, or after them.'''


class Picture(NamedTuple):
    """One picture of the strip."""

    time_s: float
    jpeg: bytes


def strip(bag: LabelledBag, camera: dict[str, Any]) -> list[Picture]:
    """Pictures of the frames that `camera_summary` chose, each found by its log time.

    From the overlay topic, else painted over the camera's images, else the labels' colours.
    """
    topics = next(item for item in bag.cameras if item.name == camera['name'])
    drawing = _Drawing(bag, camera['image'])
    pictures = []
    for logged_ns in camera['pictures_ns']:
        message = next(bag.messages({topics.overlay or topics.labels}, logged_ns), None)
        if message:
            rgb = _rgb(bag, message) if topics.overlay else drawing.labels(message)
            pictures.append(Picture(bag.time_s(logged_ns), _jpeg(rgb)))
    return pictures


class _Drawing:
    """Labels as a picture, over the camera's image where the bag has it."""

    def __init__(self, bag: LabelledBag, image_topic: str) -> None:
        self._bag = bag
        self._painter = Painter(bag.classes.palette)
        self._image = image_topic if bag.topics.get(image_topic) in IMAGE_TYPES else ''

    def labels(self, message: Message) -> NDArray[np.uint8]:
        """RGB uint8 [H, W, 3]."""
        labels = self._bag.pixels(message)
        rgb = self._camera_image(message) if self._image else None
        if rgb is None or rgb.shape[:2] != labels.shape:
            return self._painter.colorize(labels)
        return self._painter.blend(rgb, labels, OPACITY)

    def _camera_image(self, labels: Message) -> NDArray[np.uint8] | None:
        """The image that has the labels' stamp; offline it is logged at the same time."""
        stamp_ns = header_stamp_ns(labels.cdr)
        for before_ns, after_ns in ((0, 1), (BEFORE_NS, AFTER_NS)):
            for message in self._bag.messages({self._image}, labels.logged_ns - before_ns,
                                              labels.logged_ns + after_ns):
                if header_stamp_ns(message.cdr) == stamp_ns:
                    return _rgb(self._bag, message)
        return None


def _rgb(bag: LabelledBag, message: Message) -> NDArray[np.uint8]:
    image = bag.decode(message)
    compressed = bag.topics[message.topic] == COMPRESSED_IMAGE
    return compressed_to_rgb(image) if compressed else image_to_rgb(image)


def _jpeg(rgb: NDArray[np.uint8]) -> bytes:
    scale = min(1.0, WIDTH / rgb.shape[1])
    size = round(rgb.shape[1] * scale), max(1, round(rgb.shape[0] * scale))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    bgr = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2BGR), np.uint8)
    return encode_jpeg(bgr, QUALITY).data.tobytes()
