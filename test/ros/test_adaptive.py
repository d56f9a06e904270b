"""A node that holds its latency budget, in a process of its own."""
from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip('rclpy', reason='rclpy is missing')

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.logging import get_logger
from sensor_msgs.msg import Image

from ros.harness import (
    TINY,
    NodeProcess,
    Peer,
    image_message,
    latest_status,
    moving_square,
    pixels,
    wait_for,
)
from tdnet_ros.ros.adaptation import Adaptation
from tdnet_ros.stream import VideoSegmenter
from tdnet_ros.stream.adaptive import PATIENCE, WINDOW

WARNS = '''
import warnings
from tdnet_ros.stream import VideoSegmenter
resize = VideoSegmenter.resize
def warned(self, size):
    resize(self, size)
    warnings.warn('no graph')
VideoSegmenter.resize = warned
'''

Start = Callable[..., NodeProcess]


def test_a_size_that_memory_did_not_allow_is_not_tried_again() -> None:
    segmenter = VideoSegmenter.load('td2-tiny', 'cpu', (129, 193))
    adaptation = Adaptation(segmenter, get_logger('test'))
    segmenter.resize((97, 145))
    adaptation.observe(1.0, 1000.0)
    assert adaptation.last_change == 'network input 97 x 145, smaller: for want of memory'
    for _ in range(WINDOW):
        adaptation.observe(2000.0, 1000.0)
    height, width = segmenter.input_size
    assert height * width < 97 * 145
    for _ in range(3 * PATIENCE):
        adaptation.observe(1.0, 1000.0)
    assert segmenter.input_size == (97, 145)


def test_a_size_without_room_for_it_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter = VideoSegmenter.load('td2-tiny', 'cpu', (129, 193))
    warm_up = segmenter.warm_up

    def scarce(size: tuple[int, int]) -> float:
        if size == (97, 161):
            raise MemoryError
        return warm_up(size)

    monkeypatch.setattr(segmenter, 'warm_up', scarce)
    adaptation = Adaptation(segmenter, get_logger('test'))
    assert segmenter.input_size == (129, 193)
    for _ in range(WINDOW):
        adaptation.observe(2000.0, 1000.0)
    assert segmenter.input_size == (97, 129)


def test_falls_to_a_smaller_size_and_says_so(peer: Peer, start: Start) -> None:
    node = start(*TINY, '-p', 'adaptive:=true', '-p', 'latency_budget_ms:=1.0',
                 '-p', 'input_size:=[129, 193]', '-r', '__node:=late', '-r', 'image:=/late/image',
                 ready='active: labels')
    assert 'adaptive: prepared 129 x 193' in node.log
    labels = peer.collect(Image, '/late/labels')
    diagnostics = peer.collect(DiagnosticArray, '/diagnostics')
    send = peer.sender(topic='/late/image')
    clip = moving_square(40)

    def fallen() -> bool:
        send.publish(image_message(clip[len(labels) % len(clip)], peer.now_ns()))
        return 'adaptive: network input 65 x 97, smaller: ' in node.log

    wait_for(fallen, 'the smallest size')
    status = wait_for(lambda: (found := latest_status(diagnostics, 'late: device')).get(
        'input size') == '65 x 97' and found, 'the size in diagnostics')
    assert 'smaller' in status['adaptive']
    assert pixels(labels[-1]).shape == clip[0].shape[:2]
    assert node.end() == 0


def test_a_warning_while_sizes_are_prepared_is_in_the_log(start: Start) -> None:
    """As of a CUDA graph that cannot be recorded."""
    node = start(*TINY, '-p', 'adaptive:=true', '-p', 'input_size:=[129, 193]',
                 '-r', '__node:=warned', ready='active: labels', patch=WARNS)
    line, = (line for line in node.log.splitlines() if 'no graph' in line)
    assert line.startswith('[WARN] ')
