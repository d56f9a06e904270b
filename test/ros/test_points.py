"""Points over DDS, taken as Nav2's semantic segmentation layer takes them."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
import yaml

from ros.harness import (
    TINY,
    NodeProcess,
    Peer,
    image_message,
    message_of,
    moving_square,
    pixels,
    stamp_of,
    wait_for,
)

HEIGHT, WIDTH = 48, 64
# What the layer subscribes with: sensor data for masks and clouds, latched label names.
SENSOR = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)
NAMES = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE,
                   durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.fixture(scope='module')
def node(start: Callable[..., NodeProcess]) -> NodeProcess:
    process = start(*TINY, '-p', 'points:=true',
                    '-p', 'diagnostics_period_s:=0.2')
    process.wait_for_log('active: labels /image')
    return process


CALIBRATION = CameraInfo(height=HEIGHT, width=WIDTH,
                         k=[50.0, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0])
MILLIMETRES = np.full((HEIGHT, WIDTH), 2500, '<u2')


def depth_message(stamp_ns: int, values: np.ndarray = MILLIMETRES,
                  encoding: str = '16UC1') -> Image:
    msg = Image(height=HEIGHT, width=WIDTH, encoding=encoding, step=values.strides[0])
    msg.header.stamp = Time(nanoseconds=stamp_ns).to_msg()
    msg.data.frombytes(values.tobytes())
    return msg


class Layer:
    """Keeps masks, confidences and clouds of one stamp together, as the layer does."""

    def __init__(self, peer: Peer) -> None:
        self.masks = peer.collect(Image, '/tdnet/labels', SENSOR)
        self.confidences = peer.collect(Image, '/tdnet/confidence', SENSOR)
        self.clouds = peer.collect(PointCloud2, '/tdnet/points', SENSOR)

    def synced(self) -> list[tuple[Any, ...]]:
        tables = [{stamp_of(msg): msg for msg in list(messages)}
                  for messages in (self.masks, self.confidences, self.clouds)]
        return [tuple(table[stamp] for table in tables) for stamp in tables[0]
                if all(stamp in table for table in tables)]


def test_a_costmap_layer_gets_what_it_needs(node: NodeProcess, peer: Peer) -> None:
    layer = Layer(peer)
    diagnostics = peer.collect(DiagnosticArray, '/diagnostics')
    image, depth = peer.sender(), peer.sender(topic='/depth')
    info = peer.sender(CameraInfo, '/camera_info')
    rgb = moving_square(1)[0]

    def send(depth_late_s: float = 0.0) -> None:
        now_ns = peer.now_ns()
        image.publish(image_message(rgb, now_ns))
        time.sleep(0.1)
        depth.publish(depth_message(now_ns + round(depth_late_s * 1e9)))

    def problem() -> str:
        return message_of(diagnostics, 'tdnet: image')

    wait_for(lambda: send() or 'no points: no camera_info on /camera_info' in problem(), 'hint')
    info.publish(CameraInfo(height=HEIGHT, width=WIDTH))
    wait_for(lambda: send() or 'no focal length' in problem(), 'hint')
    info.publish(CALIBRATION)
    wait_for(lambda: send(depth_late_s=0.005) or layer.synced(), 'synced mask and cloud')

    mask, confidence, cloud = layer.synced()[0]
    assert mask.width * mask.height == cloud.width * cloud.height == WIDTH * HEIGHT
    assert cloud.header == mask.header == confidence.header
    points = np.frombuffer(cloud.data, np.uint8).reshape(HEIGHT, WIDTH, cloud.point_step)
    offsets = {field.name: field.offset for field in cloud.fields}
    assert list(offsets) == ['x', 'y', 'z', 'rgb', 'label', 'confidence']
    np.testing.assert_array_equal(points[..., offsets['label']], pixels(mask))
    np.testing.assert_array_equal(points[..., offsets['confidence']], pixels(confidence))
    depths = points[..., 8:12].copy().view('<f4')
    np.testing.assert_allclose(depths, 2.5, rtol=1e-6)
    wait_for(lambda: 'no points' not in problem(), 'end of the hint')


def test_depth_that_is_not_a_number_makes_no_points_there(node: NodeProcess, peer: Peer) -> None:
    layer = Layer(peer)
    image, depth = peer.sender(), peer.sender(topic='/depth')
    metres = np.full((HEIGHT, WIDTH), 2.0, '<f4')
    metres[0, :3] = (np.nan, np.inf, -np.inf)

    def send() -> None:
        now_ns = peer.now_ns()
        image.publish(image_message(moving_square(1)[0], now_ns))
        depth.publish(depth_message(now_ns, metres, '32FC1'))
        time.sleep(0.1)

    wait_for(lambda: send() or layer.clouds, 'cloud')
    points = np.frombuffer(layer.clouds[-1].data, '<f4').reshape(HEIGHT, WIDTH, -1)[..., :3]
    assert np.isnan(points[0, :3]).all()
    assert np.isfinite(points[1:]).all()


def test_names_of_labels_come_before_the_first_mask(node: NodeProcess, peer: Peer) -> None:
    messages = pytest.importorskip('vision_msgs.msg', reason='vision_msgs is not built')
    names = peer.collect(messages.LabelInfo, '/tdnet/label_info', NAMES)
    masks = peer.collect(Image, '/tdnet/labels', SENSOR)
    wait_for(lambda: names, 'label info')
    assert not masks
    assert names[0].class_map


def test_the_costmap_example_runs_with_the_default_model(
        start: Callable[..., NodeProcess], peer: Peer) -> None:
    """The node takes its part of the file, and the layer has a cost for every name it gets."""
    messages = pytest.importorskip('vision_msgs.msg', reason='vision_msgs is not built')
    example = Path(__file__).parents[2] / 'config/nav2_costmap.yaml'
    process = start('--params-file', str(example), '-r', '__ns:=/nav')
    process.wait_for_log('active: labels /nav/image')
    names = peer.collect(messages.LabelInfo, '/nav/tdnet/label_info', NAMES)
    wait_for(lambda: names, 'label info')
    layer = yaml.safe_load(example.read_text())['local_costmap']['local_costmap'][
        'ros__parameters']['semantic_layer']['camera']
    priced = [name for kind in layer['class_types'] for name in layer[kind]['classes']]
    assert sorted(item.class_name for item in names[0].class_map) == sorted(priced)
    wait_for(lambda: peer.node.count_publishers('/nav/tdnet/points'), 'points')
    assert process.end() == 0


def test_depth_of_another_moment_makes_no_points(node: NodeProcess, peer: Peer) -> None:
    layer = Layer(peer)
    image, depth = peer.sender(), peer.sender(topic='/depth')
    diagnostics = peer.collect(DiagnosticArray, '/diagnostics')

    def send() -> None:
        now_ns = peer.now_ns()
        depth.publish(depth_message(now_ns - 10_000_000_000))
        image.publish(image_message(moving_square(1)[0], now_ns))
        time.sleep(0.03)

    wait_for(lambda: send() or 'no depth image on /depth within 20 ms of an image' in message_of(
        diagnostics, 'tdnet: image'), 'hint')
    assert layer.masks
    assert not layer.clouds


def test_depth_that_comes_more_rarely_than_images_is_no_problem(
        node: NodeProcess, peer: Peer) -> None:
    layer = Layer(peer)
    image, depth = peer.sender(), peer.sender(topic='/depth')
    info, stamps = peer.sender(CameraInfo, '/camera_info'), []
    for number in range(60):
        info.publish(CALIBRATION)
        stamp = peer.now_ns()
        if number % 3 == 0:
            depth.publish(depth_message(stamp))
            stamps.append(stamp)
        image.publish(image_message(moving_square(1)[0], stamp))
        time.sleep(0.04)
    diagnostics = peer.collect(DiagnosticArray, '/diagnostics')
    wait_for(lambda: message_of(diagnostics, 'tdnet: image'), 'a status')
    assert 'no depth image' not in message_of(diagnostics, 'tdnet: image')
    assert 0 < len(layer.clouds) <= len(stamps)
    assert {stamp_of(cloud) for cloud in layer.clouds} <= set(stamps)


def test_points_go_on_when_a_bag_starts_over(node: NodeProcess, peer: Peer) -> None:
    layer = Layer(peer)
    image, depth = peer.sender(), peer.sender(topic='/depth')
    info, start = peer.sender(CameraInfo, '/camera_info'), peer.now_ns()

    def play(count: int, later_ns: int = 0) -> None:
        for number in range(count):
            info.publish(CALIBRATION)
            stamp = start + number * 50_000_000 + later_ns
            image.publish(image_message(moving_square(1)[0], stamp))
            time.sleep(0.04)
            depth.publish(depth_message(stamp))
            time.sleep(0.01)

    wait_for(lambda: play(20) or layer.clouds, 'points of the first time')
    first = len(layer.clouds)
    # Of other depth images: those of the first time are too far in time from these images.
    wait_for(lambda: play(10, 25_000_000) or len(layer.clouds) >= first + 5,
             'points of the second time')


SLOW = '''
import sys, time
from tdnet_ros.stream.engines.torch_engine import TorchEngine
run = TorchEngine.run
def slow(self, *inputs):
    time.sleep(1.5)
    return run(self, *inputs)
TorchEngine.run = slow
from tdnet_ros.ros.program import main
sys.exit(main())
'''


def test_a_slow_network_makes_points_of_fast_depth(
        start: Callable[..., NodeProcess], peer: Peer) -> None:
    """While an image is labelled more depth images come than the node keeps."""
    process = start(*TINY, '-p', 'points:=true', '-r', '__ns:=/slow',
                    program=SLOW)
    process.wait_for_log('active: labels /slow/image')
    clouds = peer.collect(PointCloud2, '/slow/tdnet/points', SENSOR)
    image, depth = (peer.sender(topic=f'/slow/{name}') for name in ('image', 'depth'))
    info, stamps = peer.sender(CameraInfo, '/slow/camera_info'), []

    def send() -> None:
        info.publish(CALIBRATION)
        stamps.append(peer.now_ns())
        image.publish(image_message(moving_square(1)[0], stamps[-1]))
        for number in range(60):
            depth.publish(depth_message(stamps[-1] + number * 33_000_000))
            time.sleep(0.02)
        time.sleep(2.0)

    wait_for(lambda: send() or clouds, 'cloud')
    assert stamp_of(clouds[0]) in stamps
    assert process.end() == 0


def cloud_message(stamp_ns: int, xyz: np.ndarray) -> PointCloud2:
    height, width = xyz.shape[:2]
    msg = PointCloud2(height=height, width=width, point_step=12, row_step=12 * width, fields=[
        PointField(name=name, offset=4 * index, datatype=PointField.FLOAT32, count=1)
        for index, name in enumerate('xyz')])
    msg.header.stamp = Time(nanoseconds=stamp_ns).to_msg()
    msg.header.frame_id = 'depth_optical'
    msg.data.frombytes(xyz.astype('<f4').tobytes())
    return msg


def test_a_cloud_of_the_camera_is_painted(
        start: Callable[..., NodeProcess], node: NodeProcess, peer: Peer) -> None:
    """And one that has not a point for every pixel is refused, with the reason."""
    assert node.end() == 0
    process = start(*TINY, '-p', 'points:=true', '-p', 'points_source:=cloud',
                    '-p', 'diagnostics_period_s:=0.2')
    process.wait_for_log('active: labels /image')
    layer = Layer(peer)
    diagnostics = peer.collect(DiagnosticArray, '/diagnostics')
    image, cloud = peer.sender(), peer.sender(PointCloud2, '/cloud_in')
    xyz = np.random.default_rng(0).normal(size=(HEIGHT, WIDTH, 3)).astype(np.float32)

    def send(points: np.ndarray) -> None:
        now_ns = peer.now_ns()
        image.publish(image_message(moving_square(1)[0], now_ns))
        cloud.publish(cloud_message(now_ns, points))
        time.sleep(0.1)

    def problem() -> str:
        return message_of(diagnostics, 'tdnet: image')

    for wrong, words in ((xyz.reshape(1, -1, 3), 'no points: cloud is not organised: 3072 points'),
                         (xyz[:20], 'no points: cloud has 64 x 20 points')):
        wait_for(lambda points=wrong, text=words: send(points) or text in problem(), words)
    assert not layer.clouds
    wait_for(lambda: send(xyz) or layer.synced(), 'synced mask and cloud')
    mask, confidence, painted = layer.synced()[0]
    assert painted.header.frame_id == 'depth_optical'
    points = np.frombuffer(painted.data, np.uint8).reshape(HEIGHT, WIDTH, painted.point_step)
    np.testing.assert_array_equal(points[..., :12].copy().view('<f4'), xyz)
    np.testing.assert_array_equal(points[..., 16], pixels(mask))
    np.testing.assert_array_equal(points[..., 17], pixels(confidence))
    wait_for(lambda: 'no points' not in problem(), 'end of the hint')
