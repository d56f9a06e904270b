"""Where images come from: a video file, a folder of images, a camera, or a rosbag."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
import itertools
from pathlib import Path
import re
import time
from typing import Protocol

import cv2
import numpy as np

from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.files.paths import is_bag, natural_key
from tdnet_ros.bags.unread import Unread
from tdnet_ros.nets.images import IMAGE_SUFFIXES, folders_with_images, is_image, read_pixels
from tdnet_ros.ros.names import COMPRESSED

DEFAULT_RATE_HZ = 10.0  # where images carry no times
MAX_RATE_HZ = 1000.0
WHOLE = 0.95
'''Share of the frames that a video says it has: some only estimate their number.'''
TRUTH = 'ground_truth'
'''Part of the names of topics with labels that are right.'''


@dataclass(frozen=True)
class Sample:
    """One image: when it is due, when it was taken, and its pixels or its serialized message."""

    due_s: float | None  # after the start of the source; None: it is live
    stamp_ns: int  # of the bag's header, the position in a video, or a camera's time of capture
    payload: np.ndarray | bytes  # BGR uint8 [H, W, 3], or CDR from a bag
    topic: str = ''  # recorded topic, for bags
    logged_ns: int | None = None  # time of recording, for bags


class Source(Protocol):
    """Images in the order they were taken; can be iterated again unless it is live."""

    problems: list[str]
    '''What could not be read so far, each in one line; it is left out.'''
    unread: Unread
    '''Counts, in `problems`, what cannot be read; who plays finds more of it.'''

    @property
    def topics(self) -> Mapping[str, str]:
        """Recorded image topics and their types; empty where images have no topic."""

    @property
    def infos(self) -> Mapping[str, str]:
        """By image topic: the topic of its calibration, sensor_msgs/CameraInfo, if there is one.

        Its messages are among the samples, and do not count as images.
        """

    @property
    def left_out(self) -> tuple[str, ...]:
        """Image topics that are not among the samples, because a node made them."""

    @property
    def count(self) -> int | None:
        """How many images there are, where that is known."""

    @property
    def period_s(self) -> float:
        """Time from one image to the next, on average."""

    def __iter__(self) -> Iterator[Sample]:
        """Start from the first image."""


class _PixelSource:
    """What sources without recorded topics have in common."""

    topics: Mapping[str, str] = {}
    infos: Mapping[str, str] = {}
    left_out: tuple[str, ...] = ()

    def __init__(self, count: int | None, rate_hz: float) -> None:
        self.problems: list[str] = []
        self.unread = Unread(self.problems)
        self.count = count
        self.period_s = 1.0 / rate_hz

    def _sample(self, index: int, image: np.ndarray) -> Sample:
        due_s = index * self.period_s
        return Sample(due_s=due_s, stamp_ns=round(due_s * 1e9), payload=image)


class VideoSource(_PixelSource):
    """The frames of a video file, at the file's own rate or at a given one."""

    def __init__(self, path: Path, rate_hz: float | None) -> None:
        self._path = path
        capture = self._open()
        own_rate_hz = capture.get(cv2.CAP_PROP_FPS)
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        decodable, _ = capture.read()
        capture.release()
        if not decodable:
            raise BagError(f'{path} holds no frame that OpenCV can decode (unknown codec?)')
        if rate_hz is None and not 0 < own_rate_hz <= MAX_RATE_HZ:
            raise BagError(f'{path} states no usable frame rate ({own_rate_hz:g}): pass --rate')
        super().__init__(count if count > 0 else None, rate_hz or own_rate_hz)

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        if not capture.isOpened():
            raise BagError(f'{self._path} is no video that OpenCV can decode (container or codec '
                           'unknown, or its recording was cut off): expected a video file, '
                           'a folder of images or a rosbag')
        return capture

    def __iter__(self) -> Iterator[Sample]:
        capture = self._open()
        try:
            for index in itertools.count():
                ok, image = capture.read()
                if not ok:
                    self._note_end(index)
                    return
                yield self._sample(index, image)
        finally:
            capture.release()

    def _note_end(self, count: int) -> None:
        """Tell of a video that has clearly fewer frames than it says."""
        if self.count and count < WHOLE * self.count:
            problem = (f'{self._path}: {count} of {self.count} frames can be read: it was cut off '
                       'or is damaged')
            if problem not in self.problems:
                self.problems.append(problem)


