"""Messages to and from bytes without a ROS installation, by rosbags' own types."""
from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from tdnet_ros.bags.message import COMPRESSED_IMAGE, RAW_IMAGE
from tdnet_ros.ros.cloud import FIELDS
from tdnet_ros.ros.compressed import Compressed

LABEL_INFO = 'vision_msgs/msg/LabelInfo'
POINT_CLOUD = 'sensor_msgs/msg/PointCloud2'
VISION_MSGS = {
    'vision_msgs/msg/VisionClass': 'uint16 class_id\nstring class_name\n',
    LABEL_INFO: 'std_msgs/Header header\nvision_msgs/VisionClass[] class_map\n'
                'float32 threshold\n'}


@cache
def types() -> Any:
    """The standard types of ROS 2, which have not changed over its releases, and LabelInfo's."""
    store: Any = get_typestore(Stores.ROS2_JAZZY)
    for name, text in VISION_MSGS.items():
        store.register(get_types_from_msg(text, name))
    return store


def decoded(cdr: bytes, msgtype: str) -> Any:
    """A message as an object with its fields."""
    return types().deserialize_cdr(cdr, msgtype)


def image(header: Any, pixels: NDArray[np.uint8]) -> bytes:
    """A sensor_msgs/Image of uint8 [H, W], as mono8."""
    height, width = pixels.shape
    return _cdr(RAW_IMAGE, header=header, height=height, width=width, encoding='mono8',
                is_bigendian=0, step=width, data=pixels.reshape(-1))


def compressed_image(header: Any, content: Compressed) -> bytes:
    """A sensor_msgs/CompressedImage."""
    return _cdr(COMPRESSED_IMAGE, header=header, format=content.format,
                data=content.data.reshape(-1))


def label_info(header: Any, names: Mapping[int, str]) -> bytes:
    """A vision_msgs/LabelInfo that names every label."""
    kind = types().types['vision_msgs/msg/VisionClass']
    return _cdr(LABEL_INFO, header=header, threshold=0.0, class_map=[
        kind(class_id=index, class_name=name) for index, name in names.items()])


def point_cloud(header: Any, points: NDArray[np.void]) -> bytes:
    """An organised sensor_msgs/PointCloud2 of points [H, W] with the fields of `cloud`."""
    height, width = points.shape
    kind = types().types['sensor_msgs/msg/PointField']
    return _cdr(
        POINT_CLOUD, header=header, height=height, width=width, is_bigendian=False,
        is_dense=False, point_step=points.itemsize, row_step=width * points.itemsize,
        fields=[kind(name=field.name, offset=field.offset, datatype=field.datatype, count=1)
                for field in FIELDS],
        data=points.reshape(-1).view(np.uint8))


def _cdr(msgtype: str, **fields: Any) -> bytes:
    return bytes(types().serialize_cdr(types().types[msgtype](**fields), msgtype))
