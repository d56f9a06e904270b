"""The context of FANet with less work: what attention gathers is mixed before it is spread."""
from __future__ import annotations

import torch
from torch import Tensor, nn
import torch.nn.functional as F

from tdnet_ros.nets.fanet import FastAttentionContext, FastAttentionLevel, from_levels
from tdnet_ros.nets.pyramid import size_of, upsample
from tdnet_ros.stream.engines.layers import activate, fuse, linear, maps, tokens


class FusedLevel(nn.Module):
    """FastAttentionLevel.

    Every position takes its share of the same few rows, so the 1x1 convolution after the
    attention acts on those rows instead of on all positions.
    """

    def __init__(self, level: FastAttentionLevel) -> None:
        super().__init__()
        self.query, = fuse([level.query])
        self.key, = fuse([level.key])
        self.value, = fuse([level.value])
        mix, = fuse([level.mix])
        self.mix, self.activation = linear(mix), mix.activation
        self.up = None if level.up is None else fuse([level.up])[0]
        self.smooth = None if level.smooth is None else fuse([level.smooth])[0]

    def forward(self, x: Tensor, below: Tensor | None) -> Tensor:
        """Map a layer's output [B, C, h, w] and the level below's `up` to maps of that shape."""
        query, key = (_unit(tokens(conv(x))) for conv in (self.query, self.key))
        # The sum over all positions, kept small: in half precision it would overflow.
        scale = key.shape[1] ** 0.5
        gathered = (key / scale).transpose(1, 2) @ tokens(self.value(x))
        mixed = F.linear(gathered.float(), self.mix.weight.float()) * scale
        rows = torch.baddbmm(self.mix.bias, query, mixed.to(x.dtype))
        out = activate(maps(rows, size_of(x)), self.activation) + x
        return out if below is None else upsample(below, size_of(x)) + out


class FusedFastAttention(nn.Module):
    """FastAttentionContext."""

    def __init__(self, context: FastAttentionContext) -> None:
        super().__init__()
        self.levels = nn.ModuleList(FusedLevel(level) for level in context.levels
                                    if isinstance(level, FastAttentionLevel))

    def forward(self, stages: list[Tensor]) -> Tensor:
        """Map the outputs of all stages to z [B, C, h/8, w/8]."""
        return from_levels(self.levels, stages)


def _unit(rows: Tensor) -> Tensor:
    """Scale rows [B, T, C] to length 1; in half precision the sum of squares could overflow."""
    return F.normalize(rows.float(), dim=2).to(rows.dtype)
