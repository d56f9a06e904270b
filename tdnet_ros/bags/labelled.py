"""Bags with label images in them: recorded live, or written by `tdnet_bag label`."""
from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tdnet_ros.bags.bag_classes import BagClasses
from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.files.bag import Bag, needs_copy
from tdnet_ros.bags.files.paths import is_bag, natural_key
from tdnet_ros.bags.files.scanned import NEVER
from tdnet_ros.bags.label.wire import decoded
from tdnet_ros.bags.label_record import FILE, LabelRecord, TopicRecord
from tdnet_ros.bags.message import COMPRESSED_IMAGE, IMAGE_TYPES, RAW_IMAGE, Message, has_header
from tdnet_ros.bags.pair_counts import Labels
from tdnet_ros.nets.images import PNG
from tdnet_ros.ros.compressed import compressed_size, compressed_to_rgb
from tdnet_ros.ros.decoding import image_to_rgb

LABEL_ENCODINGS = ('mono8', '8UC1')


@dataclass(frozen=True)
class LabelCamera:
    """The topics of one camera's labels; those that the bag lacks are empty."""

    name: str
    '''What the topics begin with: /tdnet or /tdnet/front.'''
    labels: str
    confidence: str = ''
    overlay: str = ''
    label_info: str = ''
    image: str = ''
    '''The camera's images, in the record of labelling; the bag need not have them.'''
    record: TopicRecord | None = None


class LabelledBag:
    """A bag that has label topics, whole or damaged; close it after use.

    Only its index, its class names and its record are read here. `problems` grows with what
    turns out to be damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.record = LabelRecord.read(path) if (path / FILE).exists() else None
        self._bag = Bag(path)
        self.problems = self._bag.problems
        self.topics: Mapping[str, str] = {name: topic.msgtype
                                          for name, topic in self._bag.topics.items()}
        self.start_ns = min(self._bag.start_ns, self._bag.end_ns)
        self.duration_s = max(self._bag.end_ns - 1 - self.start_ns, 0) * 1e-9
        self.cameras = self._cameras()
        self.classes = self._classes()

    def close(self) -> None:
        """Give the files back."""
        self._bag.close()

    def labelled_from(self) -> LabelledBag | None:
        """The bag that these are the labels of, where it can still be opened without a copy."""
        if not self.record:
            return None
        source = Path(self.record.input)
        try:
            return None if needs_copy(source) else LabelledBag(source)
        except (BagError, OSError):
            return None

    def messages(self, topics: Collection[str], start_ns: int = 0,
                 stop_ns: int = NEVER) -> Iterator[Message]:
        """Messages of some topics, logged from `start_ns` to before `stop_ns`, in bag order.

        One such iterator can be read at a time. Image messages without a header are left out.
        """
        for message in self._bag.messages(topics, start_ns, stop_ns):
            if (self.topics[message.topic] not in IMAGE_TYPES
                    or has_header(message, self._bag.unread)):
                yield message

    def decode(self, message: Message) -> Any:
        """The message as an object with its fields; BagError says what is wrong with it."""
        with self._naming(message):
            return decoded(message.cdr, self.topics[message.topic])

    def pixels(self, message: Message) -> Labels:
        """Labels or confidence uint8 [H, W]; BagError says what is wrong with the message."""
        image = self.decode(message)
        with self._naming(message):
            return one_channel(image, self.topics[message.topic] == COMPRESSED_IMAGE)

    def rgb(self, message: Message) -> NDArray[np.uint8]:
        """An image as uint8 [H, W, 3]; BagError says what is wrong with the message."""
        image = self.decode(message)
        with self._naming(message):
            if self.topics[message.topic] == COMPRESSED_IMAGE:
                return compressed_to_rgb(image)
            return image_to_rgb(image)

    def time_s(self, logged_ns: int) -> float:
        """Seconds from the start of the bag."""
        return (logged_ns - self.start_ns) * 1e-9

    @contextmanager
    def _naming(self, message: Message) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # parsers of foreign bytes raise nearly anything
            raise BagError(f'{self.path}: {message.topic} at '
                           f'{self.time_s(message.logged_ns):.3f} s: {error}') from error

    def label_topic(self, topic: str) -> LabelCamera:
        """Take an image topic of any name for one of labels, such as a ground truth."""
        self._bag.image_topics([topic])
        return next((camera for camera in self.cameras if camera.labels == topic),
                    LabelCamera(name=topic, labels=topic))

    def _cameras(self) -> list[LabelCamera]:
        """Find the label topics, raw before compressed where a camera has both."""
        records = {record.labels: (topic, record) for topic, record in
                   (self.record.topics if self.record else {}).items()}
        cameras: dict[str, LabelCamera] = {}
        for suffix, kind in (('/labels', RAW_IMAGE), ('/labels/compressed', COMPRESSED_IMAGE)):
            for topic in sorted(self.topics):
                name = topic.removesuffix(suffix)
                if name == topic or name in cameras or self.topics[topic] != kind or (
                        records and topic not in records):
                    continue
                image, record = records.get(topic, ('', None))
                cameras[name] = LabelCamera(
                    name=name, labels=topic, image=image,
                    label_info=self._first(f'{name}/label_info'), record=record,
                    confidence=self._first(f'{name}/confidence', f'{name}/confidence/compressed'),
                    overlay=self._first(f'{name}/overlay/compressed', f'{name}/overlay'))
        return [cameras[name] for name in sorted(cameras)]

    def _first(self, *names: str) -> str:
        return next((name for name in names if name in self.topics), '')

    def _classes(self) -> BagClasses:
        """Names by the record, else by the bag's vision_msgs/LabelInfo."""
        if self.record:
            return BagClasses(dict(enumerate(self.record.classes)),
                              dict(enumerate(self.record.palette)))
        names: dict[int, str] = {}
        wanted = {camera.label_info for camera in self.cameras} - {''}
        for message in self.messages(wanted) if wanted else ():
            names |= {item.class_id: item.class_name for item in self.decode(message).class_map}
        return BagClasses.of(names)


def labelled_bags(path: Path) -> list[Path]:
    """The bag itself, or those in a folder."""
    if not path.is_dir() or is_bag(path):
        return [path]
    found = sorted((item for item in path.iterdir() if is_bag(item)), key=natural_key)
    if not found:
        raise BagError(f'{path} is no rosbag2 directory and holds none')
    return found


def one_channel(message: Any, compressed: bool) -> Labels:
    """Pixels uint8 [H, W] of a mono8 Image, or of a CompressedImage with a grey PNG."""
    if not compressed:
        return _raw(message)
    if message.data[:len(PNG)].tobytes() != PNG:
        raise ValueError(f"format '{message.format}': expected PNG, which loses nothing")
    compressed_size(message)
    pixels = cv2.imdecode(message.data, cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim != 2 or pixels.dtype != np.uint8:
        raise ValueError('expected a whole PNG with one channel of 8 bits')
    return np.asarray(pixels, np.uint8)


def _raw(image: Any) -> Labels:
    if image.encoding not in LABEL_ENCODINGS:
        raise ValueError(f"encoding '{image.encoding}': expected {' or '.join(LABEL_ENCODINGS)}")
    if not 0 < image.width <= image.step or not (
            0 < image.height * image.step <= len(image.data)):
        raise ValueError(f'{image.width} x {image.height} pixels with step {image.step} and '
                         f'{len(image.data)} bytes of data')
    rows = np.asarray(image.data[:image.height * image.step], np.uint8)
    return rows.reshape(image.height, image.step)[:, :image.width]
