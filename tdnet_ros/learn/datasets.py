"""Labelled video on disk, as runs of consecutive frames, behind one small interface."""
from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
import re

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from tdnet_ros.nets.classes import UNLABELED, ClassSet

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.ppm', '.bmp')

LabelReader = Callable[[Path], NDArray[np.uint8]]


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

    def pixel_counts(self) -> NDArray[np.int64]:
        """Count the labelled pixels of every class."""
        counts = np.zeros(256, np.int64)
        for clip, position in self.labelled():
            counts += np.bincount(self.label(clip, position).ravel(), minlength=256)
        return counts[:len(self.classes)]

    def label(self, clip: int, position: int) -> NDArray[np.uint8]:
        """Read the class ids [H, W] of a labelled frame."""
        path = self.clips[clip][position].label
        assert path is not None
        return self.read_label(path)

    def check(self) -> None:
        """Read every labelled frame once; raise a ValueError that names the first bad file."""
        frames = [frame for clip in self.clips for frame in clip if frame.label]
        console = Console(stderr=True)
        with ThreadPoolExecutor() as pool:
            for _ in track(pool.map(self._check_frame, frames), 'checking', len(frames),
                           transient=True, console=console, disable=not console.is_terminal):
                pass

    def _check_frame(self, frame: VideoFrame) -> None:
        assert frame.label is not None
        image, label = read_image(frame.image), self.read_label(frame.label)
        if image.shape[:2] != label.shape:
            raise ValueError(
                f'{frame.label} is {size_text(label)} but its image {frame.image} is '
                f'{size_text(image)}: they must be of one size')


def read_image(path: Path) -> NDArray[np.uint8]:
    """Return the image as RGB uint8 [H, W, 3]."""
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ValueError(f'cannot read the image {path}')
    return np.ascontiguousarray(bgr[:, :, ::-1], np.uint8)


def size_text(array: NDArray[np.uint8]) -> str:
    """Return width x height as people write it."""
    return f'{array.shape[1]}x{array.shape[0]}'


def id_reader(ids: dict[int, int]) -> LabelReader:
    """Return a reader of single-channel labels; ids maps a pixel value to a class or UNLABELED."""
    known = np.zeros(256, bool)
    known[list(ids)] = True
    table = np.full(256, UNLABELED, np.uint8)
    table[list(ids)] = list(ids.values())

    def read(path: Path) -> NDArray[np.uint8]:
        label = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if label is None:
            raise ValueError(f'cannot read the label image {path}')
        if label.ndim != 2 or label.dtype != np.uint8:
            raise ValueError(
                f'{path} is {label.dtype} with shape {label.shape}: a label image has one 8-bit '
                'channel that holds class ids')
        present = np.bincount(label.ravel(), minlength=256) > 0
        if (present & ~known).any():
            wrong = int(np.flatnonzero(present & ~known)[0])
            raise ValueError(
                f'{path} holds the label id {wrong}; known ids are {ranges_text(list(ids))}')
        return table[label]

    return read


def colour_reader(colours: dict[tuple[int, int, int], int]) -> LabelReader:
    """Return a reader of labels painted in RGB colours; colours maps each to a class id."""
    codes = np.array([(r << 16) | (g << 8) | b for r, g, b in colours])
    order = np.argsort(codes)
    codes, classes = codes[order], np.array(list(colours.values()), np.uint8)[order]

    def read(path: Path) -> NDArray[np.uint8]:
        rgb = read_image(path).astype(np.int64)
        code = (rgb[..., 0] << 16) | (rgb[..., 1] << 8) | rgb[..., 2]
        index = np.minimum(np.searchsorted(codes, code), len(codes) - 1)
        wrong = codes[index] != code
        if wrong.any():
            y, x = np.argwhere(wrong)[0]
            raise ValueError(
                f'{path} has the colour {tuple(int(v) for v in rgb[y, x])} at x {x}, y {y}, '
                f'which is none of the {len(codes)} label colours')
        return classes[index]

    return read


def ranges_text(ids: list[int]) -> str:
    """Write ids briefly: 0-10, 255."""
    parts: list[str] = []
    for number in sorted(ids):
        start, _, end = parts[-1].partition('-') if parts else ('', '', '')
        if parts and int(end or start) == number - 1:
            parts[-1] = f'{start}-{number}'
        else:
            parts.append(str(number))
    return ', '.join(parts)


def list_images(folder: Path) -> list[Path]:
    """Return the images under a folder, sorted by name."""
    if not folder.is_dir():
        raise ValueError(f'there is no folder {folder}')
    found = sorted(p for p in folder.rglob('*') if p.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise ValueError(f'there is no image in {folder} (looked for {", ".join(IMAGE_SUFFIXES)})')
    return found


def pair_frames(images: list[Path], labels: dict[str, Path], source: Path,
                video_names: str = r'(?P<video>.*?)(?P<number>\d+)') -> list[VideoFrame]:
    """
    Match images and labels by the image's stem; every label must have its image.

    The pattern tells video and frame number in a stem; a stem that it doesn't match is a still.
    """
    lonely = sorted(labels.keys() - {image.stem for image in images})
    if lonely:
        raise ValueError(f'{labels[lonely[0]]} has no image of that name in {source}')
    frames = []
    for image in images:
        match = re.fullmatch(video_names, image.stem)
        frames.append(VideoFrame(
            image, labels.get(image.stem), match['video'] or 'video' if match else '',
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
