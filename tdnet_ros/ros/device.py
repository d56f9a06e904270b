"""The device that the network runs on, and what it and this process use."""
from __future__ import annotations

import contextlib
import gc
import os
from pathlib import Path
import platform
from typing import Any

import torch

from tdnet_ros.stream.devices import memory_of
from tdnet_ros.stream.engines.allocator import clear_workspaces, return_freed_memory

LOW_MEMORY = 0.05
HOT_C = 95.0
THERMAL = Path('/sys/class/thermal')
NO_SENSORS = {'PMIC-Die'}  # reads 100 degrees on Jetsons, whatever the temperature is
_MIB = 1 << 20


def hardware_name(device: torch.device) -> str:
    """What an operator calls the device."""
    if device.type == 'cuda':
        return str(torch.cuda.get_device_name(device))
    return f'{platform.machine()} CPU, {os.cpu_count()} cores'


def pressure(device: torch.device) -> list[str]:
    """What the platform is short of, in words: memory, or a way to get rid of its heat."""
    found = []
    free, total = memory_of(device)
    if free < LOW_MEMORY * total:
        found.append(f'{free / _MIB:.0f} of {total / _MIB:.0f} MiB of memory are free on '
                     f'{hardware_name(device)}')
    hottest = _temperature()
    if hottest is not None and hottest >= HOT_C:
        found.append(f'{hottest:.0f} degrees Celsius: the clock may be throttled')
    return found


def device_values(device: torch.device) -> dict[str, Any]:
    """Memory and heat of the device, and memory of this process."""
    values: dict[str, Any] = {'device': str(device), 'torch': torch.__version__,
                              'process memory (MiB)': _resident_mib()}
    free, total = memory_of(device)
    values['device memory free (MiB)'] = free / _MIB
    values['device memory total (MiB)'] = total / _MIB
    hottest = _temperature()
    if hottest is not None:
        values['temperature (C)'] = hottest
    if device.type == 'cuda':
        values['device memory allocated (MiB)'] = torch.cuda.memory_allocated(device) / _MIB
        values['device memory reserved (MiB)'] = torch.cuda.memory_reserved(device) / _MIB
    return values


def release_memory() -> None:
    """Give back what freed networks held; RuntimeError if the GPU is broken."""
    gc.collect()
    clear_workspaces()
    return_freed_memory()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _temperature() -> float | None:
    """The hottest thermal zone in degrees Celsius, where the kernel tells."""
    zones = []
    for zone in THERMAL.glob('thermal_zone*'):
        with contextlib.suppress(OSError, ValueError):
            if (zone / 'type').read_text().strip() not in NO_SENSORS:
                zones.append(int((zone / 'temp').read_text()) / 1000)
    return max(zones, default=None)


def _resident_mib() -> float:
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') / _MIB
