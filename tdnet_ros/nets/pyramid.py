"""Pyramid pooling that keeps one group of its channels (PSPNet; TDNet section 3.1)."""
from __future__ import annotations

import torch
from torch import Tensor, nn
import torch.nn.functional as F

from tdnet_ros.nets.backbone import conv_norm

BINS = (1, 2, 3, 6)


def size_of(maps: Tensor) -> tuple[int, int]:
    """Height and width of maps [..., h, w]."""
    return maps.shape[-2], maps.shape[-1]


def upsample(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize maps [B, C, h, w] to `size`; corners stay corners, as in the authors' networks."""
    if size_of(x) == size:
        return x
    return F.interpolate(x, size, mode='bilinear', align_corners=True)


class PyramidPooling(nn.Module):
    """Features and their averages over 1, 2, 3 and 6 bins, cut to one channel group.

    `channels` of the backbone's last stage in, 2 * `channels` / `groups` out, at its size.
    """

    def __init__(self, channels: int, groups: int = 1, group: int = 0) -> None:
        super().__init__()
        pooled = channels // len(BINS)
        self.convs = nn.ModuleList(
            nn.Sequential(*conv_norm(channels, pooled, 1), nn.ReLU()) for _ in BINS)
        self.kept = slice(group * channels // groups, (group + 1) * channels // groups)
        self.kept_pooled = slice(group * pooled // groups, (group + 1) * pooled // groups)

    def forward(self, stages: list[Tensor]) -> Tensor:
        """Map the outputs of all stages (only the last is used) to z."""
        x = stages[-1]
        size = size_of(x)
        maps = [x[:, self.kept]]
        for bins, conv in zip(BINS, self.convs, strict=True):
            pooled = conv(F.adaptive_avg_pool2d(x, bins))[:, self.kept_pooled]
            maps.append(upsample(pooled, size))
        return torch.cat(maps, 1)
