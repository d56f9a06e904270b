"""Quantities over time in a bounded number of slices."""
from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SLICES = 240
'''Slices that a bag is cut into, however long it is.'''


class Series:
    """Mean, least and largest of some quantities in equal slices of time.

    Its size does not depend on how much it is given. Slices without a value are left out of
    what is read from it.
    """

    def __init__(self, duration_s: float, quantities: int = 1) -> None:
        self._per_s = SLICES / duration_s if duration_s > 0 else 0.0
        self._count = np.zeros(SLICES, np.int64)
        self._time_s = np.zeros(SLICES)
        self._sum = np.zeros((SLICES, quantities))
        self._least = np.full((SLICES, quantities), np.inf)
        self._largest = np.full((SLICES, quantities), -np.inf)

    def add(self, time_s: float, values: NDArray[np.float64] | float) -> None:
        """Count what was measured at a time since the start: one number for each quantity."""
        index = int(np.clip(time_s * self._per_s, 0, SLICES - 1))
        self._count[index] += 1
        self._time_s[index] += time_s
        self._sum[index] += values
        np.minimum(self._least[index], values, out=self._least[index])
        np.maximum(self._largest[index], values, out=self._largest[index])

    @property
    def time_s(self) -> NDArray[np.float64]:
        """Mean time of what is in each slice."""
        return self._time_s[self._seen] / self._count[self._seen]

    @property
    def mean(self) -> NDArray[np.float64]:
        """Float [slices, quantities]."""
        return self._sum[self._seen] / self._count[self._seen, None]

    @property
    def least(self) -> NDArray[np.float64]:
        """Float [slices, quantities]."""
        return self._least[self._seen]

    @property
    def largest(self) -> NDArray[np.float64]:
        """Float [slices, quantities]."""
        return self._largest[self._seen]

    def overall(self) -> NDArray[np.float64] | None:
        """Mean of all values of each quantity; None before any."""
        count = self._count.sum()
        return np.asarray(self._sum.sum(0) / count) if count else None

    @property
    def _seen(self) -> NDArray[np.bool_]:
        return self._count > 0


def pick(count: int, wanted: int) -> list[int]:
    """Indices of up to `wanted` of `count` things, evenly spread."""
    if count <= wanted:
        return list(range(count))
    return [int((index + 0.5) * count / wanted) for index in range(wanted)]
