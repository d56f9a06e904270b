"""Out of memory: once is an accident, twice means a smaller input."""
from __future__ import annotations

import time
from typing import Any
import weakref

import pytest
from rclpy.logging import get_logger
import torch

from tdnet_ros.ros.device import release_memory
from tdnet_ros.ros.memory_guard import AGAIN_S, MemoryGuard
from tdnet_ros.stream import VideoSegmenter
from tdnet_ros.stream.adaptive import SMALLEST_PX
from tdnet_ros.stream.engines.allocator import NO_ENGINE
from tdnet_ros.stream.flight import ImageSizeError

NO_ROOM = torch.cuda.OutOfMemoryError('CUDA out of memory')
FULL = (129, 193)
DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'


@pytest.fixture
def segmenter() -> VideoSegmenter:
    return VideoSegmenter.load('td2-tiny', 'cpu', FULL)


@pytest.fixture
def guard(segmenter: VideoSegmenter) -> MemoryGuard:
    return MemoryGuard(segmenter, get_logger('test'))


def fail(guard: MemoryGuard, error: Exception = NO_ROOM) -> None:
    guard.failed([error], launched_s=time.monotonic())


def limit(segmenter: VideoSegmenter, monkeypatch: pytest.MonkeyPatch, pixels: int) -> None:
    """A device that has room for inputs of so many pixels."""
    run = segmenter._engine.run

    def small(image: torch.Tensor, *inputs: Any) -> Any:
        if image.shape[-2] * image.shape[-1] > pixels:
            raise NO_ROOM
        return run(image, *inputs)

    monkeypatch.setattr(segmenter._engine, 'run', small)


def test_the_second_time_in_a_row_the_input_shrinks(
        segmenter: VideoSegmenter, guard: MemoryGuard) -> None:
    fail(guard)
    assert segmenter.input_size == FULL
    assert not guard.finding
    fail(guard, RuntimeError('something else'))
    fail(guard)
    assert segmenter.input_size == (97, 145)
    assert 'is 97 x 145 instead of 129 x 193' in guard.finding
    fail(guard)
    assert segmenter.input_size == (97, 145), 'the new size gets its chance'


def test_now_and_then_is_no_reason(segmenter: VideoSegmenter, guard: MemoryGuard,
                                   monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 1000.0
    monkeypatch.setattr('time.monotonic', lambda: now_s)
    for _ in range(5):
        fail(guard)
        now_s += AGAIN_S + 1
    assert segmenter.input_size == FULL


def test_it_does_not_shrink_to_nothing(segmenter: VideoSegmenter, guard: MemoryGuard) -> None:
    for _ in range(8):
        fail(guard)
    assert SMALLEST_PX <= min(segmenter.input_size) < SMALLEST_PX / 0.75


def test_warm_up_finds_a_size_that_fits(segmenter: VideoSegmenter, guard: MemoryGuard,
                                        monkeypatch: pytest.MonkeyPatch) -> None:
    limit(segmenter, monkeypatch, pixels=100 * 120)
    guard.warm_up(cameras=2)
    assert segmenter.input_size == (73, 109)
    assert 'instead of 129 x 193' in guard.finding
    assert list(segmenter.batch_ms) == [1, 2]


def test_warm_up_says_when_nothing_fits(segmenter: VideoSegmenter, guard: MemoryGuard,
                                        monkeypatch: pytest.MonkeyPatch) -> None:
    limit(segmenter, monkeypatch, pixels=0)
    with pytest.raises(RuntimeError, match='out of memory: CUDA out of memory'):
        guard.warm_up(cameras=1)


def test_what_may_be_an_unsupported_gpu_is_said_to(segmenter: VideoSegmenter, guard: MemoryGuard
                                                   ) -> None:
    for _ in range(2):
        fail(guard, RuntimeError(NO_ENGINE))
    assert 'out of memory (or a GPU or precision that cuDNN does not support) on ' in guard.finding


def test_a_smaller_input_for_labels_that_do_not_fit_is_tried_once(
        segmenter: VideoSegmenter, guard: MemoryGuard) -> None:
    """They have the camera's size."""
    try:
        raise ImageSizeError('out of memory for the labels') from NO_ROOM
    except ImageSizeError as error:
        for _ in range(6):
            fail(guard, error)
    assert segmenter.input_size == (97, 145)
    assert '97 x 145 instead of 129 x 193' in guard.finding


def reserved() -> int:
    return torch.cuda.memory_reserved() if DEVICE == 'cuda' else 0


def failed_image() -> tuple[Exception, weakref.ref[torch.Tensor]]:
    """An error as a graph that ran out of memory leaves it, and a tensor that its cause holds."""
    held: list[weakref.ref[torch.Tensor]] = []

    def run() -> None:
        image = torch.zeros(1 << 26, device=DEVICE)
        held.append(weakref.ref(image))
        raise torch.cuda.OutOfMemoryError('CUDA out of memory')

    try:
        try:
            run()
        finally:
            raise RuntimeError('operation failed due to a previous error during capture')
    except RuntimeError as error:
        return error, held[0]


def test_what_a_failed_image_held_is_freed(guard: MemoryGuard) -> None:
    release_memory()
    before = reserved()
    error, held = failed_image()
    assert held() is not None
    fail(guard, error)
    assert held() is None
    assert reserved() == before
