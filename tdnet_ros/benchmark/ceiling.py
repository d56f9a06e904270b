"""What the machine can do at best: a matrix product and a copy, measured."""
from __future__ import annotations

from collections.abc import Callable
import os
from pathlib import Path
import platform
import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from tdnet_ros.nets.architecture import Architecture
from tdnet_ros.nets.zoo import build
from tdnet_ros.stream.engines.allocator import is_out_of_memory, shortage

ENOUGH_S = 10.0
MATRIX = {'cpu': 2048, 'cuda': 8192}
COPIED_BYTES = 1 << 28


def measure_ceiling(device: torch.device, precisions: list[str]) -> dict[str, float]:
    """Best of several: GFLOP/s of a product in each precision, GB/s read and written.

    ValueError if the device has no room for it.
    """
    try:
        ceiling = {f'matmul_{precision}_gflops': _matmul(device, getattr(torch, precision))
                   for precision in precisions}
        seconds = _copy(device)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise ValueError(f'{shortage(error)}, while the ceiling was measured: {error}'
                         ) from error
    if device.type == 'cuda':
        torch.cuda.empty_cache()
    return {**ceiling, 'copy_gb_per_s': 2 * COPIED_BYTES / seconds / 1e9}


def comparable(precision: str) -> str:
    """The precision of the product to compare with: PyTorch multiplies no 8-bit matrices."""
    return 'float32' if precision == 'int8' else precision


def count_gmac(architecture: Architecture, classes: int, size: tuple[int, int]) -> float:
    """Multiply-accumulates (1e9) of the plain network for a frame with a full memory."""
    with torch.device('meta'), torch.no_grad():
        network = build(architecture, classes)
        image = torch.empty(1, 3, *size)
        memory = []
        for path in range(1, architecture.paths):
            memory.append(network(image, path, [])[1])
        with FlopCounterMode(display=False) as counter:
            network(image, 0, memory)
    return counter.get_total_flops() / 2e9


def describe_machine(device: torch.device) -> str:
    """Name the processor that runs the network."""
    if device.type == 'cuda':
        return torch.cuda.get_device_name(device)
    return f'{_cpu_name()}, {len(os.sched_getaffinity(0))} cores'


def _cpu_name() -> str:
    try:
        for line in Path('/proc/cpuinfo').read_text().splitlines():
            if line.startswith('model name'):
                return line.partition(':')[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _matmul(device: torch.device, dtype: torch.dtype) -> float:
    side = MATRIX[device.type]
    # Convolutions use TF32 unless told otherwise, products do not: compare like with like.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return 2 * side**3 / _best(device, lambda: left @ right) / 1e9


def _copy(device: torch.device) -> float:
    """Seconds of a copy of COPIED_BYTES."""
    source = torch.ones(COPIED_BYTES // 4, device=device)
    target = torch.empty_like(source)
    return _best(device, lambda: target.copy_(source))


def _best(device: torch.device, work: Callable[[], object]) -> float:
    """The least seconds of up to 20 times; fewer where one takes long, as emulated ones do."""
    seconds: list[float] = []
    while not seconds or (len(seconds) < 20 and sum(seconds) < ENOUGH_S):
        start = time.perf_counter()
        work()
        if device.type == 'cuda':
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:] or seconds)
