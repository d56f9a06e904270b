"""Whatever comes in, every later good image is labelled."""
from __future__ import annotations

from collections.abc import Callable
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
import pytest
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

from ros.camera import Camera
from ros.harness import (
    TALKATIVE,
    TINY,
    NodeProcess,
    Peer,
    image_message,
    moving_square,
    resident_mib,
    slow_network,
    wait_for,
)

CLIP = moving_square(8)


@pytest.fixture(scope='module')
def node(start: Callable[..., NodeProcess]) -> NodeProcess:
    return start(*TINY, '-p', 'input_size:=[33, 65]', patch=TALKATIVE)


@pytest.fixture(scope='module')
def camera(node: NodeProcess, peer: Peer) -> Camera:
    return Camera(peer)


def must_label(camera: Camera) -> None:
    assert camera.step(CLIP[len(camera.labels) % len(CLIP)])


def broken(**changes: object) -> Image:
    msg = image_message(CLIP[0], time.time_ns())
    for name, value in changes.items():
        if name == 'data':
            del msg.data[value:]
        else:
            setattr(msg, name, value)
    return msg


@pytest.mark.parametrize(('changes', 'words'), [
    ({'encoding': 'rgb888'}, "encoding 'rgb888' is not supported (did you mean 'rgb8'?)"),
    ({'encoding': '\x1b[31m\n' + 9999 * 'A'}, r"image encoding '\x1b[31m AAA"),
    ({'data': 100}, 'has 100 bytes of data: expected 9216'),
    ({'width': 0, 'height': 0}, 'rgb8 image of 0 x 0: expected 1 to'),
    ({'step': 3}, 'has step 3: expected at least 192 bytes a row'),
    ({'width': 16384, 'height': 16384}, 'rgb8 image of 16384 x 16384: expected 1 to'),
], ids=['encoding', 'hostile', 'short', 'zero', 'step', 'absurd'])
def test_a_bad_image_is_named_and_the_next_is_labelled(
        camera: Camera, node: NodeProcess, changes: dict[str, object], words: str) -> None:
    must_label(camera)
    before = camera.count('failed')
    camera.sender.publish(broken(**changes))
    wait_for(lambda: camera.count('failed') == before + 1, 'count of the failure')
    node.wait_for_log(words)
    assert node.log.count(words) == 1
    status = camera.status()
    assert status['level'] in (DiagnosticStatus.WARN, DiagnosticStatus.ERROR)
    assert words in status['message']
    assert words in status['last failure']
    must_label(camera)


def must_deal_with(camera: Camera, count: int, make: Callable[[], Any]) -> None:
    """Send messages until the node has dealt with so many, and a good image now and then.

    Of those that come faster than they are taken it sees the newest only; these do not count.
    """
    start, sent, end = camera.dealt_with, 0, time.monotonic() + 120
    while camera.dealt_with < start + count:
        camera.sender.publish(make())
        sent += 1
        time.sleep(0.004)
        if sent % 100 == 0:
            must_label(camera)
        assert time.monotonic() < end, f'dealt with {camera.dealt_with - start} of {sent}'
    must_label(camera)


def test_random_fields(camera: Camera, node: NodeProcess) -> None:
    """Sizes, steps and encodings that do not fit the data."""
    generator = np.random.default_rng(7)
    numbers = ('width', 'height', 'step', 'is_bigendian')
    encodings = ('rgb8', 'bgra8', 'mono16', 'nv12', 'bayer_rggb8', 'uyvy', '', '\u00e9', '32FC1')

    def mutation() -> Image:
        msg = image_message(CLIP[0], camera.peer.now_ns())
        name = numbers[generator.integers(len(numbers))]
        limit = 256 if name == 'is_bigendian' else 2**int(generator.integers(1, 32))
        setattr(msg, name, int(generator.integers(limit)))
        if generator.random() < 0.5:
            msg.encoding = encodings[generator.integers(len(encodings))]
        if generator.random() < 0.5:
            del msg.data[int(generator.integers(len(msg.data))):]
        return msg

    must_deal_with(camera, 300, mutation)
    assert node.alive
    assert 'Traceback' not in node.log


def test_a_thousand_messages_with_random_bytes(camera: Camera, node: NodeProcess) -> None:
    """What a sender gone wild could put on the wire: flipped bytes of serialized messages."""
    generator = np.random.default_rng(11)
    small = np.ascontiguousarray(CLIP[0][:4, :4])

    def mutation() -> bytes:
        wire = bytearray(serialize_message(image_message(small, camera.peer.now_ns())))
        for _ in range(int(generator.integers(1, 9))):
            # Behind the four bytes that say how the rest is laid out.
            wire[int(generator.integers(4, len(wire)))] = int(generator.integers(256))
        return bytes(wire)

    must_deal_with(camera, 400, mutation)  # most are not even messages
    assert node.alive
    assert 'Traceback' not in node.log
    assert max(map(len, node.log.splitlines())) < 1000


def test_every_image_received_is_accounted_for(camera: Camera) -> None:
    def balance() -> bool:
        received, *others = (camera.count(name) for name in (
            'received', 'processed', 'overwritten', 'failed', 'skipped', 'throttled'))
        return received == sum(others) and received > 0

    wait_for(balance, 'balance of the counts')


def test_ten_seconds_faster_than_the_network(
        start: Callable[..., NodeProcess], peer: Peer, node: NodeProcess) -> None:
    """At 200 Hz the newest image wins, the latency is bounded and memory does not grow."""
    assert node.end() == 0
    process = start(*TINY, patch=slow_network(0.05))
    camera = Camera(peer)
    clip = moving_square(8, 120, 160)  # with which a queue without bounds would be 115 MB
    begin, sizes = time.monotonic(), []
    for index in range(2000):
        camera.send(clip[index % len(clip)])
        if index % 200 == 199:
            sizes.append(resident_mib(process.pid))
        time.sleep(max(0.0, begin + index / 200 - time.monotonic()))
    wait_for(lambda: camera.is_answered, 'labels of the newest image')
    values = camera.status()
    assert int(values['frames overwritten']) > int(values['frames processed']) > 0
    # What waits is never older than the image in work.
    assert float(values['wait p95 (ms)']) <= 2 * float(values['network p95 (ms)']) + 200
    assert float(values['wait p50 (ms)']) <= 1.5 * float(values['network p50 (ms)'])
    assert sizes[-1] - sizes[2] < 8, sizes
    camera.send(CLIP[0])
    assert process.end() == 0, 'also with an image in work'
