"""Ctrl-C that waits for a step to end."""
from __future__ import annotations

from contextlib import suppress
import os
import signal
from types import FrameType
from typing import Any

SAID = b'\ntdnet_train: saving when this step is done; Ctrl-C again ends at once\n'


class DeferredInterrupt:
    """While it lasts the first SIGINT is noted here, and the next one acts as ever."""

    def __init__(self) -> None:
        self.came = False
        self._before: Any = None
        self._process = os.getpid()  # not a loader's

    def __enter__(self) -> DeferredInterrupt:
        self._before = signal.getsignal(signal.SIGINT)
        if self._before is not signal.SIG_IGN:  # as by nohup
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        signal.signal(signal.SIGINT, self._before)
        if os.getpid() == self._process and os.environ.get('RANK', '0') == '0':
            with suppress(OSError):  # of a stderr that is closed
                os.write(2, SAID)  # print may be what was interrupted
