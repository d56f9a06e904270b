"""A few pictures of a camera's labels, evenly spread over its frames."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.labelled import LabelCamera, LabelledBag
from tdnet_ros.bags.message import Message, header_stamp_ns
from tdnet_ros.ros.compressed import encode_jpeg
from tdnet_ros.ros.parameters import NodeParameters
from tdnet_ros.stream.labels import Painter

WIDTH = 480  # px at most
QUALITY = 80  # JPEG
BEFORE_NS, AFTER_NS = 5 * 10**9, 10**9
'''A live image is logged up to so long before its labels, or after them.'''


class Picture(NamedTuple):
    """One picture of the strip."""

    time_s: float
    jpeg: bytes


def strip(path: Path, camera: dict[str, Any]) -> list[Picture]:
    """Pictures of the frames that `camera_summary` chose, each found by its log time.

    From the overlay topic, else painted over the camera's images in the bag or in the one that
    was labelled, else the labels' colours. A frame that cannot be read is left out, as are all
    of a bag that is gone by now.
    """
    pictures: list[Picture] = []
    with (suppress(BagError, OSError), closing(LabelledBag(path)) as bag,
          _images(bag, camera['image']) as images):
        painter = Painter(bag.classes.palette)
        found = [item for item in bag.cameras if item.name == camera['name']]
        for topics, logged_ns in product(found, camera['pictures_ns']):
            with suppress(BagError):
                pictures += _picture(bag, topics, logged_ns, painter, images)
    return pictures


def _picture(bag: LabelledBag, topics: LabelCamera, logged_ns: int, painter: Painter,
             images: _Images | None) -> Iterator[Picture]:
    """The frame logged at a time, or the overlay that follows it, where there is one."""
    for message in bag.messages({topics.overlay or topics.labels}, logged_ns):
        rgb = bag.rgb(message) if topics.overlay else _painted(bag, message, painter, images)
        yield Picture(bag.time_s(logged_ns), _jpeg(rgb))
        return


class _Images(NamedTuple):
    """Where a camera's images are."""

    bag: LabelledBag
    topic: str


@contextmanager
def _images(bag: LabelledBag, topic: str) -> Iterator[_Images | None]:
    """The bag itself, or the one that was labelled, whichever has the images."""
    if topic in bag.topics:
        yield _Images(bag, topic)
        return
    source = bag.labelled_from()
    if not source:
        yield None
        return
    with closing(source):
        yield _Images(source, topic) if topic in source.topics else None


def _painted(bag: LabelledBag, message: Message, painter: Painter,
             images: _Images | None) -> NDArray[np.uint8]:
    """Labels as RGB uint8 [H, W, 3], over the camera's image where there is one."""
    labels = bag.pixels(message)
    rgb = _camera_image(message, images) if images else None
    if rgb is None or rgb.shape[:2] != labels.shape:
        return painter.colorize(labels)
    return painter.blend(rgb, labels, NodeParameters.overlay_opacity)


def _camera_image(labels: Message, images: _Images) -> NDArray[np.uint8] | None:
    """The image that has the labels' stamp; offline it is logged at the same time."""
    stamp_ns = header_stamp_ns(labels.cdr)
    for before_ns, after_ns in ((0, 1), (BEFORE_NS, AFTER_NS)):
        for message in images.bag.messages({images.topic}, labels.logged_ns - before_ns,
                                           labels.logged_ns + after_ns):
            if header_stamp_ns(message.cdr) == stamp_ns:
                return images.bag.rgb(message)
    return None


def _jpeg(rgb: NDArray[np.uint8]) -> bytes:
    scale = min(1.0, WIDTH / rgb.shape[1])
    size = round(rgb.shape[1] * scale), max(1, round(rgb.shape[0] * scale))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    bgr = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2BGR), np.uint8)
    return encode_jpeg(bgr, QUALITY).data.tobytes()
