"""Whether a run that goes on is the one that its checkpoint is of."""
from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from tdnet_ros.learn.datasets import SPLITS


def check_classes(path: Path, before: Sequence[str], now: Sequence[str]) -> None:
    """Raise ValueError unless the classes are those of the checkpoint."""
    for number, (was, found) in enumerate(zip_longest(before, now, fillvalue='none')):
        if was != found:
            raise ValueError(f'{path}: class {number} was {was} and is {found} now: put '
                             'classes.yaml back, or choose another --out')


def check_data(path: Path, before: Sequence[str], now: Sequence[str]) -> None:
    """Raise ValueError unless the data of SPLITS are those of the checkpoint."""
    for split, was, found in zip(SPLITS, before, now):
        if was != found:
            raise ValueError(f'{path}: {split} had {was}, and has {found} now: name the same '
                             'data, or choose another --out')
