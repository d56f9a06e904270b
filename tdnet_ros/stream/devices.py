"""Which device a network runs on, and how much memory that has."""
from __future__ import annotations

from pathlib import Path
import re
import sys

import torch

from tdnet_ros.stream.engines.allocator import is_out_of_memory

AMPERE = (8, 0)
"""Compute capability of the first GPUs that multiply bfloat16."""


def find_device(device: str | torch.device) -> torch.device:
    """Turn 'auto', 'cpu', 'cuda' or 'cuda:1' into a device that computes; else ValueError.

    'auto' takes the CPU, and says so, where there is a GPU that does not.
    """
    device = str(device)
    if device == 'auto':
        if not torch.cuda.is_available():
            return torch.device('cpu')
        try:
            return _tried(torch.device('cuda'))
        except ValueError as error:
            print(f'{error}; using the CPU', file=sys.stderr)
            return torch.device('cpu')
    if not re.fullmatch(r'cpu|cuda(:(0|[1-9][0-9]*))?', device, re.ASCII):
        raise ValueError(f"device '{device}', expected auto, cpu, cuda or cuda:N")
    if device == 'cpu':
        return torch.device(device)
    if not torch.cuda.is_available():
        built = torch.version.cuda
        why = 'no usable GPU or driver' if built else 'this PyTorch is built without CUDA'
        raise ValueError(f"device '{device}': CUDA is not available ({why}, torch "
                         f'{torch.__version__}); use auto or cpu, or install a CUDA build')
    if int(device.partition(':')[2] or 0) >= torch.cuda.device_count():
        raise ValueError(f"device '{device}': there are {torch.cuda.device_count()} CUDA devices")
    return _tried(torch.device(device))


def has_bfloat16(device: torch.device) -> bool:
    """Whether the CPU or GPU multiplies bfloat16; a PyTorch that cannot tell counts as no."""
    if device.type == 'cuda':
        return torch.cuda.get_device_capability(device) >= AMPERE
    known = getattr(torch.cpu, '_is_avx512_bf16_supported', None)
    return known is not None and bool(known())


def memory_of(device: torch.device) -> tuple[int, int]:
    """Free and total bytes of the device; of the machine where that is the device."""
    # A GPU that shares the machine's memory reports as taken what the kernel only caches.
    if device.type == 'cuda' and not getattr(
            torch.cuda.get_device_properties(device), 'is_integrated', False):
        free, total = torch.cuda.mem_get_info(device.index)
        return free, total
    lines = Path('/proc/meminfo').read_text().splitlines()
    kib = {line.split(':')[0]: int(line.split()[1]) for line in lines}
    return kib['MemAvailable'] << 10, kib['MemTotal'] << 10


def _tried(device: torch.device) -> torch.device:
    """Run one kernel: CUDA is available, too, for a GPU that this PyTorch has none for."""
    try:
        torch.ones(1, device=device).add(1).item()
    except RuntimeError as error:
        if is_out_of_memory(error):  # it computes, and who needs more will say so
            return device
        reason = str(error).partition('\n')[0]
        raise ValueError(f"device '{device}': {reason} (torch {torch.__version__} is built for "
                         f'{" ".join(torch.cuda.get_arch_list())})') from error
    return device
