"""Points that do not come because of depth: diagnostics and the log say why, as for images."""
from __future__ import annotations

from collections.abc import Callable
import time

from diagnostic_msgs.msg import DiagnosticArray
import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from ros.harness import TINY, NodeProcess, Peer, message_of, wait_for
from ros.lossy import sending_large
from ros.points import CALIBRATION, Layer, depth_message

BEST_EFFORT = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)


@pytest.fixture(scope='module')
def node(start: Callable[..., NodeProcess], peer: Peer) -> NodeProcess:
    return start(*TINY, '-p', 'points:=true', '-p', 'no_image_timeout_s:=0.5',
                 '-p', 'qos_overrides./depth.subscription.reliability:=reliable')


@pytest.fixture
def said(node: NodeProcess, peer: Peer) -> Callable[[], str]:
    """What diagnostics say of a camera whose points are taken."""
    Layer(peer)
    diagnostics = peer.collect(DiagnosticArray, '/diagnostics')
    return lambda: message_of(diagnostics, 'tdnet: image')


def test_a_wrong_topic_is_named_with_the_candidates(
        node: NodeProcess, peer: Peer, said: Callable[[], str]) -> None:
    others = [peer.node.create_publisher(Image, topic, 1)
              for topic in ('/camera/image_raw', '/camera/depth/image')]
    kind = 'sensor_msgs/msg/Image'
    words = ("no points: no publisher on /depth: start the camera or remap 'depth'; "
             f'{kind} is published on /camera/depth/image, /camera/image_raw; no publisher on '
             "/camera_info: start the camera or remap 'camera_info'")
    wait_for(lambda: words in said(), f"'{words}'")
    node.wait_for_log('no points: no publisher on /depth')
    for other in others:
        peer.destroy(other)


def test_depth_of_a_qos_that_does_not_match_is_named(
        peer: Peer, said: Callable[[], str]) -> None:
    sender = peer.node.create_publisher(Image, '/depth', BEST_EFFORT)
    words = ('no points: /peer publishes /depth with QoS that does not match: we ask for '
             'reliable, best effort is offered; set qos_overrides./depth.subscription.reliability')
    wait_for(lambda: words in said(), f"'{words}'")
    peer.destroy(sender)


def test_depth_that_stops_is_named_and_calibration_comes_once(
        peer: Peer, said: Callable[[], str]) -> None:
    depth, info = peer.sender(topic='/depth'), peer.sender(CameraInfo, '/camera_info')
    quiet = 0  # a hint goes as soon as there are publishers, the next takes half a second

    def are_heard() -> bool:
        nonlocal quiet
        info.publish(CALIBRATION)
        depth.publish(depth_message(peer.now_ns()))
        time.sleep(0.1)
        quiet = 0 if 'no points' in said() else quiet + 1
        return quiet > 15

    wait_for(are_heard, 'end of the hints')
    words = 'although /peer publishes it'
    wait_for(lambda: 'no points: no depth image on /depth for ' in said() and words in said(),
             'hint')
    assert 'camera_info' not in said()


def test_depth_lost_on_the_way_is_told(
        start: Callable[..., NodeProcess], peer: Peer, without_profile: None) -> None:
    start(*TINY, '-p', 'points:=true', '-r', '__node:=lossy', '-r', 'depth:=/large',
          ready='active: labels /image')
    diagnostics = peer.collect(DiagnosticArray, '/diagnostics')
    with sending_large('/large'):
        images = peer.collect(Image, '/large', BEST_EFFORT)
        wait_for(lambda: len(images) > 20, 'images')
        told = len(diagnostics) + 4  # two nodes tell
        wait_for(lambda: len(diagnostics) > told, 'diagnostics since then')
        assert 'lost' not in message_of(diagnostics, 'lossy: image'), 'nobody takes the points'
        peer.collect(PointCloud2, '/lossy/points')
        wait_for(lambda: 'depth images lost between driver and node: large depth images need '
                 in message_of(diagnostics, 'lossy: image'), 'hint')
