"""What the graph tells of a camera or a clock that is not heard: what to set."""
from __future__ import annotations

from collections.abc import Iterator

from builtin_interfaces.msg import Time
import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image

from ros.harness import wait_for
from tdnet_ros.ros.graph import no_time, silence
from tdnet_ros.ros.parameters import IMAGE_TYPES

RAW, COMPRESSED = IMAGE_TYPES['raw'], IMAGE_TYPES['compressed']


@pytest.fixture(scope='module')
def node() -> Iterator[Node]:
    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node('watcher', context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.mark.parametrize(('kind', 'topic', 'published', 'expected'), [
    (RAW, '/a', {'/a/compressed': CompressedImage},
     'no publisher on /a: set image_transport to compressed'),
    (RAW, '/b/compressed', {'/b/compressed': CompressedImage},
     f'/b/compressed is published as {COMPRESSED}, expected {RAW}: set image_transport to '
     "compressed and remap 'image' to /b"),
    (COMPRESSED, '/c/compressed/compressed', {'/c/compressed': CompressedImage},
     "no publisher on /c/compressed/compressed: remap 'image' to /c"),
    (COMPRESSED, '/d/compressed', {'/d': Image},
     'no publisher on /d/compressed: set image_transport to raw'),
    (COMPRESSED, '/e/compressed', {'/e': CompressedImage},
     "no publisher on /e/compressed: remap 'image/compressed' to /e"),
    (COMPRESSED, '/i', {'/i': Image},
     f"/i is published as {RAW}, expected {COMPRESSED}: set image_transport to raw and remap "
     "'image' to /i"),
    (COMPRESSED, '/compressed', {},
     "no publisher on /compressed: start the camera or remap 'image' to its name without "
     '/compressed'),
    (RAW, '/f', {'/other': Image},
     f"no publisher on /f: start the camera or remap 'image'; {RAW} is published on /other"),
    (COMPRESSED, '/g/compressed', {'/other/compressed': CompressedImage},
     "no publisher on /g/compressed: start the camera or remap 'image' to its name without "
     f'/compressed; {COMPRESSED} is published on /other/compressed'),
    (RAW, '/h', {}, "no publisher on /h: start the camera or remap 'image'"),
])
def test_what_to_set_for_images_that_come_otherwise(
        node: Node, kind: str, topic: str, published: dict[str, type], expected: str) -> None:
    senders = [node.create_publisher(message, name, 1) for name, message in published.items()]
    try:
        wait_for(lambda: all(map(node.count_publishers, published)), 'the publishers')
        wait_for(lambda: silence(node, 'image', topic, kind, 4.0).text == expected,
                 f"'{expected}' but '{silence(node, 'image', topic, kind, 4.0).text}'", 5.0)
    finally:
        for sender in senders:
            node.destroy_publisher(sender)


def test_a_publisher_that_is_silent_is_named(node: Node) -> None:
    sender = node.create_publisher(Image, '/still', 1)
    wait_for(lambda: node.count_publishers('/still'), 'the publisher')
    assert silence(node, 'image', '/still', RAW, 4.0).text == (
        'no image on /still for 4.0 s, although /watcher publishes it')
    node.destroy_publisher(sender)


def test_a_clock_that_is_silent_is_named(node: Node) -> None:
    assert no_time(node) == []
    clock = node.create_publisher(Clock, '/clock', 1)
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    try:
        node.set_parameters([Parameter('use_sim_time', value=True)])
        finding, = no_time(node)
        assert finding.text.startswith('use_sim_time is true and /clock is silent: ')
        wait_for(lambda: clock.publish(Clock(clock=Time(sec=5)))
                 or executor.spin_once(0.01) or not no_time(node), 'time')
    finally:
        node.set_parameters([Parameter('use_sim_time', value=False)])
        executor.shutdown()
