"""What one camera's stream counts and times, and its summary over a window of time."""
from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
import threading
import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

STAGES = ('transport', 'wait', 'decode', 'upload', 'network', 'download', 'publish', 'pictures')
LATENCY = 'latency'
MOST_KEPT = 4096
'''Images that are remembered, which bounds the memory at any rate.'''
OUTCOMES = ('processed', 'failed', 'skipped', 'overwritten', 'throttled')
'''What becomes of an image that was received.'''
PERSISTENT = 5
'''Images from which on what befalls all or most of them counts as lasting.'''


class Spread(NamedTuple):
    """How one quantity was distributed over some images."""

    p50: float
    p95: float
    p99: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float] | NDArray[np.float64]) -> Spread:
        """The spread of at least one value."""
        return cls(*np.percentile(values, (50, 95, 99, 100)).tolist())

    def rounded(self) -> dict[str, float]:
        """The values by their names, for JSON."""
        return {name: round(value, 3) for name, value in self._asdict().items()}


class _Labelled(NamedTuple):
    """An image that was labelled: when, its stages and whether the memory was emptied before."""

    time_s: float
    times_ms: dict[str, float]
    is_first: bool


@dataclass(frozen=True)
class Snapshot:
    """The meter at one moment; rates and failures are those of the window.

    So are spreads, `latencies_ms` and `emptied`, but of the last `PERSISTENT` images at least.
    """

    received: int = 0
    processed: int = 0
    overwritten: int = 0
    failed: int = 0
    lost: int = 0
    skipped: int = 0
    throttled: int = 0
    input_hz: float = 0.0
    output_hz: float = 0.0
    recent_failures: int = 0
    last_failure: str = ''
    recent_losses: int = 0
    recent_depth_losses: int = 0
    recent_skips: int = 0
    last_skip: str = ''
    since_image_s: float = 0.0
    unanswered_s: float = 0.0
    '''For how long images have waited or been in work, and none was done with.'''
    image_age_s: float | None = None
    spreads: dict[str, Spread] = field(default_factory=dict)
    latencies_ms: list[float] = field(default_factory=list)
    labelled: int = 0
    emptied: int = 0
    '''Before how many of those `labelled` images the memory was emptied.'''
    resets: int = 0
    recent_processed: int = 0
    last_reset: str = ''
    memory_fill: int = 0
    memory_size: int = 0
    path: int = 0

    @property
    def is_forgetful(self) -> bool:
        """Whether the memory was emptied before most of the last images."""
        return self.memory_size > 0 and self.labelled >= PERSISTENT and (
            2 * self.emptied > self.labelled)


