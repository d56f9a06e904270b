"""When the memory is stale, it says why and starts again."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tdnet_ros.stream import Frame, FrameMemory, Segmentation, VideoSegmenter

MakeFrame = Callable[..., Frame]


def fill(segmenter: VideoSegmenter, make_frame: MakeFrame, count: int = 5) -> FrameMemory:
    memory = segmenter.new_memory()
    for number in range(count):
        segmenter.step(make_frame(number), memory)
    assert len(memory.entries) == segmenter.paths - 1
    return memory


@pytest.mark.parametrize(('changes', 'reason'), [
    ({'stamp_ns': 0}, 'stamp went backwards by 0.400 s'),
    ({'stamp_ns': 1_500_000_000}, 'gap of 1.100 s exceeds max_gap_s 1'),
    ({'rgb': np.zeros((36, 96, 3), np.uint8)}, 'image size changed from 96 x 72 to 96 x 36'),
    ({'encoding': 'bgr8'}, 'encoding changed from rgb8 to bgr8'),
    ({'frame_id': 'rear'}, 'frame_id changed from camera to rear'),
])
def test_reset_rules(segmenter: VideoSegmenter, make_frame: MakeFrame,
                     changes: dict[str, object], reason: str) -> None:
    memory = fill(segmenter, make_frame)
    result = segmenter.step(make_frame(5, **changes), memory)
    assert result.reset_reason == reason
    assert (result.path, result.memory_fill) == (0, 0)
    alone = segmenter.step(make_frame(5, **changes), segmenter.new_memory())
    assert np.array_equal(result.labels, alone.labels)


@pytest.mark.parametrize(('options', 'expected'), [
    *(({'paths': paths}, f'paths is {paths!r}, expected a whole number, 1 or more')
      for paths in (0, -1, 1.5, None, '2')),
    ({'paths': 2, 'scene_cut': 'no'}, "scene_cut is 'no', expected True or False")])
def test_bad_options(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        FrameMemory(**options)


@pytest.mark.filterwarnings('error')
def test_stamps_of_numpy_do_not_overflow() -> None:
    memory = FrameMemory(2, scene_cut=False)
    black = np.zeros((8, 8, 3), np.uint8)
    memory.prepare(Frame(black, np.uint64(10)))  # type: ignore[arg-type]
    reason = memory.prepare(Frame(black, np.uint64(5)))  # type: ignore[arg-type]
    assert reason == 'stamp went backwards by 0.000 s'


@pytest.mark.parametrize('gap_ns', [0, 1, 1_000_000_000])
def test_no_reset_within_the_gap(segmenter: VideoSegmenter, make_frame: MakeFrame,
                                 gap_ns: int) -> None:
    memory = fill(segmenter, make_frame)
    result = segmenter.step(make_frame(5, stamp_ns=400_000_000 + gap_ns), memory)
    assert (result.reset_reason, result.memory_fill, result.path) == (None, 3, 1)


def test_reset_from_outside_is_reported_once(segmenter: VideoSegmenter,
                                             make_frame: MakeFrame) -> None:
    memory = fill(segmenter, make_frame)
    memory.reset('asked to')
    reasons = [segmenter.step(make_frame(5 + i), memory).reset_reason for i in range(3)]
    assert reasons == ['asked to', None, None]


def test_frames_that_are_given_up_lose_no_reason(segmenter: VideoSegmenter,
                                                 make_frame: MakeFrame) -> None:
    memories = [fill(segmenter, make_frame) for _ in range(2)]
    for memory in memories:
        memory.reset('asked to')
    index, _ = next(segmenter.step_batch([make_frame(5), make_frame(5)], memories))
    reasons = [segmenter.step(make_frame(6), memory).reset_reason for memory in memories]
    assert reasons == [None if camera == index else 'asked to' for camera in range(2)]


def test_a_reset_between_handing_over_and_taking_the_labels_counts(
        segmenter: VideoSegmenter, make_frame: MakeFrame) -> None:
    memory = fill(segmenter, make_frame)
    outcomes = segmenter.step_batch([make_frame(5)], [memory])
    memory.reset('asked to')
    (_, result), = outcomes
    following = segmenter.step(make_frame(6), memory)
    assert isinstance(result, Segmentation)
    assert (result.path, result.memory_fill, result.reset_reason) == (0, 0, 'asked to')
    assert (following.path, following.reset_reason) == (1, None)


def test_frames_of_one_camera_that_wait_for_each_other_take_turns(
        segmenter: VideoSegmenter, make_frame: MakeFrame) -> None:
    memory = segmenter.new_memory()
    waiting = [segmenter.step_batch([make_frame(number)], [memory]) for number in range(6)]
    results = [result for outcomes in waiting for _, result in outcomes]
    assert [(result.path, result.memory_fill) for result in results
            if isinstance(result, Segmentation)] == [
        (0, 0), (1, 0), (2, 0), (3, 3), (0, 3), (1, 3)]


def test_the_first_reason_is_kept_until_a_frame_is_processed(make_frame: MakeFrame) -> None:
    memory = FrameMemory(paths=2)
    memory.reset('asked to')
    reasons = [memory.prepare(make_frame(number)) for number in (0, 100)]
    assert reasons == ['asked to', 'asked to']
    memory.push(None)
    assert memory.prepare(make_frame(101)) is None


def test_scene_cut(make_frame: MakeFrame) -> None:
    memory = FrameMemory(paths=2)
    assert memory.prepare(make_frame(0)) is None
    other = make_frame(1, rgb=np.flip(make_frame(0).rgb, (0, 1)).copy())
    assert 'scene cut' in (memory.prepare(other) or '')
    unaware = FrameMemory(paths=2, scene_cut=False)
    unaware.prepare(make_frame(0))
    assert unaware.prepare(other) is None


@pytest.mark.parametrize(('first', 'second', 'cut'), [
    (lambda rgb: rgb, lambda rgb: rgb // 2 + 20, False),
    (lambda rgb: rgb, lambda rgb: rgb * 0, True),
    (lambda rgb: rgb * 0, lambda rgb: rgb * 0 + 90, False),
], ids=['exposure', 'lens covered', 'dark to grey'])
def test_scene_cut_judges_structure(make_frame: MakeFrame, first: Callable[..., np.ndarray],
                                    second: Callable[..., np.ndarray], cut: bool) -> None:
    memory = FrameMemory(paths=2)
    memory.prepare(make_frame(0, rgb=first(make_frame(0).rgb)))
    reason = memory.prepare(make_frame(1, rgb=second(make_frame(0).rgb)))
    assert ('scene cut' in (reason or '')) == cut


def test_lost_frames_do_not_break_the_order_of_paths(segmenter: VideoSegmenter,
                                                     make_frame: MakeFrame) -> None:
    memory = segmenter.new_memory()
    numbers = [0, 1, 4, 5, 9, 12, 13]
    results = [segmenter.step(make_frame(number), memory) for number in numbers]
    assert [result.path for result in results] == [0, 1, 2, 3, 0, 1, 2]
    assert [result.memory_fill for result in results] == [0, 0, 0, 3, 3, 3, 3]


def test_memory_does_not_hold_pixels(segmenter: VideoSegmenter, make_frame: MakeFrame) -> None:
    import gc
    import weakref
    rgb = make_frame(0).rgb.copy()
    memory = segmenter.new_memory()
    segmenter.step(make_frame(0, rgb=rgb), memory)
    alive = weakref.ref(rgb)
    del rgb
    gc.collect()
    assert alive() is None
