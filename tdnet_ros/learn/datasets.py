"""Labelled video on disk, as runs of consecutive frames, behind one small interface."""
from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from pathlib import Path
import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from tdnet_ros.learn.reading import LabelReader, read_image, size_text
from tdnet_ros.nets.classes import ClassSet

SPLITS = ('train', 'val')
"""Of a run."""


@dataclass(frozen=True)
class VideoFrame:
    """One image on disk and, where it was annotated, its label."""

    image: Path
    label: Path | None
    video: str
    """Frames of one name come from one camera run; '' is a still."""
    number: int = 0
    """Counts the frames of the video."""


class Contents(NamedTuple):
    """What the labelled frames of a data set hold."""

    pixels: NDArray[np.int64]
    """Of each class."""
    sizes: Counter[tuple[int, int]]
    """How many frames have a (height, width)."""


@dataclass(frozen=True)
class Dataset:
    """Labelled frames in clips: runs that follow closely in a video; a lone still is one, too."""

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

    def longest(self) -> int:
        """Return the number of frames of the longest clip."""
        return max(map(len, self.clips))

    def described(self) -> str:
        """Return what there is of it: 'frames 6, labelled 5, clips 2 (longest 3)'."""
        return (f'frames {sum(map(len, self.clips))}, labelled {len(self.labelled())}, '
                f'clips {len(self.clips)} (longest {self.longest()})')

    def size(self) -> tuple[int, int]:
        """Return the height and width of the first label."""
        height, width = self.label(*self.labelled()[0]).shape
        return height, width

    def label(self, clip: int, position: int) -> NDArray[np.uint8]:
        """Read the class ids [H, W] of a labelled frame."""
        path = self.clips[clip][position].label
        assert path is not None
        return self.read_label(path)

    def check(self) -> Contents:
        """
        Read every labelled frame once; return what they hold.

        A ValueError names the first bad file, or says that no pixel is of a class.
        """
        places = self.labelled()
        frames = [self.clips[clip][position] for clip, position in places]
        console = Console(stderr=True)
        with ThreadPoolExecutor() as pool:
            counts, sizes = zip(*track(
                pool.map(self._check_frame, frames), 'checking', len(frames), transient=True,
                console=console, disable=not console.is_terminal), strict=True)
        for (earlier, one), (later, other) in pairwise(zip(places, sizes, strict=True)):
            if earlier[0] == later[0]:
                check_one_size(self.clips[later[0]][later[1]], other,
                               self.clips[earlier[0]][earlier[1]], one)
        pixels = np.sum(counts, 0)
        if not pixels.any():
            raise ValueError(
                f'all pixels of the labels are void, from {frames[0].label} on: none is of a '
                f'class of {self.classes.name} ({", ".join(self.classes.names)})')
        return Contents(pixels, Counter(sizes))

    def _check_frame(self, frame: VideoFrame) -> tuple[NDArray[np.int64], tuple[int, int]]:
        assert frame.label is not None
        image, label = read_image(frame.image), self.read_label(frame.label)
        if image.shape[:2] != label.shape:
            turned = image.shape[1::-1] == label.shape
            raise ValueError(
                f'{frame.label} is {size_text(label.shape)} but its image {frame.image} is '
                f'{size_text(image.shape)}{" (rotated by its EXIF data?)" if turned else ""}: '
                'they must be of one size')
        height, width = label.shape
        return np.bincount(label.ravel(), minlength=256)[:len(self.classes)], (height, width)


def check_one_size(frame: VideoFrame, size: tuple[int, int], earlier: VideoFrame,
                   earlier_size: tuple[int, int]) -> None:
    """Raise ValueError unless two frames of one video have the same (height, width)."""
    if size != earlier_size:
        raise ValueError(
            f'{frame.image} is {size_text(size)}, but {earlier.image} of the same video is '
            f'{size_text(earlier_size)}; separate pictures are --dataset stills')


def check_classes(model: str, theirs: ClassSet, ours: ClassSet) -> None:
    """Raise ValueError unless a model has the classes of the data, in their order."""
    pairs = enumerate(zip_longest(theirs.names, ours.names, fillvalue='none'))
    for number, (one, other) in pairs:
        if one != other:
            raise ValueError(f'{model} has other classes than the data: of its {len(theirs)} '
                             f'number {number} is {one}, of the {len(ours)} in the data {other}')


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
