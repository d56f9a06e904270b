"""One engine in a process of its own, stepped from outside.

So engines neither share an allocator nor warm each other's caches, and the memory that one
takes can be told from that of another.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
import multiprocessing
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
import signal
import time
from typing import Any

import torch

from tdnet_ros.benchmark.frames import STEP_NS, make_frame
from tdnet_ros.stream import Segmentation, VideoSegmenter
from tdnet_ros.stream.devices import find_device, memory_of
from tdnet_ros.stream.frame import Image


@dataclass(frozen=True)
class Setup:
    """What a worker runs."""

    engine: str
    precision: str
    model: str
    weights: str | None
    device: str
    input_size: tuple[int, int] | None
    frame_size: tuple[int, int] | None
    cameras: int
    threads: int
    images: tuple[Path, ...]


@dataclass(frozen=True)
class Ready:
    """What loading and warming up took."""

    model: str
    device: str
    input_size: tuple[int, int]
    paths: int
    classes: int
    load_s: float
    warm_up_s: float


@dataclass(frozen=True)
class Step:
    """One frame of every camera."""

    wall_ms: float
    cpu_ms: float
    '''Time that all threads of the process spent, unlike the wall blind to other programs.'''
    stage_ms: dict[str, float]
    memory_mb: float
    '''In use now; of the device if it is a GPU.'''
    peak_memory_mb: float
    batch: int
    '''Frames in the largest run of the network.'''


@dataclass(frozen=True)
class _Row:
    """Asks for so many frames in a row."""

    frames: int


class Worker:
    """The parent's end."""

    def __init__(self, setup: Setup) -> None:
        context = multiprocessing.get_context('spawn')
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, setup), daemon=True)
        _start_without_interrupts(self._process)
        theirs.close()
        self.setup = setup

    def ready(self) -> Ready:
        """Wait until the engine is warm; ValueError with what went wrong in the worker."""
        answer = self._asked(None)
        assert isinstance(answer, Ready)
        return answer

    def step(self, number: int) -> tuple[Step, list[Image]]:
        """Run one frame of every camera; return the measurements and each camera's labels."""
        step, labels = self._asked(number)
        return step, labels

    def throughput(self, frames: int) -> float:
        """Frames per second of one camera when each is launched before the last has landed."""
        return float(self._asked(_Row(frames)))

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.terminate()
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()

    def _asked(self, request: int | _Row | None) -> Any:
        """Send a request, if any, and return the answer."""
        try:
            if request is not None:
                self._connection.send(request)
            answer = self._connection.recv()
        except (EOFError, ConnectionError) as error:
            self._process.join()
            raise ValueError(f'engine {self.setup.engine}: its process ended with status '
                             f'{self._process.exitcode} (out of memory?)') from error
        if isinstance(answer, Exception):
            raise ValueError(f'engine {self.setup.engine}: {answer}') from answer
        return answer


def _start_without_interrupts(process: SpawnProcess) -> None:
    """Start a process that ignores Ctrl-C, from its first import on: its parent ends it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.start()
    finally:
        signal.signal(signal.SIGINT, before)


def _serve(connection: Connection, setup: Setup) -> None:
    """Load, warm up and answer frame numbers until the other end closes."""
    try:
        stepper = Stepper(setup)
        connection.send(stepper.ready)
        while True:
            asked = connection.recv()
            connection.send(stepper.throughput(asked.frames) if isinstance(asked, _Row)
                            else stepper.step(asked))
    except (EOFError, ConnectionError):
        pass
    except Exception as error:
        connection.send(RuntimeError(str(error) or type(error).__name__))


class Stepper:
    """The worker's end."""

    def __init__(self, setup: Setup) -> None:
        if setup.threads:
            torch.set_num_threads(setup.threads)
        device = find_device(setup.device)
        free = memory_of(device)[0]
        start = time.perf_counter()
        self._segmenter = VideoSegmenter.load(
            setup.model, setup.device, setup.input_size, setup.weights, scene_cut=False,
            engine=setup.engine, precision=setup.precision)
        loaded = time.perf_counter()
        size = self._segmenter.input_size
        self._size = setup.frame_size or size
        self._segmenter.warm_up(self._size)
        warm = time.perf_counter()
        self._taken_mb = (free - memory_of(device)[0]) / 1e6
        if setup.cameras > 1:
            self._segmenter.measure_batches(self._size, setup.cameras)
        self._memories = [self._segmenter.new_memory() for _ in range(setup.cameras)]
        self._images = list(setup.images)
        card = self._segmenter.card
        self.ready = Ready(card.name, str(self._segmenter.device), size, self._segmenter.paths,
                           len(card.classes), loaded - start, warm - loaded)

    def step(self, number: int) -> tuple[Step, list[Image]]:
        """See Worker."""
        frames = [make_frame(number, camera, self._size, self._images)
                  for camera in range(len(self._memories))]
        start, cpu = time.perf_counter(), time.process_time()
        results = dict(self._segmenter.step_batch(frames, self._memories))
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        labelled = [_labelled(results[camera]) for camera in range(len(frames))]
        stages = {name: sum(result.stage_ms[name] / result.batch for result in labelled)
                  for name in labelled[0].stage_ms}
        return Step(wall * 1e3, cpu * 1e3, stages, *self._memory_mb(),
                    max(result.batch for result in labelled)), [
                        result.labels for result in labelled]

    def _memory_mb(self) -> tuple[float, float]:
        """Memory in use now and the most so far; on CUDA the device's."""
        device = self._segmenter.device
        if device.type != 'cuda':
            return _process_memory_mb()
        if not self._segmenter.is_resizable:  # another library's: PyTorch does not know of it
            return self._taken_mb, self._taken_mb
        return (torch.cuda.memory_reserved(device) / 1e6,
                torch.cuda.max_memory_reserved(device) / 1e6)

    def throughput(self, count: int) -> float:
        """See Worker."""
        frames = [make_frame(number, 0, self._size, self._images) for number in range(4)]
        memory = self._segmenter.new_memory()
        flying: Iterator[tuple[int, Segmentation | Exception]] = iter(())
        start = time.perf_counter()
        for number in range(count):
            frame = replace(frames[number % len(frames)], stamp_ns=number * STEP_NS)
            launched = self._segmenter.step_batch([frame], [memory])
            _check_landed(flying)
            flying = launched
        _check_landed(flying)
        return count / (time.perf_counter() - start)


def _labelled(outcome: Segmentation | Exception) -> Segmentation:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _check_landed(flying: Iterator[tuple[int, Segmentation | Exception]]) -> None:
    """Wait for frames under way; raise what one of them raised."""
    for _, outcome in flying:
        _labelled(outcome)


def _process_memory_mb() -> tuple[float, float]:
    """Memory of this process now, and the most so far."""
    lines = Path('/proc/self/status').read_text().splitlines()
    kib = {line.split(':')[0]: line.split()[1] for line in lines if line.startswith('Vm')}
    # Not getrusage: its peak is inherited from the process that started this one.
    return int(kib['VmRSS']) * 1.024e-3, int(kib['VmHWM']) * 1.024e-3
