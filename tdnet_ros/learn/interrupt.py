"""Ctrl-C, and the signal by which others end a program, wait for a step to end."""
from __future__ import annotations

from contextlib import suppress
import os
import signal
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SAID = b'\ntdnet_train: saving when this step is done; Ctrl-C again ends at once\n'


class DeferredInterrupt:
    """While it lasts the first of each signal is noted here, and the next one acts as ever."""

    def __init__(self) -> None:
        self.came = False
        self._before: dict[int, Any] = {}
        self._process = os.getpid()  # not a loader's

    def __enter__(self) -> DeferredInterrupt:
        self._before = {number: signal.getsignal(number) for number in SIGNALS}
        for number, handler in self._before.items():
            if handler is not signal.SIG_IGN:  # as a shell has SIGINT in the background
                signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        signal.signal(number, self._before[number])
        if os.getpid() == self._process and os.environ.get('RANK', '0') == '0':
            with suppress(OSError):  # of a stderr that is closed
                os.write(2, SAID)  # print may be what was interrupted
