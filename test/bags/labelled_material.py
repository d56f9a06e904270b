"""Labelled bags whose numbers are known."""
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from bags.material import STUMP, write_bag
from tdnet_ros.ros.messages import array_to_image, label_info, to_png

START_S = 100


def header(ms: int) -> Header:
    message = Header(frame_id='front')
    message.stamp.sec, message.stamp.nanosec = START_S + ms // 1000, ms % 1000 * 10**6
    return message


def stamp_ns(ms: int) -> int:
    return START_S * 10**9 + ms * 10**6


def labels(rows: Sequence[Sequence[int]]) -> np.ndarray:
    return np.array(rows, np.uint8)


def png(ms: int, pixels: np.ndarray) -> tuple[int, CompressedImage]:
    return ms, to_png(pixels, header(ms))


def raw(ms: int, pixels: np.ndarray) -> tuple[int, Image]:
    return ms, array_to_image(pixels, 'mono8' if pixels.ndim == 2 else 'bgr8', header(ms))


def names(*classes: str) -> tuple[int, object]:
    return 0, label_info(dict(enumerate(classes)), Header())


def write_labels(path: Path, frames: dict[int, np.ndarray], topic: str = '/tdnet/labels',
                 classes: Sequence[str] = ()) -> Path:
    """A bag of label images by time in ms, as `tdnet_bag record` leaves it."""
    topics = {topic: [raw(ms, pixels) for ms, pixels in frames.items()]}
    if classes:
        topics['/tdnet/label_info'] = [names(*classes)]
    return write_bag(path, topics)


def write_damaged_labels(path: Path, frames: dict[int, np.ndarray]) -> Path:
    """The same, and a message of 4 bytes at 100 ms."""
    return write_bag(path, {'/tdnet/labels': [
        (100, STUMP), *(raw(ms, pixels) for ms, pixels in frames.items())]})
