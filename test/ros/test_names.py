"""Namespaces, names and remapping: two nodes side by side keep out of each other's way."""
from __future__ import annotations

from collections.abc import Callable
import time

from diagnostic_msgs.msg import DiagnosticArray
import pytest
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool

from ros.harness import (
    TINY,
    NodeProcess,
    Peer,
    image_message,
    latest_status,
    message_of,
    moving_square,
    wait_for,
)

MASKS = {'/camera/image_raw': '/semantic/mask', '/robot/rear/image': '/robot/seg/rear/labels'}


@pytest.fixture(scope='module')
def nodes(start: Callable[..., NodeProcess]) -> NodeProcess:
    start(*TINY, '-r', 'image:=/camera/image_raw', '-r', '~/labels:=/semantic/mask',
          ready='active: labels /camera/image_raw')
    return start(*TINY, '-r', '__ns:=/robot', '-r', '__node:=seg', '-p', 'cameras:=[rear]',
                 ready='active: labels /robot/rear/image')


def test_each_labels_its_own_camera(nodes: NodeProcess, peer: Peer) -> None:
    masks = {image: peer.collect(Image, mask) for image, mask in MASKS.items()}
    senders = {image: peer.sender(topic=image) for image in MASKS}

    def send() -> None:
        for image, sender in senders.items():
            sender.publish(image_message(moving_square(1)[0], peer.now_ns(), frame_id=image))
        time.sleep(0.05)

    wait_for(lambda: send() or all(len(came) > 2 for came in masks.values()), 'masks of both')
    for image, came in masks.items():
        assert {msg.header.frame_id for msg in came} == {image}


def test_diagnostics_and_services_are_those_of_one_node(nodes: NodeProcess, peer: Peer) -> None:
    diagnostics = peer.collect(DiagnosticArray, '/diagnostics')
    topics = {'tdnet: image': '/camera/image_raw', 'robot/seg: rear': '/robot/rear/image'}
    for name, topic in topics.items():
        wait_for(lambda name=name: latest_status(diagnostics, name), name)
        assert latest_status(diagnostics, name)['topic'] == topic
    assert peer.call(SetBool, '/robot/seg/enable', SetBool.Request(data=False)).success
    wait_for(lambda: peer.node.count_subscribers('/robot/rear/image') == 0, 'end of one')
    assert peer.node.count_subscribers('/camera/image_raw') == 1


def test_a_node_of_the_same_name_is_pointed_out(nodes: NodeProcess, peer: Peer) -> None:
    diagnostics = peer.collect(DiagnosticArray, '/diagnostics')

    def warned(name: str) -> bool:
        wait_for(lambda: latest_status(diagnostics, f'{name}: device'), f'diagnostics of {name}')
        return f'another node is named /{name}' in message_of(diagnostics, f'{name}: device')

    assert not warned('tdnet')
    other = Peer('seg', namespace='/robot')
    wait_for(lambda: warned('robot/seg'), 'warning')
    assert not warned('tdnet'), 'its name is its own'
    other.close()
    wait_for(lambda: not warned('robot/seg'), 'end of the warning')
    assert nodes.log.count('another node is named /robot/seg') == 1


def test_topics_are_below_the_node_or_where_they_were_remapped(
        nodes: NodeProcess, peer: Peer) -> None:
    for topic in ('/tdnet/overlay', '/robot/seg/rear/overlay', *MASKS.values()):
        wait_for(lambda topic=topic: peer.node.count_publishers(topic), topic)
    assert peer.node.count_publishers('/tdnet/labels') == 0
