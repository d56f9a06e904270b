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


def test_a_rotation_for_viewers_is_ignored() -> None:
    """The pixels are those that the camera's calibration is of."""
    data = encoded('.jpg')
    entry = struct.pack('>HHIHH', 0x0112, 3, 1, 6, 0)  # orientation: turn by 90 degrees
    exif = b'Exif\0\0MM\0*' + struct.pack('>IH', 8, 1) + entry + bytes(4)
    turned = data[:2] + b'\xff\xe1' + struct.pack('>H', len(exif) + 2) + exif + data[2:]
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR).shape == (30, 20, 3)
    assert compressed_to_rgb(message(turned)).shape == (20, 30, 3)


@pytest.mark.parametrize(('form', 'colours'), [
    ('bayer_rggb8; png compressed ', (200, 100, 30)),
    ('bayer_bggr8; jpeg compressed ', (30, 100, 200)),
    ('bayer_rggb8; png compressed bgr8', None), ('mono8; png compressed ', None)])
def test_a_mosaic_becomes_colours(form: str, colours: tuple[int, ...] | None) -> None:
    mosaic = np.tile(np.array([[200, 100], [100, 30]], np.uint8), (10, 15))
    rgb = compressed_to_rgb(message(encoded('.png', mosaic), form))
    assert rgb.shape == RGB.shape
    if colours is None:
        np.testing.assert_array_equal(rgb, np.repeat(mosaic[..., None], 3, 2))
    else:
        assert (rgb == colours).all()


def bomb_png(side: int, packed: bytes) -> bytes:
    """A well-formed PNG of side x side pixels, whatever they take."""
    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack('>I', len(content)) + checked + struct.pack('>I', zlib.crc32(checked))
    size = struct.pack('>IIBBBBB', side, side, 8, 2, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', size) + chunk(b'IDAT', packed)


def bomb_jpeg() -> bytes:
    data = bytearray(encoded('.jpg'))
    at = data.index(b'\xff\xc0')
    data[at + 5:at + 9] = struct.pack('>HH', 65_000, 65_000)
    return bytes(data)


def hidden_bomb() -> bytes:
    """Its size stands where a reader that skips wrongly would not see it."""
    data = bomb_jpeg()
    small = encoded('.jpg')
    frame = small[small.index(b'\xff\xc0'):][:19]
    return (data[:2] + b'\xff\x01' + struct.pack('>H', len(data)) + data[2:] + frame)


def many_scans() -> bytes:
    """A megabyte of them would take minutes at the largest size."""
    data = cv2.imencode('.jpg', RGB, (cv2.IMWRITE_JPEG_PROGRESSIVE, 1))[1].tobytes()
    scan = data[data.rindex(b'\xff\xda'):-2]
    return data[:-2] + 100 * scan + data[-2:]


@pytest.mark.parametrize(('msg', 'words'), [
    (message(encoded('.png'), '16UC1; compressedDepth png'), 'is a depth image'),
    (message(encoded('.png'), '16UC1; png compressed '), 'is a depth image'),
    (message(b''), '0 bytes of format .*: expected a whole JPEG or PNG'),
    (message(b'GIF89a' + bytes(60)), '66 bytes .*: expected a whole JPEG or PNG'),
    (message(encoded('.png')[:60]), '60 bytes .*: expected a whole JPEG or PNG'),
    (message(encoded('.jpg')[:60]), '60 bytes .*: expected a whole JPEG or PNG'),
    (message(bomb_png(40_000, zlib.compress(bytes(99)))), '40000 x 40000: expected 1 to'),
    (message(bomb_png(10, zlib.compress(bytes(1 << 27)))), '10 x 10: PNG that packs 130'),
    (message(bomb_jpeg()), '65000 x 65000: expected 1 to'),
    (message(hidden_bomb()), 'expected a whole JPEG or PNG'),
    (message(encoded('.png').replace(b'IHDR', b'aaAa')), 'expected a whole JPEG or PNG'),
    (message(many_scans()), r'JPEG of 1\d\d scans, expected at most 100'),
])
def test_what_is_wrong_is_said(msg: SimpleNamespace, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        compressed_to_rgb(msg)


def test_a_rest_that_opencv_makes_up_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions before 4.11 paint it grey."""
    monkeypatch.setattr(cv2, 'imdecode', lambda data, mode: np.full_like(RGB, 128))
    whole = encoded('.jpg')
    assert (compressed_to_rgb(message(whole + bytes(99))) == 128).all()
    with pytest.raises(ValueError, match=r'30 x 20: its .* bytes are damaged or cut off'):
        compressed_to_rgb(message(whole[:-2]))


def test_random_damage_is_refused_or_decoded() -> None:
    generator = np.random.default_rng(0)
    for data in (encoded('.jpg'), encoded('.png')):
        for _ in range(50):
            damaged = bytearray(data)
            for at in generator.integers(0, len(data), 4):
                damaged[at] = generator.integers(256)
            with contextlib.suppress(ValueError):
                assert compressed_to_rgb(message(bytes(damaged))).shape[2] == 3
