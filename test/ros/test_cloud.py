"""Depth and labels to points: geometry, fields and what is refused."""
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, PointCloud2
from std_msgs.msg import Header

from tdnet_ros.ros.cloud import (
    Labelled,
    Pinhole,
    depth_in_metres,
    organised_points,
    painted_points,
    pinhole,
    xyz_of_cloud,
)
from tdnet_ros.ros.messages import points_to_cloud

SIZE = (4, 6)
CAMERA = Pinhole(fx=100.0, fy=50.0, cx=2.5, cy=1.5)
FORMATS = {1: 'i1', 2: 'u1', 7: '<f4'}


def read(msg: PointCloud2) -> np.ndarray:
    """The points as a reader of PointCloud2 unpacks them."""
    kind = np.dtype({'names': [field.name for field in msg.fields],
                     'formats': [FORMATS[field.datatype] for field in msg.fields],
                     'offsets': [field.offset for field in msg.fields],
                     'itemsize': msg.point_step})
    assert msg.row_step == msg.width * msg.point_step
    return np.frombuffer(msg.data, kind).reshape(msg.height, msg.width)


def camera_info(**changes: object) -> SimpleNamespace:
    info = SimpleNamespace(height=4, width=6, k=[100, 0, 2.5, 0, 50, 1.5, 0, 0, 1], p=[0.0] * 12)
    vars(info).update(changes)
    return info


def depth_image(values: np.ndarray, encoding: str, padding: int = 0,
                big_endian: bool = False) -> SimpleNamespace:
    rows = np.ascontiguousarray(values).view(np.uint8).reshape(values.shape[0], -1)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=99)
    return SimpleNamespace(
        height=values.shape[0], width=values.shape[1], encoding=encoding, step=padded.shape[1],
        is_bigendian=big_endian, data=padded.tobytes())


def test_points_project_back_to_their_pixels() -> None:
    generator = np.random.default_rng(0)
    depth = generator.uniform(1, 9, SIZE).astype(np.float32)
    depth[2, 3] = np.nan
    rgb = generator.integers(0, 256, (*SIZE, 3), np.uint8)
    labels, confidence = generator.integers(0, 19, (2, *SIZE), np.uint8)
    header = Header(frame_id='camera_optical')
    seen = Labelled(header, rgb, labels, confidence)
    msg = points_to_cloud(organised_points(depth, CAMERA, seen), header)
    assert (msg.height, msg.width, msg.header, msg.is_dense) == (*SIZE, header, False)
    points = read(msg)
    seen = np.isfinite(depth)
    columns, rows = np.meshgrid(np.arange(6), np.arange(4))
    np.testing.assert_allclose((100 * points['x'] / points['z'] + 2.5)[seen], columns[seen],
                               atol=1e-4)
    np.testing.assert_allclose((50 * points['y'] / points['z'] + 1.5)[seen], rows[seen], atol=1e-4)
    np.testing.assert_array_equal(points['z'], depth)
    assert all(np.isnan(points[name][2, 3]) for name in 'xyz')
    np.testing.assert_array_equal(points['label'], labels)
    np.testing.assert_array_equal(points['confidence'], confidence)
    packed = points['rgb'].copy().view(np.uint32)
    np.testing.assert_array_equal(packed >> 16, rgb[..., 0])
    np.testing.assert_array_equal(packed & 255, rgb[..., 2])


@pytest.mark.parametrize('padding', [0, 6])
@pytest.mark.parametrize('big_endian', [False, True])
def test_depth_of_either_kind(big_endian: bool, padding: int) -> None:
    millimetres = np.arange(24).reshape(SIZE) * 100
    order = '>' if big_endian else '<'
    expected = np.where(millimetres > 0, millimetres / 1000, np.nan).astype(np.float32)
    for encoding, values in (('16UC1', millimetres.astype(f'{order}u2')),
                             ('32FC1', (millimetres / 1000).astype(f'{order}f4'))):
        msg = depth_image(values, encoding, padding, big_endian)
        np.testing.assert_allclose(depth_in_metres(msg, SIZE), expected, rtol=1e-6)


