"""Pixels up, labels down, and frames that are launched before others have landed."""
from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from tdnet_ros.stream import Frame, VideoSegmenter
from tdnet_ros.stream import segmenter as module
from tdnet_ros.stream.engines.engine import ReferenceEngine
from tdnet_ros.stream.engines.graphs import GraphEngine
from tdnet_ros.stream.engines.onnx_engine import OnnxEngine
from tdnet_ros.stream.engines.torch_engine import TorchEngine
from tdnet_ros.stream.transfer import Lanes, Stopwatch

MakeFrame = Callable[..., Frame]
CPU, CUDA = torch.device('cpu'), torch.device('cuda')
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
DEVICES = [CPU, pytest.param(CUDA, marks=needs_gpu)]


@pytest.mark.parametrize('device', DEVICES)
def test_up_and_down(device: torch.device) -> None:
    lanes = Lanes(device)
    rgb = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    for view in (rgb, rgb[:, ::-1], rgb[::2, 1:-1]):
        pixels = lanes.upload(view)
        assert pixels.device.type == device.type
        assert pixels.shape == (1, 3, *view.shape[:2])
        back, = lanes.download([pixels[0].permute(1, 2, 0)]).wait()
        np.testing.assert_array_equal(back, view)
    assert lanes.download([]).wait() == []


def test_nothing_is_copied_on_the_cpu() -> None:
    rgb = np.zeros((40, 60, 3), np.uint8)
    assert Lanes(CPU).upload(rgb).data_ptr() == rgb.ctypes.data


@pytest.mark.parametrize('device', DEVICES)
def test_stopwatch(device: torch.device) -> None:
    watch = Stopwatch(device)
    watch.mark('start')
    torch.randn(500, 500, device=device) @ torch.randn(500, 500, device=device)
    watch.mark('end')
    if device.type == 'cuda':
        torch.cuda.synchronize()
    assert watch.ms('start', 'end') > 0


@pytest.mark.parametrize('asynchronous', [False, True])
def test_when_runs_are_launched(asynchronous: bool, make_frame: MakeFrame,
                                monkeypatch: pytest.MonkeyPatch) -> None:
    """On CUDA all runs are launched before the first is waited for, on the CPU none is."""
    segmenter = VideoSegmenter.load('td2-tiny', 'cpu', (65, 97))
    monkeypatch.setattr(VideoSegmenter, 'is_asynchronous', asynchronous)
    launched: list[int] = []
    launch = module.launch
    monkeypatch.setattr(module, 'launch', lambda engine, preprocessor, turns, confidence: (
        launched.append(len(turns)) or launch(engine, preprocessor, turns, confidence)))
    alone = [segmenter.new_memory() for _ in range(2)]
    memories = [segmenter.new_memory() for _ in range(2)]
    for number in range(4):
        frames = [make_frame(number), make_frame(number + 5)]
        expected = [segmenter.step(frame, memory).labels
                    for frame, memory in zip(frames, alone, strict=True)]
        launched.clear()
        outcomes = segmenter.step_batch(frames, memories)
        assert len(launched) == (2 if asynchronous else 0)
        for index, outcome in outcomes:
            assert not isinstance(outcome, Exception)
            np.testing.assert_array_equal(outcome.labels, expected[index])


@pytest.mark.parametrize(('engine', 'on_cuda'), [
    (TorchEngine, True), (GraphEngine, True), (ReferenceEngine, True), (OnnxEngine, False)])
def test_an_engine_that_waits_for_the_gpu_is_not_asynchronous(
        engine: type, on_cuda: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or an image that is done would be kept until the next one is."""
    segmenter = VideoSegmenter.load('td2-tiny', 'cpu', (65, 97))
    monkeypatch.setattr(segmenter, '_engine', object.__new__(engine))
    assert not segmenter.is_asynchronous
    monkeypatch.setattr(segmenter, 'device', CUDA)
    assert segmenter.is_asynchronous == on_cuda


@needs_gpu
def test_frames_in_flight_on_a_gpu(make_frame: MakeFrame) -> None:
    """Launching ahead changes no label."""
    segmenter = VideoSegmenter.load('td4-tiny', 'cuda', (65, 97))
    segmenter.warm_up((65, 97))
    one, other = segmenter.new_memory(), segmenter.new_memory()
    flights = [segmenter.step_batch([make_frame(number)], [one]) for number in range(8)]
    for number, flight in enumerate(flights):
        (_, ahead), = flight
        assert not isinstance(ahead, Exception)
        np.testing.assert_array_equal(
            ahead.labels, segmenter.step(make_frame(number), other).labels)
