"""Which samples a process loads for which step, and whether they suit the run."""
from __future__ import annotations

from collections.abc import Iterator
import math

import cv2
import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from tdnet_ros.learn.config import TrainConfig
from tdnet_ros.learn.datasets import Dataset, absent_classes
from tdnet_ros.learn.devices import cores
from tdnet_ros.learn.samples import Clip, ClipRecipe, ClipSamples
from tdnet_ros.nets.architecture import Architecture, aligned_size


def clips(config: TrainConfig, dataset: Dataset, paths: int, step: int,
          rank: int, world: int, pin: bool = False) -> Iterator[Clip]:
    """
    Yield this process's parts of every step from `step` to the run's end.

    Part k of a step covers the same samples whether one process computes all parts or several
    share them: accumulating n parts and running n processes see the same data. pin: into memory
    from which a GPU can copy by itself.
    """
    while step < config.steps:
        number, offset = config.locate(step)
        stage = config.stages[number]
        recipe = ClipRecipe(1 if stage.solo else paths, stage.crop, config.augmentation,
                            config.motion, stage.still_share, config.max_gap)
        samples = ClipSamples(dataset, recipe, config.seed)
        samples.preload()
        batches = []
        size = stage.batch // (stage.accumulate * world)
        for later in range(step, step + stage.steps - offset):
            first = config.first_sample(later)
            for part in range(rank, stage.accumulate * world, world):
                batches.append(list(range(first + part * size, first + (part + 1) * size)))
        workers = min(config.workers, cores())
        yield from DataLoader(samples, batch_sampler=batches, worker_init_fn=_keep_to_one_core,
                              num_workers=workers, pin_memory=pin,
                              # not Python 3.14's default: workers share what was decoded
                              multiprocessing_context='fork' if workers else None)
        step += stage.steps - offset


def _keep_to_one_core(worker: int) -> None:
    cv2.setNumThreads(0)


def fewest_clips(architecture: Architecture, shared_norms: bool) -> int:
    """
    Return how many clips a process must see at a time.

    The pyramid pools a map to one value per channel, and one value has no statistics for batch
    norm. shared_norms: processes share them (see devices.place).
    """
    return 2 if architecture.context == 'psp' and not shared_norms else 1


def check_batches(config: TrainConfig, world: int, fewest: int = 1) -> None:
    """Refuse a batch that can't be cut into equal parts, or into parts of too few clips."""
    for stage in config.stages:
        parts = stage.accumulate * world
        if stage.batch % parts:
            raise ValueError(
                f"stage '{stage.name}': a batch of {stage.batch} can't be cut into {parts} equal "
                f'parts ({world} processes, {stage.accumulate} each)')
        if stage.batch // parts < fewest:
            raise ValueError(
                f"stage '{stage.name}': a batch of {stage.batch} in {parts} parts ({world} "
                f'processes, accumulate {stage.accumulate}) is less than the {fewest} clips at a '
                'time that this network needs: a larger batch, or a smaller accumulate')


def advice(config: TrainConfig, training: Dataset, pixels: NDArray[np.int64]) -> list[str]:
    """Return what a person would want to know before a long run.

    pixels: of each class in the training split.
    """
    lines = []
    absent = absent_classes(training.classes, pixels)
    if absent:
        lines.append(f'no training picture has {", ".join(absent)} (255 in a label is no class)')
    typical = math.prod(config.augmentation.scale) ** 0.5
    own = training.size()
    height, width = (typical * side for side in own)
    for stage in config.stages:
        crop_height, crop_width = stage.crop
        shares = height / crop_height, width / crop_width
        if min(shares) < 0.5 or max(shares) > 2.5:
            factor = (crop_height * crop_width / (height * width)) ** 0.5
            size = aligned_size((round(own[0] * factor), round(own[1] * factor)))
            lines.append(
                f"stage '{stage.name}': crops of {crop_height} x {crop_width} pixels, but the "
                f'pictures are some {height:.0f} x {width:.0f} in it; --input-size {size[0]} '
                f'{size[1]} would suit them')
            break
    return lines
