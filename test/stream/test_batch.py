"""Frames of several cameras together: the labels of each alone, and the rules of when."""
from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from tdnet_ros.stream import Frame, FrameMemory, Segmentation, VideoSegmenter
from tdnet_ros.stream.batch import largest_worthwhile, measured

MakeFrame = Callable[..., Frame]
STARTS = (0, 20, 40)


def batching(model: str, most: int = len(STARTS)) -> VideoSegmenter:
    """A segmenter that believes to have measured that batches pay."""
    segmenter = VideoSegmenter.load(model, 'cpu', (65, 97))
    segmenter.batch_ms = {count: 0.5**count for count in range(1, most + 1)}
    assert segmenter.batch == most
    return segmenter


def together(segmenter: VideoSegmenter, frames: list[Frame],
             memories: list[FrameMemory]) -> list[Segmentation]:
    results = dict(segmenter.step_batch(frames, memories, confidence=True))
    assert sorted(results) == list(range(len(frames)))
    assert all(isinstance(result, Segmentation) for result in results.values()), results
    return [results[index] for index in range(len(frames))]


def assert_same(first: Segmentation, second: Segmentation) -> None:
    np.testing.assert_array_equal(first.labels, second.labels)
    assert np.abs(first.confidence.astype(int) - second.confidence).max() <= 1
    assert (first.path, first.memory_fill, first.reset_reason) == (
        second.path, second.memory_fill, second.reset_reason)


@pytest.mark.parametrize('model', ['td2-tiny', 'td4-tiny', 'td2-bise18-half', 'bise18-half'])
def test_each_camera_gets_the_labels_it_gets_alone(model: str, make_frame: MakeFrame) -> None:
    """The cameras start one after the other and one is reset, so they fall in and out of step."""
    segmenter = batching(model)
    alone, shared = ([segmenter.new_memory() for _ in STARTS] for _ in range(2))
    sizes = set()
    for number in range(16):
        due = [camera for camera in range(len(STARTS)) if number >= camera]
        if number == 8:
            alone[1].reset('test')
            shared[1].reset('test')
        frames = [make_frame(STARTS[camera] + number) for camera in due]
        results = together(segmenter, frames, [shared[camera] for camera in due])
        for camera, frame, result in zip(due, frames, results):
            assert_same(result, segmenter.step(frame, alone[camera], confidence=True))
            sizes.add(result.batch)
    assert sizes >= {1, 2} or segmenter.paths == 1


def test_cameras_in_step_share_one_run(make_frame: MakeFrame) -> None:
    segmenter = batching('td4-tiny')
    memories = [segmenter.new_memory() for _ in STARTS]
    for number in range(6):
        frames = [make_frame(start + number) for start in STARTS]
        assert [result.batch for result in together(segmenter, frames, memories)] == [3, 3, 3]


def test_images_of_different_sizes_go_together(make_frame: MakeFrame) -> None:
    segmenter = batching('td2-tiny')
    small = make_frame(0)
    large = Frame(small.rgb.repeat(2, 0).repeat(2, 1), 0)
    results = together(segmenter, [small, large], [segmenter.new_memory() for _ in range(2)])
    for frame, result in zip((small, large), results):
        assert result.batch == 2
        assert_same(result, segmenter.step(frame, segmenter.new_memory(), confidence=True))


def test_nothing_is_batched_before_it_was_measured(make_frame: MakeFrame) -> None:
    segmenter = VideoSegmenter.load('td2-tiny', 'cpu', (65, 97))
    memories = [segmenter.new_memory() for _ in STARTS]
    results = together(segmenter, [make_frame(start) for start in STARTS], memories)
    assert [result.batch for result in results] == [1, 1, 1]