class FolderSource(_PixelSource):
    """The images of a folder in natural order: frame2 before frame10.

    Those that cannot be read are left out, and leave their time empty.
    """

    def __init__(self, folder: Path, rate_hz: float | None) -> None:
        self.files = sorted(filter(is_image, folder.iterdir()), key=natural_key)
        if not self.files:
            inside = folders_with_images(folder)
            raise BagError(f'{folder} holds no image ({", ".join(IMAGE_SUFFIXES)}) and is '
                           'no rosbag (no metadata.yaml)'
                           + (f'; there are images in {", ".join(inside)}' if inside else ''))
        super().__init__(len(self.files), rate_hz or DEFAULT_RATE_HZ)

    def __iter__(self) -> Iterator[Sample]:
        for index, path in enumerate(self.files):
            try:
                image = read_pixels(path)
            except ValueError as error:
                self.unread.note_image(path, str(error))
                continue
            yield self._sample(index, image)


class CameraSource(_PixelSource):
    """A V4L2 camera: frames when they come, stamped when they were grabbed."""

    def __init__(self, device: int, rate_hz: float | None) -> None:
        self._device = device
        self._capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
        if not self._capture.isOpened():
            raise BagError(f'camera {device} (/dev/video{device}) cannot be opened: is it there, '
                           'free, and readable by you?')
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        if rate_hz is not None:
            self._capture.set(cv2.CAP_PROP_FPS, rate_hz)
        reported_hz = self._capture.get(cv2.CAP_PROP_FPS)
        super().__init__(None, reported_hz if 0 < reported_hz <= MAX_RATE_HZ else 30.0)

    def __iter__(self) -> Iterator[Sample]:
        try:
            while self._capture.grab():
                stamp_ns = time.time_ns()
                ok, image = self._capture.retrieve()
                if ok:
                    yield Sample(due_s=None, stamp_ns=stamp_ns, payload=image)
        finally:
            self._capture.release()
        self.problems.append(f'camera {self._device} stopped delivering images')


def info_topic(image: str) -> str:
    """The topic that drivers publish the calibration of an image topic on."""
    return f"{image.removesuffix(COMPRESSED).rpartition('/')[0]}/camera_info"


def is_truth(image: str) -> bool:
    """Whether the name of an image topic says that it is a ground truth: /front/ground_truth."""
    return TRUTH in image.split('/')


def camera_number(spec: str) -> int | None:
    """The camera that is named by 0 or /dev/video0; None where it is a file or anything else."""
    device = re.fullmatch(r'(?:/dev/video)?(\d+)', spec)
    if device and (spec.startswith('/dev/') or not Path(spec).exists()):
        return int(device[1])
    return None


def open_source(spec: str, rate_hz: float | None = None, topics: tuple[str, ...] = ()) -> Source:
    """Open what `spec` names: a camera number or device, a bag, a folder or a video file."""
    camera, path = camera_number(spec), Path(spec)
    if camera is not None:
        return CameraSource(camera, rate_hz)
    if not path.exists():
        here = ' on this machine' if '://' in spec else ''
        raise BagError(f'{spec} does not exist: expected a video file, a folder of images, a '
                       f'rosbag or the number of a camera{here}')
    if is_bag(path):
        from tdnet_ros.bags.bag_source import BagSource
        return BagSource(path, rate_hz, topics)
    if topics:
        raise BagError(f'{spec} is no rosbag, so it has no topics to choose from')
    return FolderSource(path, rate_hz) if path.is_dir() else VideoSource(path, rate_hz)
