"""Ctrl-C, and the signals by which others end a program, wait for a step to end."""
from __future__ import annotations

from contextlib import suppress
import os
import signal
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SIGNALLED = 128
"""Exit status after a signal, less its number."""
SAID = b'\ntdnet_train: saving when this step is done; Ctrl-C again ends at once\n'


class DeferredInterrupt:
    """While it lasts signals are noted here, but for a second SIGINT, which acts as ever.

    Of the others a second one is of the same occasion: `timeout` and a terminal that goes away
    send two.
    """

    def __init__(self) -> None:
        self.came = 0
        """Number of the first signal; 0: none."""
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

    def interruption(self) -> KeyboardInterrupt:
        """Return what to raise; where the signal came to another process, that of a Ctrl-C."""
        return KeyboardInterrupt(self.came or signal.SIGINT)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.came = self.came or number
        again = self._before[number] if number == signal.SIGINT else signal.SIG_IGN
        signal.signal(number, again)
        if os.getpid() == self._process and os.environ.get('RANK', '0') == '0':
            with suppress(OSError):  # of a stderr that is closed
                os.write(2, SAID)  # print may be what was interrupted


def exit_status(interrupt: KeyboardInterrupt) -> int:
    """Return the status with which a program ends after the signal that an interrupt is of."""
    number, *_ = *interrupt.args, signal.SIGINT
    return SIGNALLED + number
