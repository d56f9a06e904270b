"""Labelled video on disk, as runs of consecutive frames, behind one small interface."""
from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
import re

import cv2
import numpy as np

from tdnet_ros.nets.classes import ClassSet
from tdnet_ros.nets.classes import UNLABELED

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.ppm', '.bmp')

LabelReader = Callable[[Path], np.ndarray]


@dataclass(frozen=True)
class VideoFrame:
    """One image on disk and, where it was annotated, its label."""

    image: Path
    label: Path | None


@dataclass(frozen=True)
class Dataset:
    """Clips: runs of frames that follow each other in a video; a lone still is a clip of one frame."""

    name: str
    classes: ClassSet
    clips: tuple[tuple[VideoFrame, ...], ...]
    read_label: LabelReader

    def labelled(self) -> list[tuple[int, int]]:
        """Return (clip, position) of every frame that has a label."""
        return [
            (c, p) for c, clip in enumerate(self.clips) for p, f in enumerate(clip) if f.label
        ]

    def check(self) -> None:
        """Read every labelled frame once; raise a ValueError that names the first bad file."""
        frames = [frame for clip in self.clips for frame in clip if frame.label]
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._check_frame, frames))

    def _check_frame(self, frame: VideoFrame) -> None:
        assert frame.label is not None
        image, label = read_image(frame.image), self.read_label(frame.label)
        if image.shape[:2] != label.shape:
            raise ValueError(
                f'{frame.label} is {size_text(label)} but its image {frame.image} is '
                f'{size_text(image)}: they must be of one size')


def read_image(path: Path) -> np.ndarray:
    """Return the image as RGB uint8 [H, W, 3]."""
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ValueError(f'cannot read the image {path}')
    return np.ascontiguousarray(bgr[:, :, ::-1])


def size_text(array: np.ndarray) -> str:
    """Return width x height as people write it."""
    return f'{array.shape[1]}x{array.shape[0]}'


def id_reader(ids: dict[int, int]) -> LabelReader:
    """Return a reader of single-channel labels; ids maps a pixel value to a class or UNLABELED."""
    known = np.zeros(256, bool)
    known[list(ids)] = True
    table = np.full(256, UNLABELED, np.uint8)
    table[list(ids)] = list(ids.values())

    def read(path: Path) -> np.ndarray:
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

    def read(path: Path) -> np.ndarray:
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


def split_clips(frames: list[VideoFrame], step: int | None) -> tuple[tuple[VideoFrame, ...], ...]:
    """
    Cut a sorted list of frames where the video or the counting breaks.

    A file name is VIDEO_NUMBER; frames follow each other while VIDEO stays and NUMBER grows by at
    most step (None: by anything). A name without a number is a still.
    """
    clips: list[list[VideoFrame]] = []
    previous: tuple[str, int] | None = None
    for frame in frames:
        match = re.fullmatch(r'(.*?)(\d+)\D*', frame.image.stem)
        here = (f'{frame.image.parent}/{match[1]}', int(match[2])) if match else None
        follows = (
            here is not None and previous is not None and here[0] == previous[0]
            and (step is None or here[1] - previous[1] <= step))
        if follows:
            clips[-1].append(frame)
        else:
            clips.append([frame])
        previous = here
    return tuple(tuple(clip) for clip in clips)


def pair_frames(images: list[Path], labels: dict[str, Path], source: Path) -> list[VideoFrame]:
    """Match images and labels by the image's stem; every label must have its image."""
    lonely = sorted(labels.keys() - {image.stem for image in images})
    if lonely:
        raise ValueError(f'{labels[lonely[0]]} has no image of that name in {source}')
    return [VideoFrame(image, labels.get(image.stem)) for image in images]
