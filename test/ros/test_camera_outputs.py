"""Messages are made for subscribers, not for nobody."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is missing')

import rclpy
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Float32, Header

from ros.harness import Peer, wait_for
from tdnet_ros.nets.card import untrained_card
from tdnet_ros.ros import camera_outputs
from tdnet_ros.ros.camera_outputs import CameraOutputs
from tdnet_ros.ros.meter import LATENCY

LABELS = np.zeros((8, 12), np.uint8)


@pytest.fixture
def node() -> Iterator[Node]:
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('outputs', context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


def test_no_message_without_subscriber(node: Node, peer: Peer,
                                       monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = CameraOutputs(node, '~/', untrained_card('td2-tiny'), with_points=False)
    made: list[Any] = []
    for name in ('array_to_image', 'Float32'):
        make = getattr(camera_outputs, name)
        monkeypatch.setattr(camera_outputs, name, lambda *args, make=make, **fields: (
            made.append(make) or make(*args, **fields)))

    def publish() -> int:
        made.clear()
        outputs.publish_labels(LABELS, LABELS, Header())
        outputs.publish_times({LATENCY: 1.0, 'decode': 1.0})
        return len(made)

    assert publish() == 0
    labels = peer.collect(Image, '/outputs/labels')
    times = peer.collect(Float32, f'/outputs/debug/{LATENCY}_ms')
    wait_for(lambda: publish() == 2, 'messages for two subscribers')
    wait_for(lambda: labels and times, 'labels and latency')
