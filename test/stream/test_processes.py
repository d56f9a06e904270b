"""A segmenter in other processes: sent there, or left behind by a fork."""
from __future__ import annotations

from collections.abc import Callable
import copy
import os
import pickle

import numpy as np
import pytest
import torch

from tdnet_ros.stream import Frame, VideoSegmenter

MakeFrame = Callable[..., Frame]


@pytest.mark.parametrize('taken', [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))],
                         ids=['copied', 'pickled'])
def test_what_is_taken_elsewhere_labels_the_same(
        taken: Callable[[VideoSegmenter], VideoSegmenter], make_frame: MakeFrame) -> None:
    """Also after its weights were packed, which cannot be sent."""
    segmenter = VideoSegmenter.load('td2-tiny', 'cpu', (65, 97), max_gap_s=7, scene_cut=False)
    expected = segmenter.step(make_frame(0), segmenter.new_memory()).labels
    other = taken(segmenter)
    memory = other.new_memory()
    assert np.array_equal(other.step(make_frame(0), memory).labels, expected)
    assert (memory.max_gap_s, memory.scene_cut) == (7, False)
    with pytest.raises(ValueError, match='made by another segmenter'):
        segmenter.step(make_frame(1), memory)


def test_a_forked_process_is_told_why_it_would_wait_for_ever(
        segmenter: VideoSegmenter, make_frame: MakeFrame,
        monkeypatch: pytest.MonkeyPatch) -> None:
    memory = segmenter.new_memory()
    monkeypatch.setattr(os, 'getpid', lambda: -1)
    monkeypatch.setattr(torch, 'get_num_threads', lambda: 2)
    for step in (lambda: segmenter.step(make_frame(0), memory),
                 lambda: list(segmenter.step_batch([make_frame(0)], [memory])),
                 lambda: segmenter.warm_up((72, 96))):
        with pytest.raises(RuntimeError, match=r'was forked: start processes with spawn, or call'):
            step()
    monkeypatch.setattr(torch, 'get_num_threads', lambda: 1)
    assert segmenter.step(make_frame(0), memory).path == 0
