"""The context of FANet (Hu et al. 2020), as in the authors' TD2-FA18.

Four levels of fast attention, from the deepest layer of the ResNet up, each added to the next
as in a feature pyramid. Attention without a softmax is a product of three matrices, so it costs
time linear in the pixels.

Peculiar in the published network, and kept, since weights depend on it: every layer has stride
2, so that the levels lie at strides 8, 16, 32 and 64 (their names there say 4 to 32); the sum
over positions is not divided by their number; the 1x1 convolution `up` pads its input, so that
its maps are 2 rows and columns larger, a border of what the batch norm makes of zero.

Other than published: layers whose output is not used have no weights here; while training, the
key is subsampled before its convolutions and not after (the same numbers but for batch
statistics), and the head has the dropout that all heads of this package have.
"""
from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
import torch.nn.functional as F

from tdnet_ros.nets.architecture import Architecture
from tdnet_ros.nets.backbone import activation, conv_norm
from tdnet_ros.nets.pyramid import size_of, upsample

KEY_CHANNELS = 32
'''Of the attention within a level, at full width.'''


class FastAttentionLevel(nn.Module):
    """Attention over one layer's output; what goes to the level above, and what goes to z."""

    def __init__(self, architecture: Architecture, stage: int, upwards: bool,
                 smoothed: bool) -> None:
        super().__init__()
        channels = architecture.stage_channels[stage]
        keys = architecture.channels(KEY_CHANNELS)
        self.query = nn.Sequential(*conv_norm(channels, keys, 1))
        self.key = nn.Sequential(*conv_norm(channels, keys, 1))
        self.value = nn.Sequential(*conv_norm(channels, channels, 1), activation(architecture))
        self.mix = nn.Sequential(*conv_norm(channels, channels, 1), activation(architecture))
        self.up: nn.Module | None = None
        if upwards:
            outputs = architecture.stage_channels[stage - 1]
            self.up = nn.Sequential(nn.Conv2d(channels, outputs, 1, padding=1, bias=False),
                                    nn.BatchNorm2d(outputs), activation(architecture))
        self.smooth: nn.Module | None = None
        if smoothed:
            self.smooth = nn.Sequential(
                *conv_norm(channels, architecture.feature_parts[0], 3), activation(architecture))

    def forward(self, x: Tensor, below: Tensor | None) -> Tensor:
        """Map a layer's output [B, C, h, w] and the level below's `up` to maps of that shape."""
        query = F.normalize(self.query(x).flatten(2), dim=1)
        key = F.normalize(self.key(x).flatten(2), dim=1)
        mixing = key @ self.value(x).flatten(2).transpose(1, 2)
        attended = (mixing.transpose(1, 2) @ query).view_as(x)
        out: Tensor = self.mix(attended) + x
        return out if below is None else upsample(below, size_of(x)) + out


class FastAttentionContext(nn.Module):
    """Outputs of all backbone stages (strides 4, 8, 16, 32, 64) to z at stride 8."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            FastAttentionLevel(architecture, stage, upwards=stage > 1, smoothed=stage in (1, 3))
            for stage in range(1, 5))

    def forward(self, stages: list[Tensor]) -> Tensor:
        """Map the outputs of all stages to z [B, C, h/8, w/8]."""
        return from_levels(self.levels, stages)


def from_levels(levels: Any, stages: list[Tensor]) -> Tensor:
    """Run levels from the deepest stage up; join the two that are smoothed at stride 8."""
    below: Tensor | None = None
    smooth = []
    for level, stage in zip(levels[::-1], stages[:0:-1], strict=True):
        maps = level(stage, below)
        below = None if level.up is None else level.up(maps)
        if level.smooth is not None:
            smooth.append(level.smooth(maps))
    coarse, fine = smooth
    return torch.cat((upsample(coarse, size_of(fine)), fine), 1)
