"""Several cameras on one network, in a namespace, and what diagnostics say of their topics."""
from __future__ import annotations

from collections.abc import Callable
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from std_srvs.srv import Trigger

from ros.camera import Camera
from ros.harness import (
    LATCHED,
    TINY,
    NodeProcess,
    Peer,
    image_message,
    latest_status,
    message_of,
    moving_square,
    pixels,
    stamp_of,
    wait_for,
)
from ros.lossy import sending_large
from tdnet_ros.stream import Frame, VideoSegmenter

S = 10**9
# A machine on which batches pay, and that says when it runs one.
BATCHES = '''
from tdnet_ros.stream import VideoSegmenter
from tdnet_ros.stream.engines.torch_engine import TorchEngine
def measure_batches(self, size, limit):
    self.batch_ms = {count: 10 * 0.5 ** count for count in range(1, limit + 1)}
VideoSegmenter.measure_batches = measure_batches
run = TorchEngine.run
def noted(self, image, *inputs):
    print('frames in one run:', len(image), flush=True)
    return run(self, image, *inputs)
TorchEngine.run = noted
'''
CLIPS = {'front': moving_square(6), 'rear': [255 - rgb for rgb in moving_square(6, 60, 80)]}
BEST_EFFORT = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)


@pytest.fixture(scope='module')
def pair(start: Callable[..., NodeProcess]) -> NodeProcess:
    return start(*TINY, '-p', 'cameras:=[front, rear]', '-r', '__ns:=/robot',
                 '-p', 'scene_cut:=false', patch=BATCHES,
                 ready='active: labels /robot/front/image, /robot/rear/image')


@pytest.fixture(scope='module')
def diagnostics(pair: NodeProcess, peer: Peer) -> list[DiagnosticArray]:
    return peer.collect(DiagnosticArray, '/diagnostics')


def test_a_topic_without_publisher_is_named_with_those_that_have_one(
        pair: NodeProcess, diagnostics: list[DiagnosticArray], peer: Peer) -> None:
    other = peer.node.create_publisher(Image, '/camera/image_raw', 1)
    text = 'sensor_msgs/msg/Image is published on /camera/image_raw'
    wait_for(lambda: text in message_of(diagnostics, 'robot/tdnet: front'), 'finding')
    status = latest_status(diagnostics, 'robot/tdnet: front')
    assert status['level'] == DiagnosticStatus.ERROR
    assert ('no publisher on /robot/front/image: start the camera or remap '
            "'front/image'; " in status['message'])
    pair.wait_for_log('no publisher on /robot/front/image: start the camera')
    seen, logged = len(diagnostics), pair.log.count('no publisher on /robot/front/image')
    wait_for(lambda: len(diagnostics) >= seen + 10, 'ten more statuses')
    assert pair.log.count('no publisher on /robot/front/image') <= logged + 2
    peer.destroy(other)


def test_a_topic_of_another_type_is_named(
        pair: NodeProcess, diagnostics: list[DiagnosticArray], peer: Peer) -> None:
    wrong = peer.node.create_publisher(CompressedImage, '/robot/front/image', 1)
    wait_for(lambda: 'is published as sensor_msgs/msg/CompressedImage, expected sensor_msgs/msg/'
                     'Image' in message_of(diagnostics, 'robot/tdnet: front'), 'finding')
    peer.destroy(wrong)


def test_a_subscriber_whose_qos_does_not_match_is_named(
        pair: NodeProcess, diagnostics: list[DiagnosticArray], peer: Peer) -> None:
    picky = peer.node.create_subscription(Image, '/robot/tdnet/front/labels', print, LATCHED)
    ordinary = peer.node.create_subscription(Image, '/robot/tdnet/front/overlay', print, 1)
    name = 'robot/tdnet: front'
    wait_for(lambda: '/peer subscribes /robot/tdnet/front/labels with QoS that does not match: '
             'it asks for transient local' in message_of(diagnostics, name), 'finding')
    assert 'overlay' not in message_of(diagnostics, name)
    peer.destroy(ordinary)
    peer.destroy(picky)


@pytest.fixture(scope='module')
def cameras(pair: NodeProcess, peer: Peer) -> dict[str, Camera]:
    return {name: Camera(peer, '/robot/tdnet', name) for name in CLIPS}


def assert_labels_are_those_of_each_alone(
        cameras: dict[str, Camera], sent: dict[str, dict[int, np.ndarray]]) -> None:
    """The images that were labelled, in their order, by a segmenter with one camera."""
    segmenter = VideoSegmenter.load('td2-tiny', 'cpu', scene_cut=False)
    for name, camera in cameras.items():
        memory = segmenter.new_memory()
        for msg in camera.labels[-len(sent[name]):]:
            rgb = sent[name].get(stamp_of(msg))
            if rgb is not None:
                result = segmenter.step(Frame(rgb, stamp_of(msg)), memory)
                np.testing.assert_array_equal(pixels(msg), result.labels)
                assert msg.header.frame_id == name


