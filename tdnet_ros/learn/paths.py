"""All paths of a network start as copies of the first, where that learnt alone."""
from __future__ import annotations

import torch
from torch import Tensor

from tdnet_ros.learn.auxiliary import AuxiliaryHeads
from tdnet_ros.nets.architecture import EXPANSION, Architecture
from tdnet_ros.nets.baselines import PerFrame
from tdnet_ros.nets.zoo import Network

LAST_STAGE = 4
"""Of the backbone: the pyramid cuts its channels into groups."""


def check_copies(architecture: Architecture) -> None:
    """Raise ValueError where no path of another channel group can be a copy of the first."""
    if architecture.groups > 1 and architecture.shared_stages > LAST_STAGE:
        raise ValueError(f'solo stages need paths with a stage {LAST_STAGE} of their own, or '
                         'groups 1')


@torch.no_grad()
def start_paths(network: Network, auxiliary: AuxiliaryHeads | None = None,
                optimizer: torch.optim.Optimizer | None = None) -> None:
    """
    Copy the first path and its heads to the others, with the optimiser's state of their weights.

    A path that keeps another group of channels gets them in another order, so that its group
    holds what the first one's holds. The hops start at zero: at first nothing is propagated.
    """
    if isinstance(network, PerFrame):
        return
    architecture = network.architecture
    families = [network.paths, network.heads] + ([auxiliary.heads] if auxiliary else [])
    for first, *others in families:
        for path, other in enumerate(others, 1):
            other.load_state_dict({key: _copy(value, key, architecture, path)
                                   for key, value in first.state_dict().items()})
            for (key, source), parameter in zip(first.named_parameters(), other.parameters(),
                                                strict=True):
                if optimizer is not None and source in optimizer.state:
                    optimizer.state[parameter] = {
                        name: _copy(value, key, architecture, path)
                        for name, value in optimizer.state[source].items()}
    for path in range(len(network.paths)):
        for parameter in network.path(path).hops.parameters():
            parameter.zero_()


def _copy(value: Tensor, key: str, architecture: Architecture, path: int) -> Tensor:
    """Copy a weight of the first path to another, its channels in the order for their group."""
    group = path % architecture.groups
    value = value.clone()
    for axis in _axes_cut(key, architecture)[:value.dim()]:
        value.copy_(value.roll(group * value.shape[axis] // architecture.groups, axis))
    return value


def _axes_cut(key: str, architecture: Architecture) -> tuple[int, ...]:
    """Return the axes of a path's weight along which lie channels that the pyramid cuts."""
    if key.startswith('context.convs.'):
        return 0, 1
    stage = f'backbone.stages.{LAST_STAGE - architecture.shared_stages}.'
    if not key.startswith(stage):
        return ()
    block, layer, *_ = key.removeprefix(stage).split('.')
    end = 2 if EXPANSION[architecture.depth] == 1 else 3
    if layer in ('downsample', f'conv{end}', f'bn{end}'):
        return 0,
    return (1,) if layer == 'conv1' and block != '0' else ()
