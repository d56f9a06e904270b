"""The device that the network runs on, and what it and this process use."""
from __future__ import annotations

import gc
import os
from pathlib import Path
import platform
from typing import Any

import torch

_MIB = 1 << 20


def hardware_name(device: torch.device) -> str:
    """What an operator calls the device."""
    if device.type == 'cuda':
        return str(torch.cuda.get_device_name(device))
    return f'{platform.machine()} CPU, {os.cpu_count()} cores'


def device_values(device: torch.device) -> dict[str, Any]:
    """Memory of the device and of this process."""
    values: dict[str, Any] = {'device': str(device), 'torch': torch.__version__,
                              'process memory (MiB)': _resident_mib()}
    if device.type == 'cuda':
        free, total = torch.cuda.mem_get_info(device)
        values['device memory allocated (MiB)'] = torch.cuda.memory_allocated(device) / _MIB
        values['device memory reserved (MiB)'] = torch.cuda.memory_reserved(device) / _MIB
        values['device memory free (MiB)'] = free / _MIB
        values['device memory total (MiB)'] = total / _MIB
    return values


def release_memory() -> None:
    """Give back what freed networks held."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _resident_mib() -> float | str:
    try:
        pages = int(Path('/proc/self/statm').read_text().split()[1])
    except OSError:
        return ''
    return pages * os.sysconf('SC_PAGE_SIZE') / _MIB