def test_each_camera_has_its_own_memory_and_none_starves(
        pair: NodeProcess, peer: Peer, cameras: dict[str, Camera]) -> None:
    peer.call(Trigger, '/robot/tdnet/reset')
    sent: dict[str, dict[int, np.ndarray]] = {name: {} for name in CLIPS}
    for index in range(6):
        for name, camera in cameras.items():
            msg = camera.send(CLIPS[name][index], frame_id=name)
            sent[name][stamp_of(msg)] = CLIPS[name][index]
        wait_for(lambda: all(camera.is_answered for camera in cameras.values()),
                 f'labels {index} of both cameras')
    assert_labels_are_those_of_each_alone(cameras, sent)
    for name in CLIPS:
        assert f'/robot/{name}/image: memory emptied: reset was called' in pair.log


def test_images_in_one_run_get_the_labels_of_each_camera_alone(
        pair: NodeProcess, peer: Peer, cameras: dict[str, Camera]) -> None:
    peer.call(Trigger, '/robot/tdnet/reset')
    sent: dict[str, dict[int, np.ndarray]] = {name: {} for name in CLIPS}
    for index in range(100):
        for name, camera in cameras.items():
            rgb = CLIPS[name][index % 6]
            sent[name][stamp_of(camera.send(rgb, frame_id=name))] = rgb
        time.sleep(0.005)
    wait_for(lambda: all(camera.is_answered for camera in cameras.values()),
             'last labels of both cameras')
    assert_labels_are_those_of_each_alone(cameras, sent)
    assert pair.log.count('frames in one run: 2') > 5
    assert 'images of several cameras: up to 2 together' in pair.log
    device = latest_status(cameras['front'].diagnostics, 'robot/tdnet: device')
    assert device['batches'].startswith('up to 2 together (ms an image: one ')


def test_a_fast_camera_does_not_starve_a_slow_one(cameras: dict[str, Camera]) -> None:
    overtaken = 0
    for _ in range(20):
        sent_ns, end = stamp_of(cameras['rear'].send(CLIPS['rear'][0])), time.monotonic() + 10
        while not cameras['rear'].is_answered:
            cameras['front'].send(CLIPS['front'][0])
            time.sleep(0.004)
            assert time.monotonic() < end, 'no labels of the slow camera'
        overtaken += sum(stamp_of(msg) > sent_ns for msg in cameras['front'].labels)
    assert overtaken <= 60, 'images of the fast camera that came later and were labelled before'


def test_images_lost_on_the_way_are_counted(
        start: Callable[..., NodeProcess], peer: Peer, without_profile: None) -> None:
    received = peer.collect(DiagnosticArray, '/diagnostics')

    def status(key: str) -> str:
        return latest_status(received, 'lossy: image')[key]

    start(*TINY, '-r', '__node:=lossy', '-r', 'image:=/large', ready='active: labels /large')
    with sending_large('/large'):
        wait_for(lambda: 'images lost between driver and node' in message_of(
            received, 'lossy: image'), 'hint')
        wait_for(lambda: int(status('frames received')) > 40, 'images of all sizes')
        assert 0 < int(status('frames lost')) < 10_000


@pytest.mark.parametrize('qos', [
    BEST_EFFORT, QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE,
                            durability=DurabilityPolicy.TRANSIENT_LOCAL)],
    ids=['best effort', 'latched'])
def test_cameras_of_either_reliability_are_heard(
        pair: NodeProcess, peer: Peer, qos: QoSProfile) -> None:
    labels = peer.collect(Image, '/robot/tdnet/front/labels')
    send = peer.sender(topic='/robot/front/image', qos=qos)
    wait_for(lambda: send.publish(image_message(moving_square(1)[0], peer.now_ns()))
             or time.sleep(0.05) or labels, 'labels')


def test_stamps_of_another_clock_do_not_poison_the_latency(
        pair: NodeProcess, diagnostics: list[DiagnosticArray], peer: Peer) -> None:
    send = peer.sender(topic='/robot/rear/image')
    wait_for(lambda: send.publish(image_message(moving_square(1)[0], 12 * S)) or time.sleep(0.1)
             or "behind the node's clock" in message_of(diagnostics, 'robot/tdnet: rear'),
             'finding')
    values = latest_status(diagnostics, 'robot/tdnet: rear')
    assert float(values['image age (s)']) > 1e9
    assert float(values.get('latency max (ms)', 0)) < 60_000
