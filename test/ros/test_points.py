"""Points over DDS, taken as Nav2's semantic segmentation layer takes them."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import time

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
import yaml

from ros.harness import (
    TINY,
    NodeProcess,
    Peer,
    image_message,
    message_of,
    moving_square,
    pixels,
    wait_for,
)
from ros.points import (
    CALIBRATION,
    HEIGHT,
    SENSOR,
    WIDTH,
    Layer,
    cloud_message,
    depth_message,
)

# What the layer subscribes with: latched label names.
NAMES = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE,
                   durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.fixture(scope='module')
def node(start: Callable[..., NodeProcess]) -> NodeProcess:
    return start(*TINY, '-p', 'points:=true')


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
    info = peer.sender(CameraInfo, '/camera_info')
    metres = np.full((HEIGHT, WIDTH), 2.0, '<f4')
    metres[0, :3] = (np.nan, np.inf, -np.inf)

    def send() -> None:
        now_ns = peer.now_ns()
        info.publish(CALIBRATION)
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
    process = start('--params-file', str(example), '-r', '__ns:=/nav',
                    ready='active: labels /nav/image')
    names = peer.collect(messages.LabelInfo, '/nav/tdnet/label_info', NAMES)
    wait_for(lambda: names, 'label info')
    layer = yaml.safe_load(example.read_text())['local_costmap']['local_costmap'][
        'ros__parameters']['semantic_layer']['camera']
    priced = [name for kind in layer['class_types'] for name in layer[kind]['classes']]
    assert sorted(item.class_name for item in names[0].class_map) == sorted(priced)
    wait_for(lambda: peer.node.count_publishers('/nav/tdnet/points'), 'points')
    assert process.end() == 0


def test_a_cloud_of_the_camera_is_painted(
        start: Callable[..., NodeProcess], node: NodeProcess, peer: Peer) -> None:
    """And one that has not a point for every pixel is refused, with the reason."""
    assert node.end() == 0
    start(*TINY, '-p', 'points:=true', '-p', 'points_source:=cloud')
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
