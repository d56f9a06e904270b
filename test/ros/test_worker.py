"""The order in which images of several cameras are labelled, and which go together."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rclpy.logging import get_logger
import torch

from tdnet_ros.ros import memory_guard
from tdnet_ros.ros.memory_guard import MemoryGuard
from tdnet_ros.ros.worker import Worker
from tdnet_ros.stream import Frame, FrameMemory, VideoSegmenter
from tdnet_ros.stream.engines.torch_engine import TorchEngine

NODE: Any = SimpleNamespace(get_logger=lambda: get_logger('test'),
                            context=SimpleNamespace(ok=lambda: True))


class Stream:
    """A camera with images that wait, as many as are told, and a record of what became of them."""

    wants_confidence = False
    latency_budget_ms = 100.0

    def __init__(self, segmenter: VideoSegmenter, images: int) -> None:
        self.memory: FrameMemory = segmenter.new_memory()
        self.images = images
        self.outcomes: list[Any] = []

    @property
    def is_due(self) -> bool:
        return self.images > 0

    def take(self) -> Any:
        self.images -= 1
        rgb = np.full((48, 64, 3), 40 * self.images, np.uint8)
        return SimpleNamespace(frame=Frame(rgb, len(self.outcomes)))

    def finish(self, job: Any, outcome: Any) -> float | None:
        self.outcomes.append(outcome)
        return 5.0 if len(self.outcomes) == 2 else None

    def publish_points(self) -> None:
        pass


class Recorder(VideoSegmenter):
    """Notes which streams' memories were served together."""

    runs: list[list[FrameMemory]]

    def step_batch(self, frames: Sequence[Frame], memories: Sequence[FrameMemory],
                   confidence: bool = False) -> Iterator[Any]:
        self.runs.append(list(memories))
        return super().step_batch(frames, memories, confidence)


def serve(images: Sequence[int], batch: int, ahead: Sequence[int] = (),
          adaptation: Any = None) -> tuple[list[list[int]], list[Stream]]:
    """Which cameras, by their number, each run was for, and the cameras.

    images: how many of each camera wait; ahead: how many of each were labelled before.
    """
    segmenter = Recorder.load('td2-tiny', 'cpu', (48, 64))
    assert isinstance(segmenter, Recorder)
    segmenter.batch_ms = {count: 0.5**count for count in range(1, batch + 1)}
    segmenter.runs = []
    streams = [Stream(segmenter, count) for count in images]
    for stream, count in zip(streams, ahead):
        for number in range(count):
            segmenter.step(Frame(np.zeros((48, 64, 3), np.uint8), number), stream.memory)
        stream.memory.scene_cut = False
    guard = MemoryGuard(segmenter, get_logger('test'))
    worker = Worker(segmenter, streams, guard, adaptation, NODE)  # type: ignore[arg-type]
    worker.wake()
    end = time.monotonic() + 20
    while any(stream.is_due for stream in streams) and time.monotonic() < end:
        time.sleep(0.01)
    worker.stop()
    numbers = {id(stream.memory): number for number, stream in enumerate(streams)}
    return [[numbers[id(memory)] for memory in run] for run in segmenter.runs], streams


def test_cameras_take_turns() -> None:
    runs, _ = serve([4, 2, 1], batch=1)
    assert runs == [[0], [1], [2], [0], [1], [0], [0]]


def test_cameras_in_step_go_together() -> None:
    runs, streams = serve([3, 3, 1], batch=3)
    assert runs == [[0, 1, 2], [0, 1], [0, 1]]
    assert [len(stream.outcomes) for stream in streams] == [3, 3, 1]


def test_no_more_than_pay_go_together() -> None:
    runs, _ = serve([2, 2, 2], batch=2)
    assert runs == [[0, 1], [2], [0, 1], [2]]


def test_cameras_that_wait_fall_into_step() -> None:
    """The first is one image ahead of the second; from the second run on they share all."""
    runs, _ = serve([5, 5], batch=2, ahead=[2, 1])
    assert runs[0] == [0]
    assert all(sorted(run) == [0, 1] for run in runs[1:5])


