"""Messages are made for subscribers, not for nobody."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is missing')

from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image
from std_msgs.msg import Float32, Header

from ros.harness import Peer, wait_for
from tdnet_ros.nets.card import untrained_card
from tdnet_ros.ros import camera_outputs
from tdnet_ros.ros.camera_outputs import CameraOutputs
from tdnet_ros.ros.messages import to_jpeg
from tdnet_ros.ros.meter import LATENCY
from tdnet_ros.ros.parameters import NodeParameters
from tdnet_ros.stream.labels import Painter

LABELS = np.zeros((8, 12), np.uint8)


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
    labels = peer.collect(Image, '/local/labels')
    times = peer.collect(Float32, f'/local/debug/{LATENCY}_ms')
    wait_for(lambda: publish() == 2, 'messages for two subscribers')
    wait_for(lambda: labels and times, 'labels and latency')


def test_overlay_follows_its_parameters(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """The legend has the classes that are left."""
    card = untrained_card('td2-tiny')
    first, second, *_ = card.classes.names
    outputs = CameraOutputs(node, '~/', card, with_points=False)
    asked: list[Any] = []
    monkeypatch.setattr(Publisher, 'get_subscription_count', lambda _: 1)
    monkeypatch.setattr(Painter, 'legend', lambda _, image, names: asked.append(names))
    monkeypatch.setattr(camera_outputs, 'to_jpeg', lambda image, header, quality: (
        asked.append(quality), to_jpeg(image, header, quality))[1])

    def publish(**values: Any) -> list[Any]:
        asked.clear()
        parameters = NodeParameters(**values)
        outputs.use_classes(parameters)
        outputs.publish_pictures(np.zeros((8, 12, 3), np.uint8), LABELS, Header(), parameters)
        return asked

    assert publish(overlay_legend=True, overlay_quality=40, class_remap=(f'{second}:{first}',),
                   keep_classes=(first,)) == [{0: first}, 40]
    assert publish(overlay_legend=False, overlay_quality=95) == [95]
