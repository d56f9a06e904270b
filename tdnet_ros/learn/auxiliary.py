"""A second, earlier prediction that helps the backbone to learn; dropped after training."""
from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from tdnet_ros.nets.backbone import Backbone, conv_norm
from tdnet_ros.nets.baselines import PerFrame
from tdnet_ros.nets.zoo import Network

STAGE = 3
"""Of the backbone: stride 16, or 8 in a dilated one."""
REDUCTION = 4


class AuxiliaryHeads(nn.Module):
    """One head per path on its backbone's third stage, fed by what last ran through it."""

    def __init__(self, network: Network, classes: int) -> None:
        super().__init__()
        channels = network.architecture.stage_channels[STAGE]
        inner = max(channels // REDUCTION, 8)
        stages = _stages(network)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # as the network's: the same in every process and run
            self.heads = nn.ModuleList(
                nn.Sequential(*conv_norm(channels, inner, 3), nn.ReLU(),
                              nn.Conv2d(inner, classes, 1))
                for _ in stages)
        self._features: dict[int, Tensor] = {}
        for path, stage in enumerate(stages):
            stage.register_forward_hook(partial(self._keep, path))

    def forward(self, path: int) -> Tensor:
        """Return logits for the frame that the path ran last."""
        logits: Tensor = self.heads[path](self._features.pop(path))
        return logits

    def _keep(self, path: int, stage: nn.Module, inputs: tuple[Tensor, ...],
              output: Tensor) -> None:
        self._features[path] = output


def _stages(network: Network) -> list[nn.Module]:
    if isinstance(network, PerFrame):
        return [network.backbone.stages[STAGE]]
    first = network.architecture.shared_stages
    if first > STAGE:
        raise ValueError(f'the auxiliary loss needs paths with a stage {STAGE} of their own; '
                         f'{first} stages are shared')
    backbones = [network.path(path).backbone for path in range(len(network.paths))]
    assert all(isinstance(backbone, Backbone) for backbone in backbones)
    return [backbone.stages[STAGE - first] for backbone in backbones]
