"""ROS messages to arrays and back: the only code that reads or fills image fields."""
from __future__ import annotations

from collections.abc import Mapping
import difflib
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from tdnet_ros.ros.encodings import ENCODINGS, MAX_PIXELS

try:
    from vision_msgs.msg import LabelInfo as LabelInfo
    from vision_msgs.msg import VisionClass
except ImportError:
    LabelInfo = None

_CHANNELS = {'mono8': 1, 'rgb8': 3, 'bgr8': 3}


def image_to_rgb(msg: Any) -> NDArray[np.uint8]:
    """The pixels of a sensor_msgs/Image, uint8 [H, W, 3]: a view of its data for rgb8.

    Any `step` is fine. ValueError says what is wrong with the message.
    """
    encoding = ENCODINGS.get(msg.encoding)
    if encoding is None:
        raise ValueError(_unknown_encoding(msg.encoding))
    width, height, step = int(msg.width), int(msg.height), int(msg.step)
    what = f'{msg.encoding} image of {width} x {height}'
    if not 0 < width * height <= MAX_PIXELS:
        raise ValueError(f'{what}: expected 1 to {MAX_PIXELS} pixels')
    if width % encoding.width_multiple or height % encoding.height_multiple:
        raise ValueError(f'{what}: expected a width that is a multiple of '
                         f'{encoding.width_multiple}, a height of {encoding.height_multiple}')
    if step < width * encoding.pixel_bytes:
        raise ValueError(f'{what} has step {step}: expected at least '
                         f'{width * encoding.pixel_bytes} bytes a row')
    rows = int(height * encoding.rows_per_line)
    if len(msg.data) < rows * step:
        raise ValueError(f'{what} with step {step} has {len(msg.data)} bytes of data: '
                         f'expected {rows * step}')
    data = np.frombuffer(msg.data, np.uint8, rows * step).reshape(rows, step)
    return encoding.decode(data, width, height, bool(msg.is_bigendian))


def array_to_image(array: NDArray[np.uint8], encoding: str, header: Header) -> Image:
    """A sensor_msgs/Image with packed rows; `header` goes into it untouched.

    array: uint8 [H, W] for mono8, [H, W, 3] for rgb8 and bgr8.
    """
    height, width = array.shape[:2]
    msg = Image(header=header, height=height, width=width, encoding=encoding,
                step=width * _CHANNELS[encoding])
    # Appending is one memory copy; assigning would check or copy byte by byte.
    msg.data.frombytes(np.ascontiguousarray(array).data.cast('B'))
    return msg


def to_jpeg(bgr: NDArray[np.uint8], header: Header, quality: int) -> CompressedImage:
    """A sensor_msgs/CompressedImage with JPEG data, its format spelled as image_transport does."""
    return _compressed('.jpg', bgr, (cv2.IMWRITE_JPEG_QUALITY, quality),
                       'bgr8; jpeg compressed bgr8', header)


def to_png(labels: NDArray[np.uint8], header: Header) -> CompressedImage:
    """A sensor_msgs/CompressedImage with labels uint8 [H, W] as PNG: nothing is lost."""
    return _compressed('.png', labels, (cv2.IMWRITE_PNG_COMPRESSION, 1),
                       'mono8; png compressed ', header)


def _compressed(extension: str, image: NDArray[np.uint8], options: tuple[int, int],
                image_format: str, header: Header) -> CompressedImage:
    _, data = cv2.imencode(extension, image, options)
    msg = CompressedImage(header=header, format=image_format)
    msg.data.frombytes(data.data.cast('B'))
    return msg


def label_info(names: Mapping[int, str], header: Header) -> Any:
    """A vision_msgs/LabelInfo that names every label, or None where vision_msgs is missing."""
    if LabelInfo is None:
        return None
    class_map = [VisionClass(class_id=index, class_name=name) for index, name in names.items()]
    return LabelInfo(header=header, class_map=class_map, threshold=0.0)


def _unknown_encoding(name: str) -> str:
    near = difflib.get_close_matches(name.lower(), ENCODINGS, n=1)
    hint = f" (did you mean '{near[0]}'?)" if near else ''
    return (f"image encoding '{name}' is not supported{hint}: expected one of "
            f'{", ".join(ENCODINGS)}')
