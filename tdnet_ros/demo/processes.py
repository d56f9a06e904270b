"""Child processes that never outlive the demo, and what they said last."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
import ctypes
from dataclasses import dataclass
from functools import partial
from pathlib import Path
import signal
import subprocess
import sys
from typing import NoReturn

from tdnet_ros.programs import ENDING

LAST_LINES = 15
STOP_S = 20.0
PR_SET_PDEATHSIG = 1
# Linux interrupts a child that asked for it when its parent is gone, even when that was killed.
END_WITH_PARENT = (partial(ctypes.PyDLL(None).prctl, PR_SET_PDEATHSIG, int(signal.SIGINT))
                   if sys.platform == 'linux' else None)


class Ending:
    """A signal that asked the demo to end.

    It ends as SystemExit, which can get lost in a callback of rclpy; so it is kept, too.
    """

    status: int | None = None

    @classmethod
    def ask(cls, number: int, frame: object) -> NoReturn:
        """Handle a signal."""
        cls.status = 128 + number
        raise SystemExit(cls.status)

    @classmethod
    def check(cls) -> None:
        """End the demo if it was asked to."""
        if cls.status is not None:
            raise SystemExit(cls.status)


@contextmanager
def held_back() -> Iterator[None]:
    """Let signals that end the demo wait, so that no child is started and then forgotten.

    Other threads take signals too, so a mask would not do.
    """
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, frame: came.append(number))
              for number in ENDING}
    try:
        yield
    finally:
        for ending, handler in before.items():
            signal.signal(ending, handler)
        for number in came:
            signal.raise_signal(number)


class DemoError(RuntimeError):
    """The demo cannot go on; the text says why."""


@dataclass
class Child:
    """A running process and its log file."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    may_end: bool = False  # by itself, when it is done
    result: Path | None = None  # what it leaves when it is done, if not all went well

    def last_lines(self) -> str:
        """What it said last."""
        lines = self.log.read_text(encoding='utf-8', errors='replace').splitlines()
        return '\n'.join(f'  {line}' for line in lines[-LAST_LINES:]) or '  (it said nothing)'

    def check(self) -> None:
        """Fail if it has ended with an error, or at all where it should not."""
        status = self.process.poll()
        if self.result is not None and self.result.exists():
            return
        if status or (status == 0 and not self.may_end):
            raise DemoError(f'the {self.name} ended with exit status {status}; its last lines '
                            f'({self.log}):\n{self.last_lines()}')

    def ended(self) -> bool:
        """Whether it has ended, well."""
        self.check()
        return self.process.poll() is not None

    def stop(self) -> None:
        """End it as Ctrl-C does, and fail unless it ends well."""
        self.may_end = True
        self.interrupt()
        self.check()

    def interrupt(self) -> None:
        """End it as Ctrl-C does; one that does not listen is killed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Crew:
    """All child processes; leaving the block ends those that still run."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: list[Child] = []
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, command: Sequence[str], may_end: bool = False,
              result: Path | None = None) -> Child:
        """Start a process that Ctrl-C in the terminal does not reach."""
        log = self._logs / f'{name}.log'
        with log.open('wb') as output, held_back():
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=subprocess.STDOUT, start_new_session=True,
                                       preexec_fn=END_WITH_PARENT)
            self._children.append(Child(name, process, log, may_end, result))
        return self._children[-1]

    def check(self) -> None:
        """Fail if any has ended with an error, or at all where it should not."""
        Ending.check()
        for child in self._children:
            child.check()

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *error: object) -> None:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        for child in reversed(self._children):
            child.interrupt()
        signal.signal(signal.SIGINT, before)
