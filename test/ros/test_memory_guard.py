"""Out of memory: once is an accident, twice means a smaller input."""
from __future__ import annotations

from typing import Any

import pytest
from rclpy.logging import get_logger
import torch

from tdnet_ros.ros.memory_guard import AGAIN_S, SMALLEST_PX, MemoryGuard
from tdnet_ros.stream import VideoSegmenter

NO_ROOM = torch.cuda.OutOfMemoryError('CUDA out of memory')
FULL = (129, 193)


@pytest.fixture
def segmenter() -> VideoSegmenter:
    return VideoSegmenter.load('td2-tiny', 'cpu', FULL)


@pytest.fixture
def guard(segmenter: VideoSegmenter) -> MemoryGuard:
    return MemoryGuard(segmenter, get_logger('test'))


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
    guard.failed(NO_ROOM)
    assert segmenter.input_size == FULL
    assert not guard.finding
    guard.failed(RuntimeError('something else'))
    guard.failed(NO_ROOM)
    assert segmenter.input_size == (97, 145)
    assert 'is 97 x 145 instead of 129 x 193' in guard.finding
    guard.failed(NO_ROOM)
    assert segmenter.input_size == (97, 145), 'the new size gets its chance'


def test_now_and_then_is_no_reason(segmenter: VideoSegmenter, guard: MemoryGuard,
                                   monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 1000.0
    monkeypatch.setattr('time.monotonic', lambda: now_s)
    for _ in range(5):
        guard.failed(NO_ROOM)
        now_s += AGAIN_S + 1
    assert segmenter.input_size == FULL


def test_it_does_not_shrink_to_nothing(segmenter: VideoSegmenter, guard: MemoryGuard) -> None:
    for _ in range(8):
        guard.failed(NO_ROOM)
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
    with pytest.raises(torch.cuda.OutOfMemoryError):
        guard.warm_up(cameras=1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_what_a_failed_image_held_is_freed(guard: MemoryGuard) -> None:
    def failing() -> None:
        held = torch.zeros(1 << 26, device='cuda')
        raise torch.cuda.OutOfMemoryError(f'no room beside {held.shape}')

    torch.cuda.empty_cache()
    before = torch.cuda.memory_reserved()
    try:
        failing()
    except torch.cuda.OutOfMemoryError as error:
        guard.failed(error)
        assert torch.cuda.memory_reserved() == before
