"""JPEG and PNG input, and what is refused before it is unpacked."""
from __future__ import annotations

import contextlib
import struct
from types import SimpleNamespace
import zlib

import cv2
import numpy as np
import pytest

from tdnet_ros.ros.compressed import compressed_to_rgb

RGB = np.full((20, 30, 3), (200, 60, 30), np.uint8)


def encoded(extension: str, image: np.ndarray = RGB) -> bytes:
    order = image[..., ::-1] if image.ndim == 3 else image
    return cv2.imencode(extension, np.ascontiguousarray(order))[1].tobytes()


def message(data: bytes, form: str = 'bgr8; jpeg compressed bgr8') -> SimpleNamespace:
    return SimpleNamespace(data=data, format=form)


@pytest.mark.parametrize('form', ['jpeg', '', 'rgb8; jpeg compressed bgr8', 'png'])
@pytest.mark.parametrize('extension', ['.jpg', '.png'])
def test_the_data_decides_not_the_format(extension: str, form: str) -> None:
    rgb = compressed_to_rgb(message(encoded(extension), form))
    assert rgb.shape == RGB.shape
    assert np.abs(rgb.astype(int) - RGB).max() <= (0 if extension == '.png' else 6)


def test_grey_becomes_rgb() -> None:
    assert compressed_to_rgb(message(encoded('.png', RGB[..., 0]))).shape == RGB.shape


def bomb_png() -> bytes:
    """A well-formed PNG of 40 000 x 40 000 pixels in a few kilobytes."""
    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack('>I', len(content)) + checked + struct.pack('>I', zlib.crc32(checked))
    size = struct.pack('>IIBBBBB', 40_000, 40_000, 8, 2, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', size) + chunk(b'IDAT', zlib.compress(bytes(99)))


def bomb_jpeg() -> bytes:
    data = bytearray(encoded('.jpg'))
    at = data.index(b'\xff\xc0')
    data[at + 5:at + 9] = struct.pack('>HH', 65_000, 65_000)
    return bytes(data)


@pytest.mark.parametrize(('msg', 'words'), [
    (message(encoded('.png'), '16UC1; compressedDepth png'), 'is a depth image'),
    (message(b''), '0 bytes of format .*: expected a whole JPEG or PNG'),
    (message(b'GIF89a' + bytes(60)), '66 bytes .*: expected a whole JPEG or PNG'),
    (message(encoded('.png')[:60]), '60 bytes .*: expected a whole JPEG or PNG'),
    (message(encoded('.jpg')[:60]), '60 bytes .*: expected a whole JPEG or PNG'),
    (message(bomb_png()), '40000 x 40000: expected 1 to'),
    (message(bomb_jpeg()), '65000 x 65000: expected 1 to'),
])
def test_what_is_wrong_is_said(msg: SimpleNamespace, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        compressed_to_rgb(msg)


def test_random_damage_is_refused_or_decoded() -> None:
    generator = np.random.default_rng(0)
    for data in (encoded('.jpg'), encoded('.png')):
        for _ in range(50):
            damaged = bytearray(data)
            for at in generator.integers(0, len(data), 4):
                damaged[at] = generator.integers(256)
            with contextlib.suppress(ValueError):
                assert compressed_to_rgb(message(bytes(damaged))).shape[2] == 3
