"""Our BiSeNet-style context: strides 32 and 16 refined by attention, fused with stride 8.

The authors name TD-BiSe variants but released neither code nor channel counts; this follows
BiSeNet (Yu et al. 2018): global average, two attention refinement modules, a spatial branch
and feature fusion. The spatial branch is the backbone's stride 8: a separate path from the
image costs more than it brings at the sizes this is made for.
"""
from __future__ import annotations

import torch
from torch import Tensor, nn

from tdnet_ros.nets.architecture import Architecture
from tdnet_ros.nets.backbone import conv_norm
from tdnet_ros.nets.pyramid import size_of, upsample


def _block(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(*conv_norm(inputs, outputs, kernel, stride), nn.ReLU())


class AttentionRefinement(nn.Module):
    """A 3x3 convolution whose channels are weighted by their average over the map."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = _block(inputs, outputs, 3)
        self.weight = nn.Conv2d(outputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, h, w] to [B, C', h, w]."""
        out: Tensor = self.conv(x)
        return out * torch.sigmoid(self.weight(out.mean((2, 3), keepdim=True)))


class FeatureFusion(nn.Module):
    """Concatenate two branches, mix them, and weight the channels as a residual."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.mix = _block(inputs, outputs, 1)
        self.weight = nn.Sequential(nn.Conv2d(outputs, outputs // 4, 1), nn.ReLU(),
                                    nn.Conv2d(outputs // 4, outputs, 1), nn.Sigmoid())

    def forward(self, spatial: Tensor, context: Tensor) -> Tensor:
        """Fuse two maps of the same size."""
        mixed: Tensor = self.mix(torch.cat((spatial, context), 1))
        return mixed + mixed * self.weight(mixed.mean((2, 3), keepdim=True))


class BiSeContext(nn.Module):
    """Outputs of all backbone stages (strides 4, 4, 8, 16, 32) to z at stride 8."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        inner = architecture.channels(128)
        stage8, stage16, stage32 = architecture.stage_channels[2:]
        self.average = nn.Sequential(nn.Conv2d(stage32, inner, 1), nn.ReLU())
        self.refine32 = AttentionRefinement(stage32, inner)
        self.refine16 = AttentionRefinement(stage16, inner)
        self.smooth16 = _block(inner, inner, 3)
        self.smooth8 = _block(inner, inner, 3)
        self.spatial = _block(stage8, inner, 1)
        self.fusion = FeatureFusion(2 * inner, architecture.feature_channels)

    def forward(self, stages: list[Tensor]) -> Tensor:
        """Map the outputs of all stages to z [B, C, h/8, w/8]."""
        stride8, stride16, stride32 = stages[-3:]
        average = self.average(stride32.mean((2, 3), keepdim=True))
        context = self.refine32(stride32) + average
        context = self.smooth16(upsample(context, size_of(stride16)))
        context = context + self.refine16(stride16)
        context = self.smooth8(upsample(context, size_of(stride8)))
        return self.fusion(self.spatial(stride8), context)
