"""The pixel layouts of sensor_msgs/Image and how each becomes RGB."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

MAX_PIXELS = 1 << 25  # an 8K image
Pixels = NDArray[np.uint8]
Decode = Callable[[Pixels, int, int, bool], Pixels]

# BT.601 with head room, as cameras send it: rows give R, G, B from (Y, U, V, 1).
_YUV_TO_RGB = np.array([
    [1.164, 0.0, 1.596, -16 * 1.164 - 128 * 1.596],
    [1.164, -0.391, -0.813, -16 * 1.164 + 128 * (0.391 + 0.813)],
    [1.164, 2.018, 0.0, -16 * 1.164 - 128 * 2.018]])


@dataclass(frozen=True)
class Encoding:
    """One pixel layout.

    `decode` takes the rows uint8 [rows, step], width, height and whether samples are big-endian,
    and returns uint8 [height, width, 3] in RGB: a view where no arithmetic is needed.
    """

    pixel_bytes: int
    decode: Decode
    rows_per_line: float = 1.0
    width_multiple: int = 1
    height_multiple: int = 1


def _pixels(rows: Pixels, width: int, channels: int) -> Pixels:
    pixels = rows[:, :width * channels]
    return pixels if channels == 1 else pixels.reshape(len(rows), width, channels)


def _packed(channels: int, code: int | None) -> Encoding:
    def decode(rows: Pixels, width: int, height: int, big_endian: bool) -> Pixels:
        pixels = _pixels(rows, width, channels)
        return pixels if code is None else np.asarray(cv2.cvtColor(pixels, code), np.uint8)
    return Encoding(channels, decode)


def _wide(channels: int, code: int | None) -> Encoding:
    """Sixteen bits a sample: the high byte carries what eight bits can show."""
    def decode(rows: Pixels, width: int, height: int, big_endian: bool) -> Pixels:
        samples = _pixels(rows, width, 2 * channels).reshape(height, width, channels, 2)
        pixels = np.ascontiguousarray(samples[..., 0 if big_endian else 1])
        return pixels if code is None else np.asarray(cv2.cvtColor(pixels, code), np.uint8)
    return Encoding(2 * channels, decode)


def _interleaved(code: int) -> Encoding:
    """Two pixels share one U and one V: the row holds pairs of bytes."""
    def decode(rows: Pixels, width: int, height: int, big_endian: bool) -> Pixels:
        return np.asarray(cv2.cvtColor(_pixels(rows, width, 2), code), np.uint8)
    return Encoding(2, decode, width_multiple=2)


def _planes(code: int) -> Encoding:
    """A plane of Y, then a half-height plane of U and V pairs."""
    def decode(rows: Pixels, width: int, height: int, big_endian: bool) -> Pixels:
        return np.asarray(cv2.cvtColor(np.ascontiguousarray(rows[:, :width]), code), np.uint8)
    return Encoding(1, decode, rows_per_line=1.5, width_multiple=2, height_multiple=2)


def _full_planes() -> Encoding:
    """A plane of Y, then U and V pairs for every pixel, each line of them two rows long."""
    def decode(rows: Pixels, width: int, height: int, big_endian: bool) -> Pixels:
        colour = rows[height:].reshape(height, -1)[:, :2 * width].reshape(height, width, 2)
        planes = np.dstack((rows[:height, :width], colour)).astype(np.float32)
        rgb = cv2.transform(planes, _YUV_TO_RGB)
        return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)
    return Encoding(1, decode, rows_per_line=3.0)


# OpenCV names a Bayer pattern by its second row, ROS by its first.
_BAYER = {'rggb': cv2.COLOR_BayerBG2RGB, 'bggr': cv2.COLOR_BayerRG2RGB,
          'gbrg': cv2.COLOR_BayerGR2RGB, 'grbg': cv2.COLOR_BayerGB2RGB}
_COLOURS = {'rgb': (3, None), 'bgr': (3, cv2.COLOR_BGR2RGB), 'mono': (1, cv2.COLOR_GRAY2RGB),
            'rgba': (4, cv2.COLOR_RGBA2RGB), 'bgra': (4, cv2.COLOR_BGRA2RGB)}
_UYVY = _interleaved(cv2.COLOR_YUV2RGB_UYVY)
_YUYV = _interleaved(cv2.COLOR_YUV2RGB_YUY2)

ENCODINGS: dict[str, Encoding] = {
    **{f'{name}8': _packed(*layout) for name, layout in _COLOURS.items()},
    **{f'{name}16': _wide(*layout) for name, layout in _COLOURS.items()},
    **{f'bayer_{pattern}8': _packed(1, code) for pattern, code in _BAYER.items()},
    **{f'bayer_{pattern}16': _wide(1, code) for pattern, code in _BAYER.items()},
    # Without named channels: the order that OpenCV gives them.
    '8UC1': _packed(*_COLOURS['mono']), '8UC3': _packed(*_COLOURS['bgr']),
    '8UC4': _packed(*_COLOURS['bgra']),
    'uyvy': _UYVY, 'yuv422': _UYVY, 'yuyv': _YUYV, 'yuv422_yuy2': _YUYV,
    'nv12': _planes(cv2.COLOR_YUV2RGB_NV12), 'nv21': _planes(cv2.COLOR_YUV2RGB_NV21),
    'nv24': _full_planes()}