def test_the_padding_of_the_last_row_of_depth_may_be_missing() -> None:
    values = np.arange(1, 25, dtype='<u2').reshape(SIZE)
    msg = depth_image(values, '16UC1', padding=6)
    msg.data = msg.data[:-6]
    np.testing.assert_allclose(depth_in_metres(msg, SIZE), values / 1000)
    msg.data = msg.data[:-1]
    with pytest.raises(ValueError, match='bytes'):
        depth_in_metres(msg, SIZE)


def test_no_depth_is_nan() -> None:
    values = np.full(SIZE, 2.0, '<f4')
    values[0] = (np.nan, np.inf, -np.inf, 0.0, -1.0, 3.0)
    depth = depth_in_metres(depth_image(values, '32FC1'), SIZE)
    assert np.isnan(depth[0]).tolist() == [True] * 5 + [False]


@pytest.mark.parametrize(('changes', 'words'), [
    ({'encoding': 'rgb8'}, "encoding 'rgb8': expected 16UC1 or 32FC1"),
    ({'height': 3}, 'depth is 6 x 3 pixels, images have 6 x 4: register depth'),
    ({'step': 5}, 'with step 5 has 48 bytes'),
    ({'data': bytes(20)}, 'has 20 bytes'),
])
def test_what_is_no_depth_image_is_named(changes: dict[str, object], words: str) -> None:
    msg = depth_image(np.ones(SIZE, '<u2'), '16UC1')
    vars(msg).update(changes)
    with pytest.raises(ValueError, match=words):
        depth_in_metres(msg, SIZE)


def test_the_projection_matrix_is_preferred() -> None:
    assert pinhole(camera_info(), SIZE) == (100, 50, 2.5, 1.5)
    rectified = [80, 0, 3, 0, 0, 40, 2, 0, 0, 0, 1, 0]
    assert pinhole(camera_info(p=rectified), SIZE) == (80, 40, 3, 2)


def test_the_projection_in_a_message_is_of_plain_numbers() -> None:
    """With those of NumPy 2 and their 64 bits, points would take twice the memory meanwhile."""
    info = CameraInfo(height=4, width=6, k=[100.0, 0.0, 2.5, 0.0, 50.0, 1.5, 0.0, 0.0, 1.0])
    assert {type(value) for value in pinhole(info, SIZE)} == {float}


@pytest.mark.parametrize(('changes', 'words'), [
    ({'k': [0.0] * 9}, 'no focal length: calibrate'),
    ({'k': [float('nan')] * 9}, 'no focal length: calibrate'),
    ({'width': 3}, 'is for 3 x 4 pixels, images have 6 x 4'),
])
def test_a_camera_that_is_not_calibrated_is_named(
        changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        pinhole(camera_info(**changes), SIZE)


def cloud(xyz: np.ndarray, kind: str = '<f4', padding: int = 0, **changes: object) -> Any:
    """An organised cloud with an intensity between its coordinates, rows padded."""
    names = ('x', 'y', 'intensity', 'z')
    size = np.dtype(kind).itemsize
    values = np.zeros(xyz.shape[:2], {'names': names, 'formats': [kind] * 4,
                                      'offsets': [4 + size * n for n in range(4)],
                                      'itemsize': 4 + 4 * size})
    for index, name in enumerate('xyz'):
        values[name] = xyz[..., index]
    rows = values.view(np.uint8).reshape(xyz.shape[0], -1)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=99)
    datatype = {4: 7, 8: 8}[size]
    return SimpleNamespace(**{
        'height': xyz.shape[0], 'width': xyz.shape[1], 'point_step': values.itemsize,
        'row_step': padded.shape[1], 'is_bigendian': kind[0] == '>', 'data': padded.tobytes(),
        'fields': [SimpleNamespace(name=name, offset=4 + size * n, datatype=datatype, count=1)
                   for n, name in enumerate(names)], **changes})


