"""JPEG and PNG images of sensor_msgs/CompressedImage, to RGB and back."""
from __future__ import annotations

import re
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from tdnet_ros.nets.images import JPEG, JPEG_SCAN, is_cut_off, jpeg_header
from tdnet_ros.ros.cloud import DEPTHS, DepthError
from tdnet_ros.ros.encodings import ENCODINGS, MAX_PIXELS
from tdnet_ros.ros.errors import quoted

_PNG = b'\x89PNG\r\n\x1a\n'
# Markers that start a frame, and so carry its size: all C0 to CF but tables and extensions.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
MAX_SCANS = 100
'''Encoders make about ten; each takes time, however few bytes it has.'''
PNG_PIXEL_BYTES = 8
PNG_SLACK_BYTES = 1 << 16
'''What a PNG packs is hardly larger than its pixels; the rest would unpack to a thousand times.'''
# What image_transport makes of a mosaic: one channel, to become colours here.
_MOSAIC = re.compile(r'(bayer_(?:rggb|bggr|gbrg|grbg))(?:8|16); (?:jpeg|png) compressed ?')
_AS_STORED = cv2.IMREAD_IGNORE_ORIENTATION


class Compressed(NamedTuple):
    """Format and data of a sensor_msgs/CompressedImage, spelled as image_transport does."""

    format: str
    data: NDArray[np.uint8]


class _Claim(NamedTuple):
    """What a file says of itself before anything is unpacked."""

    width: int
    height: int
    bomb: str
    """What in it takes far longer to unpack than its size needs, in words; '' if nothing."""


def compressed_to_rgb(msg: Any) -> NDArray[np.uint8]:
    """The pixels of a sensor_msgs/CompressedImage, uint8 [H, W, 3].

    ValueError says what is wrong with it. The size is read before anything is unpacked.
    """
    if msg.format.partition(';')[0] in DEPTHS or 'compresseddepth' in msg.format.lower():
        raise DepthError(f'format {quoted(msg.format)} is a depth image: expected a colour '
                         'image in JPEG or PNG')
    file = _file(msg)
    width, height = _size(file, msg.format)
    mosaic = _MOSAIC.fullmatch(msg.format)
    image = None if is_cut_off(file) else cv2.imdecode(
        np.frombuffer(file, np.uint8),
        _AS_STORED | (cv2.IMREAD_GRAYSCALE if mosaic else cv2.IMREAD_COLOR))
    if image is None:
        raise ValueError(f'compressed image of {width} x {height}: its {len(file)} bytes are '
                         'damaged or cut off')
    layout = ENCODINGS[f'{mosaic[1] if mosaic else "bgr"}8']
    rows = np.asarray(image, np.uint8).reshape(len(image), -1)
    return layout.decode(rows, image.shape[1], image.shape[0], False)


def compressed_size(msg: Any) -> tuple[int, int]:
    """Width and height of a sensor_msgs/CompressedImage, without unpacking it.

    ValueError says why it cannot or must not be unpacked.
    """
    return _size(_file(msg), msg.format)


def _file(msg: Any) -> bytes:
    return np.frombuffer(msg.data, np.uint8).tobytes()


def _size(file: bytes, form: str) -> tuple[int, int]:
    claim = _inspect(file)
    if claim is None:
        raise ValueError(f'{len(file)} bytes of format {quoted(form)}: expected a whole '
                         'JPEG or PNG')
    width, height, bomb = claim
    if not 0 < width * height <= MAX_PIXELS:
        raise ValueError(f'compressed image of {width} x {height}: expected 1 to {MAX_PIXELS} '
                         'pixels')
    if bomb:
        raise ValueError(f'compressed image of {width} x {height}: {bomb}')
    return width, height


def encode_jpeg(bgr: NDArray[np.uint8], quality: int) -> Compressed:
    """An image uint8 [H, W, 3] as JPEG."""
    return _encoded('.jpg', bgr, (cv2.IMWRITE_JPEG_QUALITY, quality),
                    'bgr8; jpeg compressed bgr8')


def encode_png(labels: NDArray[np.uint8]) -> Compressed:
    """Labels or confidence uint8 [H, W] as PNG: nothing is lost."""
    return _encoded('.png', labels, (cv2.IMWRITE_PNG_COMPRESSION, 1), 'mono8; png compressed ')


def _encoded(extension: str, image: NDArray[np.uint8], options: tuple[int, int],
             image_format: str) -> Compressed:
    _, data = cv2.imencode(extension, image, options)
    return Compressed(image_format, np.asarray(data, np.uint8))


def _inspect(file: bytes) -> _Claim | None:
    """What the file says of itself, if it looks whole."""
    if file.startswith(JPEG):
        size = _jpeg_size(file)
        if size is None:
            return None
        scans = file.count(JPEG_SCAN)
        return _Claim(*size, f'JPEG of {scans} scans, expected at most {MAX_SCANS}'
                      if scans > MAX_SCANS else '')
    if not (file.startswith(_PNG) and file[12:16] == b'IHDR' and (packed := _png_packed(file))):
        return None
    width, height = int.from_bytes(file[16:20], 'big'), int.from_bytes(file[20:24], 'big')
    most = PNG_PIXEL_BYTES * width * height + PNG_SLACK_BYTES
    return _Claim(width, height, f'PNG that packs {packed} bytes, expected at most {most}'
                  if packed > most else '')


def _png_packed(file: bytes) -> int:
    """Bytes of packed pixels in a PNG whose chunks end where its data end, else 0.

    Decoders allocate what a chunk claims.
    """
    packed, at = 0, len(_PNG)
    while at + 12 <= len(file):
        length = int.from_bytes(file[at:at + 4], 'big')
        packed += length if file[at + 4:at + 8] == b'IDAT' else 0
        at += 12 + length
    return packed if at == len(file) else 0


def _jpeg_size(file: bytes) -> tuple[int, int] | None:
    for code, at in jpeg_header(file):
        if code in _JPEG_FRAMES and at + 7 <= len(file):
            return (int.from_bytes(file[at + 5:at + 7], 'big'),
                    int.from_bytes(file[at + 3:at + 5], 'big'))
    return None
