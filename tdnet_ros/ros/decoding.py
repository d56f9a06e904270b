"""Image messages to frames; any class that has the fields of the message will do."""
from __future__ import annotations

import contextlib
import difflib
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tdnet_ros.ros.cloud import DEPTHS, DepthError
from tdnet_ros.ros.compressed import compressed_to_rgb
from tdnet_ros.ros.encodings import ENCODINGS, MAX_PIXELS
from tdnet_ros.ros.errors import MAX_NAME, printable, quoted
from tdnet_ros.ros.stamps import stamp_ns
from tdnet_ros.stream import Frame


def to_frame(msg: Any, compressed: bool) -> Frame:
    """The frame in a sensor_msgs/Image, or in a CompressedImage.

    ValueError says what is wrong with the message.
    """
    rgb = compressed_to_rgb(msg) if compressed else image_to_rgb(msg)
    return Frame(rgb, stamp_ns(msg.header), msg.header.frame_id,
                 msg.format if compressed else msg.encoding)


def image_to_rgb(msg: Any) -> NDArray[np.uint8]:
    """The pixels of a sensor_msgs/Image, uint8 [H, W, 3]: a view of its data for rgb8.

    Any `step` is fine. ValueError says what is wrong with the message.
    """
    width, height, step = int(msg.width), int(msg.height), int(msg.step)
    what = f'{printable(msg.encoding, MAX_NAME)} image of {width} x {height}'
    if not 0 < width * height <= MAX_PIXELS:
        raise ValueError(f'{what}: expected 1 to {MAX_PIXELS} pixels')
    encoding = ENCODINGS.get(msg.encoding)
    if encoding is None:
        return _through_cv_bridge(msg)
    if width % encoding.width_multiple or height % encoding.height_multiple:
        raise ValueError(f'{what}: expected a width that is a multiple of '
                         f'{encoding.width_multiple}, a height of {encoding.height_multiple}')
    row_bytes = width * encoding.pixel_bytes
    if step < row_bytes:
        raise ValueError(f'{what} has step {step}: expected at least {row_bytes} bytes a row')
    rows = int(height * encoding.rows_per_line)
    needed = (rows - 1) * step + row_bytes  # some drivers do not pad the last row
    if len(msg.data) < needed:
        raise ValueError(f'{what} with step {step} has {len(msg.data)} bytes of data: '
                         f'expected {needed}')
    if rows == 1:
        step = row_bytes
    data = np.frombuffer(msg.data, np.uint8)[:rows * step]
    if len(data) < rows * step:
        data = np.pad(data, (0, rows * step - len(data)))
    return encoding.decode(data.reshape(rows, step), width, height, bool(msg.is_bigendian))


def _through_cv_bridge(msg: Any) -> NDArray[np.uint8]:
    """The pixels of an encoding that is not in our table, where cv_bridge knows it."""
    bridge = _cv_bridge()
    if bridge is not None:
        with contextlib.suppress(Exception):  # its own error, or numpy's for short data
            rgb = np.asarray(bridge.imgmsg_to_cv2(msg, 'rgb8'))
            if rgb.dtype == np.uint8 and rgb.shape == (msg.height, msg.width, 3):
                return rgb
    raise _unknown_encoding(msg.encoding)


@lru_cache(maxsize=1)
def _cv_bridge() -> Any:
    """The bridge, or None where it is not installed or does not fit the installed NumPy."""
    try:
        from cv_bridge import CvBridge
    except Exception:
        return None
    return CvBridge()


def _unknown_encoding(name: str) -> ValueError:
    if name in DEPTHS:
        return DepthError(f'image encoding {quoted(name)} is that of a depth image: take the '
                          'topic of the colour camera')
    near = difflib.get_close_matches(name[:MAX_NAME].lower(), ENCODINGS, n=1)
    hint = (f" (did you mean '{near[0]}'?)" if near
            else ': expected rgb8, bgr8, mono8 or another of docs/node.md')
    return ValueError(f'image encoding {quoted(name)} is not supported{hint}')
