"""Which images are worth labelling: in order, none twice, not more than asked for."""
from __future__ import annotations

import math

# An image older than the last one by less came late; by more, the source started over.
LATE_NS = 100_000_000
# Share of the period by which an image may be early, so that jitter does not cost a frame.
SLACK = 0.25


class RateLimit:
    """Lets through at most so many a second, evenly."""

    def __init__(self) -> None:
        self._last_s = -math.inf

    def admits(self, now_s: float, max_hz: float) -> bool:
        """Whether something that comes at this time may pass; 0 Hz is no limit.

        The limit may be another one each time.
        """
        if max_hz <= 0:
            return True
        period_s = 1 / max_hz
        due_s = self._last_s + period_s
        if now_s < due_s - SLACK * period_s:
            return False
        # Counted from when it was due, so that early and late ones even out; not after a pause.
        self._last_s = due_s if now_s < due_s + period_s else now_s
        return True


def stale_reason(stamp_ns: int, last_ns: int) -> str | None:
    """Why an image is not labelled after the last one: it is the same, or came late.

    A stamp of 0 is none: such images are all taken.
    """
    if stamp_ns == 0:
        return None
    if stamp_ns == last_ns:
        return 'same stamp as the image before'
    if 0 < last_ns - stamp_ns < LATE_NS:
        return 'older than the image before'
    return None
