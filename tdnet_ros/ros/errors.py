"""Errors and warnings as one line of text, and a log that repeats itself little."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import math
from pathlib import Path
import time
from typing import TYPE_CHECKING, Any
import warnings

if TYPE_CHECKING:  # bags say what is wrong without ROS
    from rclpy.node import Node

PACKAGE = str(Path(__file__).parent.parent)
MAX_CHARACTERS = 600
MAX_NAME = 60
REPEAT_S = 10.0
PAUSE_S = 1.0
BROKEN_GPU = ('illegal memory access', 'device-side assert', 'unspecified launch failure',
              'misaligned address', 'illegal instruction', 'invalid program counter',
              'hardware stack error', 'not supported on global/shared address space',
              'uncorrectable ECC', 'launch timed out', 'CUDA error: unknown error',
              'a CUDA graph broke off')
'''What is said of errors after which a process can do nothing more on the GPU.'''


def printable(text: str, limit: int = MAX_CHARACTERS) -> str:
    """A text on one line, without control characters and not longer than the limit."""
    line = ' '.join(text[:2 * limit].split())
    line = ''.join(letter if letter.isprintable() else
                   letter.encode('unicode_escape').decode() for letter in line)
    return line if len(line) <= limit else f'{line[:limit - 3]}...'


def quoted(name: str) -> str:
    """A name that came in a message, as it may be shown."""
    return f"'{printable(name, MAX_NAME)}'"


def one_line(error: BaseException) -> str:
    """What an exception says, on one line; with its type unless it was written for users."""
    text = printable(str(error))
    if isinstance(error, (ValueError, OSError)) and text:
        return text
    if any(words in text for words in BROKEN_GPU):
        first = printable(str(error).splitlines()[0])
        return f'{first}: this process cannot use the GPU any more, restart the node'
    return f'{type(error).__name__}: {text}' if text else type(error).__name__


@contextmanager
def logged_warnings(logger: Any) -> Iterator[list[str]]:
    """A list that has, afterwards, what this package warned of; that and others' is logged."""
    lines: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        try:
            yield lines
        finally:
            for text, file in {printable(str(one.message)): one.filename
                               for one in caught}.items():
                logger.warning(text)
                if file.startswith(PACKAGE):
                    lines.append(text)


class Pace:
    """Lets through one text a second at most, and the same one every ten seconds at most."""

    def __init__(self) -> None:
        self._text = ''
        self._time = -math.inf

    def admits(self, text: str) -> bool:
        """Whether the text may be said: not if it, or any other, was said just before."""
        now = time.monotonic()
        if now - self._time < (REPEAT_S if text == self._text else PAUSE_S):
            return False
        self._text, self._time = text, now
        return True


class ErrorLog:
    """Logs errors of a node at such a pace, and none of those that its end brings about.

    A signal ends the node's context at once, and then nothing can be published, logs included.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._pace = Pace()

    def report(self, text: str, about: str = '') -> None:
        """Log the text unless it, or any other, was logged just before.

        about: what makes a text the same as another that differs in its figures.
        """
        if self._node.context.ok() and self._pace.admits(about or text):
            self._node.get_logger().error(text)
