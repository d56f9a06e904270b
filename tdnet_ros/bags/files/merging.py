"""Messages of several sources in the order of time, with few sources open at a time."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
import heapq
from typing import Protocol, TypeVar


class Timed(Protocol):
    """A message with its log time."""

    @property
    def logged_ns(self) -> int:
        """In ns."""


T = TypeVar('T', bound=Timed)


def in_time(sources: Iterable[tuple[int, Callable[[], Iterator[T]]]]) -> Iterator[T]:
    """Merge sources, each opened no sooner than its first log time is reached.

    Of messages at the same time those of the source that is given first come first.
    """
    waiting = sorted(((start_ns, number, source)
                      for number, (start_ns, source) in enumerate(sources)), reverse=True)
    heads: list[tuple[int, int, T, Iterator[T]]] = []
    while heads or waiting:
        while waiting and (not heads or waiting[-1][0] <= heads[0][0]):
            _, number, source = waiting.pop()
            _push(heads, number, source())
        if heads:
            _, number, message, rest = heapq.heappop(heads)
            yield message
            _push(heads, number, rest)


def _push(heads: list[tuple[int, int, T, Iterator[T]]], number: int, source: Iterator[T]) -> None:
    message = next(source, None)
    if message is not None:
        heapq.heappush(heads, (message.logged_ns, number, message, source))
