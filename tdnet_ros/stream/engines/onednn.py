"""oneDNN's operators with packed weights, as torch.compile calls them; CPU only."""
from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

NUMBERS: dict[str, list[float]] = {'none': [], 'relu': [], 'leaky_relu': [0.01]}
'''Numbers of an activation, by its name.'''


def available(dtype: torch.dtype) -> bool:
    """Whether this PyTorch has the operators, which are private, and this CPU the precision."""
    pixel = torch.zeros(1, 1, 1, 1, dtype=dtype)
    try:
        PackedConv(pixel)(pixel, pixel)
        product(pixel[0, 0], pixel[0, 0], pixel[0, 0])
    except (AttributeError, RuntimeError):
        return False
    return True


class PackedConv(nn.Module):
    """activation(convolution(x) + added), weights packed for the first size it sees."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None, stride: int = 1,
                 padding: int = 0, dilation: int = 1, groups: int = 1,
                 activation: str = 'none') -> None:
        super().__init__()
        self.weight, self.bias = weight, bias
        self.geometry: tuple[Any, ...] = (
            [padding] * 2, [stride] * 2, [dilation] * 2, groups)
        self.activation = activation

    def forward(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        """Map [B, C, h, w] to [B, O, h', w']; any later size works too."""
        ops = torch.ops.mkldnn
        weight = self.weight  # read once: another thread may replace it meanwhile
        if not weight.is_mkldnn:
            self.weight = weight = ops._reorder_convolution_weight(
                weight, *self.geometry, list(x.shape))
        numbers = NUMBERS[self.activation]
        out: Tensor
        if added is None:
            out = ops._convolution_pointwise(
                x, weight, self.bias, *self.geometry, self.activation, numbers, '')
        else:
            last = None if self.activation == 'none' else self.activation
            out = ops._convolution_pointwise.binary(
                x, added, weight, self.bias, *self.geometry, 'add', 1.0, last, numbers, '')
        return out


def product(rows: Tensor, weight: Tensor, added: Tensor | None = None) -> Tensor:
    """Compute rows [T, K] @ weight [N, K]^T + added [T, N]."""
    out: Tensor
    if added is None:
        out = torch.ops.mkldnn._linear_pointwise(rows, weight, None, 'none', [], '')
    else:
        out = torch.ops.mkldnn._linear_pointwise.binary(rows, added, weight, None, 'add')
    return out
