"""Networks, built from an architecture: a row of the table of variants, or another."""
from __future__ import annotations

import torch

from tdnet_ros.nets.architecture import Architecture
from tdnet_ros.nets.baselines import PerFrame
from tdnet_ros.nets.tdnet import TDNet

Network = TDNet | PerFrame


def build(architecture: Architecture, classes: int) -> Network:
    """Build a network in evaluation mode; its random weights are the same every time."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)  # alone: fork_rng restores no GPU's
        network: Network
        if architecture.paths == 1:
            network = PerFrame(architecture, classes)
        else:
            network = TDNet(architecture, classes)
    return network.eval()
