"""An average of the weights over the last steps: what is evaluated and shipped."""
from __future__ import annotations

import copy

import torch

from tdnet_ros.nets.zoo import Network


class WeightAverage:
    """Exponential moving average of a network's parameters and batch norm statistics."""

    def __init__(self, network: Network, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, network: Network, step: int) -> None:
        """Move towards the network; young averages move faster."""
        decay = min(self.decay, (step + 1) / (step + 10))
        averages, values = self.network.state_dict(), network.state_dict()
        moving = [key for key, value in averages.items() if value.is_floating_point()]
        torch._foreach_lerp_([averages[key] for key in moving], [values[key] for key in moving],
                             1 - decay)
