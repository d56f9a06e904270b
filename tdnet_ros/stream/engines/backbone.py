"""The backbone with its convolutions fused."""
from __future__ import annotations

from torch import Tensor, nn

from tdnet_ros.nets.backbone import Backbone, BasicBlock, Bottleneck, Stem, run_stages
from tdnet_ros.stream.engines.layers import fuse


class FusedStem(nn.Module):
    """Convolutions and a max pool."""

    def __init__(self, stem: Stem) -> None:
        super().__init__()
        self.convs = nn.Sequential(*fuse([stem.conv, stem.norm, stem.activation]))
        self.pool = stem.pool

    def forward(self, image: Tensor) -> Tensor:
        """Map [B, 3, h, w] to [B, C, h/4, w/4]."""
        pooled: Tensor = self.pool(self.convs(image))
        return pooled


class Residual(nn.Module):
    """A residual block of either kind; the sum and the last activation are part of a Conv."""

    def __init__(self, block: BasicBlock | Bottleneck) -> None:
        super().__init__()
        run = [block.conv1, block.bn1, block.activation, block.conv2, block.bn2]
        if isinstance(block, Bottleneck):
            run += [block.activation, block.conv3, block.bn3]
        *first, self.last = fuse([*run, nn.ReLU()])
        self.first = nn.Sequential(*first)
        self.downsample = nn.Sequential(*fuse([block.downsample]))

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, h, w] to [B, C', h/stride, w/stride]."""
        out: Tensor = self.last(self.first(x), self.downsample(x))
        return out


class FusedBackbone(nn.Module):
    """The stages of a Backbone."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.stages = nn.ModuleList(_fused_stage(stage) for stage in backbone.stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map an image (or the last shared stage) to the outputs of all its stages."""
        return run_stages(self.stages, x)


def _fused_stage(stage: nn.Module) -> nn.Module:
    if isinstance(stage, Stem):
        return FusedStem(stage)
    return nn.Sequential(*(Residual(block) for block in stage.children()
                           if isinstance(block, (BasicBlock, Bottleneck))))
