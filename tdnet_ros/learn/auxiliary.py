"""A second, earlier prediction that helps the backbone to learn; dropped after training."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from tdnet_ros.nets.architecture import Architecture
from tdnet_ros.nets.backbone import conv_norm

STAGE = 3
"""Of the backbone: stride 16, or 8 in a dilated one."""
REDUCTION = 4


class AuxiliaryHeads(nn.Module):
    """One head per path, on the third stage of its backbone."""

    def __init__(self, architecture: Architecture, classes: int) -> None:
        super().__init__()
        if architecture.shared_stages > STAGE:
            raise ValueError(f'the auxiliary loss needs paths with a stage {STAGE} of their own; '
                             f'{architecture.shared_stages} stages are shared')
        channels = architecture.stage_channels[STAGE]
        inner = max(channels // REDUCTION, 8)
        with torch.random.fork_rng(devices=[]):
            # As the network's: the same in every process and run.
            torch.default_generator.manual_seed(0)
            self.heads = nn.ModuleList(
                nn.Sequential(*conv_norm(channels, inner, 3), nn.ReLU(),
                              nn.Conv2d(inner, classes, 1))
                for _ in range(architecture.paths))

    def forward(self, stages: list[Tensor], path: int) -> Tensor:
        """Return logits from the outputs of all backbone stages of a path."""
        logits: Tensor = self.heads[path](stages[STAGE])
        return logits
