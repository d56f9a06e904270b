"""Labels at the camera's size equal the argmax of upsampled logits."""
from __future__ import annotations

import pytest
import torch
from torch import Tensor
import torch.nn.functional as F

from tdnet_ros.stream.classify import classify, with_confidence


def smooth(classes: int, size: tuple[int, int]) -> Tensor:
    """Logits with large areas of one class, like a street's."""
    return 5 * F.interpolate(torch.randn(1, classes, 4, 5), size, mode='bicubic')


@pytest.mark.parametrize('logits', [
    torch.randn(1, 19, 12, 17), smooth(11, (45, 60)), torch.randn(1, 2, 2, 2),
    torch.zeros(1, 3, 5, 4), torch.randn(1, 5, 1, 6), torch.randn(1, 5, 6, 1)],
    ids=['noise', 'smooth', 'one cell', 'flat', 'one row', 'one column'])
@pytest.mark.parametrize('size', [(90, 120), (91, 77), (8, 9), (1, 50), (50, 1), (45, 60)])
@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_equals_argmax(logits: Tensor, size: tuple[int, int], layout: torch.memory_format) -> None:
    full = F.interpolate(logits, size, mode='bilinear', align_corners=True)[0]
    labels = classify(logits.contiguous(memory_format=layout), size)
    assert labels.dtype == torch.uint8
    assert tuple(labels.shape) == size
    chosen = full.gather(0, labels.long()[None])[0]
    assert (full.amax(0) - chosen).max() < 1e-5, 'another class than the best, beyond rounding'


def test_flat_logits_take_the_first_class() -> None:
    assert not classify(torch.zeros(1, 3, 5, 4), (40, 50)).any()


@pytest.mark.parametrize('device', ['cpu', pytest.param('cuda', marks=pytest.mark.skipif(
    not torch.cuda.is_available(), reason='no CUDA device'))])
@pytest.mark.parametrize('size', [(40, 50), (12, 17), (1, 17), (9, 8)])
def test_confidence(size: tuple[int, int], device: str) -> None:
    """And the logits, which others may want, stay as they are."""
    logits = smooth(5, (min(12, size[0]), 17)).to(device)
    before = logits.clone()
    full = F.interpolate(logits, size, mode='bilinear', align_corners=True)[0]
    expected = 255 * full.softmax(0).amax(0)
    labels, scores = with_confidence(logits, size)
    assert torch.equal(labels, classify(logits, size))
    assert scores.dtype == torch.uint8
    assert (scores - expected).abs().max() < 1
    assert torch.equal(logits, before)