def test_one_that_fails_does_not_cost_the_others(
        make_frame: MakeFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter = batching('td2-tiny')
    memories = [segmenter.new_memory() for _ in STARTS]
    together(segmenter, [make_frame(start) for start in STARTS], memories)
    bad = make_frame(STARTS[1] + 1)
    normalise = segmenter._preprocessor.normalise

    def breaking(pixels: object) -> object:
        if np.array_equal(pixels[0].permute(1, 2, 0).numpy(), bad.rgb):
            raise RuntimeError('broken frame')
        return normalise(pixels)

    frames = [make_frame(STARTS[0] + 1), bad, make_frame(STARTS[2] + 1)]
    with monkeypatch.context() as patch:
        patch.setattr(segmenter._preprocessor, 'normalise', breaking)
        results = dict(segmenter.step_batch(frames, memories))
    assert isinstance(results[1], RuntimeError)
    for index in (0, 2):
        assert (results[index].path, results[index].memory_fill) == (1, 1)
    after = together(segmenter, [make_frame(start + 2) for start in STARTS], memories)
    assert [result.reset_reason for result in after] == [None, 'the frame before failed', None]


def test_a_memory_that_cannot_be_resampled_costs_one_image(
        make_frame: MakeFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    """As any failure does; and what is then in the memory is of the new size."""
    segmenter = batching('td2-tiny')
    memories = [segmenter.new_memory() for _ in STARTS]
    together(segmenter, [make_frame(start) for start in STARTS], memories)
    segmenter.resize((97, 129))
    lost, resample = memories[1].entries[0], segmenter._engine.resample

    def no_room(features: object, *sizes: object) -> object:
        if features is lost:
            raise torch.cuda.OutOfMemoryError('no room')
        return resample(features, *sizes)

    monkeypatch.setattr(segmenter._engine, 'resample', no_room)
    results = dict(segmenter.step_batch([make_frame(start + 1) for start in STARTS], memories))
    assert [type(results[index]) for index in range(3)] == [
        Segmentation, torch.cuda.OutOfMemoryError, Segmentation]
    for number in (2, 3):
        after = together(segmenter, [make_frame(start + number) for start in STARTS], memories)
    assert [result.memory_fill for result in after] == [1, 1, 1]
    segmenter.resize((65, 97))
    lost = memories[0].entries[0]
    with pytest.raises(torch.cuda.OutOfMemoryError):
        segmenter.step(make_frame(4), memories[0])
    assert segmenter.step(make_frame(5), memories[0]).reset_reason == 'the frame before failed'


def test_a_batch_that_is_too_large_is_not_tried_again(
        make_frame: MakeFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter = batching('td2-tiny')
    memories = [segmenter.new_memory() for _ in STARTS]
    run = segmenter._engine.run

    def small_device(image: torch.Tensor, *inputs: object) -> object:
        if len(image) > 2:
            raise torch.cuda.OutOfMemoryError('no room')
        return run(image, *inputs)

    monkeypatch.setattr(segmenter._engine, 'run', small_device)
    sizes = [[result.batch for result in together(
        segmenter, [make_frame(start + number) for start in STARTS], memories)]
        for number in range(2)]
    assert sizes == [[1, 1, 1], [2, 2, 1]]


def test_what_is_measured_decides() -> None:
    calls = []

    def frame_ms(count: int) -> float:
        calls.append(count)
        return {1: 10.0, 2: 7.0, 3: 6.9, 4: 1.0}[count]

    times = measured(frame_ms, 4)
    assert times == {1: 10.0, 2: 7.0, 3: 6.9}
    assert calls == [1, 2, 3]
    assert largest_worthwhile(times) == 2
    assert largest_worthwhile(measured(frame_ms, 1)) == 1
    assert largest_worthwhile({1: 10.0, 2: 9.9}) == largest_worthwhile({}) == 1


def test_an_engine_without_batches_runs_one_by_one() -> None:
    def frame_ms(count: int) -> float:
        if count > 1:
            raise ValueError('the graphs were exported for one image')
        return 10.0

    assert measured(frame_ms, 3) == {1: 10.0}


def test_measuring_on_this_machine(make_frame: MakeFrame) -> None:
    segmenter = VideoSegmenter.load('td2-tiny', 'cpu', (65, 97))
    segmenter.measure_batches((72, 96), 2)
    assert list(segmenter.batch_ms) == [1, 2]
    assert all(value > 0 for value in segmenter.batch_ms.values())
    assert segmenter.batch in (1, 2)


def test_a_memory_of_another_segmenter_is_refused(make_frame: MakeFrame) -> None:
    mine, other = (VideoSegmenter.load('td2-tiny', 'cpu', (65, 97)) for _ in range(2))
    with pytest.raises(ValueError, match='made by another segmenter'):
        mine.step(make_frame(0), other.new_memory())
    with pytest.raises(ValueError, match='made by another segmenter'):
        list(mine.step_batch([make_frame(0)], [FrameMemory(paths=2)]))


def test_two_frames_of_one_camera_are_no_batch(make_frame: MakeFrame) -> None:
    """Both would run the same path, and leave it in the memory twice."""
    segmenter = batching('td2-tiny')
    memory = segmenter.new_memory()
    with pytest.raises(ValueError, match='the same memory: expected one of each camera'):
        segmenter.step_batch([make_frame(0), make_frame(1)], [memory, memory])
    with pytest.raises(ValueError, match='2 frames came with 1 memories: expected one of each'):
        segmenter.step_batch([make_frame(0), make_frame(1)], [memory])
    assert segmenter.step(make_frame(0), memory).path == 0


def test_frames_and_memories_come_in_lists(make_frame: MakeFrame) -> None:
    segmenter = batching('td2-tiny')
    memory, nothing = segmenter.new_memory(), None
    with pytest.raises(ValueError, match='frames of type Frame came with memories of type Fr'):
        segmenter.step_batch(make_frame(0), memory)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match='memory is of type NoneType, expected FrameMemory'):
        segmenter.step_batch([make_frame(0)] * 2, [nothing] * 2)  # type: ignore[list-item]
    results = dict(segmenter.step_batch(iter([make_frame(0)]), {memory}))  # type: ignore[arg-type]
    assert list(results) == [0]