def test_the_input_size_follows_images_that_were_published() -> None:
    observed: list[tuple[float, float]] = []
    serve([3], batch=1, adaptation=SimpleNamespace(observe=lambda *ms: observed.append(ms)))
    assert observed == [(5.0, 100.0)]


@pytest.mark.parametrize('wanted', [False, True])
def test_confidence_is_computed_for_who_wants_it(
        wanted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stream, 'wants_confidence', wanted)
    _, streams = serve([1], batch=1)
    assert [result.confidence is not None for result in streams[0].outcomes] == [wanted]


@pytest.mark.parametrize(('asynchronous', 'expected'), [
    (False, ['take', 'finish'] * 3), (True, ['take', *['take', 'finish'] * 2, 'finish'])])
def test_what_the_next_image_waits_for(asynchronous: bool, expected: list[str],
                                       monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the device works by itself it goes there before the last one has been published."""
    events: list[str] = []
    for name in ('take', 'finish'):
        method = getattr(Stream, name)
        monkeypatch.setattr(Stream, name, lambda *args, name=name, method=method: (
            events.append(name), method(*args))[1])
    monkeypatch.setattr(VideoSegmenter, 'is_asynchronous', asynchronous)
    serve([3], batch=1)
    assert events == expected


@pytest.mark.parametrize('asynchronous', [False, True])
def test_points_follow_the_last_image_before_another_comes(
        asynchronous: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VideoSegmenter, 'is_asynchronous', asynchronous)
    segmenter = VideoSegmenter.load('td2-tiny', 'cpu', (48, 64))
    streams: Any = [Stream(segmenter, 1)]
    followed = threading.Event()
    streams[0].publish_points = lambda: streams[0].outcomes and followed.set()
    worker = Worker(segmenter, streams, MemoryGuard(segmenter, get_logger('test')), None, NODE)
    worker.wake()
    try:
        assert followed.wait(10)
    finally:
        worker.stop()


@pytest.mark.parametrize('asynchronous', [False, True])
def test_an_error_while_images_land_loses_none(
        asynchronous: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither those that landed with it nor those launched meanwhile."""
    monkeypatch.setattr(VideoSegmenter, 'is_asynchronous', asynchronous)
    errors = [RuntimeError('the GPU cannot free memory')]
    finish = Stream.finish

    def failing(stream: Stream, job: Any, outcome: Any) -> None:
        finish(stream, job, outcome)
        if errors:
            raise errors.pop()

    monkeypatch.setattr(Stream, 'finish', failing)
    _, streams = serve([3, 3], batch=2)
    assert [len(stream.outcomes) for stream in streams] == [3, 3]


@pytest.mark.parametrize(('asynchronous', 'images', 'sizes'), [
    (False, 1, []), (False, 2, [(36, 48)]), (True, 2, []), (True, 3, [(36, 48)])])
def test_a_shortage_of_memory_counts_once(
        asynchronous: bool, images: int, sizes: list[tuple[int, int]],
        monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that does not fit is tried one by one, and nothing is freed in between.

    Nor for those that were launched before it landed.
    """
    monkeypatch.setattr(VideoSegmenter, 'is_asynchronous', asynchronous)
    monkeypatch.setattr(memory_guard, 'SMALLEST_PX', 32)

    def run(*_: Any) -> None:
        raise torch.cuda.OutOfMemoryError('CUDA out of memory')

    monkeypatch.setattr(TorchEngine, 'run', run)
    resized: list[tuple[int, int]] = []
    monkeypatch.setattr(VideoSegmenter, 'resize', lambda _, size: resized.append(size))
    serve([images] * 4, batch=4)
    assert resized == sizes


def test_it_goes_on_after_an_error() -> None:
    segmenter = VideoSegmenter.load('td2-tiny', 'cpu', (48, 64))
    broken, good = Stream(segmenter, 1), Stream(segmenter, 1)
    served = threading.Event()

    def fail() -> None:
        broken.images = 0
        raise KeyError('take')

    broken.take = fail  # type: ignore[method-assign]
    good.finish = lambda *_: served.set()  # type: ignore[method-assign]
    guard = MemoryGuard(segmenter, get_logger('test'))
    streams: Any = [broken, good]
    worker = Worker(segmenter, streams, guard, None, NODE)
    worker.wake()
    assert served.wait(10)
    worker.stop()
