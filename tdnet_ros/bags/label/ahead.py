"""Reading ahead in a thread, with a bound on the bytes that wait."""
from __future__ import annotations

from collections.abc import Callable, Iterator
import queue
import threading
from typing import Generic, TypeVar

T = TypeVar('T')

END = object()


class Budget:
    """So many bytes may be in use at a time; something larger may when it is alone."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._open = True
        self._changed = threading.Condition()

    def take(self, cost: int) -> bool:
        """Wait for room and take it; False after `close`."""
        with self._changed:
            self._changed.wait_for(
                lambda: not self._open or not self._used or self._used + cost <= self._limit)
            self._used += cost
            return self._open

    def give(self, cost: int) -> None:
        """Give room back."""
        with self._changed:
            self._used -= cost
            self._changed.notify_all()

    def close(self) -> None:
        """Let nobody wait any more."""
        with self._changed:
            self._open = False
            self._changed.notify_all()


class Ahead(Generic[T]):
    """Iterates what `make` yields, which a thread prepares; an item can be put back."""

    def __init__(self, make: Callable[[], Iterator[T]], cost: Callable[[T], int],
                 limit: int) -> None:
        self._make = make
        self._cost = cost
        self._budget = Budget(limit)
        self._items: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._back: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name='bag reader', daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        """Go on where the last iteration ended."""
        while True:
            if self._back:
                yield self._back.pop()
                continue
            item = self._items.get()
            if item is END:
                self._items.put(END)
                if self._error is not None:
                    raise self._error
                return
            self._budget.give(self._cost(item))  # type: ignore[arg-type]
            yield item  # type: ignore[misc]

    def put_back(self, item: T) -> None:
        """Let this be the next item."""
        self._back.append(item)

    def close(self) -> None:
        """End the thread."""
        self._budget.close()
        self._thread.join()

    def _run(self) -> None:
        try:
            for item in self._make():
                if not self._budget.take(self._cost(item)):
                    return
                self._items.put(item)
        except BaseException as error:  # raised again where the items are taken
            self._error = error
        finally:
            self._items.put(END)
