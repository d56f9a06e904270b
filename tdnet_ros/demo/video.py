"""The overlays of a run as a video that plays as long as the run took."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from tdnet_ros.demo.processes import DemoError
from tdnet_ros.demo.results import Picture

# H.264 plays everywhere; MPEG-4 is what every OpenCV build can write.
CODECS = ('avc1', 'mp4v')


def write_video(path: Path, overlays: Iterable[tuple[int, Picture]], stamps_ns: Sequence[int],
                rate_hz: float) -> None:
    """Write one picture for every stamp: the newest overlay there was at that time.

    A frame that was not labelled shows as the overlay before it, standing still.
    """
    writer: cv2.VideoWriter | None = None
    pending = iter(overlays)
    upcoming = next(pending, None)
    current: Picture | None = None
    for stamp_ns in stamps_ns:
        while upcoming is not None and upcoming[0] <= stamp_ns:
            current, upcoming = upcoming[1], next(pending, None)
        if current is None:
            continue
        if writer is None:
            size = current.shape[1] // 2 * 2, current.shape[0] // 2 * 2
            writer = _open(path, rate_hz, size)
        writer.write(_fitted(current, size))
    if writer is None:
        raise DemoError('the bag holds no overlay to make a video of')
    writer.release()
    _check(path)


def _open(path: Path, rate_hz: float, size: tuple[int, int]) -> cv2.VideoWriter:
    for codec in CODECS:
        writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec),
                                 rate_hz, size)
        if writer.isOpened():
            return writer
    raise DemoError(f'this OpenCV can write neither of {", ".join(CODECS)} into {path}')


def _fitted(picture: Picture, size: tuple[int, int]) -> Picture:
    width, height = size
    if picture.shape[0] - height in (0, 1) and picture.shape[1] - width in (0, 1):
        return picture[:height, :width]  # video wants even sizes
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _check(path: Path) -> None:
    readable, _ = cv2.VideoCapture(str(path)).read()
    if not readable:
        raise DemoError(f'{path} was written and cannot be read back')
