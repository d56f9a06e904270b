"""Engines under the public API."""
from __future__ import annotations

from collections.abc import Callable
import warnings

import numpy as np
import pytest
import torch

from tdnet_ros.nets.card import find_model
from tdnet_ros.stream import Frame, VideoSegmenter, engines

MakeFrame = Callable[..., Frame]


@pytest.mark.parametrize('model', ['td4-tiny', 'td2-bise18-half', 'bise18-half'])
def test_labels_equal_the_reference(model: str, make_frame: MakeFrame) -> None:
    results = []
    for engine in ('torch', 'reference'):
        segmenter = VideoSegmenter.load(model, 'cpu', (65, 97), engine=engine)
        memory = segmenter.new_memory()
        results.append([segmenter.step(make_frame(i), memory).labels for i in range(8)])
    ours, reference = map(np.stack, results)
    assert (ours == reference).mean() >= 0.9999


@pytest.mark.parametrize(('engine', 'device', 'expected'), [
    ('torch', 'cuda', 'graphs'), ('eager', 'cuda', 'no graphs'), ('torch', 'cpu', 'no graphs'),
    ('eager', 'cpu', 'no graphs')])
def test_where_graphs_are_recorded(engine: str, device: str, expected: str,
                                   monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, 'GraphEngine', lambda *_: 'graphs')
    monkeypatch.setattr(engines, 'TorchEngine', lambda *_: 'no graphs')
    assert engines.load_engine(engine, find_model('td2-tiny'), torch.device(device),
                               (65, 97)) == expected


@pytest.mark.parametrize(('options', 'message'), [
    ({'engine': 'fast'}, "engine 'fast', expected one of torch"),
    ({'precision': 'int4'}, "precision 'int4', expected one of float32"),
    ({'engine': 'reference', 'precision': 'bfloat16'}, 'engine reference computes in float32'),
    ({'engine': 'eager', 'precision': 'float16'}, 'float16 needs a CUDA device'),
    ({'precision': 'float16'}, 'float16 needs a CUDA device; on the CPU use bfloat16')])
def test_what_does_not_go_together(options: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VideoSegmenter.load('td2-tiny', 'cpu', **options)


def test_bfloat16_that_the_cpu_lacks_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(has: bool) -> str:
        monkeypatch.setattr(torch.cpu, '_is_avx512_bf16_supported', lambda: has)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter('always')
            VideoSegmenter.load('td2-tiny', 'cpu', precision='bfloat16')
        return ' '.join(str(one.message) for one in said)

    assert 'no instructions for bfloat16 in this CPU: float32 is likely faster' in load(False)
    assert 'float32 is likely faster' not in load(True)
