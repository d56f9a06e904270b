"""Frames to measure on: a folder of images, or a street that moves."""
from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from tdnet_ros.nets.images import IMAGE_SUFFIXES, is_image, read_pixels
from tdnet_ros.stream import Frame
from tdnet_ros.stream.frame import Image

STEP_NS = 50_000_000


def find_images(folder: Path, most: int) -> list[Path]:
    """List the first images of a folder in order of name, `most` of them.

    ValueError if there are none, or if one cannot be read.
    """
    paths = sorted(filter(is_image, folder.glob('*')))
    if not paths:
        raise ValueError(f'images {folder}: expected a folder with {", ".join(IMAGE_SUFFIXES)}')
    for path in paths[:most]:
        read_pixels(path)
    return paths[:most]


def make_frame(number: int, camera: int, size: tuple[int, int], images: list[Path]) -> Frame:
    """Make a camera's frame of this number, (height, width) pixels, the same every time."""
    if images:
        bgr = read_pixels(images[number % len(images)])
        rgb = cv2.resize(np.asarray(bgr[..., ::-1], np.uint8), size[::-1])
    else:
        rgb = _blocks(number, camera, size)
    return Frame(np.ascontiguousarray(rgb), number * STEP_NS)


def _blocks(number: int, camera: int, size: tuple[int, int]) -> Image:
    """Coloured blocks and noise that move sideways: edges and flat areas, as in a street."""
    height, width = size
    scene = np.random.default_rng(camera).integers(0, 256, (9, 32, 3), np.uint8)
    scene = cv2.resize(scene, (2 * width, height), interpolation=cv2.INTER_NEAREST)
    scene += np.random.default_rng(camera).integers(0, 16, scene.shape, np.uint8)
    shift = number * max(1, width // 100) % width
    return np.asarray(scene[:, shift:shift + width], np.uint8)
