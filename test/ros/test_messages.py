"""Arrays to messages: packed rows, headers untouched, the real types."""
from __future__ import annotations

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from tdnet_ros.nets.classes import CAMVID
from tdnet_ros.ros.decoding import image_to_rgb
from tdnet_ros.ros.messages import array_to_image, label_info, to_jpeg, to_png


@pytest.fixture
def header() -> Header:
    header = Header(frame_id='front_optical')
    header.stamp.sec, header.stamp.nanosec = 12, 345
    return header


@pytest.fixture
def rgb() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (5, 7, 3), np.uint8)


def test_an_image_goes_round(rgb: np.ndarray, header: Header) -> None:
    msg = array_to_image(rgb, 'rgb8', header)
    assert (msg.height, msg.width, msg.step, msg.encoding) == (5, 7, 21, 'rgb8')
    assert msg.header == header
    np.testing.assert_array_equal(image_to_rgb(msg), rgb)


def test_rows_are_packed_whatever_the_array_is(rgb: np.ndarray, header: Header) -> None:
    labels = rgb[::2, ::-1, 1]
    msg = array_to_image(labels, 'mono8', header)
    assert (msg.step, len(msg.data)) == (7, 21)
    np.testing.assert_array_equal(np.frombuffer(msg.data, np.uint8).reshape(3, 7), labels)


def test_a_compressed_image_is_a_jpeg(header: Header) -> None:
    bgr = np.full((16, 16, 3), (30, 60, 200), np.uint8)
    msg = to_jpeg(bgr, header, 95)
    assert (msg.format, msg.header) == ('bgr8; jpeg compressed bgr8', header)
    decoded = cv2.imdecode(np.frombuffer(msg.data, np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(decoded.astype(int) - bgr).max() < 6


def test_labels_as_png_lose_nothing(rgb: np.ndarray, header: Header) -> None:
    msg = to_png(rgb[..., 0], header)
    assert msg.format.startswith('mono8; png compressed')
    decoded = cv2.imdecode(np.frombuffer(msg.data, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(decoded, rgb[..., 0])


def test_label_info_names_every_class(header: Header) -> None:
    pytest.importorskip('vision_msgs', reason='vision_msgs is not built')
    info = label_info(dict(enumerate(CAMVID.names)), header)
    assert [(entry.class_id, entry.class_name) for entry in info.class_map] == list(
        enumerate(CAMVID.names))
    assert info.header == header


def test_assigning_keeps_the_header_of_the_input(rgb: np.ndarray) -> None:
    source = Image()
    source.header.frame_id = 'camera'
    assert array_to_image(rgb, 'bgr8', source.header).header.frame_id == 'camera'
