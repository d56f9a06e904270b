"""What a program has set for networks of its own does not reach those of a segmenter."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import pytest
import torch

from tdnet_ros.stream import Frame, VideoSegmenter

MakeFrame = Callable[..., Frame]


@contextmanager
def doubles() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize('settings', [doubles, lambda: torch.autocast('cpu', torch.bfloat16)],
                         ids=['float64', 'autocast'])
@pytest.mark.parametrize('engine', ['torch', 'reference'])
def test_labels_are_the_same(settings: Callable[[], AbstractContextManager[object]], engine: str,
                             make_frame: MakeFrame) -> None:
    def labels() -> list[np.ndarray]:
        segmenter = VideoSegmenter.load('street-small', 'cpu', (65, 97), engine=engine)
        memory = segmenter.new_memory()
        return [segmenter.step(make_frame(number), memory).labels for number in range(3)]

    expected = labels()
    with settings():
        assert np.array_equal(labels(), expected)
