"""Where a run computes: one device, or one process of many under torchrun."""
from __future__ import annotations

from datetime import timedelta
import gc
import os
from typing import Any, TypeVar
import warnings

from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
import torch
from torch import nn

from tdnet_ros.stream.devices import find_device, has_bfloat16

Module = TypeVar('Module', bound=nn.Module)
LONGEST_WAIT = timedelta(days=1)
"""Of processes for the first one, which validates and calibrates alone, minutes or hours."""


def make_fabric(accelerator: str, precision: Any) -> Fabric:
    """Set up this process; torchrun's environment tells the others.

    A processor that has no instructions for bfloat16 computes in float32, which is faster: on
    CPUs up to ten times.
    """
    if 'LOCAL_RANK' in os.environ and accelerator != 'cpu' and torch.cuda.is_available():
        # Its own GPU or an error: one process on the CPU would leave the others waiting.
        accelerator = f'cuda:{os.environ["LOCAL_RANK"]}'
    device = find_device(accelerator)
    if device.type == 'cuda':
        torch.set_float32_matmul_precision('high')  # TF32, as cuDNN's convolutions are by default
    if precision == 'bf16-mixed' and not has_bfloat16(device):
        if os.environ.get('RANK', '0') == '0':
            print(f'this {"CPU" if device.type == "cpu" else "GPU"} has no bfloat16 '
                  'instructions: computing in float32')
        precision = '32-true'
    if 'LOCAL_RANK' not in os.environ:
        fabric = Fabric(accelerator=device.type, devices=1, precision=precision)
    else:
        here, everywhere = processes_here(), int(os.environ['WORLD_SIZE'])
        fabric = Fabric(
            accelerator=device.type, precision=precision, devices=here,
            num_nodes=everywhere // here,
            strategy=DDPStrategy(timeout=LONGEST_WAIT, find_unused_parameters=True))
        # Said of 1x1 filters alone: the strides of their last two dimensions differ, which
        # index nothing, so memory is in the same order and nothing is slower.
        warnings.filterwarnings('ignore', 'Grad strides do not match', UserWarning)
    fabric.launch()
    # The sizes of a stage never change, so looking for the fastest kernels once pays.
    torch.backends.cudnn.benchmark = fabric.device.type == 'cuda'
    return fabric


def shares_norms(fabric: Fabric) -> bool:
    """Whether processes share the statistics of their batch norms."""
    return fabric.world_size > 1 and fabric.device.type == 'cuda'


def place(module: Module, fabric: Fabric) -> Module:
    """
    Prepare what learns for where it learns.

    Several GPUs share the statistics of their batch norms; on CPUs torch has no such layer, and
    each process keeps to its part of the batch.
    """
    if shares_norms(fabric):
        module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
    return channels_last(module)


def channels_last(module: Module) -> Module:
    """Lay the filters out channels last, which convolutions like."""
    for parameter in module.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return module


def leave_together() -> None:
    """
    End the group of processes, if there is one; who loses another while it ends aborts.

    To be called when what was trained is gone: a DistributedDataParallel that is the last to
    refer to the group frees it with the GIL held, for which gloo's threads may wait for ever.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        gc.collect()
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def has_lost_another(error: Exception) -> bool:
    """Whether an error says that another process of the run has gone; gloo has no type for it."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return False
    return isinstance(error, torch.distributed.DistError) or 'gloo' in str(error)


def processes_here() -> int:
    """Processes of the run on this machine."""
    return int(os.environ.get('LOCAL_WORLD_SIZE', 1))


def cores() -> int:
    """Processor cores for each of them."""
    return max(1, len(os.sched_getaffinity(0)) // processes_here())
