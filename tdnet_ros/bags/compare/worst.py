"""The frames that differ most, at most one of each second."""
from __future__ import annotations

from typing import NamedTuple

from tdnet_ros.bags.pair_counts import Labels


class ComparedFrame(NamedTuple):
    """One frame in both bags; the worst sorts first."""

    agreement: float
    '''Share of pixels that are equal.'''
    stamp_ns: int
    repeat: int
    '''How many frames before it had the same stamp.'''
    time_s: float
    '''Since the start of the first bag.'''
    first: Labels
    second: Labels


class WorstFrames:
    """Keeps the worst frame of each second, for as many of the worst seconds as asked for."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._kept: list[ComparedFrame] = []
        self._latest: ComparedFrame | None = None

    def add(self, frame: ComparedFrame) -> None:
        """Look at the next frame in time; one that agrees in full is never kept."""
        if self._latest and int(self._latest.time_s) != int(frame.time_s):
            self._close_second()
        if frame.agreement < (self._latest.agreement if self._latest else 1.0):
            self._latest = frame

    def ranked(self) -> list[ComparedFrame]:
        """The worst first."""
        self._close_second()
        return self._kept

    def _close_second(self) -> None:
        if self._latest:
            self._kept = sorted([*self._kept, self._latest])[:self._count]
            self._latest = None
