"""Hold a latency budget: which of the prepared input sizes the network should run at."""
from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

FACTORS = (1.0, 0.8, 0.64, 0.5)
'''Height and width of the prepared sizes over those of the full one.'''
SMALLEST_PX = 64
'''No input is made narrower or lower than this.'''
WINDOW = 10
'''Images that a decision rests on.'''
LATE = 0.5
'''Share of the window beyond the budget from which on a smaller size is chosen.'''
ROOM = 0.85
'''A larger size is chosen when it is expected to take less than this share of the budget.'''
PATIENCE = 30
'''Images in time before a larger size is tried; twice as many after each try that failed.'''
MOST_PATIENCE = 960


class Prepared(NamedTuple):
    """An input size and what the network took for an image of it."""

    size: tuple[int, int]
    '''Height and width in pixels.'''
    network_ms: float


def ladder(size: tuple[int, int]) -> list[tuple[int, int]]:
    """List the sizes to prepare, the full one first; heights and widths stay of its form.

    Where both are 32 k + 1 so are the others, else multiples of 8.
    """
    step, rest = (32, 1) if all(side % 32 == 1 for side in size) else (8, 0)
    sizes = [size]
    for factor in FACTORS[1:]:
        height, width = (round((factor * side - rest) / step) * step + rest for side in size)
        if min(height, width) >= SMALLEST_PX and (height, width) != sizes[-1]:
            sizes.append((height, width))
    return sizes


class SizeControl:
    """Goes to a smaller size at once when images are late, back to a larger one with patience.

    It holds no clock and no network: latencies in, a size out.
    """

    def __init__(self, prepared: Sequence[Prepared]) -> None:
        """Take the prepared sizes, the largest first."""
        self._prepared = list(prepared)
        self._index = 0
        self._latencies: deque[float] = deque(maxlen=WINDOW)
        self._in_time = 0
        self._patience = PATIENCE
        self._climbed = False

    @property
    def size(self) -> tuple[int, int]:
        """The current choice, height and width."""
        return self._prepared[self._index].size

    def observe(self, latency_ms: float, budget_ms: float) -> str | None:
        """Take the latency of an image of the current size; return why if the size changes."""
        self._latencies.append(latency_ms)
        self._in_time = self._in_time + 1 if latency_ms <= budget_ms else 0
        if len(self._latencies) < WINDOW:
            return None
        late = sum(latency > budget_ms for latency in self._latencies)
        if late >= LATE * WINDOW and self._index + 1 < len(self._prepared):
            return self._fall(late, budget_ms)
        if self._in_time == PATIENCE:
            self._climbed = False  # the last climb has proved itself
        if self._in_time >= self._patience and self._index > 0:
            return self._climb(budget_ms)
        return None

    def _fall(self, late: int, budget_ms: float) -> str:
        self._patience = min(2 * self._patience, MOST_PATIENCE) if self._climbed else PATIENCE
        return self._go(self._index + 1, f'{late} of {WINDOW} images were later than '
                                         f'{budget_ms:g} ms')

    def _climb(self, budget_ms: float) -> str | None:
        now, larger = self._prepared[self._index], self._prepared[self._index - 1]
        expected = float(np.median(self._latencies)) + larger.network_ms - now.network_ms
        if expected > ROOM * budget_ms:
            return None
        self._climbed = True
        return self._go(self._index - 1, f'{expected:.0f} ms are expected there, the budget is '
                                         f'{budget_ms:g} ms')

    def _go(self, index: int, why: str) -> str:
        direction = 'smaller' if index > self._index else 'larger'
        self._index = index
        self._latencies.clear()
        self._in_time = 0
        height, width = self.size
        return f'network input {height} x {width}, {direction}: {why}'
