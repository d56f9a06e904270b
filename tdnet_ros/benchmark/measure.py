"""Engines side by side: the same frames, one engine after the other, frame by frame."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from tdnet_ros.benchmark.ceiling import comparable, count_gmac, describe_machine, measure_ceiling
from tdnet_ros.benchmark.frames import write_frames
from tdnet_ros.benchmark.worker import Ready, Setup, Step, Worker
from tdnet_ros.nets.card import find_model
from tdnet_ros.nets.engines import check_engine
from tdnet_ros.stream.devices import find_device
from tdnet_ros.stream.engines.export import CARD
from tdnet_ros.stream.engines.quantise import export_quantised
from tdnet_ros.stream.frame import Image

INT8_FRAMES = 32
'''With which graphs are made for int8.'''
Progress = Callable[[str], None]


@dataclass
class Entrant:
    """One engine and what it did so far."""

    worker: Worker
    ready: Ready
    gmac: float
    '''Of a step of the plain network.'''
    steps: list[Step] = field(default_factory=list)
    agreements: list[float] = field(default_factory=list)
    overlapped_fps: float | None = None


def measure(setups: Sequence[Setup], frames: int, progress: Progress,
            missing: dict[str, str] | None = None) -> dict[str, Any]:
    """Run all setups over the same frames, interleaved, each in its own process.

    Frames until every memory is full are run but not counted. Returns what --json writes. An
    engine that does not start raises ValueError; with `missing` it is left out and why is
    put there, unless none starts.
    """
    if setups[0].threads:
        torch.set_num_threads(setups[0].threads)
    with ExitStack() as stack:
        entrants = _start(setups, progress, missing, stack)
        device = torch.device(entrants[0].ready.device)
        progress('measuring the ceiling')
        ceiling = measure_ceiling(device, sorted({
            comparable(setup.precision) for setup in setups}))
        load = os.getloadavg()[0]
        filling = max(entrant.ready.paths for entrant in entrants)
        for number in range(filling + frames):
            progress(f'frame {number + 1} of {filling + frames}')
            _step(entrants, number, counted=number >= filling)
        if device.type == 'cuda':
            for entrant in entrants:
                entrant.overlapped_fps = round(entrant.worker.throughput(frames), 2)
    return {
        'device': describe_machine(device),
        'torch': torch.__version__,
        'threads': setups[0].threads or torch.get_num_threads(),
        'load_average_before': round(load, 2),
        'ceiling': {name: round(value, 1) for name, value in ceiling.items()},
        'runs': [_run(entrant, entrants, ceiling) for entrant in entrants],
    }


def _start(setups: Sequence[Setup], progress: Progress, missing: dict[str, str] | None,
           stack: ExitStack) -> list[Entrant]:
    entrants: list[Entrant] = []
    for setup in setups:
        progress(f'{setup.engine} {setup.precision}: loading and warming up')
        try:
            worker = stack.enter_context(closing(Worker(_prepared(setup, progress, stack))))
            ready = worker.ready()
            entrants.append(Entrant(worker, ready, _gmac(worker.setup, ready)))
        except ValueError as error:
            if missing is None or (setup is setups[-1] and not entrants):
                raise
            missing[f'{setup.engine} {setup.precision}'] = str(error)
    return entrants


def _prepared(setup: Setup, progress: Progress, stack: ExitStack) -> Setup:
    """Give int8 graphs that were made with the frames that are measured on."""
    check_engine(setup.engine, setup.precision)
    if setup.precision != 'int8' or find_device(setup.device).type != 'cpu':
        return setup
    card = find_model(setup.model, setup.weights)
    if card.weights and card.weights.suffix == '.onnx':  # made before
        return setup
    size = setup.input_size or card.input_size
    folder = Path(stack.enter_context(TemporaryDirectory()))
    frames = write_frames(folder, INT8_FRAMES, setup.frame_size or size, setup.images)
    export_quantised(card, folder, size, frames, progress=progress)
    return replace(setup, model=str(folder / CARD), weights=None)


def _step(entrants: Sequence[Entrant], number: int, counted: bool) -> None:
    """Run one frame on every engine; who begins changes from frame to frame."""
    turn = number % len(entrants)
    labels: dict[int, list[Image]] = {}
    for entrant in (*entrants[turn:], *entrants[:turn]):
        step, labels[id(entrant)] = entrant.worker.step(number)
        if counted:
            entrant.steps.append(step)
    reference = _reference(entrants)
    if counted and reference is not None:
        for entrant in entrants:
            equal = [np.mean(ours == theirs) for ours, theirs in zip(
                labels[id(entrant)], labels[id(reference)], strict=True)]
            entrant.agreements.append(float(np.mean(equal)))


def _reference(entrants: Sequence[Entrant]) -> Entrant | None:
    return next((entrant for entrant in entrants
                 if entrant.worker.setup.engine == 'reference'), None)


def _gmac(setup: Setup, ready: Ready) -> float:
    architecture = find_model(setup.model, setup.weights).architecture
    return count_gmac(architecture, ready.classes, ready.input_size) * setup.cameras


def _run(entrant: Entrant, entrants: Sequence[Entrant],
         ceiling: dict[str, float]) -> dict[str, Any]:
    setup, ready = entrant.worker.setup, entrant.ready
    median = _median(entrant)
    reference = _reference(entrants)
    wall = np.array([step.wall_ms for step in entrant.steps])
    stages = {name: float(np.median([step.stage_ms[name] for step in entrant.steps]))
              for name in entrant.steps[0].stage_ms}
    gflops = 2 * entrant.gmac / stages['network'] * 1e3
    return {
        'engine': setup.engine, 'model': ready.model, 'precision': setup.precision,
        'input_size': list(ready.input_size),
        'frame_size': list(setup.frame_size or ready.input_size),
        'paths': ready.paths, 'cameras': setup.cameras, 'frames': len(entrant.steps),
        'median_ms': round(median, 3), 'p99_ms': round(float(np.percentile(wall, 99)), 3),
        'max_ms': round(float(wall.max()), 3), 'min_ms': round(float(wall.min()), 3),
        'fps': round(1e3 * setup.cameras / median, 2),
        'overlapped_fps': entrant.overlapped_fps,
        'cpu_ms': round(float(np.median([step.cpu_ms for step in entrant.steps])), 3),
        'stage_ms': {name: round(value, 3) for name, value in stages.items()},
        'speedup_vs_reference': None if reference is None else round(
            _median(reference) / median, 3),
        'label_agreement': None if reference is None else round(
            float(np.mean(entrant.agreements)), 6),
        'gmac_per_frame': round(entrant.gmac, 2), 'network_gflops': round(gflops, 1),
        'fraction_of_matmul': round(
            gflops / ceiling[f'matmul_{comparable(setup.precision)}_gflops'], 3),
        'load_s': round(ready.load_s, 2), 'warm_up_s': round(ready.warm_up_s, 2),
        'batch': entrant.steps[-1].batch,
        'peak_memory_mb': round(entrant.steps[-1].peak_memory_mb, 1),
        'memory_growth_mb': round(_growth_mb(entrant), 1),
    }


def _growth_mb(entrant: Entrant) -> float:
    """What a step takes at the end more than after the first tenth of them."""
    return entrant.steps[-1].memory_mb - entrant.steps[len(entrant.steps) // 10].memory_mb


def _median(entrant: Entrant) -> float:
    return float(np.median([step.wall_ms for step in entrant.steps]))
