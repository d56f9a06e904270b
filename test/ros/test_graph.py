"""What the graph tells of a camera that is not heard: what to set."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from ros.harness import wait_for
from tdnet_ros.ros import cyclonedds
from tdnet_ros.ros.graph import silence
from tdnet_ros.ros.parameters import TRANSPORTS

RAW, COMPRESSED = TRANSPORTS['raw'], TRANSPORTS['compressed']


@pytest.fixture(scope='module')
def nodes() -> Iterator[tuple[Node, Node]]:
    """The one that looks, and one that publishes."""
    context = Context()
    rclpy.init(context=context)
    made = [rclpy.create_node(name, context=context) for name in ('watcher', 'driver')]
    yield made[0], made[1]
    for node in made:
        node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.fixture
def node(nodes: tuple[Node, Node]) -> Node:
    return nodes[0]


@contextmanager
def publishing(driver: Node, topics: Mapping[str, type]) -> Iterator[None]:
    """Have topics with these types of messages on the graph."""
    senders = [driver.create_publisher(kind, topic, 1) for topic, kind in topics.items()]
    try:
        wait_for(lambda: all(map(driver.count_publishers, topics)), 'the publishers')
        yield
    finally:
        for sender in senders:
            driver.destroy_publisher(sender)


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
        nodes: tuple[Node, Node], kind: str, topic: str, published: dict[str, type],
        expected: str) -> None:
    node, driver = nodes
    with publishing(driver, published):
        wait_for(lambda: silence(node, 'image', topic, kind, 4.0).text == expected,
                 f"'{expected}' but '{silence(node, 'image', topic, kind, 4.0).text}'", 5.0)


@pytest.mark.parametrize(('kind', 'message', 'end'), [
    (RAW, Image, ''), (COMPRESSED, CompressedImage, '/compressed')])
def test_candidates_are_cameras_first_and_no_labels(
        nodes: tuple[Node, Node], kind: str, message: type, end: str) -> None:
    node, driver = nodes
    expected = ', '.join(f'{topic}{end}' for topic in (
        '/zed/image_raw', '/a/depth/image', '/thermal'))
    others = [f'/{side}/tdnet/{name}{end}' for side in ('front', 'left')
              for name in ('labels', 'confidence', 'overlay', 'labels/color')]
    with (publishing(driver, dict.fromkeys([*others, *expected.split(', ')], message)),
          publishing(node, {f'/seg/mask{end}': message})):
        wait_for(lambda: silence(node, 'image', f'/none{end}', kind, 4.0).text.endswith(
            f'; {kind} is published on {expected}'), f'candidates {expected}', 5.0)


def test_what_another_camera_of_the_node_takes_is_no_candidate(nodes: tuple[Node, Node]) -> None:
    node, driver = nodes
    taken = node.create_subscription(Image, '/front', lambda message: None, 1)
    with publishing(driver, dict.fromkeys(('/front', '/back'), Image)):
        wait_for(lambda: silence(node, 'image', '/rear', RAW, 4.0).text.endswith(
            f'; {RAW} is published on /back'), 'the other camera', 5.0)
    node.destroy_subscription(taken)


def test_a_publisher_that_is_silent_is_named(
        nodes: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch) -> None:
    node, driver = nodes
    monkeypatch.setattr(cyclonedds, 'is_used', lambda: False)
    with publishing(driver, {'/still': Image}):
        wait_for(lambda: silence(node, 'image', '/still', RAW, 4.0).text == (
            'no image on /still for 4.0 s, although /driver publishes it'), 'its name', 5.0)


def test_images_may_be_too_large_for_cyclone_dds_although_none_came_that_tells_their_size(
        nodes: tuple[Node, Node], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node, driver = nodes
    limit = tmp_path / 'rmem_max'
    monkeypatch.setattr(cyclonedds, 'LIMIT', limit)
    monkeypatch.setattr(cyclonedds, 'is_used', lambda: True)
    monkeypatch.delenv(cyclonedds.URI, raising=False)
    said = 'publishes it; Cyclone DDS loses those of more than 0.4 MB without a word: sudo sysctl'
    info = 'sensor_msgs/msg/CameraInfo'
    with publishing(driver, {'/large': Image, '/small': CameraInfo}):
        wait_for(lambda: node.count_publishers('/large') and node.count_publishers('/small'),
                 'publishers', 5.0)
        assert silence(node, 'image', '/large', RAW, 4.0).text.endswith('publishes it')
        limit.write_text('212992')
        assert said in silence(node, 'image', '/large', RAW, 4.0).text
        assert silence(node, 'camera_info', '/small', info, 4.0, what='camera_info').text.endswith(
            'publishes it')
        limit.write_text(str(2**26))
        monkeypatch.setenv(cyclonedds.URI, f'file:///opt/{cyclonedds.FILE}')
        assert silence(node, 'image', '/large', RAW, 4.0).text.endswith('publishes it')


def test_the_camera_that_it_was_swapped_with_is_not_accused(nodes: tuple[Node, Node]) -> None:
    swapped = rclpy.create_node('swapped', context=nodes[0].context, cli_args=[
        '--ros-args', '-r', '/front:=/rear', '-r', '/rear:=/front'])
    with publishing(nodes[1], {'/front': Image}):
        wait_for(lambda: swapped.count_publishers('/front'), 'the publisher')
        assert silence(swapped, 'image', '/rear', RAW, 4.0).text == (
            f"no publisher on /rear: start the camera or remap 'image'; {RAW} is published on "
            '/front')
    swapped.destroy_node()


def test_one_transport_for_several_cameras_is_said(nodes: tuple[Node, Node]) -> None:
    node, driver = nodes
    with publishing(driver, {'/rear/compressed': CompressedImage}):
        wait_for(lambda: silence(node, 'rear/image', '/rear', RAW, 4.0, alone=False).text == (
            'no publisher on /rear: set image_transport to compressed; cameras of the other '
            'transport need a node of their own'), 'the remedy', 5.0)
