"""Depth and labels meet by their stamps, however often and however late either comes."""
from __future__ import annotations

from collections.abc import Callable
import itertools
import time

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, PointCloud2

from ros.harness import (
    TINY,
    NodeProcess,
    Peer,
    image_message,
    message_of,
    moving_square,
    slow_network,
    stamp_of,
    wait_for,
)
from ros.points import CALIBRATION, MILLIMETRES, SENSOR, Layer, depth_message
from tdnet_ros.ros.points import KEPT


@pytest.fixture(scope='module')
def node(start: Callable[..., NodeProcess]) -> NodeProcess:
    return start(*TINY, '-p', 'points:=true')


def test_depth_of_another_moment_makes_no_points(node: NodeProcess, peer: Peer) -> None:
    layer = Layer(peer)
    image, depth = peer.sender(), peer.sender(topic='/depth')
    diagnostics = peer.collect(DiagnosticArray, '/diagnostics')
    info = peer.sender(CameraInfo, '/camera_info')

    def send() -> None:
        now_ns = peer.now_ns()
        info.publish(CALIBRATION)
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


def test_of_what_waits_nothing_outlasts_time_that_starts_over(
        node: NodeProcess, peer: Peer) -> None:
    """Neither labels whose depth was lost nor depth whose image was meet those of the new time."""
    layer = Layer(peer)
    image, depth = peer.sender(), peer.sender(topic='/depth')
    info, rgb = peer.sender(CameraInfo, '/camera_info'), moving_square(1)[0]

    def send_both(start: int) -> None:
        """Until points come, which shows that all depth before has been taken up, too."""
        stamps = itertools.count(start, 10_000_000)

        def came() -> bool:
            info.publish(CALIBRATION)
            depth.publish(depth_message(stamp := next(stamps)))
            image.publish(image_message(rgb, stamp))
            time.sleep(0.1)
            return any(start <= stamp_of(cloud) <= stamp for cloud in layer.clouds)

        wait_for(came, 'points')

    def label(stamp: int) -> None:
        image.publish(image_message(rgb, stamp))
        wait_for(lambda: stamp in map(stamp_of, layer.masks), 'labels')

    first, second, third, late, end = (
        peer.now_ns() + seconds * 10**9 for seconds in (0, 50, 60, 100, 200))
    send_both(first)
    label(late)
    send_both(second)
    for stamp in (late, end):
        depth.publish(depth_message(stamp))
    send_both(third)
    label(end)
    depth.publish(depth_message(end, MILLIMETRES * 2))
    found = wait_for(
        lambda: [cloud for cloud in layer.clouds if stamp_of(cloud) >= late], 'points')
    assert [stamp_of(cloud) for cloud in found] == [end]
    np.testing.assert_allclose(np.frombuffer(found[0].data, '<f4')[2], 5.0, rtol=1e-6)


def test_a_slow_network_makes_points_of_fast_depth(
        start: Callable[..., NodeProcess], peer: Peer) -> None:
    """While an image is labelled more depth images come than the node keeps."""
    process = start(*TINY, '-p', 'points:=true', '-r', '__ns:=/slow',
                    patch=slow_network(0.8), ready='active: labels /slow/image')
    clouds = peer.collect(PointCloud2, '/slow/tdnet/points', SENSOR)
    image, depth = (peer.sender(topic=f'/slow/{name}') for name in ('image', 'depth'))
    info, stamps = peer.sender(CameraInfo, '/slow/camera_info'), []

    def send() -> None:
        info.publish(CALIBRATION)
        stamps.append(peer.now_ns())
        image.publish(image_message(moving_square(1)[0], stamps[-1]))
        for number in range(3 * KEPT):
            depth.publish(depth_message(stamps[-1] + number * 33_000_000))
            time.sleep(0.01)
        time.sleep(0.8)

    wait_for(lambda: send() or clouds, 'cloud')
    assert stamp_of(clouds[0]) in stamps
    assert process.end() == 0
