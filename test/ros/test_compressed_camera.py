"""Compressed images, in simulated time and with QoS that was overridden."""
from __future__ import annotations

from collections.abc import Callable
import itertools
import time

import cv2
from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image

from ros.harness import (
    TALKATIVE,
    TINY,
    NodeProcess,
    Peer,
    latest_status,
    message_of,
    moving_square,
    pixels,
    resident_mib,
    stamp_of,
    wait_for,
)

S = 10**9
BEST_EFFORT = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)


@pytest.fixture(scope='module')
def compressed(start: Callable[..., NodeProcess]) -> NodeProcess:
    return start(*TINY, '-p', 'image_transport:=compressed', '-r', '__node:=packed',
                 '-p', 'input_size:=[33, 65]',
                 '-r', 'image:=/camera/image_raw', '-p', 'use_sim_time:=true',
                 '-p', 'qos_overrides./camera/image_raw/compressed.subscription.reliability:='
                       'reliable', patch=TALKATIVE,
                 ready='active: labels /camera/image_raw/compressed')


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
            f'effort is offered; set qos_overrides.{topic}.subscription.reliability to '
            'best_effort')
    wait_for(lambda: text in message_of(received, 'packed: image'), 'finding')
    peer.destroy(unreliable)


def test_compressed_images_in_simulated_time(compressed: NodeProcess, peer: Peer) -> None:
    received = peer.collect(DiagnosticArray, '/diagnostics')
    labels = peer.collect(Image, '/packed/labels')
    send = peer.sender(CompressedImage, '/camera/image_raw/compressed')
    clock = peer.sender(Clock, '/clock')
    seconds = itertools.count(900)
    wait_for(lambda: send.publish(jpeg(moving_square(1)[0], next(seconds) * S)) or time.sleep(0.1)
             or labels, 'labels of any image')

    def turn_clock(second: float) -> int:
        now_ns = round(1000 * S + second * S)
        clock.publish(Clock(clock=Time(nanoseconds=now_ns).to_msg()))
        wait_for(lambda: received and stamp_of(received[-1]) == now_ns, 'the time in diagnostics')
        return now_ns

    def play(second: float) -> Image:
        taken_ns = turn_clock(second) + 30_000_000  # between two ticks of the clock
        count = len(labels)
        send.publish(jpeg(moving_square(1)[0], taken_ns))
        return wait_for(lambda: next((msg for msg in labels[count:] if stamp_of(msg) == taken_ns),
                                     None), 'labels')

    first = [pixels(play(0.1 * index)) for index in range(4)]
    again = [pixels(play(0.1 * index)) for index in range(4)]  # the bag starts over
    np.testing.assert_array_equal(again, first)
    values = wait_for(lambda: (status := latest_status(received, 'packed: image'))[
        'last reset'] == 'clock went backwards' and status, 'reason of the reset')
    assert compressed.log.count('memory emptied: clock went backwards') == 1
    assert abs(float(values['image age (s)'])) < 0.2
    assert 'ahead of' not in values['message']
    assert float(values['latency max (ms)']) < 60_000
    assert float(values['latency p50 (ms)']) >= float(values['network p50 (ms)']) > 0
    assert 'transport p50 (ms)' not in values
    turn_clock(0.2)
    once_more = play(0.3)  # a bag of one image loops, too
    np.testing.assert_array_equal(pixels(once_more), first[0])


def test_damaged_and_depth_images_are_refused(compressed: NodeProcess, peer: Peer) -> None:
    received = peer.collect(DiagnosticArray, '/diagnostics')
    send = peer.sender(CompressedImage, '/camera/image_raw/compressed')
    depth = CompressedImage(format='16UC1; compressedDepth png')
    depth.data.frombytes(bytes(99))
    for msg, words in (
            (depth, "format '16UC1; compressedDepth png' is a depth image"),
            (CompressedImage(format='jpeg'), '0 bytes'),
            (changed(lambda data: data[:200]), 'its 200 bytes are damaged'),
            (changed(bomb), 'compressed image of 65535 x 65535: expected 1 to'),
            (changed(lambda data: data[:-2] + 999 * b'\xff\xda\0\x02'), 'JPEG of 1000 scans')):
        before = resident_mib(compressed.pid)
        send.publish(msg)
        wait_for(lambda text=words: text in message_of(received, 'packed: image'), words)
        assert resident_mib(compressed.pid) < before + 50, words
    labels = peer.collect(Image, '/packed/labels')
    wait_for(lambda: send.publish(jpeg(moving_square(1)[0], time.time_ns())) or time.sleep(0.1)
             or labels, 'labels of a good image')


def test_three_hundred_jpegs_with_random_bytes(compressed: NodeProcess, peer: Peer) -> None:
    generator = np.random.default_rng(5)
    received = peer.collect(DiagnosticArray, '/diagnostics')
    labels = peer.collect(Image, '/packed/labels')
    send = peer.sender(CompressedImage, '/camera/image_raw/compressed')

    def damaged(data: bytes) -> bytes:
        damage = bytearray(data)
        for at in generator.integers(0, len(data), int(generator.integers(1, 9))):
            damage[at] = generator.integers(256)
        return bytes(damage)

    def dealt_with() -> int:
        status = latest_status(received, 'packed: image')
        return sum(int(status.get(f'frames {what}', 0)) for what in ('processed', 'failed'))

    wait_for(dealt_with, 'diagnostics')
    start = dealt_with()
    wait_for(lambda: send.publish(changed(damaged)) or dealt_with() >= start + 300,
             '300 images', timeout_s=120.0)
    stamp_ns = time.time_ns()
    wait_for(lambda: send.publish(jpeg(moving_square(1)[0], stamp_ns)) or time.sleep(0.1)
             or (labels and stamp_of(labels[-1]) == stamp_ns), 'labels of a good image')
    assert compressed.end() == 0
    assert 'Traceback' not in compressed.log


def changed(change: Callable[[bytes], bytes]) -> CompressedImage:
    """A JPEG with other bytes."""
    msg = jpeg(moving_square(1)[0], time.time_ns())
    data = change(bytes(msg.data))
    del msg.data[:]
    msg.data.frombytes(data)
    return msg


def bomb(data: bytes) -> bytes:
    """A JPEG that claims to be as large as one can."""
    at = data.index(b'\xff\xc0') + 5
    return data[:at] + b'\xff' * 4 + data[at + 4:]
