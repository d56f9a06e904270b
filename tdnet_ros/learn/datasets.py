"""Labelled video on disk, as runs of consecutive frames, behind one small interface."""
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
import re

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from tdnet_ros.learn.reading import LabelReader, read_image, size_text
from tdnet_ros.nets.classes import ClassSet


@dataclass(frozen=True)
class VideoFrame:
    """One image on disk and, where it was annotated, its label."""

    image: Path
    label: Path | None
    video: str
    """Frames of one name come from one camera run; '' is a still."""
    number: int = 0
    """Counts the frames of the video."""


@dataclass(frozen=True)
class Dataset:
    """Labelled frames in clips: runs that follow closely in a video; a lone still is one, too."""

    name: str
    classes: ClassSet
    clips: tuple[tuple[VideoFrame, ...], ...]
    read_label: LabelReader
    rate_hz: float = 30.0
    """How fast the frame numbers count."""

    def labelled(self) -> list[tuple[int, int]]:
        """Return (clip, position) of every frame that has a label."""
        return [
            (c, p) for c, clip in enumerate(self.clips) for p, f in enumerate(clip) if f.label
        ]

    def size(self) -> tuple[int, int]:
        """Return the height and width of the first label."""
        height, width = self.label(*self.labelled()[0]).shape
        return height, width

    def label(self, clip: int, position: int) -> NDArray[np.uint8]:
        """Read the class ids [H, W] of a labelled frame."""
        path = self.clips[clip][position].label
        assert path is not None
        return self.read_label(path)

    def check(self) -> NDArray[np.int64]:
        """
        Read every labelled frame once and count the pixels of every class.

        A ValueError names the first bad file.
        """
        frames = [frame for clip in self.clips for frame in clip if frame.label]
        console = Console(stderr=True)
        with ThreadPoolExecutor() as pool:
            return sum(track(
                pool.map(self._check_frame, frames), 'checking', len(frames), transient=True,
                console=console, disable=not console.is_terminal
            ), np.zeros(len(self.classes), np.int64))

    def _check_frame(self, frame: VideoFrame) -> NDArray[np.int64]:
        assert frame.label is not None
        image, label = read_image(frame.image), self.read_label(frame.label)
        if image.shape[:2] != label.shape:
            raise ValueError(
                f'{frame.label} is {size_text(label)} but its image {frame.image} is '
                f'{size_text(image)}: they must be of one size')
        return np.bincount(label.ravel(), minlength=256)[:len(self.classes)]


def absent_classes(classes: ClassSet, pixels: NDArray[np.int64]) -> list[str]:
    """Return the names of the classes that no pixel has; ValueError if there is no pixel."""
    if not pixels.any():
        raise ValueError('all pixels of the labels are void: none is of a class of '
                         f'{classes.name} ({", ".join(classes.names)})')
    return [name for name, count in zip(classes.names, pixels, strict=True) if not count]


def pair_frames(images: dict[str, Path], labels: dict[str, Path], source: Path,
                video_names: str) -> list[VideoFrame]:
    """
    Match images and labels by name; every label must have its image.

    A name is the path below `source` without the suffix. The pattern tells video and frame
    number in it; a name that it doesn't match is a still.
    """
    lonely = sorted(labels.keys() - images.keys())
    if lonely:
        raise ValueError(f'{labels[lonely[0]]} has no image of that name in {source}')
    frames = []
    for name, image in images.items():
        match = re.fullmatch(video_names, name)
        frames.append(VideoFrame(
            image, labels.get(name), match['video'] or 'video' if match else '',
            int(match['number']) if match else 0))
    return sorted(frames, key=lambda frame: (frame.video, frame.number))


def split_clips(frames: list[VideoFrame], step: int) -> tuple[tuple[VideoFrame, ...], ...]:
    """Cut sorted frames where the video ends or the number grows by more than step."""
    clips: list[list[VideoFrame]] = []
    for frame in frames:
        last = clips[-1][-1] if clips else None
        if last and frame.video and frame.video == last.video and (
                frame.number - last.number <= step):
            clips[-1].append(frame)
        else:
            clips.append([frame])
    return tuple(tuple(clip) for clip in clips)
