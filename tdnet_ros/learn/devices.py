"""Where a run computes: one device, or one process of many under torchrun."""
from __future__ import annotations

import os
from typing import Any

from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
import torch
from torch import nn

from tdnet_ros.nets.zoo import Network


def make_fabric(accelerator: str, precision: Any) -> Fabric:
    """Set up this process; torchrun's environment tells the others."""
    if 'LOCAL_RANK' not in os.environ:
        fabric = Fabric(accelerator=accelerator, devices=1, precision=precision)
    else:
        here, everywhere = int(os.environ['LOCAL_WORLD_SIZE']), int(os.environ['WORLD_SIZE'])
        fabric = Fabric(
            accelerator=accelerator, precision=precision, devices=here,
            num_nodes=everywhere // here, strategy=DDPStrategy(find_unused_parameters=True))
    fabric.launch()
    return fabric


def place(network: Network, fabric: Fabric) -> Network:
    """
    Lay the filters out channels last, which convolutions like.

    Several GPUs share the statistics of their batch norms; on CPUs torch has no such layer, and
    each process keeps to its part of the batch.
    """
    if fabric.world_size > 1 and fabric.device.type == 'cuda':
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network
