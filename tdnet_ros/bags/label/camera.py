"""Where one camera's labelling stands, so that it can stop anywhere and go on elsewhere."""
from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from tdnet_ros.ros.admission import stale_reason
from tdnet_ros.stream import Frame, FrameMemory


@dataclass(frozen=True)
class CameraState:
    """All that a camera's next labels depend on, but for the features in its memory.

    Those come back when the frames in `recent` run once more, on the paths they ran on.
    """

    seen: int = 0
    '''Messages of the topic so far.'''
    last_stamp_ns: int = 0
    '''Of the last frame that was labelled.'''
    next_path: int = 0
    recent: tuple[tuple[int, int], ...] = ()
    '''Log time and stamp of the last N-1 frames since a reset, at least one, oldest first.'''
    reset_reason: str | None = None
    '''What the next frame reports, when the memory was emptied after the last.'''


class CameraTrack:
    """One camera's memory, and its state as it goes."""

    def __init__(self, memory: FrameMemory, state: CameraState) -> None:
        self.memory = memory
        self._last_stamp_ns = state.last_stamp_ns
        self._replayed = list(state.recent)
        self._recent: deque[tuple[int, int]] = deque(
            state.recent, maxlen=max(memory.paths - 1, 1))
        self._reset_reason = state.reset_reason
        memory.next_path = (state.next_path - len(state.recent)) % memory.paths
        if state.reset_reason is not None:
            memory.reset(state.reset_reason)

    def replays(self, logged_ns: int, stamp_ns: int) -> bool:
        """Whether this frame, of before the start, is one that must fill the memory again."""
        if (logged_ns, stamp_ns) not in self._replayed:
            return False
        self._replayed.remove((logged_ns, stamp_ns))
        return True

    def stale_reason(self, stamp_ns: int) -> str | None:
        """Why a frame is not labelled: by the rule of the node."""
        return stale_reason(stamp_ns, self._last_stamp_ns)

    def labelled(self, logged_ns: int, stamp_ns: int, reset: bool) -> None:
        """Note a frame that went into the memory, and whether it was emptied before."""
        if reset:
            self._recent.clear()
        self._recent.append((logged_ns, stamp_ns))
        self._last_stamp_ns = stamp_ns
        self._reset_reason = None

    def broke(self, reason: str) -> None:
        """Note that a frame failed in the network, which emptied the memory."""
        self._recent.clear()
        self._reset_reason = reason

    def survey(self, frame: Frame, logged_ns: int) -> None:
        """Do what labelling a frame does to the state, without the network."""
        reset = self.memory.prepare(frame) is not None
        self.memory.push(None)
        self.labelled(logged_ns, frame.stamp_ns, reset)

    def state(self, seen: int) -> CameraState:
        """The state after `seen` messages of the topic."""
        return CameraState(seen, self._last_stamp_ns, self.memory.next_path,
                           tuple(self._recent), self._reset_reason)
