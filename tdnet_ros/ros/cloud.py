"""Depth and labels to organised points."""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tdnet_ros.ros.encodings import MAX_PIXELS

_DEPTHS = {'16UC1': ('u2', 1e-3), 'mono16': ('u2', 1e-3), '32FC1': ('f4', 1.0)}


class Field(NamedTuple):
    """One field of a point; its datatype as sensor_msgs/PointField numbers it."""

    name: str
    kind: str
    offset: int
    datatype: int


_UINT8, _FLOAT32 = 2, 7
FIELDS = (Field('x', '<f4', 0, _FLOAT32), Field('y', '<f4', 4, _FLOAT32),
          Field('z', '<f4', 8, _FLOAT32), Field('rgb', '<u4', 12, _FLOAT32),
          Field('label', 'u1', 16, _UINT8), Field('confidence', 'u1', 17, _UINT8))
_POINT = np.dtype({'names': [field.name for field in FIELDS],
                   'formats': [field.kind for field in FIELDS],
                   'offsets': [field.offset for field in FIELDS], 'itemsize': 20})


class Pinhole(NamedTuple):
    """Focal lengths and principal point in pixels."""

    fx: float
    fy: float
    cx: float
    cy: float


class Labelled(NamedTuple):
    """An image and what was seen in it, all of one size [H, W]."""

    header: Any
    rgb: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    confidence: NDArray[np.uint8]


def pinhole(info: Any, size: tuple[int, int]) -> Pinhole:
    """The projection in a sensor_msgs/CameraInfo of images of (height, width).

    ValueError says why there is none.
    """
    if (info.height, info.width) != size:
        raise ValueError(f'camera_info is for {info.width} x {info.height} pixels, images have '
                         f'{size[1]} x {size[0]}')
    fx, fy, cx, cy = (info.p[index] for index in (0, 5, 2, 6))
    if not (fx and fy):
        fx, fy, cx, cy = (info.k[index] for index in (0, 4, 2, 5))
    if not (fx > 0 and fy > 0 and np.isfinite((fx, fy, cx, cy)).all()):
        raise ValueError('camera_info has no focal length: calibrate the camera')
    return Pinhole(fx, fy, cx, cy)


def depth_in_metres(msg: Any, size: tuple[int, int]) -> NDArray[np.float32]:
    """Depth [H, W] of a sensor_msgs/Image, NaN where there is none.

    ValueError says why it is not a depth image of (height, width).
    """
    if msg.encoding not in _DEPTHS:
        raise ValueError(f"depth has encoding '{msg.encoding}': expected 16UC1 or 32FC1")
    kind, metres = _DEPTHS[msg.encoding]
    dtype = np.dtype(f'{">" if msg.is_bigendian else "<"}{kind}')
    height, width, step = int(msg.height), int(msg.width), int(msg.step)
    if (height, width) != size or width * height > MAX_PIXELS:
        raise ValueError(f'depth is {width} x {height} pixels, images have {size[1]} x {size[0]}: '
                         'register depth to the camera')
    if step < width * dtype.itemsize or len(msg.data) < height * step:
        raise ValueError(f'depth of {width} x {height} with step {step} has {len(msg.data)} bytes')
    values = np.ndarray(size, dtype, msg.data, strides=(step, dtype.itemsize))
    depth = values.astype(np.float32) * np.float32(metres)
    depth[~(np.isfinite(depth) & (depth > 0))] = np.nan
    return depth


def organised_points(depth: NDArray[np.float32], camera: Pinhole,
                     seen: Labelled) -> NDArray[np.void]:
    """Points [H, W] of FIELDS in the camera's optical frame; x, y, z are NaN without depth."""
    height, width = depth.shape
    points = np.zeros((height, width), _POINT)
    points['x'] = depth * ((np.arange(width, dtype=np.float32) - camera.cx) / camera.fx)
    points['y'] = depth * ((np.arange(height, dtype=np.float32) - camera.cy) / camera.fy)[:, None]
    points['z'] = depth
    red, green, blue = (seen.rgb[..., channel].astype(np.uint32) for channel in range(3))
    points['rgb'] = red << 16 | green << 8 | blue
    points['label'] = seen.labels
    points['confidence'] = seen.confidence
    return points