class StreamMeter:
    """Written by the image callback and the worker, read by the diagnostics thread."""

    def __init__(self, window_s: float, memory_size: int) -> None:
        """memory_size: how many images the memory holds when it is full."""
        self._window_s = window_s
        self._lock = threading.Lock()
        self._last_image = self._last_answer = time.monotonic()
        self._counts: Counter[str] = Counter()
        self._recent: dict[str, deque[tuple[float, float]]] = {}
        self._labelled: deque[_Labelled] = deque(maxlen=MOST_KEPT)
        self._image_age_s: float | None = None
        self._last_failure = self._last_reset = self._last_skip = ''
        self._memory_size = memory_size
        self._memory_fill = self._path = 0

    def opened(self) -> None:
        """Silence counts from now on: before, nothing was subscribed."""
        with self._lock:
            self._last_image = self._last_answer = time.monotonic()
            self._labelled.clear()

    def received(self, age_s: float) -> float:
        """An image came, `age_s` after its stamp; returns the seconds since the one before."""
        with self._lock:
            before, self._last_image = self._last_image, time.monotonic()
            if not self._has_unanswered:
                self._last_answer = self._last_image
            self._image_age_s = age_s
            self._count('received')
            return self._last_image - before

    def lost(self, count: int) -> None:
        """Images were lost on the way from the camera; they are not among the received."""
        with self._lock:
            self._counts['lost'] += count
            self._add('lost', count)

    def depth_lost(self, count: int) -> None:
        """Depth images or clouds were lost on the way from the camera."""
        with self._lock:
            self._add('depth lost', count)

    def overwritten(self) -> None:
        """An image that waited was discarded for a newer one."""
        with self._lock:
            self._count('overwritten')

    def throttled(self) -> None:
        """An image was left out to keep the rate limit."""
        with self._lock:
            self._count('throttled')

    def skipped(self, reason: str) -> None:
        """An image was left out as a copy or a latecomer."""
        with self._lock:
            self._answer('skipped')
            self._last_skip = reason

    def failed(self, reason: str) -> None:
        """An image could not be labelled."""
        with self._lock:
            self._answer('failed')
            self._last_failure = reason

    def processed(self, times_ms: dict[str, float], path: int, memory_fill: int,
                  reset_reason: str | None) -> None:
        """An image was labelled: its stages, the state of the memory and why it was emptied."""
        with self._lock:
            self._answer('processed')
            self._labelled.append(_Labelled(time.monotonic(), times_ms, bool(reset_reason)))
            self._path, self._memory_fill = path, memory_fill
            if reset_reason:
                self._counts['resets'] += 1
                self._last_reset = reset_reason

    def snapshot(self) -> Snapshot:
        """A summary of everything so far."""
        with self._lock:
            now = time.monotonic()
            window = {name: self._values(name, now) for name in self._recent}
            counts, labelled = self._counts, self._last_labelled(now)
            times = {name: [one.times_ms[name] for one in labelled if name in one.times_ms]
                     for name in (*STAGES, LATENCY)}
            return Snapshot(
                received=counts['received'], processed=counts['processed'],
                overwritten=counts['overwritten'], failed=counts['failed'],
                lost=counts['lost'], recent_losses=round(sum(window.get('lost', ()))),
                recent_depth_losses=round(sum(window.get('depth lost', ()))),
                skipped=counts['skipped'], throttled=counts['throttled'],
                input_hz=self._rate_hz('received', now), output_hz=self._rate_hz('processed', now),
                recent_failures=len(window.get('failed', ())),
                last_failure=self._last_failure,
                recent_skips=len(window.get('skipped', ())), last_skip=self._last_skip,
                since_image_s=now - self._last_image,
                unanswered_s=now - self._last_answer if self._has_unanswered else 0.0,
                image_age_s=self._image_age_s if window.get('received') else None,
                spreads={name: Spread.of(values) for name, values in times.items() if values},
                latencies_ms=times[LATENCY], labelled=len(labelled),
                emptied=sum(one.is_first for one in labelled), resets=counts['resets'],
                recent_processed=len(window.get('processed', ())), last_reset=self._last_reset,
                memory_fill=self._memory_fill, memory_size=self._memory_size, path=self._path)

    @property
    def _has_unanswered(self) -> bool:
        return self._counts['received'] > sum(self._counts[name] for name in OUTCOMES)

    def _answer(self, outcome: str) -> None:
        self._count(outcome)
        self._last_answer = time.monotonic()

    def _count(self, name: str) -> None:
        self._counts[name] += 1
        self._add(name, 1.0)

    def _add(self, name: str, value: float) -> None:
        self._recent.setdefault(name, deque(maxlen=MOST_KEPT)).append((time.monotonic(), value))

    def _rate_hz(self, name: str, now: float) -> float:
        """Events a second since the first of the window: it sinks when no more come."""
        recent = self._recent.get(name)
        if not recent or len(recent) == 1:
            return 0.0
        return (len(recent) - 1) / max(now - recent[0][0], 1e-6)

    def _values(self, name: str, now: float) -> list[float]:
        recent = self._recent[name]
        while recent and recent[0][0] < now - self._window_s:
            recent.popleft()
        return [value for _, value in recent]

    def _last_labelled(self, now: float) -> deque[_Labelled]:
        """The images of the window: of a slow camera or network older ones, too."""
        labelled = self._labelled
        while len(labelled) > PERSISTENT and labelled[0].time_s < now - self._window_s:
            labelled.popleft()
        return labelled
