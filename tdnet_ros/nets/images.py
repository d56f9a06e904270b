"""Image files: which are taken for such, and how all tools read them."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import re

import cv2
import numpy as np
from numpy.typing import NDArray

IMAGE_SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.pgm', '.png', '.ppm', '.tif', '.tiff', '.webp')
PNG = b'\x89PNG'
JPEG = b'\xff\xd8'
'''With which such files begin.'''
JPEG_SCAN, _JPEG_END = b'\xff\xda', b'\xff\xd9'
# Any number of 0xFF may come before it.
_JPEG_MARKER = re.compile(rb'\xff+([^\xff])', re.DOTALL)
# Markers without a length.
_JPEG_LONE = frozenset((0x00, 0x01, *range(0xD0, 0xDA)))


def is_image(path: Path) -> bool:
    """Whether a file's name is that of an image; macOS adds files named ._NAME."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith('.')


def find_images(folder: Path) -> list[Path]:
    """List the images of a folder in order of name; ValueError if there are none."""
    paths = sorted(filter(is_image, folder.glob('*')))
    if not paths:
        inside = folders_with_images(folder)
        raise ValueError(f'images {folder}: expected a folder with {", ".join(IMAGE_SUFFIXES)}'
                         + (f'; there are images in {", ".join(inside)}' if inside else ''))
    return paths


def folders_with_images(folder: Path) -> list[str]:
    """List the folders right inside of another that hold images, as texts."""
    return sorted(str(path) for path in folder.glob('*')
                  if path.is_dir() and any(map(is_image, path.iterdir())))


def jpeg_header(file: bytes) -> Iterator[tuple[int, int]]:
    """The markers of a JPEG up to that of its first scan, and where each one's length stands."""
    at = len(JPEG)
    while marker := _JPEG_MARKER.match(file, at):
        code, at = marker[1][0], marker.end()
        yield code, at
        if code == JPEG_SCAN[1]:
            return
        if code not in _JPEG_LONE:
            at += int.from_bytes(file[at:at + 2], 'big')


def is_cut_off(file: bytes) -> bool:
    """Whether a file is empty or a JPEG without its end: OpenCV before 4.11 makes up the rest.

    A thumbnail in its header has an end of its own, and behind the end there may be anything.
    """
    if not file.startswith(JPEG):
        return not file
    scan = next((at for code, at in jpeg_header(file) if code == JPEG_SCAN[1]), len(file))
    return file.find(_JPEG_END, scan) < 0


def read_pixels(path: Path, mode: int = cv2.IMREAD_COLOR) -> NDArray[np.generic]:
    """Return the pixels of an image file, colours as BGR.

    ValueError names a file that is no image, damaged or cut off.
    """
    try:
        file = path.read_bytes()
        image = None if is_cut_off(file) else cv2.imdecode(np.frombuffer(file, np.uint8), mode)
    except (OSError, cv2.error) as error:
        reason = error.strerror if isinstance(error, OSError) else error.err
        raise ValueError(f'cannot read the image {path}: {reason}') from error
    if image is None:
        raise ValueError(f'cannot read the image {path}: it is damaged, cut off or no image')
    return image
