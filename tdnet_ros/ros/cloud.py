"""Depth or an organised cloud, and labels, to organised points."""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tdnet_ros.ros.errors import quoted

SLOP_NS = 20_000_000  # stamps of an image and its depth that differ by less belong together
DEPTHS = {'16UC1': ('u2', 1e-3), '32FC1': ('f4', 1.0)}


class DepthError(ValueError):
    """An image shows depth, where one of a camera is wanted."""


class Field(NamedTuple):
    """One field of a point; its datatype as sensor_msgs/PointField numbers it."""

    name: str
    kind: str
    offset: int
    datatype: int


_UINT8, _FLOAT32, _FLOAT64 = 2, 7, 8
_FLOATS = {_FLOAT32: 'f4', _FLOAT64: 'f8'}
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

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.labels.shape[0], self.labels.shape[1]


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
    return Pinhole(*map(float, (fx, fy, cx, cy)))  # with those of NumPy 2 all were of 64 bits


def depth_in_metres(msg: Any, size: tuple[int, int]) -> NDArray[np.float32]:
    """Depth [H, W] of a sensor_msgs/Image, NaN where there is none.

    ValueError says why it is not a depth image of (height, width).
    """
    encoding = '16UC1' if msg.encoding == 'mono16' else msg.encoding
    if encoding not in DEPTHS:
        raise ValueError(f'depth has encoding {quoted(msg.encoding)}: expected 16UC1 or 32FC1')
    kind, metres = DEPTHS[encoding]
    dtype = np.dtype(f'{">" if msg.is_bigendian else "<"}{kind}')
    height, width, step = int(msg.height), int(msg.width), int(msg.step)
    if (height, width) != size:
        raise ValueError(f'depth is {width} x {height} pixels, images have {size[1]} x {size[0]}: '
                         'register depth to the camera')
    row_bytes = width * dtype.itemsize
    if step < row_bytes or len(msg.data) < (height - 1) * step + row_bytes:
        raise ValueError(f'depth of {width} x {height} with step {step} has {len(msg.data)} bytes')
    values = np.ndarray(size, dtype, msg.data, strides=(step, dtype.itemsize))
    depth = values.astype(np.float32) * np.float32(metres)
    depth[~(np.isfinite(depth) & (depth > 0))] = np.nan
    return depth


def organised_points(depth: NDArray[np.float32], camera: Pinhole,
                     seen: Labelled) -> NDArray[np.void]:
    """Points [H, W] of FIELDS in the camera's optical frame; x, y, z are NaN without depth."""
    height, width = depth.shape
    x = depth * ((np.arange(width, dtype=np.float32) - camera.cx) / camera.fx)
    y = depth * ((np.arange(height, dtype=np.float32) - camera.cy) / camera.fy)[:, None]
    return painted_points(np.stack((x, y, depth), -1), seen)


def xyz_of_cloud(msg: Any, size: tuple[int, int]) -> NDArray[np.float32]:
    """Points [H, W, 3] of an organised sensor_msgs/PointCloud2, NaN where there is none.

    ValueError says why it has no point for every pixel of images of (height, width).
    """
    height, width = int(msg.height), int(msg.width)
    if (height, width) != size:
        came = (f'is not organised: {width} points in one row' if height == 1
                else f'has {width} x {height} points')
        raise ValueError(f'cloud {came}, images have {size[1]} x {size[0]} pixels: expected an '
                         'organised cloud, registered to this camera')
    fields = {field.name: field for field in msg.fields}
    if not {'x', 'y', 'z'} <= set(fields):
        names = quoted(', '.join(fields))
        raise ValueError(f'cloud has the fields {names}: expected x, y and z among them')
    axes = [_axis(msg, fields[name], size) for name in 'xyz']
    xyz = np.stack(axes, -1).astype(np.float32, copy=False)
    # Some drivers put the origin where they have no point.
    xyz[~(np.isfinite(xyz).all(-1) & xyz.any(-1))] = np.nan
    return xyz


def _axis(msg: Any, field: Any, size: tuple[int, int]) -> NDArray[Any]:
    """A view of one field of all points [H, W]."""
    if field.datatype not in _FLOATS:
        raise ValueError(f'cloud has {field.name} of datatype {field.datatype}: expected FLOAT32 '
                         'or FLOAT64')
    dtype = np.dtype(f'{">" if msg.is_bigendian else "<"}{_FLOATS[field.datatype]}')
    row, step = int(msg.row_step), int(msg.point_step)
    if (field.offset + dtype.itemsize > step or row < size[1] * step
            or len(msg.data) < size[0] * row):
        raise ValueError(f'cloud of {size[1]} x {size[0]} with point_step {step} and row_step '
                         f'{row} has {len(msg.data)} bytes, {field.name} at {field.offset}')
    return np.ndarray(size, dtype, msg.data, field.offset, (row, step))


def painted_points(xyz: NDArray[np.float32], seen: Labelled) -> NDArray[np.void]:
    """Points [H, W] of FIELDS at the places xyz [H, W, 3]."""
    points = np.zeros(xyz.shape[:2], _POINT)
    points['x'], points['y'], points['z'] = xyz[..., 0], xyz[..., 1], xyz[..., 2]
    red, green, blue = (seen.rgb[..., channel].astype(np.uint32) for channel in range(3))
    points['rgb'] = red << 16 | green << 8 | blue
    points['label'] = seen.labels
    points['confidence'] = seen.confidence
    return points
