"""Winograd's convolution against PyTorch's."""
from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tdnet_ros.stream.engines.winograd import WinogradConv


@pytest.mark.parametrize('dilation', [1, 2, 3, 4, 16])
@pytest.mark.parametrize('size', [(97, 193), (48, 64), (5, 9), (3, 40), (2, 1), (17, 33)])
@pytest.mark.parametrize('activation', ['none', 'relu'])
@pytest.mark.parametrize('residual', [False, True])
def test_equals_convolution(dilation: int, size: tuple[int, int], activation: str,
                            residual: bool) -> None:
    x = torch.randn(2, 6, *size).contiguous(memory_format=torch.channels_last)
    weight, bias = torch.randn(10, 6, 3, 3), torch.randn(10)
    added = torch.randn(2, 10, *size) if residual else None
    with torch.inference_mode():
        ours = WinogradConv(weight, bias, dilation, activation)(x, added)
        expected = F.conv2d(x.double(), weight.double(), bias.double(), 1, dilation, dilation)
        expected = expected if added is None else expected + added
        expected = torch.relu(expected) if activation == 'relu' else expected
    assert ours.shape == expected.shape
    assert (ours - expected).abs().max() < 1e-4


def test_precision_is_close_to_a_plain_convolution() -> None:
    x = torch.relu(torch.randn(1, 128, 49, 61)).contiguous(memory_format=torch.channels_last)
    weight, bias = torch.randn(128, 128, 3, 3), torch.zeros(128)
    with torch.inference_mode():
        exact = F.conv2d(x.double(), weight.double(), padding=1)
        ours = WinogradConv(weight, bias, 1, 'none')(x)
        plain = F.conv2d(x, weight, padding=1)
    error, plain_error = ((y - exact).square().mean().sqrt() for y in (ours, plain))
    assert error < 10 * plain_error
    assert error < 3e-6 * exact.std()
