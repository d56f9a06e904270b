"""Frames to measure on: a folder of images, or a street that moves."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from tdnet_ros.nets.images import find_images, read_pixels
from tdnet_ros.stream import Frame
from tdnet_ros.stream.frame import Image

STEP_NS = 50_000_000


def find_frames(folder: Path, most: int) -> list[Path]:
    """List the first images of a folder in order of name, `most` of them.

    ValueError if there are none, or if one cannot be read.
    """
    paths = find_images(folder)[:most]
    for path in paths:
        read_pixels(path)
    return paths


def make_frame(number: int, camera: int, size: tuple[int, int], images: Sequence[Path]) -> Frame:
    """Make a camera's frame of this number, (height, width) pixels, the same every time."""
    if images:
        bgr = read_pixels(images[number % len(images)])
        rgb = cv2.resize(np.asarray(bgr[..., ::-1], np.uint8), size[::-1])
    else:
        rgb = _blocks(number, camera, size)
    return Frame(np.ascontiguousarray(rgb), number * STEP_NS)


def write_frames(folder: Path, count: int, size: tuple[int, int],
                 images: Sequence[Path]) -> list[Path]:
    """Write a camera's first frames as files."""
    files = [folder / f'{number:04}.png' for number in range(count)]
    for number, file in enumerate(files):
        cv2.imwrite(str(file), make_frame(number, 0, size, images).rgb[..., ::-1])
    return files


def _blocks(number: int, camera: int, size: tuple[int, int]) -> Image:
    """Coloured blocks and noise that move sideways: edges and flat areas, as in a street."""
    height, width = size
    scene = np.random.default_rng(camera).integers(0, 256, (9, 32, 3), np.uint8)
    scene = cv2.resize(scene, (2 * width, height), interpolation=cv2.INTER_NEAREST)
    scene += np.random.default_rng(camera).integers(0, 16, scene.shape, np.uint8)
    shift = number * max(1, width // 100) % width
    return np.asarray(scene[:, shift:shift + width], np.uint8)
