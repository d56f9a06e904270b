"""The features of the last frames of one camera, and when they are stale."""
from __future__ import annotations

from collections import deque
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tdnet_ros.stream.frame import Frame, Image

GRID = (12, 16)
'''Cells, down and across, of the thumbnail that scene cuts are found by.'''
SAMPLES = 4
'''Pixels sampled per cell in each direction.'''
FLAT = 2.0
'''A thumbnail whose grey levels (0 to 255) deviate less than this has no structure.'''
SCENE_CUT_CORRELATION = 0.4
'''Two thumbnails that correlate less than this are different scenes.

Measured: the five cuts of a street video -0.30 to 0.26, its fastest pan 0.57; a drive at
15 Hz never below 0.97, a fixed camera never below 0.98; a drive at 1 Hz mostly above 0.6.
'''
NS_PER_S = 1_000_000_000
MAX_GAP_S = 1.0
'''A memory that no frame has come to for longer is stale, unless it is told otherwise.'''


def checked_paths(paths: int) -> int:
    """Return the number of paths; ValueError unless it is one."""
    if not isinstance(paths, Integral) or paths < 1:
        raise ValueError(f'paths is {paths!r}, expected a whole number, 1 or more')
    return int(paths)


def checked_gap(max_gap_s: float) -> float:
    """Return the longest gap, which may be infinite; ValueError unless it is one."""
    if not isinstance(max_gap_s, Real) or not max_gap_s >= 0:
        raise ValueError(f'max_gap_s is {max_gap_s!r}, expected seconds, 0 or more')
    return max_gap_s


def checked_cut(scene_cut: bool) -> bool:
    """Return whether cuts of the scene count; ValueError for what only could be taken so."""
    if not isinstance(scene_cut, bool | np.bool_):
        raise ValueError(f'scene_cut is {scene_cut!r}, expected True or False')
    return bool(scene_cut)


class _Seen(NamedTuple):
    """What the next frame is compared with; not the frame, whose pixels must not be held."""

    stamp_ns: int
    size: tuple[int, int]
    encoding: str
    frame_id: str
    thumbnail: NDArray[np.float32] | None


class FrameMemory:
    """At most N-1 frames' features, oldest first, of one camera and one engine.

    `next_path` counts frames that were processed, so that frames lost on the way never break
    the order of paths in the memory.
    """

    def __init__(self, paths: int, max_gap_s: float = MAX_GAP_S, scene_cut: bool = True,
                 owner: object = None) -> None:
        """Take the number of paths; `owner` is the engine whose features are kept here."""
        self.paths = checked_paths(paths)
        self.owner = owner
        self.max_gap_s = checked_gap(max_gap_s)
        self.scene_cut = checked_cut(scene_cut)
        self.next_path = 0
        self._entries: deque[Any] = deque(maxlen=self.paths - 1)
        self._input_size: tuple[int, int] | None = None
        self._last: _Seen | None = None
        self._reset_reason: str | None = None

    @property
    def entries(self) -> list[Any]:
        """The features in the memory, oldest first."""
        return list(self._entries)

    @property
    def turn(self) -> tuple[int, int]:
        """The path that is next and the number of entries: where equal, frames may share a run."""
        return self.next_path, len(self._entries)

    def reset(self, reason: str) -> None:
        """Forget all frames; the next frame reports the reason and runs path 0."""
        self._entries.clear()
        self._last = None
        self.next_path = 0
        self._reset_reason = reason

    def prepare(self, frame: Frame) -> str | None:
        """Reset if the memory is stale for this frame; return why it is empty, or None.

        The reason is returned until a frame is pushed, so one that is given up loses nothing.
        The first reason that holds: the one given to `reset`, the stamp went backwards, the
        gap is too long, the size, encoding or frame_id changed, the scene was cut.
        """
        seen = _Seen(int(frame.stamp_ns), frame.size, frame.encoding, frame.frame_id,
                     thumbnail(frame.rgb) if self.scene_cut else None)
        reason = self._stale_reason(seen)
        if reason is not None:
            self.reset(self._reset_reason or reason)
        self._last = seen
        return self._reset_reason

    def fit(self, input_size: tuple[int, int],
            resample: Callable[[Any, tuple[int, int], tuple[int, int]], Any]) -> None:
        """Carry the features over if the network's input, (height, width), has another size.

        resample: takes features, their input size and the new one; returns the new features.
        """
        old = self._input_size
        if old is not None and old != input_size:
            self._entries = deque((resample(entry, old, input_size) for entry in self._entries),
                                  self._entries.maxlen)
        self._input_size = input_size

    def push(self, features: Any) -> None:
        """Keep the features of a frame that was processed (a per-frame network has none)."""
        self._reset_reason = None
        self.next_path = (self.next_path + 1) % self.paths
        if features is not None:
            self._entries.append(features)

    def _stale_reason(self, seen: _Seen) -> str | None:
        last = self._last
        if last is None:
            return None
        gap_s = (seen.stamp_ns - last.stamp_ns) / NS_PER_S
        if gap_s < 0:
            return f'stamp went backwards by {-gap_s:.3f} s'
        if gap_s > self.max_gap_s:
            return f'gap of {gap_s:.3f} s exceeds max_gap_s {self.max_gap_s:g}'
        for what, old, new in (('image size', '{1} x {0}'.format(*last.size),
                                '{1} x {0}'.format(*seen.size)),
                               ('encoding', last.encoding, seen.encoding),
                               ('frame_id', last.frame_id, seen.frame_id)):
            if old != new:
                return f'{what} changed from {old} to {new}'
        if seen.thumbnail is not None and last.thumbnail is not None:
            likeness = correlation(last.thumbnail, seen.thumbnail)
            if likeness < SCENE_CUT_CORRELATION:
                return f'scene cut (correlation {likeness:.2f})'
        return None


def thumbnail(rgb: Image) -> NDArray[np.float32]:
    """Mean grey level of each cell of a coarse grid, from a few pixels per cell.

    A few thousand pixels are read whatever the size of the image: a tenth of a millisecond.
    """
    height, width = rgb.shape[:2]
    rows = np.arange(GRID[0] * SAMPLES) * height // (GRID[0] * SAMPLES)
    columns = np.arange(GRID[1] * SAMPLES) * width // (GRID[1] * SAMPLES)
    cells = rgb[rows[:, None], columns].reshape(GRID[0], SAMPLES, GRID[1], -1)
    return np.asarray(cells.mean((1, 3), dtype=np.float32))


def correlation(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Correlation of two thumbnails: blind to exposure and contrast; 1 if both are flat."""
    deviations = first.std(), second.std()
    if max(deviations) < FLAT:
        return 1.0
    if min(deviations) < FLAT:
        return 0.0
    products = (first - first.mean()) * (second - second.mean())
    return float(products.mean() / (deviations[0] * deviations[1]))
