"""The same frames through the real node over DDS and through `tdnet_bag label`."""
from __future__ import annotations

from collections.abc import Iterator
import itertools
from pathlib import Path
import threading
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import pytest
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image

from bags.label_material import IMAGE, START_NS, eventful, read_labels, save_model, write_bag
from ros.harness import (
    NodeProcess,
    Peer,
    image_message,
    latest_status,
    pixels,
    stamp_of,
    wait_for,
)
from tdnet_ros.bags.label.chunk import Labeller
from tdnet_ros.bags.label.options import LabelOptions
from tdnet_ros.bags.label.run import label_bag
from tdnet_ros.bags.label.wire import types


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_model(tmp_path)


@pytest.fixture
def node(tmp_path: Path, model: Path) -> Iterator[NodeProcess]:
    process = NodeProcess(tmp_path / 'log.txt', '-p', f'model:={model}', '-p', 'device:=cpu',
                          '-p', 'diagnostics_period_s:=0.2')
    yield process
    process.end()


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer('bag_peer')
    yield peer
    peer.close()


def connect(send: Any, live: list[Image]) -> None:
    """Send images of another size, which leave no trace, until labels come back."""
    first_ns, period_ns = START_NS - 600 * 10**9, 10**6
    sent = itertools.count()

    def answered() -> bool:
        send.publish(image_message(
            np.zeros((32, 40, 3), np.uint8), first_ns + next(sent) * period_ns))
        time.sleep(0.1)
        return bool(live)

    wait_for(answered, 'labels')
    last_ns = first_ns + (next(sent) - 1) * period_ns
    wait_for(lambda: stamp_of(live[-1]) == last_ns, 'labels of the last image')
    live.clear()


def test_the_node_gives_the_same_labels(tmp_path: Path, model: Path, node: NodeProcess,
                                        peer: Peer) -> None:
    logged = [item for item in eventful() if item.msgtype == IMAGE]
    with Labeller(LabelOptions(model=str(model), device='cpu', chunk_frames=7)) as labeller:
        label_bag(write_bag(tmp_path / 'drive', logged), tmp_path / 'out', labeller,
                  threading.Event())
    offline = read_labels(tmp_path / 'out' / 'drive', '/tdnet/labels/compressed')

    live = peer.collect(Image, '/tdnet/labels')
    diagnostics = peer.collect(DiagnosticArray, '/diagnostics')
    send = peer.sender()
    connect(send, live)

    def left_out() -> int:
        status = latest_status(diagnostics, 'tdnet: image')
        return sum(int(status.get(f'frames {what}', 0)) for what in ('skipped', 'failed'))

    stamps, others = [], 0
    for item in logged:
        message = deserialize_message(
            bytes(types().serialize_cdr(item.message, item.msgtype)), Image)
        send.publish(message)
        if item.logged_ns in offline:
            stamps.append(stamp_of(message))
            wait_for(lambda: len(live) == len(stamps), f'labels number {len(stamps)}')
        else:  # a copy, a late frame or a damaged one: the node counts it and goes on
            others += 1
            wait_for(lambda count=others: left_out() == count,
                     f'count of {others} that are left out')
    assert [stamp_of(message) for message in live] == stamps
    for message, labels in zip(live, offline.values()):
        assert pixels(message).tobytes() == labels.tobytes()
