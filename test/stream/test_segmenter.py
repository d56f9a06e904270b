"""The public API: a frame and a memory in, labels at the frame's size out."""
from __future__ import annotations

from collections.abc import Callable
import math
from pathlib import Path
import re
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tdnet_ros.nets.card import find_model
from tdnet_ros.nets.variants import variant
from tdnet_ros.nets.zoo import build
from tdnet_ros.stream import Frame, VideoSegmenter
from tdnet_ros.stream.engines.allocator import is_out_of_memory
from tdnet_ros.stream.flight import ImageSizeError

MakeFrame = Callable[..., Frame]


def test_result(segmenter: VideoSegmenter, make_frame: MakeFrame) -> None:
    result = segmenter.step(make_frame(0), segmenter.new_memory(), keep_logits=True,
                            confidence=True)
    assert result.labels.shape == (72, 96)
    assert result.labels.dtype == np.uint8
    assert result.labels.max() < 19
    assert result.logits is not None
    assert result.logits.shape == (19, 65, 97)
    assert result.logits.dtype == np.float32
    assert result.confidence is not None
    assert result.confidence.shape == (72, 96)
    assert result.confidence.dtype == np.uint8
    assert set(result.stage_ms) == {'upload', 'network', 'download'}
    assert all(value >= 0 for value in result.stage_ms.values())


def test_extras_only_when_asked(segmenter: VideoSegmenter, make_frame: MakeFrame) -> None:
    result = segmenter.step(make_frame(0), segmenter.new_memory())
    assert result.logits is None
    assert result.confidence is None


def test_a_memory_counts_once_it_is_full(make_frame: MakeFrame) -> None:
    segmenter = VideoSegmenter.load('td4-tiny', device='cpu', input_size=(72, 96))
    memory = segmenter.new_memory()
    assert [segmenter.step(make_frame(number), memory).memory_fill
            for number in range(5)] == [0, 0, 0, 3, 3]


def test_equals_the_network_by_hand(make_frame: MakeFrame) -> None:
    """Normalise, cycle paths, keep the memory, upsample: written out once more."""
    segmenter = VideoSegmenter.load('td2-tiny', device='cpu', input_size=(72, 96))
    network = build(variant('td2-tiny'), 19)
    memory, entries = segmenter.new_memory(), []
    mean, std = torch.tensor(segmenter.card.mean), torch.tensor(segmenter.card.std)
    for number in range(5):
        frame = make_frame(number)
        image = ((torch.tensor(frame.rgb) / 255 - mean) / std).permute(2, 0, 1)[None]
        with torch.inference_mode():
            logits, features = network(image, number % 2, entries)
        entries = [features]
        expected = F.interpolate(logits, (72, 96), mode='bilinear', align_corners=True)[0]
        result = segmenter.step(frame, memory, keep_logits=True, confidence=True)
        assert result.logits is not None
        assert np.abs(result.logits - expected.numpy()).max() < 1e-4
        probability, labels = expected.softmax(0).max(0)
        assert (result.labels == labels.numpy()).mean() > 0.999
        assert result.confidence is not None
        difference = result.confidence - 255 * probability.numpy()
        assert np.abs(difference).max() < 1


def test_one_model_many_memories(segmenter: VideoSegmenter, make_frame: MakeFrame) -> None:
    """Interleaved cameras get what each alone gets."""
    alone = []
    for shift in (0, 40):
        memory = segmenter.new_memory()
        alone.append([segmenter.step(make_frame(shift + i), memory).labels for i in range(6)])
    memories = [segmenter.new_memory() for _ in range(2)]
    for number in range(6):
        for camera, shift in enumerate((0, 40)):
            labels = segmenter.step(make_frame(shift + number), memories[camera]).labels
            assert np.array_equal(labels, alone[camera][number])


def test_the_memory_matters(segmenter: VideoSegmenter, make_frame: MakeFrame) -> None:
    memory = segmenter.new_memory()
    for number in range(5):
        filled = segmenter.step(make_frame(number), memory, keep_logits=True)
    alone = segmenter.step(make_frame(4), segmenter.new_memory(), keep_logits=True)
    assert filled.path == alone.path == 0
    assert filled.logits is not None
    assert alone.logits is not None
    assert np.abs(filled.logits - alone.logits).max() > 1e-3


def test_per_frame_network(make_frame: MakeFrame) -> None:
    segmenter = VideoSegmenter.load('bise18-half', device='cpu', input_size=(64, 96))
    memory = segmenter.new_memory()
    for number in range(2):
        result = segmenter.step(make_frame(number), memory)
        assert (result.path, result.memory_fill, result.reset_reason) == (0, 0, None)


