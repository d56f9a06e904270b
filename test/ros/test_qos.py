"""Quality of service: overridden for the one topic that was named, and compared on both sides."""
from __future__ import annotations

from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray
import pytest
from rcl_interfaces.srv import SetParameters
from rclpy.duration import Duration
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from ros.harness import DOWN, TINY, UP, NodeProcess, Peer, message_of, wait_for

OVERRIDES = {'/tdnet/labels.publisher.reliability': 'best_effort',
             '/tdnet/overlay.publisher.durability': 'transient_local',
             '/depth.subscription.reliability': 'reliable',
             '/cloud_in.subscription.depth': 2,
             '/tdnet/lables.publisher.depth': 5}


@pytest.fixture(scope='module')
def node(start: Callable[..., NodeProcess]) -> NodeProcess:
    given = [word for name, value in OVERRIDES.items()
             for word in ('-p', f'qos_overrides.{name}:={value}')]
    return start(*TINY, '-p', 'points:=true', *given)


def offered(peer: Peer, topic: str) -> QoSProfile:
    return wait_for(lambda: peer.node.get_publishers_info_by_topic(topic), topic)[0].qos_profile


def asked(peer: Peer, topic: str) -> QoSProfile:
    return wait_for(lambda: peer.node.get_subscriptions_info_by_topic(topic),
                    topic)[0].qos_profile


def test_an_override_changes_the_topic_that_it_names(node: NodeProcess, peer: Peer) -> None:
    assert offered(peer, '/tdnet/labels').reliability == ReliabilityPolicy.BEST_EFFORT
    assert offered(peer, '/tdnet/overlay').durability == DurabilityPolicy.TRANSIENT_LOCAL
    assert asked(peer, '/depth').reliability == ReliabilityPolicy.RELIABLE


@pytest.mark.parametrize('topic', ['labels/color', 'confidence', 'points', 'debug/latency_ms'])
def test_an_override_changes_no_other_topic(node: NodeProcess, peer: Peer, topic: str) -> None:
    profile = offered(peer, f'/tdnet/{topic}')
    assert profile.reliability == ReliabilityPolicy.RELIABLE
    assert profile.durability == DurabilityPolicy.VOLATILE
    assert asked(peer, '/image').reliability == ReliabilityPolicy.BEST_EFFORT


@pytest.mark.parametrize(('topic', 'profile', 'words'), [
    ('/tdnet/labels', QoSProfile(depth=1), 'it asks for reliable, best effort is offered; change '
     'it there, or set qos_overrides./tdnet/labels.publisher.reliability to reliable'),
    ('/tdnet/labels/color', QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL),
     'it asks for transient local, volatile is offered; change it there, or set '
     'qos_overrides./tdnet/labels/color.publisher.durability to transient_local'),
    ('/tdnet/confidence', QoSProfile(depth=1, deadline=Duration(seconds=1)),
     'it asks for a deadline of 1 s, none is offered; change it there'),
    ('/tdnet/overlay/compressed',
     QoSProfile(depth=1, liveliness=LivelinessPolicy.MANUAL_BY_TOPIC),
     'it asks for manual liveliness, automatic is offered; change it there'),
])
def test_a_subscriber_that_asks_for_more_is_named(
        node: NodeProcess, peer: Peer, topic: str, profile: QoSProfile, words: str) -> None:
    diagnostics = peer.collect(DiagnosticArray, '/diagnostics')
    subscription = peer.node.create_subscription(
        CompressedImage if topic.endswith('compressed') else Image, topic, print, profile)
    wait_for(lambda: f'/peer subscribes {topic} with QoS that does not match: {words}'
             in message_of(diagnostics, 'tdnet: image'), 'finding')
    peer.destroy(subscription)


def test_an_override_of_no_topic_is_named_until_there_is_one(
        node: NodeProcess, peer: Peer) -> None:
    diagnostics = peer.collect(DiagnosticArray, '/diagnostics')
    wrong, early = (f"'qos_overrides.{name}' is for no topic of this node" for name in (
        '/tdnet/lables.publisher.depth', '/cloud_in.subscription.depth'))
    assert "'qos_overrides./tdnet/labels" not in node.log
    for text in wrong, early:
        wait_for(lambda text=text: text in message_of(diagnostics, 'tdnet: device'), 'finding')
    for transition in DOWN:
        assert peer.change_state(transition)
    cloud = Parameter('points_source', value='cloud').to_parameter_msg()
    peer.call(SetParameters, '/tdnet/set_parameters', SetParameters.Request(parameters=[cloud]))
    for transition in UP:
        assert peer.change_state(transition)
    wait_for(lambda: early not in message_of(diagnostics, 'tdnet: device'), 'end of the finding')
    assert wrong in message_of(diagnostics, 'tdnet: device')
    assert [node.log.count(text) for text in (wrong, early)] == [1, 1]
