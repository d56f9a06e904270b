"""One camera in this process: what its images are timed, mapped and reset by."""
from __future__ import annotations

from collections.abc import Callable
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is missing')

from rclpy.node import Node

from ros.harness import image_message, moving_square
from tdnet_ros.ros import inputs
from tdnet_ros.ros.camera_outputs import CameraOutputs
from tdnet_ros.ros.camera_stream import CameraStream
from tdnet_ros.ros.cloud import Labelled
from tdnet_ros.ros.meter import Snapshot
from tdnet_ros.ros.parameters import NodeParameters
from tdnet_ros.stream import Segmentation, VideoSegmenter

RGB = moving_square(1)[0]
S = 10**9


class Camera:
    """A stream whose images come from here; it takes and labels one when told."""

    def __init__(self, node: Node, monkeypatch: pytest.MonkeyPatch, **parameters: Any) -> None:
        def subscribe(node: Node, kind: Any, topic: str, on_message: Callable[[Any], None],
                      *_: Any) -> Any:
            self._on_message = on_message
            return node.create_subscription(kind, topic, on_message, 1)

        monkeypatch.setattr(inputs, 'subscribe', subscribe)
        self._segmenter = VideoSegmenter.load('td2-tiny', 'cpu', (48, 64))
        values = NodeParameters(scene_cut=False, **parameters)
        self.stream = CameraStream(node, '', lambda: values, self._segmenter)
        self.stream.open(lambda: None)

    def send(self, stamp_ns: int) -> None:
        self._on_message(image_message(RGB, stamp_ns))

    def label(self) -> tuple[float | None, Segmentation]:
        """Label the image that waits; returns its latency, and the labels of the network."""
        job = self.stream.take()
        assert job is not None
        result = self._segmenter.step(job.frame, self.stream.memory, confidence=True)
        return self.stream.finish(job, result), result

    @property
    def counted(self) -> Snapshot:
        return self.stream.meter.snapshot()


Start = Callable[..., Camera]


@pytest.fixture
def start(node: Node, monkeypatch: pytest.MonkeyPatch) -> Start:
    return lambda **parameters: Camera(node, monkeypatch, **parameters)


def test_latency_counts_from_capture_to_publication(
        start: Start, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stages, each long here, are its parts."""
    monkeypatch.setattr(CameraOutputs, 'publish_labels', lambda *_: time.sleep(0.1))
    camera = start()
    camera.send(node.get_clock().now().nanoseconds - S)
    time.sleep(0.3)
    latency_ms, result = camera.label()
    spent_ms = {name: spread.max for name, spread in camera.counted.spreads.items()}
    assert spent_ms['latency'] == latency_ms
    for stage, least_ms in (('transport', 1000), ('wait', 300), ('publish', 100)):
        assert spent_ms[stage] >= least_ms
    stages = ('transport', 'wait', 'decode', 'publish')
    assert latency_ms >= sum(spent_ms[name] for name in stages) + sum(result.stage_ms.values())


def test_without_a_stamp_latency_counts_from_arrival(start: Start) -> None:
    camera = start()
    camera.send(0)
    time.sleep(0.1)
    latency_ms, _ = camera.label()
    assert latency_ms is not None and 100 <= latency_ms < 10_000
    assert 'transport' not in camera.counted.spreads


def test_overlay_and_points_have_the_merged_classes(
        start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    names = VideoSegmenter.load('td2-tiny', 'cpu').card.classes.names
    shown: list[np.ndarray] = []
    monkeypatch.setattr(CameraOutputs, 'wants_pictures', True)
    monkeypatch.setattr(CameraOutputs, 'publish_pictures',
                        lambda self, rgb, labels, *_: shown.append(labels))
    camera = start(class_remap=tuple(f'{name}:{names[1]}' for name in names if name != names[1]))
    camera.stream.points = points = Points()
    camera.send(S)
    _, result = camera.label()
    assert camera.counted.spreads['pictures'].max < 10_000
    assert (result.labels != 1).any()
    assert [(labels == 1).all() for labels in (*shown, points.seen[0].labels)] == [True, True]


class Points:
    """Takes the labels that points are made of."""

    wanted = True

    def __init__(self) -> None:
        self.seen: list[Labelled] = []

    def expect(self, header: Any) -> str:
        return 'match'

    def add(self, match: str, seen: Labelled) -> None:
        self.seen.append(seen)


@pytest.mark.parametrize(('now_s', 'last_reset'), [(20, ''), (5, 'clock went backwards')])
def test_a_clock_jump_empties_a_memory_from_the_future(
        start: Start, now_s: int, last_reset: str) -> None:
    camera = start()
    for stamp_ns in (10 * S, 10 * S + S // 2):
        camera.send(stamp_ns)
        camera.label()
        camera.stream.clock_went_back(now_s * S)
    camera.send(11 * S)
    camera.label()
    assert camera.counted.last_reset == last_reset


def test_an_image_that_waits_when_the_camera_is_closed_is_counted(start: Start) -> None:
    camera = start()
    camera.send(S)
    camera.stream.close('node was deactivated')
    assert (camera.counted.received, camera.counted.overwritten) == (1, 1)
    assert camera.stream.take() is None


def test_an_image_is_not_taken_up_while_the_camera_is_being_closed(start: Start) -> None:
    """The worker's turn may come before all topics are taken back."""
    camera = start()
    taken: list[Any] = []
    camera.stream.points = SimpleNamespace(
        wanted=False, close=lambda: taken.append(camera.stream.take()))
    camera.send(S)
    camera.stream.close('node was disabled')
    assert taken == [None]
    assert camera.counted.overwritten == 1
