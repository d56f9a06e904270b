"""Convolutions as engines run them: batch norm folded in, sum and activation attached."""
from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
import torch.nn.functional as F


class Conv(nn.Module):
    """activation(convolution(x) + added); activation is 'none', 'relu' or 'leaky_relu'."""

    weight: Tensor
    bias: Tensor

    def __init__(self, conv: nn.Conv2d, activation: str = 'none') -> None:
        super().__init__()
        bias = conv.weight.new_zeros(conv.out_channels) if conv.bias is None else conv.bias
        self.register_buffer('weight', conv.weight.detach())
        self.register_buffer('bias', bias.detach())
        self.stride, self.dilation = conv.stride[0], conv.dilation[0]
        self.padding = int(conv.padding[0])
        self.activation = activation

    def forward(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        """Map [B, C, h, w] to [B, O, h', w']; `added` has the shape of the output."""
        out = F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation)
        return activate(out if added is None else out + added, self.activation)


def activate(x: Tensor, activation: str) -> Tensor:
    """Apply an activation by its name."""
    if activation == 'relu':
        return torch.relu(x)
    return F.leaky_relu(x) if activation == 'leaky_relu' else x


def fuse(modules: Iterable[nn.Module]) -> list[Conv]:
    """Turn a run of convolutions, batch norms and activations into as many Convs as needed."""
    convs: list[Conv] = []
    for module in modules:
        if isinstance(module, nn.Conv2d):
            convs.append(Conv(module))
        elif isinstance(module, nn.BatchNorm2d):
            _fold(convs[-1], module)
        elif isinstance(module, nn.ReLU):
            convs[-1].activation = 'relu'
        elif isinstance(module, nn.LeakyReLU):
            convs[-1].activation = 'leaky_relu'
        elif isinstance(module, nn.Sequential):
            convs.extend(fuse(module))
        elif not isinstance(module, (nn.Dropout, nn.Dropout2d, nn.Identity)):
            raise TypeError(f'cannot fuse a {type(module).__name__}')
    return convs


def _fold(conv: Conv, norm: nn.BatchNorm2d) -> None:
    """Scale a convolution as the batch norm after it would; in float64, rounded once."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    factor = norm.weight.detach().double() / (norm.running_var.double() + norm.eps).sqrt()
    shift = norm.bias.detach().double() - norm.running_mean.double() * factor
    weight = conv.weight.double() * factor.view(-1, 1, 1, 1)
    bias = conv.bias.double() * factor + shift
    conv.weight, conv.bias = weight.to(conv.weight.dtype), bias.to(conv.bias.dtype)


def linear(conv: Conv) -> nn.Linear:
    """Turn a 1x1 convolution into a layer for rows [B, T, C]."""
    layer = nn.Linear(conv.weight.shape[1], conv.weight.shape[0], device='meta')
    layer.weight = nn.Parameter(conv.weight[..., 0, 0], requires_grad=False)
    layer.bias = nn.Parameter(conv.bias, requires_grad=False)
    return layer


def tokens(maps: Tensor) -> Tensor:
    """View maps [B, C, h, w] as one row per position, [B, h*w, C]; no copy if channels last."""
    return maps.permute(0, 2, 3, 1).flatten(1, 2)


def maps(rows: Tensor, size: tuple[int, int]) -> Tensor:
    """View rows [B, h*w, C] as channels-last maps [B, C, h, w]."""
    return rows.unflatten(1, size).permute(0, 3, 1, 2)
