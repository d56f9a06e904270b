"""What `tdnet_bag label` leaves beside its labels: tdnet_label.json, the record of the run."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
import json
from pathlib import Path
from typing import Any

from tdnet_ros.bags.errors import BagError
from tdnet_ros.nets.writing import replacing

FILE = 'tdnet_label.json'
VERSION = 1


@dataclass
class TopicRecord:
    """What became of the frames of one image topic.

    Every frame that was read is labelled and counted in `frames`, or listed in `failed` or
    `skipped` (a copy, or older than the frame before).
    """

    labels: str
    label_info: str
    overlay: str | None = None
    confidence: str | None = None
    points: str | None = None
    frames: int = 0
    failed: list[dict[str, Any]] = field(default_factory=list)
    '''{'stamp_ns', 'why'} of each frame that could not be labelled.'''
    skipped: list[dict[str, Any]] = field(default_factory=list)
    '''{'stamp_ns', 'why'} of each frame that was not worth labelling.'''
    without_points: dict[str, int] = field(default_factory=dict)
    '''Why frames have no points, where points were asked for, and how many each.'''
    resets: list[dict[str, Any]] = field(default_factory=list)
    '''{'stamp_ns', 'reason'} of each frame before which the memory was emptied.'''
    latency_ms: dict[str, float] = field(default_factory=dict)
    '''p50, p95, p99 and max of the work on one frame: decode, network, encode; no waiting.'''
    network_ms: dict[str, float] = field(default_factory=dict)
    '''The same of the network alone.'''


@dataclass
class LabelRecord:
    """One labelled bag: what it was made of, with what, and how far it got."""

    input: str
    model: str
    engine: str
    device: str
    input_size: tuple[int, int]
    '''Height and width of the network's input.'''
    classes: tuple[str, ...]
    '''Names by class id.'''
    palette: tuple[tuple[int, int, int], ...]
    '''RGB by class id.'''
    options: dict[str, Any]
    '''Everything that the labels depend on, and what else was asked for.'''
    topics: dict[str, TopicRecord]
    '''By image topic of the input.'''
    complete: bool = False
    '''Whether every frame of the input was read to the end.'''
    until_ns: int | None = None
    '''Log time of the last message that is dealt with, copies too; None: there is none yet.'''
    seconds: float = 0.0
    '''Time spent on it.'''
    frames_per_second: float = 0.0
    problems: list[str] = field(default_factory=list)
    '''What of the input could not be read, each with file and offset.'''
    version: int = VERSION

    def write(self, bag: Path) -> None:
        """Write into a bag directory, at once: a reader sees the old record or this one."""
        write_json(bag / FILE, asdict(self), indent=1)

    @classmethod
    def read(cls, bag: Path) -> LabelRecord:
        """Read the record of a labelled bag; BagError says why there is none."""
        path = bag / FILE
        try:
            content = json.loads(path.read_text(encoding='utf-8'))
            if content.get('version') != VERSION:
                raise BagError(f'{path} is version {content.get("version")}: expected {VERSION}')
            return cls(**{
                **content,
                'input_size': tuple(content['input_size']),
                'classes': tuple(content['classes']),
                'palette': tuple(map(tuple, content['palette'])),
                'topics': _topics(content['topics'])})
        except FileNotFoundError as error:
            raise BagError(f'{bag} is no labelled bag: it has no {FILE} (`tdnet_bag label` '
                           'makes it)') from error
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            if isinstance(error, BagError):
                raise
            raise BagError(f'{path} cannot be read: {error}') from error


def write_json(path: Path, content: dict[str, Any], indent: int | None = None) -> None:
    """Write a file at once, and onto the disk: a reader sees the old one or this one."""
    with replacing(path, sync=True) as part:
        part.write_text(json.dumps(content, indent=indent) + '\n', encoding='utf-8')


def _topics(content: Mapping[str, Any]) -> dict[str, TopicRecord]:
    return {topic: TopicRecord(**record) for topic, record in content.items()}
