"""A chunk of a bag as a job that any process can do, and what comes of it."""
from __future__ import annotations

from dataclasses import asdict, dataclass, field
import json
from pathlib import Path
from typing import Any

from tdnet_ros.bags.label.camera import CameraState
from tdnet_ros.bags.label.channels import Channel
from tdnet_ros.bags.label.options import LabelOptions
from tdnet_ros.bags.label.plan import Camera
from tdnet_ros.bags.label_record import write_json


@dataclass(frozen=True)
class Place:
    """Where labelling stands: the next log time, and each camera's state there."""

    start_ns: int
    states: tuple[CameraState, ...]


@dataclass(frozen=True)
class ChunkJob:
    """Label from a place on, until the chunk is full, into one file of the output.

    It can be pickled, and gives the same file wherever and however often it is done.
    """

    bag: Path
    out: Path
    '''Bag directory that gets the file.'''
    name: str
    '''Of the file, without its suffix.'''
    number: int
    options: LabelOptions
    cameras: tuple[Camera, ...]
    channels: tuple[tuple[str, Channel], ...]
    copied: frozenset[str]
    place: Place
    stop_ns: int
    '''Log time at which to stop, the chunk full or not.'''


@dataclass
class TopicTally:
    """What became of the frames of one topic in a chunk; see TopicRecord."""

    frames: int = 0
    failed: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    resets: list[dict[str, Any]] = field(default_factory=list)
    latency_ms: list[float] = field(default_factory=list)
    network_ms: list[float] = field(default_factory=list)
    without_points: list[str] = field(default_factory=list)


@dataclass
class ChunkResult:
    """A chunk that is done; kept as a file beside it until the whole bag is."""

    number: int
    topics: dict[str, TopicTally]
    metadata: dict[str, Any]
    '''The rosbag2 metadata of its file.'''
    until_ns: int | None
    '''Log time of its last message; None: it has none.'''
    next: Place | None
    '''Where the next chunk starts; None: this is the last.'''
    seconds: float = 0.0
    device: str = ''
    problems: list[str] = field(default_factory=list)
    '''What of the input could not be read, apart from single messages.'''
    unread: list[tuple[str, int | None, str]] = field(default_factory=list)
    '''Topic and log time of messages that could not be read, and why.'''

    def write(self, path: Path) -> None:
        """Write as JSON, at once."""
        write_json(path, asdict(self))

    @classmethod
    def read(cls, path: Path) -> ChunkResult:
        """Read what `write` wrote."""
        content = json.loads(path.read_text(encoding='utf-8'))
        return cls(**{**content, 'next': _place(content['next']), 'topics': {
            topic: TopicTally(**tally) for topic, tally in content['topics'].items()}})


def _place(content: dict[str, Any] | None) -> Place | None:
    if content is None:
        return None
    return Place(content['start_ns'], tuple(CameraState(**{
        **state, 'recent': tuple(map(tuple, state['recent']))}) for state in content['states']))


class ChunkEnd:
    """Tells where a chunk ends: after so many frames, between two log times.

    Labelling and planning both ask it, so they agree on every chunk.
    """

    def __init__(self, frames: int) -> None:
        self._left = frames
        self.last_ns: int | None = None
        '''Log time of the last message so far.'''

    def before(self, logged_ns: int, stop: bool = False) -> bool:
        """Whether a message logged then is the first of the next chunk."""
        return ((self._left <= 0 or stop) and self.last_ns is not None
                and logged_ns > self.last_ns)

    def passed(self, logged_ns: int, is_frame: bool) -> None:
        """Count a message into the chunk."""
        self.last_ns = logged_ns
        self._left -= is_frame
