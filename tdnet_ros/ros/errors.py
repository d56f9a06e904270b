"""Errors as one line of text, and a log that repeats itself little."""
from __future__ import annotations

import time
from typing import Any

MAX_CHARACTERS = 600
REPEAT_S = 10.0
PAUSE_S = 1.0


def one_line(error: BaseException) -> str:
    """What an exception says, on one line; with its type unless it was written for users."""
    text = ' '.join(str(error).split())[:MAX_CHARACTERS]
    if isinstance(error, (ValueError, OSError)) and text:
        return text
    return f'{type(error).__name__}: {text}' if text else type(error).__name__


class ErrorLog:
    """Logs an error once a second at most, and the same one every ten seconds at most."""

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._text = ''
        self._time = -REPEAT_S

    def report(self, text: str) -> None:
        """Log the text unless it, or any other, was logged just before."""
        now = time.monotonic()
        if now - self._time >= (REPEAT_S if text == self._text else PAUSE_S):
            self._logger.error(text)
            self._text, self._time = text, now
