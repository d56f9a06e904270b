"""Kernels for the CPU: oneDNN with packed weights, Winograd, attention in slices."""
from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from tdnet_ros.stream.engines import onednn
from tdnet_ros.stream.engines.layers import Conv
from tdnet_ros.stream.engines.step import Attend
from tdnet_ros.stream.engines.winograd import WinogradConv

WINOGRAD_CHANNELS = 128
'''Winograd pays from this many input and output channels on.'''
WINOGRAD_PIXELS = 2500
'''And from maps of this many pixels on: its weights are four times as large.'''
SLICE = 1 << 20
'''Elements of the affinity that are in memory at a time.'''


class CpuConv(nn.Module):
    """A Conv that chooses its kernel for the first input it sees; any other size works too."""

    def __init__(self, conv: Conv) -> None:
        super().__init__()
        self.kernel: nn.Module = conv

    def forward(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        """See Conv."""
        kernel = self.kernel  # read once: another thread may replace it meanwhile
        if isinstance(kernel, Conv):
            self.kernel = kernel = _kernel(kernel, x)
        out: Tensor = kernel(x, added)
        return out


class SlicedAttend(nn.Module):
    """Attend without the whole affinity in memory."""

    def forward(self, value: Tensor, query: Tensor, key: Tensor, carried: Tensor) -> Tensor:
        """See Attend."""
        length = max(1, SLICE // key.shape[1])
        slices = []
        for image in range(len(value)):
            across = carried[image].T
            slices += [onednn.product(torch.softmax(onednn.product(asking, key[image]), -1),
                                      across, own)
                       for own, asking in zip(value[image].split(length),
                                              query[image].split(length), strict=True)]
        return torch.cat(slices).view(value.shape)


def use_cpu_kernels(module: nn.Module, dtype: torch.dtype) -> None:
    """Replace the portable layers inside a module that computes in `dtype`."""
    if not onednn.available(dtype):
        name = str(dtype).partition('.')[2]
        warnings.warn(f'oneDNN does not run {name} here, so frames take longer', stacklevel=2)
        return
    replaced: dict[nn.Module, nn.Module] = {}
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, Conv):
                setattr(parent, name, replaced.setdefault(child, CpuConv(child)))
            elif isinstance(child, Attend):
                setattr(parent, name, SlicedAttend())


def _kernel(conv: Conv, x: Tensor) -> nn.Module:
    outputs, inputs, *window = conv.weight.shape
    if (x.dtype == torch.float32 and window == [3, 3] and conv.stride == 1
            and min(inputs, outputs) >= WINOGRAD_CHANNELS and conv.activation != 'leaky_relu'
            and x.shape[-2] * x.shape[-1] >= WINOGRAD_PIXELS):
        return WinogradConv(conv.weight, conv.bias, conv.dilation, conv.activation)
    return onednn.PackedConv(conv.weight, conv.bias, conv.stride, conv.padding, conv.dilation,
                             activation=conv.activation)
