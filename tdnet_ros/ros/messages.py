"""Arrays to ROS messages: the only code that fills their fields."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image, PointCloud2, PointField
from std_msgs.msg import Header

from tdnet_ros.ros.cloud import FIELDS
from tdnet_ros.ros.compressed import Compressed, encode_jpeg, encode_png

try:
    from vision_msgs.msg import LabelInfo as LabelInfo
    from vision_msgs.msg import VisionClass
except ImportError:
    LabelInfo = None

_CHANNELS = {'mono8': 1, 'rgb8': 3, 'bgr8': 3}


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
    """A sensor_msgs/CompressedImage with JPEG data."""
    return _compressed(encode_jpeg(bgr, quality), header)


def to_png(labels: NDArray[np.uint8], header: Header) -> CompressedImage:
    """A sensor_msgs/CompressedImage with labels uint8 [H, W] as PNG: nothing is lost."""
    return _compressed(encode_png(labels), header)


def _compressed(image: Compressed, header: Header) -> CompressedImage:
    msg = CompressedImage(header=header, format=image.format)
    msg.data.frombytes(image.data.data.cast('B'))
    return msg


def points_to_cloud(points: NDArray[np.void], header: Header) -> PointCloud2:
    """An organised sensor_msgs/PointCloud2 of points [H, W] with the fields of `cloud`."""
    height, width = points.shape
    msg = PointCloud2(
        header=header, height=height, width=width, is_bigendian=False, is_dense=False,
        point_step=points.itemsize, row_step=width * points.itemsize, fields=[
            PointField(name=field.name, offset=field.offset, datatype=field.datatype, count=1)
            for field in FIELDS])
    msg.data.frombytes(points.data.cast('B'))
    return msg


def label_info(names: Mapping[int, str], header: Header) -> Any:
    """A vision_msgs/LabelInfo that names every label, or None where vision_msgs is missing."""
    if LabelInfo is None:
        return None
    class_map = [VisionClass(class_id=index, class_name=name) for index, name in names.items()]
    return LabelInfo(header=header, class_map=class_map, threshold=0.0)
