"""Which samples a process loads for which step, and whether they suit the run."""
from __future__ import annotations

from collections.abc import Generator, Sequence
import signal

import cv2
import torch
from torch.utils.data import DataLoader

from tdnet_ros.learn.config import TrainConfig
from tdnet_ros.learn.datasets import Dataset
from tdnet_ros.learn.devices import cores, processes_here
from tdnet_ros.learn.interrupt import SIGNALS
from tdnet_ros.learn.samples import Clip, ClipRecipe, ClipSamples
from tdnet_ros.nets.architecture import Architecture
from tdnet_ros.stream.devices import memory_of

FA_STRIDE = 64
"""Of the last stage of FANet's backbone."""
CACHE_BYTES, CACHE_SHARE = 4 << 30, 1 / 3
"""Of decoded pictures that the processes on a machine keep, and their share of free memory."""


def clips(config: TrainConfig, dataset: Dataset, paths: int, input_size: tuple[int, int],
          step: int, rank: int, world: int, pin: bool = False) -> Generator[Clip]:
    """
    Return this process's parts of every step from `step` to the run's end.

    Part k of a step covers the same samples whether one process computes all parts or several
    share them: accumulating n parts and running n processes see the same data. Pictures are
    decoded first, as many as there is room for. pin: into memory from which a GPU can copy by
    itself.
    """
    recipes = [ClipRecipe(1 if stage.solo else paths, stage.crop, config.augmentation,
                          config.motion, stage.still_share, config.max_gap)
               for stage in config.stages]
    free, _ = memory_of(torch.device('cpu'))
    room = min(CACHE_BYTES, int(CACHE_SHARE * free))
    samples = ClipSamples(dataset, recipes[0], input_size, config.seed, room // processes_here())
    samples.preload()
    return _steps(config, samples, recipes, step, rank, world, pin)


def _steps(config: TrainConfig, samples: ClipSamples, recipes: Sequence[ClipRecipe], step: int,
           rank: int, world: int, pin: bool) -> Generator[Clip]:
    while step < config.steps:
        number, offset = config.locate(step)
        stage = config.stages[number]
        samples.recipe = recipes[number]
        batches = []
        size = stage.batch // (stage.accumulate * world)
        for later in range(step, step + stage.steps - offset):
            first = config.first_sample(later)
            for part in range(rank, stage.accumulate * world, world):
                batches.append(list(range(first + part * size, first + (part + 1) * size)))
        workers = min(config.workers, cores())
        loader = DataLoader(samples, batch_sampler=batches, worker_init_fn=_start_worker,
                            num_workers=workers, pin_memory=pin,
                            # not Python 3.14's default: workers share what was decoded
                            multiprocessing_context='fork' if workers else None)
        try:
            yield from loader
        except Exception as error:  # its traceback keeps the workers, and the program waits for
            raise error.with_traceback(None) from None  # them at its end
        step += stage.steps - offset


def _start_worker(worker: int) -> None:
    """Keep to one core; a signal to the group of processes is for the run, which ends this one."""
    cv2.setNumThreads(0)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def fewest_clips(architecture: Architecture, config: TrainConfig, shared_norms: bool) -> int:
    """
    Return how many clips a process must see at a time.

    The pyramid pools a map to one value per channel, and so does the backbone of FANet with a
    small crop; one value has no statistics for batch norm. shared_norms: processes share them
    (see devices.place).
    """
    single = architecture.context == 'psp' or (architecture.context == 'fa' and any(
        max(stage.crop) <= FA_STRIDE for stage in config.stages))
    return 2 if single and not shared_norms else 1


def check_batches(config: TrainConfig, world: int, fewest: int = 1) -> None:
    """Refuse a batch that can't be cut into equal parts, or into parts of too few clips."""
    for stage in config.stages:
        parts = stage.accumulate * world
        if stage.batch % parts:
            raise ValueError(
                f"stage '{stage.name}': a batch of {stage.batch} can't be cut into {parts} equal "
                f'parts (processes {world}, accumulate {stage.accumulate})')
        if stage.batch // parts < fewest:
            raise ValueError(
                f"stage '{stage.name}': a batch of {stage.batch} in {parts} parts (processes "
                f'{world}, accumulate {stage.accumulate}) is less than the {fewest} clips at a '
                'time that this network needs: a larger batch, or a smaller accumulate')
