"""What a person would want to know before a long run."""
from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from hashlib import sha256
import math
from pathlib import Path

from tdnet_ros.learn.config import DEFAULT, LAST, TrainConfig
from tdnet_ros.learn.datasets import SPLITS, Contents, Dataset
from tdnet_ros.learn.reading import size_text
from tdnet_ros.nets.architecture import aligned_size
from tdnet_ros.nets.card import ModelCard

OWN = ('folder', 'stills')
"""Data sets that a person has put together."""
LARGE = 1_500_000
"""Pixels of the input from which attention, whose memory grows with their square, takes a lot."""
MOST_SIZES = 4
"""That are named."""
FEW, MANY = 0.5, 2.5
"""Sides of a picture, in those of a crop, that are not far from it."""


def resuming(options: argparse.Namespace, last: Path, changed: Sequence[str]) -> Iterator[str]:
    """Yield one line for each thing of a run that goes on; `changed`: settings that differ."""
    if changed:
        yield f'{last}: {"; ".join(changed)}'
    if options.init:
        yield f'--init {options.init} is not used: {last} is there'


def advice(options: argparse.Namespace, config: TrainConfig, card: ModelCard,
           datasets: Sequence[Dataset], contents: Sequence[Contents]) -> Iterator[str]:
    """Yield one line for each thing; datasets and contents are those of SPLITS."""
    if options.resume:
        yield f'{options.out / LAST} is not there: the run starts'
    yield '; '.join(f'{name}: {dataset.described()}' for name, dataset in zip(SPLITS, datasets))
    shared = _shared(*map(_pictures, datasets))
    if shared:
        yield (f'pictures in {" and ".join(SPLITS)} alike: {len(shared)}, such as {min(shared)}; '
               'the figures of this run will flatter it')
    if options.dataset == 'folder' and any(dataset.longest() > 1 for dataset in datasets):
        yield ('frames whose numbers follow each other are taken for video; separate pictures are '
               '--dataset stills')
    if options.dataset in OWN:
        yield from _unlabelled(datasets)
    absent = [name for name, count in zip(card.classes.names, contents[0].pixels, strict=True)
              if not count]
    if absent:
        yield f'no training picture has {", ".join(absent)} (255 in a label is no class)'
    for name, found in zip(SPLITS, contents):
        if len(found.sizes) > 1:
            yield (f'{name} has pictures of {_sizes(found)}: all are seen at the size of the '
                   "network's input")
    if options.input_size and tuple(options.input_size) != card.input_size:
        yield '--input-size {} {} becomes {} {}: sides are 32 k + 1'.format(
            *options.input_size, *card.input_size)
    if options.init and not options.config:
        yield (f"recipe '{DEFAULT}' has the learning rates of a start from nothing; to start from "
               'a model there is --config finetune')
    yield from _about_size(config, card)


def _unlabelled(datasets: Sequence[Dataset]) -> Iterator[str]:
    for name, dataset in zip(SPLITS, datasets):
        bare = [frame.image for clip in dataset.clips for frame in clip if frame.label is None]
        if bare:
            yield (f'{name}: {len(bare)} without a label, such as {bare[0].name}; they are the '
                   'history of others at most')


def _pictures(dataset: Dataset) -> list[Path]:
    """Return the files of all labelled pictures."""
    return [dataset.clips[clip][position].image for clip, position in dataset.labelled()]


def _shared(some: Sequence[Path], others: Sequence[Path]) -> list[str]:
    """Return the names of those whose bytes are some others', too."""
    sizes = {path.stat().st_size for path in some} & {path.stat().st_size for path in others}
    found, known = ([(sha256(path.read_bytes()).digest(), path.name) for path in paths
                     if path.stat().st_size in sizes] for paths in (some, others))
    digests = {digest for digest, _ in known}
    return [name for digest, name in found if digest in digests]


def _sizes(contents: Contents) -> str:
    most = contents.sizes.most_common(MOST_SIZES)
    named = ', '.join(f'{size_text(size)} ({count})' for size, count in most)
    return named + ', ...' * (len(contents.sizes) > len(most))


def _about_size(config: TrainConfig, card: ModelCard) -> Iterator[str]:
    """Say where another size of the input would suit the stages' crops or the memory."""
    height, width = card.input_size
    typical = math.prod(config.augmentation.scale) ** 0.5
    for stage in config.stages:
        shares = [typical * side / crop for side, crop in zip(card.input_size, stage.crop)]
        factor = math.prod(shares) ** -0.5
        better = aligned_size((round(factor * height), round(factor * width)))
        named = '--input-size {} {}'.format(*better)
        if card.architecture.paths > 1 and height * width > LARGE:
            small = math.prod(better) <= LARGE
            yield (f'the network sees pictures of {height} x {width} pixels: from the first '
                   'validation on each takes gigabytes of memory; '
                   + (f'{named} takes little' if small else 'a smaller --input-size takes less'))
            return
        if min(shares) < FEW or max(shares) > MANY:
            remedy = named if factor * min(shares) >= FEW else 'crops of another shape'
            yield (f"stage '{stage.name}': crops of {stage.crop[0]} x {stage.crop[1]} pixels, but "
                   f'the pictures are some {typical * height:.0f} x {typical * width:.0f} in it; '
                   f'{remedy} would suit them')
            return
