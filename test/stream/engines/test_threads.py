"""Threads may share an engine, as cameras do that have one each."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
import sys
import threading

import pytest
import torch
from torch import Tensor, nn

from tdnet_ros.nets.architecture import Architecture
from tdnet_ros.nets.variants import variant
from tdnet_ros.nets.zoo import Network
from tdnet_ros.stream.engines.cpu import CpuConv
from tdnet_ros.stream.engines.graphs import GraphEngine, repeat
from tdnet_ros.stream.engines.layers import Conv

Make = Callable[[Architecture], Network]
Run = Callable[..., list[Tensor]]
CPU = torch.device('cpu')
THREADS = 4


@pytest.fixture(autouse=True)
def restless() -> Iterator[None]:
    """Threads change as often as they can, within a single statement too."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def in_threads(work: Callable[[int], list[Tensor]]) -> list[list[Tensor]]:
    """What each of a few threads makes of its number; they begin at once."""
    barrier = threading.Barrier(THREADS)

    def begin(number: int) -> list[Tensor]:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begin, range(THREADS)))


def _applied(kernel: nn.Module, x: Tensor, _: int) -> list[Tensor]:
    return [kernel(x)]


def test_the_first_frames_of_all_choose_the_kernels() -> None:
    conv, x = Conv(nn.Conv2d(8, 8, 3, padding=1)), torch.randn(1, 8, 9, 9)
    for _ in range(300):
        kernel = CpuConv(conv)
        for result, in in_threads(partial(_applied, kernel, x)):
            assert torch.allclose(result, conv(x), atol=1e-4)


def test_frames_do_not_meet_in_the_tensors_of_a_graph(make_network: Make, run: Run) -> None:
    network = make_network(variant('td2-tiny'))
    frames = [[torch.randn(1, 3, 65, 97) for _ in range(5)] for _ in range(THREADS)]
    alone = GraphEngine(network, CPU, record=repeat)
    expected = [run(alone, each, 2) for each in frames]
    shared = GraphEngine(network, CPU, record=repeat)
    for ours, theirs in zip(in_threads(lambda number: run(shared, frames[number], 2)), expected,
                            strict=True):
        for result, wanted in zip(ours, theirs, strict=True):
            assert torch.allclose(result, wanted, atol=1e-5)
