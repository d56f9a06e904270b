"""Whatever comes in, every later good image is labelled."""
from __future__ import annotations

from collections.abc import Callable
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
import pytest
from sensor_msgs.msg import Image

from ros.harness import (
    NodeProcess,
    Peer,
    image_message,
    latest_status,
    moving_square,
    stamp_of,
    wait_for,
)

CLIP = moving_square(8)
BREAK_EVERY_THIRD = '''
import sys
from tdnet_ros.stream.engines.torch_engine import TorchEngine
run, calls = TorchEngine.run, []
def breaking(self, *inputs):
    calls.append(inputs)
    if len(calls) > 4 and len(calls) % 3 == 0:  # four calls warm it up
        raise RuntimeError("CUDA out of memory")
    return run(self, *inputs)
TorchEngine.run = breaking
from tdnet_ros.ros.program import main
sys.exit(main())
'''


class Camera:
    """Sends images good and bad, and knows which came back labelled."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.labels = peer.collect(Image, '/tdnet/labels')
        self.diagnostics = peer.collect(DiagnosticArray, '/diagnostics')
        self.sender = peer.sender()
        wait_for(lambda: peer.node.count_publishers('/tdnet/labels'), 'labels topic')
        self._good = 0

    def send_good(self) -> Image:
        msg = image_message(CLIP[self._good % len(CLIP)], self.peer.now_ns())
        self._good += 1
        self.sender.publish(msg)
        return msg

    def must_label(self) -> None:
        """Send a good image and wait for its labels, whatever else still waits."""
        msg = self.send_good()
        wait_for(lambda: any(stamp_of(label) == stamp_of(msg) for label in self.labels),
                 'labels of a good image')

    def failed(self) -> int:
        return int(latest_status(self.diagnostics, 'tdnet: image').get('frames failed', 0))


@pytest.fixture(scope='module')
def node(start: Callable[..., NodeProcess]) -> NodeProcess:
    process = start('-p', 'model:=td2-tiny', '-p', 'diagnostics_period_s:=0.2')
    process.wait_for_log('active: labels /image')
    return process


@pytest.fixture(scope='module')
def camera(node: NodeProcess, peer: Peer) -> Camera:
    return Camera(peer)


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
    ({'data': 100}, 'has 100 bytes of data: expected 9216'),
    ({'width': 0, 'height': 0}, 'rgb8 image of 0 x 0: expected 1 to'),
    ({'step': 3}, 'has step 3: expected at least 192 bytes a row'),
    ({'width': 16384, 'height': 16384}, 'rgb8 image of 16384 x 16384: expected 1 to'),
], ids=['encoding', 'short', 'zero', 'step', 'absurd'])
def test_a_bad_image_is_named_and_the_next_is_labelled(
        camera: Camera, node: NodeProcess, changes: dict[str, object], words: str) -> None:
    camera.must_label()
    before = camera.failed()
    time.sleep(1.0)  # the log says one thing a second
    camera.sender.publish(broken(**changes))
    wait_for(lambda: camera.failed() == before + 1, 'count of the failure')
    assert node.log.count(words) == 1
    status = latest_status(camera.diagnostics, 'tdnet: image')
    assert status['level'] in (DiagnosticStatus.WARN, DiagnosticStatus.ERROR)
    assert words in status['message']
    assert words in status['last failure']
    camera.must_label()


def test_a_thousand_random_mutations(camera: Camera, node: NodeProcess) -> None:
    generator = np.random.default_rng(7)
    numbers = ('width', 'height', 'step', 'is_bigendian')
    encodings = ('rgb8', 'bgra8', 'mono16', 'nv12', 'bayer_rggb8', 'uyvy', '', '\u00e9', '32FC1')
    for index in range(1000):
        msg = image_message(CLIP[0], camera.peer.now_ns())
        name = numbers[generator.integers(len(numbers))]
        limit = 256 if name == 'is_bigendian' else 2**int(generator.integers(1, 32))
        setattr(msg, name, int(generator.integers(limit)))
        if generator.random() < 0.5:
            msg.encoding = encodings[generator.integers(len(encodings))]
        if generator.random() < 0.5:
            del msg.data[int(generator.integers(len(msg.data))):]
        camera.sender.publish(msg)
        if index % 100 == 99:
            camera.must_label()
    assert node.alive
    assert 'Traceback' not in node.log


def test_every_image_received_is_accounted_for(camera: Camera) -> None:
    def balance() -> bool:
        values = latest_status(camera.diagnostics, 'tdnet: image')
        counts = [int(values[f'frames {name}'])
                  for name in ('received', 'processed', 'overwritten', 'failed')]
        return counts[0] == sum(counts[1:]) and counts[0] > 0

    wait_for(balance, 'balance of the counts')


def test_faster_than_the_network_newest_wins(camera: Camera, node: NodeProcess) -> None:
    camera.must_label()
    overwritten = int(latest_status(camera.diagnostics, 'tdnet: image')['frames overwritten'])
    end, sent = time.monotonic() + 3.0, 0
    while time.monotonic() < end:
        last = camera.send_good()
        sent += 1
        time.sleep(0.002)
    wait_for(lambda: stamp_of(camera.labels[-1]) == stamp_of(last), 'labels of the newest image')
    values = latest_status(camera.diagnostics, 'tdnet: image')
    assert int(values['frames overwritten']) >= overwritten
    # What waits is never older than the image in work.
    assert float(values['wait max (ms)']) <= 2 * float(values['network max (ms)']) + 200
    assert node.alive


def test_an_exception_in_the_network_costs_one_image(
        start: Callable[..., NodeProcess], peer: Peer, node: NodeProcess) -> None:
    node.end()
    process = start('-p', 'model:=td2-tiny', '-p', 'max_gap_s:=60.0',
                    program=BREAK_EVERY_THIRD)
    process.wait_for_log('active: labels /image')
    camera = Camera(peer)
    labelled = 0
    for _ in range(9):
        count = len(camera.labels)
        camera.send_good()
        end = time.monotonic() + 1.0
        while len(camera.labels) == count and time.monotonic() < end:
            time.sleep(0.01)
        labelled += len(camera.labels) > count
    assert labelled >= 5
    assert process.log.count('RuntimeError: CUDA out of memory') == 1
    values = wait_for(lambda: camera.failed() >= 2 and latest_status(
        camera.diagnostics, 'tdnet: image'), 'count of the failures')
    assert 'CUDA out of memory' in values['message']
    wait_for(lambda: latest_status(camera.diagnostics, 'tdnet: image')['last reset']
             == 'the frame before failed', 'reason of the reset')