@pytest.mark.parametrize(('rgb', 'expected'), [
    (np.zeros((4, 4), np.uint8), r'shape \[4, 4\]'),
    (np.zeros((4, 4, 4), np.uint8), r'shape \[4, 4, 4\]'),
    (np.zeros((0, 4, 3), np.uint8), 'at least one pixel'),
    (np.zeros((4, 4, 3), np.float32), 'float32, expected a uint8'),
    (None, 'NoneType'),
    (torch.zeros((4, 4, 3), dtype=torch.uint8), 'of type Tensor, expected a uint8 .* of NumPy'),
])
def test_bad_frames(rgb: object, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        Frame(rgb, 0)  # type: ignore[arg-type]


@pytest.mark.parametrize('stamp', [1.5, None, '1'])
def test_bad_stamps(stamp: object) -> None:
    with pytest.raises(ValueError, match='expected a whole number of nanoseconds'):
        Frame(np.zeros((4, 4, 3), np.uint8), stamp)


@pytest.mark.parametrize(('options', 'expected'), [
    ({'device': 'tpu'}, "device 'tpu', expected auto"),
    ({'device': None}, "device 'None', expected auto"),
    ({'engine': ['torch']}, r"engine '\['torch'\]', expected one of torch"),
    ({'scene_cut': 'no'}, "scene_cut is 'no', expected True or False"),
    ({'input_size': (8, 8)}, 'expected at least 32x32'),
    ({'input_size': (64, 8193)}, '64x8193, expected .* at most 8192x8192'),
    *(({'input_size': size}, rf'input size is {re.escape(repr(size))}, expected \(height, width\)')
      for size in (385, (385,), (385, 513, 3), (97.5, 129), '97')),
    ({'model': 'nothing'}, "model 'nothing': expected"),
    ({'model': None}, 'model is of type NoneType, expected a name or a path'),
    ({'model': 'path0.onnx'}, r'is a graph: expected the card beside it, model\.yaml'),
    *(({'max_gap_s': gap}, f'max_gap_s is {gap!r}, expected seconds, 0 or more')
      for gap in (-1, math.nan, None, '1')),
])
def test_bad_options(options: dict[str, object], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        VideoSegmenter.load(**{'model': 'td2-tiny', **options})  # type: ignore[arg-type]


def test_options_of_numpy_and_torch() -> None:
    segmenter = VideoSegmenter.load('td2-tiny', torch.device('cpu'),
                                    np.array([64, 96]), max_gap_s=np.float32(math.inf))
    assert segmenter.input_size == (64, 96)
    assert segmenter.new_memory().max_gap_s == math.inf


def test_what_is_no_frame_or_no_memory_is_named(segmenter: VideoSegmenter,
                                                make_frame: MakeFrame) -> None:
    memory: Any = segmenter.new_memory()
    rgb: Any = make_frame(0).rgb
    with pytest.raises(ValueError, match='frame is of type ndarray, expected Frame'):
        segmenter.step(rgb, memory)
    with pytest.raises(ValueError, match='memory is of type NoneType, expected FrameMemory'):
        segmenter.step(make_frame(0), None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match='frame is of type ndarray, expected Frame'):
        list(segmenter.step_batch([rgb], [memory]))


def test_a_segmenter_is_made_of_a_card() -> None:
    name: Any = 'td2-tiny'
    with pytest.raises(ValueError, match=r'card is of type str, expected ModelCard; .*\.load'):
        VideoSegmenter(name, torch.device('cpu'))
    segmenter = VideoSegmenter(find_model('td2-tiny'), 'cpu', (64, 96))
    assert segmenter.device == torch.device('cpu')


@pytest.mark.parametrize('size', [None, 72, (72,), (72, 96, 3), (72.0, 96.0), '72'])
def test_a_size_that_no_image_has_is_named(segmenter: VideoSegmenter, size: Any) -> None:
    with pytest.raises(ValueError, match=re.escape(f'image size is {size!r}, expected (height, ')):
        segmenter.warm_up(size)


def test_frames_and_results_can_be_looked_for(segmenter: VideoSegmenter,
                                              make_frame: MakeFrame) -> None:
    frames = [make_frame(number) for number in range(2)]
    results = [segmenter.step(frame, segmenter.new_memory()) for frame in frames]
    for things in frames, results:
        assert things.index(things[1]) == 1
        assert len(set(things)) == 2


def test_missing_weights(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='no such file'):
        VideoSegmenter.load('td2-tiny', weights=tmp_path / 'none.safetensors')


def test_a_failure_costs_one_frame(segmenter: VideoSegmenter, make_frame: MakeFrame,
                                   monkeypatch: pytest.MonkeyPatch) -> None:
    memory = segmenter.new_memory()
    for number in range(4):
        segmenter.step(make_frame(number), memory)
    with monkeypatch.context() as patch:
        patch.setattr('tdnet_ros.stream.flight.classify', lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            segmenter.step(make_frame(4), memory)
    result = segmenter.step(make_frame(5), memory)
    assert result.reset_reason == 'the frame before failed'
    assert result.path == 0


@pytest.mark.parametrize('confidence', [False, True])
def test_labels_that_do_not_fit_are_told_from_a_network_that_does_not(
        confidence: bool, segmenter: VideoSegmenter, make_frame: MakeFrame,
        monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError('CUDA out of memory')

    monkeypatch.setattr('tdnet_ros.stream.classify.dense_labels', no_room)
    monkeypatch.setattr('tdnet_ros.stream.classify._axis', no_room)
    with pytest.raises(ImageSizeError, match='the labels of an image of 96 x 72') as raised:
        segmenter.step(make_frame(0), segmenter.new_memory(), confidence=confidence)
    assert is_out_of_memory(raised.value)


@pytest.mark.parametrize('engine', ['torch', 'reference'])
def test_memory_survives_another_input_size(engine: str, make_frame: MakeFrame) -> None:
    """After `resize` it soon labels as if it had been loaded so, and nothing is forgotten."""
    segmenter, small = (VideoSegmenter.load('td4-tiny', 'cpu', size, engine=engine)
                        for size in ((129, 193), (97, 129)))
    memory, expected = segmenter.new_memory(), small.new_memory()
    for number in range(4):
        segmenter.step(make_frame(number), memory)
        small.step(make_frame(number), expected)
    segmenter.resize((97, 129))
    for number in range(4, 9):
        result = segmenter.step(make_frame(number), memory)
        same = small.step(make_frame(number), expected)
        assert result.memory_fill == 3
        assert result.reset_reason is None
        assert result.path == same.path
        equal = (result.labels == same.labels).mean()
        assert equal > (0.9 if number < 7 else 0.9999)
    with pytest.raises(ValueError, match='at least 32x32'):
        segmenter.resize((8, 8))
