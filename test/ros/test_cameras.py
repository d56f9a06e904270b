"""Several cameras on one network, compressed images, namespaces, QoS and simulated time."""
from __future__ import annotations

from collections.abc import Callable
import subprocess
import sys
import time

import cv2
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image

from ros.harness import (
    LATCHED,
    NodeProcess,
    Peer,
    image_message,
    latest_status,
    moving_square,
    pixels,
    stamp_of,
    wait_for,
)
from tdnet_ros.stream import Frame, VideoSegmenter

S = 10**9
SEND_LARGE = '''
import time
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
rclpy.init()
qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
publisher = rclpy.create_node('large').create_publisher(Image, '/large', qos)
msg = Image(height=1080, width=1920, step=5760, encoding='rgb8')
msg.data.frombytes(bytes(1080 * 5760))
while True:
    publisher.publish(msg)
    time.sleep(0.03)
'''
BEST_EFFORT = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)


@pytest.fixture(scope='module')
def pair(start: Callable[..., NodeProcess]) -> NodeProcess:
    process = start('-p', 'model:=td2-tiny', '-p', 'cameras:=[front, rear]', '-r', '__ns:=/robot',
                    '-p', 'scene_cut:=false', '-p', 'diagnostics_period_s:=0.2')
    process.wait_for_log('active: labels /robot/front/image, /robot/rear/image')
    return process


@pytest.fixture(scope='module')
def diagnostics(pair: NodeProcess, peer: Peer) -> list[DiagnosticArray]:
    return peer.collect(DiagnosticArray, '/diagnostics')


def message_of(diagnostics: list[DiagnosticArray], name: str) -> str:
    return str(latest_status(diagnostics, name).get('message', ''))


def test_a_topic_without_publisher_is_named_with_those_that_have_one(
        pair: NodeProcess, diagnostics: list[DiagnosticArray], peer: Peer) -> None:
    other = peer.node.create_publisher(Image, '/camera/image_raw', 1)
    text = 'sensor_msgs/msg/Image is published on /camera/image_raw'
    wait_for(lambda: text in message_of(diagnostics, 'robot/tdnet: front'), 'finding')
    status = latest_status(diagnostics, 'robot/tdnet: front')
    assert status['level'] == DiagnosticStatus.ERROR
    assert 'no publisher on /robot/front/image' in status['message']
    peer.node.destroy_publisher(other)


def test_a_topic_of_another_type_is_named(
        pair: NodeProcess, diagnostics: list[DiagnosticArray], peer: Peer) -> None:
    wrong = peer.node.create_publisher(CompressedImage, '/robot/front/image', 1)
    wait_for(lambda: 'is published as sensor_msgs/msg/CompressedImage, expected sensor_msgs/msg/'
                     'Image' in message_of(diagnostics, 'robot/tdnet: front'), 'finding')
    peer.node.destroy_publisher(wrong)


def test_a_subscriber_whose_qos_does_not_match_is_named(
        pair: NodeProcess, diagnostics: list[DiagnosticArray], peer: Peer) -> None:
    picky = peer.node.create_subscription(Image, '/robot/tdnet/front/labels', print, LATCHED)
    ordinary = peer.node.create_subscription(Image, '/robot/tdnet/front/overlay', print, 1)
    name = 'robot/tdnet: front'
    wait_for(lambda: '/peer subscribes /robot/tdnet/front/labels with QoS that does not match: '
             'it asks for transient local' in message_of(diagnostics, name), 'finding')
    assert 'overlay' not in message_of(diagnostics, name)
    peer.node.destroy_subscription(ordinary)
    peer.node.destroy_subscription(picky)


