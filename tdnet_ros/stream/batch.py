"""Frames of several cameras in one run of the network: what to join, and when it pays."""
from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

import torch

WORTHWHILE = 0.95
'''A larger batch is used where a frame then takes less than this share of its time.'''


def runs(keys: Sequence[Hashable], most: int) -> Iterator[list[int]]:
    """Split items, given by their indices, into runs of at most so many with the same key."""
    alike: dict[Hashable, list[int]] = {}
    for index, key in enumerate(keys):
        alike.setdefault(key, []).append(index)
    for indices in alike.values():
        for first in range(0, len(indices), most):
            yield indices[first:first + most]


def stacked(features: Sequence[Any]) -> Any:
    """Join what single frames left in their memories, tuples of tensors [1, ...], as a batch.

    A part that is missing in one of them is of no use to the others' batch either: only that
    of the oldest entry can be, and nobody reads it.
    """
    return type(features[0])._make(
        None if any(part is None for part in parts) else torch.cat(parts)
        for parts in zip(*features, strict=True))


def unstacked(features: Any, count: int) -> list[Any]:
    """Undo `stacked`; a per-frame network has None, for each frame as for the batch."""
    if features is None or count == 1:
        return [features] * count
    return [type(features)._make(None if part is None else part[index:index + 1]
                                 for part in features) for index in range(count)]


def measured(frame_ms: Callable[[int], float], limit: int) -> dict[int, float]:
    """Time batches of 1, 2, ... `limit` frames for as long as each is worth it.

    frame_ms: milliseconds of a frame in a batch of so many; an engine that cannot run one, or
    has no room for it, raises. Returns what was measured; the last may be the one too many.
    """
    times = {1: frame_ms(1)}
    for count in range(2, limit + 1):
        try:
            times[count] = frame_ms(count)
        except (RuntimeError, ValueError):
            break
        if times[count] > WORTHWHILE * times[count - 1]:
            break
    return times


def largest_worthwhile(times: dict[int, float]) -> int:
    """Frames in the largest batch of `measured` that is worth it; 1 if none is."""
    count = 1
    while count + 1 in times and times[count + 1] <= WORTHWHILE * times[count]:
        count += 1
    return count
