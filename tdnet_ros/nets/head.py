"""From propagated values to class logits."""
from __future__ import annotations

import torch
from torch import Tensor, nn
import torch.nn.functional as F

from tdnet_ros.nets.architecture import Architecture
from tdnet_ros.nets.backbone import activation, conv_norm
from tdnet_ros.nets.pyramid import size_of, upsample


class SpatialNorm(nn.Module):
    """Normalise each channel over the map; scale and shift belong to positions.

    The authors' LayerNorm([97, 193]): its weights are tied to one feature size, so they are
    resampled (bilinear, corners aligned) to the size of the map. Any size works; the native
    size gives the authors' result exactly.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise [B, C, h, w] for any h, w."""
        size = size_of(x)
        weight, bias = (upsample(p[None, None], size)[0, 0] for p in (self.weight, self.bias))
        return F.layer_norm(x, size, weight, bias)


class SegmentationHead(nn.Module):
    """Norm, 3x3 convolution, classifier; with output stride 4, detail is added in between.

    At stride 4 positions are many, so few channels get there: scaling up is linear, hence the
    1x1 convolution that picks them comes before it, at a quarter of the positions.
    """

    def __init__(self, architecture: Architecture, classes: int, norm: nn.Module) -> None:
        super().__init__()
        channels = architecture.head_channels
        inner = architecture.inner_channels
        self.norm = norm
        self.conv = nn.Sequential(*conv_norm(channels, inner, 3), activation(architecture))
        self.detail: nn.Module | None = None
        if architecture.output_stride == 4:
            raised = architecture.channels(architecture.raised_channels)
            self.narrow = nn.Conv2d(inner, raised, 1, bias=False)
            self.detail = nn.Sequential(
                *conv_norm(raised + architecture.stage_channels[1], inner, 3),
                activation(architecture))
        self.classifier = nn.Sequential(nn.Dropout2d(0.1), nn.Conv2d(
            inner, classes, 1, bias=architecture.around.classifier_bias))

    def forward(self, value: Tensor, detail: Tensor) -> Tensor:
        """Map values [B, C, h/8, w/8] and the first layer's maps [B, D, h/4, w/4] to logits."""
        return self.finish(self.conv(self.norm(value)), detail)

    def finish(self, x: Tensor, detail: Tensor) -> Tensor:
        """Map the output of `conv` to logits."""
        if self.detail is not None:
            raised = upsample(self.narrow(x), size_of(detail))
            x = self.detail(torch.cat((raised, detail), 1))
        logits: Tensor = self.classifier(x)
        return logits


def head_norm(architecture: Architecture) -> nn.Module:
    """Build the norm in front of a path's head."""
    if architecture.norm_size is None:
        return nn.GroupNorm(1, architecture.head_channels)
    return SpatialNorm(architecture.norm_size)