def test_each_camera_has_its_own_memory_and_none_starves(
        pair: NodeProcess, peer: Peer) -> None:
    clips = {'front': moving_square(6), 'rear': [255 - rgb for rgb in moving_square(6, 60, 80)]}
    labels = {name: peer.collect(Image, f'/robot/tdnet/{name}/labels') for name in clips}
    senders = {name: peer.sender(topic=f'/robot/{name}/image') for name in clips}
    wait_for(lambda: all(peer.node.count_publishers(f'/robot/tdnet/{name}/labels')
                         for name in clips), 'label topics')
    start_ns = peer.now_ns()
    for index in range(6):
        for name, clip in clips.items():
            senders[name].publish(image_message(clip[index], start_ns + index * S // 15, name))
        wait_for(lambda count=index + 1: all(len(got) == count for got in labels.values()),
                 f'labels {index} of both cameras')
    segmenter = VideoSegmenter.load('td2-tiny', 'cpu', scene_cut=False)
    for name, clip in clips.items():
        memory = segmenter.new_memory()
        for index, rgb in enumerate(clip):
            frame = Frame(rgb, start_ns + index * S // 15)
            np.testing.assert_array_equal(
                pixels(labels[name][index]), segmenter.step(frame, memory).labels)
            assert labels[name][index].header.frame_id == name


def test_a_fast_camera_does_not_starve_a_slow_one(pair: NodeProcess, peer: Peer) -> None:
    labels = {name: peer.collect(Image, f'/robot/tdnet/{name}/labels')
              for name in ('front', 'rear')}
    front, rear = (peer.sender(topic=f'/robot/{name}/image') for name in labels)
    rgb = moving_square(1)[0]
    wait_for(lambda: front.publish(image_message(rgb, peer.now_ns()))
             or rear.publish(image_message(rgb, peer.now_ns())) or time.sleep(0.1)
             or all(labels.values()), 'labels of both cameras')
    before = len(labels['rear'])
    for _ in range(20):
        rear.publish(image_message(rgb, peer.now_ns()))
        for _ in range(25):
            front.publish(image_message(rgb, peer.now_ns()))
            time.sleep(0.004)
    wait_for(lambda: len(labels['rear']) - before >= 18, 'labels of the slow camera')


@pytest.fixture(scope='module')
def compressed(start: Callable[..., NodeProcess]) -> NodeProcess:
    process = start('-p', 'model:=td2-tiny', '-p', 'image_transport:=compressed',
                    '-r', '__node:=packed', '-r', 'image:=/camera/image_raw',
                    '-p', 'diagnostics_period_s:=0.2', '-p', 'use_sim_time:=true',
                    '-p', 'qos_overrides./camera/image_raw/compressed.subscription.reliability:='
                          'reliable')
    process.wait_for_log('active: labels /camera/image_raw/compressed')
    return process


def jpeg(rgb: np.ndarray, stamp_ns: int) -> CompressedImage:
    msg = CompressedImage(format='bgr8; jpeg compressed bgr8')
    msg.header.stamp = Time(nanoseconds=stamp_ns).to_msg()
    data = cv2.imencode('.jpg', np.ascontiguousarray(rgb[..., ::-1]))[1]
    msg.data.frombytes(data.tobytes())
    return msg


def test_diagnostics_go_on_while_simulated_time_stands(
        compressed: NodeProcess, peer: Peer) -> None:
    received = peer.collect(DiagnosticArray, '/diagnostics')
    wait_for(lambda: sum('packed: image' in item.name for array in received
                         for item in array.status) > 4, 'diagnostics')


def test_qos_overrides_and_a_publisher_that_does_not_match(
        compressed: NodeProcess, peer: Peer) -> None:
    received = peer.collect(DiagnosticArray, '/diagnostics')
    unreliable = peer.node.create_publisher(
        CompressedImage, '/camera/image_raw/compressed', BEST_EFFORT)
    topic = '/camera/image_raw/compressed'
    text = (f'/peer publishes {topic} with QoS that does not match: we ask for reliable, best '
            f'effort is offered; set qos_overrides.{topic}.subscription.reliability')
    wait_for(lambda: text in message_of(received, 'packed: image'), 'finding')
    peer.node.destroy_publisher(unreliable)


def test_compressed_images_in_simulated_time(compressed: NodeProcess, peer: Peer) -> None:
    received = peer.collect(DiagnosticArray, '/diagnostics')
    labels = peer.collect(Image, '/packed/labels')
    send = peer.sender(CompressedImage, '/camera/image_raw/compressed')
    clock = peer.sender(Clock, '/clock')
    wait_for(lambda: peer.node.count_publishers('/packed/labels'), 'labels topic')

    def play(second: float) -> Image:
        now_ns = round(1000 * S + second * S)
        clock.publish(Clock(clock=Time(nanoseconds=now_ns).to_msg()))
        time.sleep(0.1)
        count = len(labels)
        send.publish(jpeg(moving_square(1)[0], now_ns))
        wait_for(lambda: len(labels) > count, 'labels')
        assert stamp_of(labels[-1]) == now_ns
        return labels[-1]

    first = [pixels(play(0.1 * index)) for index in range(4)]
    again = [pixels(play(0.1 * index)) for index in range(4)]  # the bag starts over
    np.testing.assert_array_equal(again, first)
    values = wait_for(lambda: (status := latest_status(received, 'packed: image')).get(
        'frames processed') == '8' and status, 'count of all images')
    assert values['resets'] == '1'
    assert 'backwards' in values['last reset']
    assert abs(float(values['image age (s)'])) < 0.2
    assert float(values['latency max (ms)']) < 1000


def test_damaged_and_depth_images_are_refused(compressed: NodeProcess, peer: Peer) -> None:
    received = peer.collect(DiagnosticArray, '/diagnostics')
    send = peer.sender(CompressedImage, '/camera/image_raw/compressed')
    depth = CompressedImage(format='16UC1; compressedDepth png')
    depth.data.frombytes(bytes(99))
    for msg, words in ((depth, 'is a depth image'), (CompressedImage(format='jpeg'), '0 bytes')):
        send.publish(msg)
        wait_for(lambda text=words: text in message_of(received, 'packed: image'), words)


def test_images_lost_on_the_way_are_counted(
        start: Callable[..., NodeProcess], peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'):
        monkeypatch.delenv(name, raising=False)
    received = peer.collect(DiagnosticArray, '/diagnostics')
    process = start('-p', 'model:=td2-tiny', '-r', '__node:=lossy', '-r', 'image:=/large',
                    '-p', 'diagnostics_period_s:=0.2')
    process.wait_for_log('active: labels /large')
    sender = subprocess.Popen([sys.executable, '-c', SEND_LARGE])
    try:
        wait_for(lambda: 'images lost on the way here' in message_of(received, 'lossy: image'),
                 'hint')
        assert int(latest_status(received, 'lossy: image')['frames lost']) > 0
    finally:
        sender.kill()
        sender.wait()


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