@pytest.mark.parametrize('padding', [0, 7])
@pytest.mark.parametrize('kind', ['<f4', '>f4', '<f8', '>f8'])
def test_a_cloud_of_either_precision_and_order_is_painted(kind: str, padding: int) -> None:
    xyz = np.random.default_rng(3).normal(size=(*SIZE, 3)).astype(np.float32)
    np.testing.assert_array_equal(xyz_of_cloud(cloud(xyz, kind, padding), SIZE), xyz)
    labels = np.arange(24, dtype=np.uint8).reshape(SIZE)
    seen = Labelled(Header(), np.full((*SIZE, 3), 7, np.uint8), labels, labels + 1)
    points = painted_points(xyz, seen)
    np.testing.assert_array_equal(np.stack([points[name] for name in 'xyz'], -1), xyz)
    np.testing.assert_array_equal(points['label'], labels)
    np.testing.assert_array_equal(points['confidence'], labels + 1)


def test_no_point_is_nan_however_the_driver_says_it() -> None:
    xyz = np.ones((*SIZE, 3), np.float32)
    xyz[0, 0] = 0
    xyz[0, 1, 2] = np.inf
    xyz[0, 2] = np.nan
    xyz[0, 3] = (0, 0, 1)
    read = xyz_of_cloud(cloud(xyz), SIZE)
    assert np.isnan(read[0, :3]).all()
    assert np.isfinite(read[0, 3:]).all()


@pytest.mark.parametrize(('changes', 'words'), [
    ({'height': 1, 'width': 24}, 'is not organised: 24 points in one row, images have 6 x 4 '
                                 'pixels: expected an organised cloud, registered'),
    ({'height': 2, 'width': 3}, 'cloud has 3 x 2 points, images have 6 x 4 pixels'),
    ({'fields': []}, "fields '': expected x, y and z"),
    ({'point_step': 9}, 'with point_step 9 and row_step 120'),
    ({'row_step': 60}, 'row_step 60'),
    ({'data': bytes(100)}, 'has 100 bytes'),
])
def test_a_cloud_that_does_not_fit_is_named(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        xyz_of_cloud(cloud(np.ones((*SIZE, 3), np.float32), **changes), SIZE)


def test_a_cloud_may_have_its_places_alone() -> None:
    xyz = np.random.default_rng(3).normal(size=(*SIZE, 3)).astype(np.float32)
    msg = cloud(xyz)
    del msg.fields[2]
    assert [field.name for field in msg.fields] == ['x', 'y', 'z']
    np.testing.assert_array_equal(xyz_of_cloud(msg, SIZE), xyz)


def test_a_field_that_ends_behind_its_point_is_named() -> None:
    msg = cloud(np.ones((*SIZE, 3), np.float32))
    msg.fields[3].offset = msg.point_step - 2
    with pytest.raises(ValueError, match=r'point_step 20 and .*, z at 18'):
        xyz_of_cloud(msg, SIZE)


def test_whole_numbers_are_no_coordinates() -> None:
    msg = cloud(np.ones((*SIZE, 3), np.float32))
    msg.fields[3].datatype = 5
    with pytest.raises(ValueError, match='z of datatype 5: expected FLOAT32 or FLOAT64'):
        xyz_of_cloud(msg, SIZE)


def test_sensor_msgs_py_reads_the_points() -> None:
    point_cloud2 = pytest.importorskip(
        'sensor_msgs_py.point_cloud2', reason='sensor_msgs_py comes with ROS, not with the wheels')
    xyz = np.random.default_rng(3).normal(size=(*SIZE, 3)).astype(np.float32)
    labels = np.arange(24, dtype=np.uint8).reshape(SIZE)
    seen = Labelled(Header(), np.zeros((*SIZE, 3), np.uint8), labels, labels)
    msg = points_to_cloud(painted_points(xyz, seen), Header())
    points = point_cloud2.read_points(msg, reshape_organized_cloud=True)
    assert points.dtype.names == ('x', 'y', 'z', 'rgb', 'label', 'confidence')
    np.testing.assert_array_equal(points['z'].reshape(SIZE), xyz[..., 2])
    np.testing.assert_array_equal(points['label'].reshape(SIZE), labels)
