"""Images and label images of a data set: found, read, and turned to class ids."""
from __future__ import annotations

from collections.abc import Callable, Sequence
import os
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from tdnet_ros.nets.classes import BLACK, UNLABELED, ClassSet
from tdnet_ros.nets.images import IMAGE_SUFFIXES, PNG, is_image, read_pixels

JPEG, BMP = b'\xff\xd8\xff', b'BM'
"""With which such a file begins, whatever its name."""
TIFF: dict[bytes, Literal['little', 'big']] = {b'II*\0': 'little', b'MM\0*': 'big'}
"""The same; the order of its bytes."""
TIFF_BITS = 258
"""Tag of an entry that holds the bits of a channel; without it there is one."""
FEW_BITS = b'\x01\x00', b'\x02\x00', b'\x04\x00'
"""Depths and colour type, at byte 24 of a PNG, of greys that OpenCV stretches to 0 to 255."""

LabelReader = Callable[[Path], NDArray[np.uint8]]
Convert = Callable[[Path, NDArray[np.generic]], NDArray[np.uint8]]
"""Turns the pixels of a label, whose path is for errors, to classes."""


def read_image(path: Path) -> NDArray[np.uint8]:
    """Return the image as RGB uint8 [H, W, 3]."""
    return np.ascontiguousarray(read_pixels(path)[:, :, ::-1], np.uint8)


def size_text(shape: Sequence[int]) -> str:
    """Return width x height of an image's shape, as people write it."""
    return f'{shape[1]}x{shape[0]}'


def list_images(folder: Path) -> dict[str, Path]:
    """
    Return the images under a folder, in order, by their path in it without the suffix.

    Links to folders are followed, but not those that lead back up; hidden folders, such as those
    of notebooks, are left out.
    """
    if not folder.is_dir():
        raise ValueError(f'there is no folder {folder}')
    paths: list[Path] = []
    for parent, folders, names in os.walk(folder, followlinks=True):
        real = Path(parent).resolve()
        folders[:] = [name for name in folders if not name.startswith('.')
                      and not real.is_relative_to(Path(parent, name).resolve())]
        paths += (path for path in map(Path(parent).joinpath, names) if is_image(path))
    found: dict[str, Path] = {}
    for path in sorted(paths):
        name = path.relative_to(folder).with_suffix('').as_posix()
        if name in found:
            raise ValueError(f'{found[name]} and {path} have one name: which is meant?')
        found[name] = path
    if not found:
        raise ValueError(f'there is no image in {folder} (looked for {", ".join(IMAGE_SUFFIXES)})')
    return found


def id_reader(ids: dict[int, int]) -> LabelReader:
    """Return a reader of single-channel labels; ids maps a pixel value to a class or UNLABELED."""
    convert = _id_table(ids)
    return lambda path: convert(path, _read_label(path))


def _read_label(path: Path, mode: int = cv2.IMREAD_UNCHANGED) -> NDArray[np.generic]:
    with path.open('rb') as file:
        head = file.read(26)
    if head.startswith(JPEG):
        raise ValueError(f'{path} is a JPEG, which changes the pixels of a label: expected a PNG')
    if head.startswith(PNG) and head.endswith(FEW_BITS):
        raise ValueError(f'{path} is a {head[24]}-bit PNG: expected ids of 8 bits')
    label = read_pixels(path, mode)
    if label.ndim == 2 and head.startswith((BMP, *TIFF)):
        bits = _bits(path.read_bytes())
        if bits < 8:  # stretched, too
            raise ValueError(f'{path} has {bits}-bit pixels: expected ids of 8 bits')
    return label


def _bits(file: bytes) -> int:
    """Return the bits of a grey pixel in a BMP or TIFF."""
    if file.startswith(BMP):
        return int.from_bytes(file[28:30], 'little')
    order = TIFF[file[:4]]

    def number(at: int, size: int) -> int:
        return int.from_bytes(file[at:at + size], order)

    table = number(4, 4)
    first, count = table + 2, number(table, 2)
    return next((number(entry + 8, 2) for entry in range(first, first + 12 * count, 12)
                 if number(entry, 2) == TIFF_BITS), 1)


def _id_table(ids: dict[int, int]) -> Convert:
    known = np.zeros(256, bool)
    known[list(ids)] = True
    table = np.full(256, UNLABELED, np.uint8)
    table[list(ids)] = list(ids.values())

    def convert(path: Path, label: NDArray[np.generic]) -> NDArray[np.uint8]:
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

    return convert


def colour_reader(colours: dict[tuple[int, int, int], int]) -> LabelReader:
    """Return a reader of labels painted in RGB colours; colours maps each to a class id."""
    convert = _colour_table(colours)
    return lambda path: convert(path, _read_label(path, cv2.IMREAD_COLOR))


def _colour_table(colours: dict[tuple[int, int, int], int]) -> Convert:
    codes = np.array([(r << 16) | (g << 8) | b for r, g, b in colours])
    order = np.argsort(codes)
    codes, classes = codes[order], np.array(list(colours.values()), np.uint8)[order]

    def convert(path: Path, label: NDArray[np.generic]) -> NDArray[np.uint8]:
        if label.dtype != np.uint8:
            raise ValueError(f'{path} is {label.dtype}: colours have 8 bits per channel')
        blue, green, red = (label[..., channel].astype(np.int32) for channel in range(3))
        code = (red << 16) | (green << 8) | blue
        index = np.minimum(np.searchsorted(codes, code), len(codes) - 1)
        wrong = codes[index] != code
        if wrong.any():
            y, x = np.argwhere(wrong)[0]
            colour = label[y, x, 2::-1].tolist()
            hint = '; ids want one channel and no palette' if len(set(colour)) == 1 else ''
            raise ValueError(f'{path} has the colour {tuple(colour)} at x {x}, y {y}, which is '
                             f'none of the {len(codes)} label colours{hint}')
        return classes[index]

    return convert


def class_reader(classes: ClassSet) -> LabelReader:
    """
    Return a reader of labels that hold ids or are painted in the classes' colours.

    One channel holds ids, UNLABELED = void; of more channels, or a palette, the colours count,
    black = void unless a class is black.
    """
    convert_ids = _id_table({i: i for i in range(len(classes))} | {UNLABELED: UNLABELED})
    convert_colours = _colour_table(
        {BLACK: UNLABELED} | {colour: i for i, colour in enumerate(classes.palette)})

    def read(path: Path) -> NDArray[np.uint8]:
        label = _read_label(path)
        return (convert_ids if label.ndim == 2 else convert_colours)(path, label)

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
