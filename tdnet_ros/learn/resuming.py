"""Whether a run that goes on is the one that its checkpoint is of."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch

from tdnet_ros.learn.datasets import SPLITS

MOST_CHANGES = 4
"""That are named."""


def read_checkpoint(path: Path) -> Any:
    """Read what a run has saved; ValueError if that is no checkpoint."""
    try:
        return torch.load(path, map_location='cpu', weights_only=True)
    except FileNotFoundError as error:
        raise ValueError(f'{path} is not there: --out must be a folder of all machines'
                         ) from error
    except Exception as error:
        raise ValueError(f'{path} cannot be read as a checkpoint of a run') from error


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


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return which settings differ, some of them; none of a checkpoint of an older version."""
    was, found = dict(_flat(before)), dict(_flat(now))
    names = [name for name in was | found if was.get(name) != found.get(name)]
    texts = [f'{name} was {was.get(name, "none")} and is {found.get(name, "none")} now'
             for name in names[:MOST_CHANGES]]
    return texts + ['...'] * (len(names) > MOST_CHANGES) if before else []


def _flat(settings: Mapping[str, Any], place: str = '') -> Iterator[tuple[str, Any]]:
    """Yield settings by their dotted names, as --set takes them."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f'{place}{name}.')
        elif name == 'stages':
            for number, stage in enumerate(value):
                yield from _flat(stage, f'{place}{name}.{number}.')
        else:
            yield place + name, value
