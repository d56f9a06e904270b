"""Reading a labelled bag once, for everything that its report says in numbers."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.labelled import LabelledBag
from tdnet_ros.bags.message import Message, header_stamp_ns
from tdnet_ros.bags.progress import Update
from tdnet_ros.bags.report.camera import camera_summary
from tdnet_ros.bags.report.live import UNTRAINED, LiveRun
from tdnet_ros.bags.report.tally import CameraTally
from tdnet_ros.bags.report.truth import score
from tdnet_ros.bags.sources import is_truth
from tdnet_ros.ros.meter import LATENCY, STAGES
from tdnet_ros.ros.names import DIAGNOSTICS, debug_topic
from tdnet_ros.ros.texts import counted

VERSION = 1  # of what is said about a bag
DIAGNOSTIC_TYPE = 'diagnostic_msgs/msg/DiagnosticArray'
FLOAT = 'std_msgs/msg/Float32'


def summarize_bag(path: Path, truth: Sequence[str], update: Update) -> dict[str, Any]:
    """Everything about one bag in plain types, as docs/bags.md has it.

    `update` is called with the number of frames so far. BagError says why a bag cannot be read.
    """
    with closing(LabelledBag(path)) as bag:
        return _summary(bag, truth, update)


def _summary(bag: LabelledBag, truth: Sequence[str], update: Update) -> dict[str, Any]:
    cameras = [camera for camera in bag.cameras
               if camera.labels not in truth and not is_truth(camera.labels)]
    if not cameras:
        raise BagError(f'{bag.path} has no label topic (a name that ends with /labels or '
                       f'/labels/compressed); its topics: {", ".join(sorted(bag.topics))}')
    tallies = [CameraTally(bag, camera) for camera in cameras]
    live = _read(bag, tallies, update)
    scores = score(bag, cameras, truth)
    return {
        'path': str(bag.path), 'name': bag.path.resolve().name,
        'start': datetime.fromtimestamp(bag.start_ns * 1e-9, timezone.utc).isoformat(
            timespec='seconds'),
        'duration_s': bag.duration_s, **_origin(bag, live),
        'cameras': [camera_summary(bag, tally, live.cameras.get(tally.camera.name),
                                   scores.get(tally.camera.name)) for tally in tallies],
        'damage': bag.problems}


def _origin(bag: LabelledBag, live: LiveRun) -> dict[str, Any]:
    """What made the labels, as far as the bag says."""
    record = bag.record
    if record is None:
        return {'source': 'live', 'complete': True, 'problems': live.problems, **live.facts}
    untrained = [UNTRAINED] if record.options.get('weights_sha256') == '' else []
    height, width = record.input_size
    return {'source': 'offline', 'complete': record.complete,
            'problems': [*untrained, *record.problems], 'input': record.input,
            'model': record.model, 'engine': record.engine, 'device': record.device,
            'input_size': f'{height} x {width}',
            'frames_per_second': record.frames_per_second, 'seconds': record.seconds}


def _read(bag: LabelledBag, tallies: Sequence[CameraTally], update: Update) -> LiveRun:
    live = LiveRun()
    handlers: dict[str, Callable[[float, Message], None]] = {}
    if bag.topics.get(DIAGNOSTICS) == DIAGNOSTIC_TYPE and not bag.record:
        handlers[DIAGNOSTICS] = lambda time_s, message: live.update(time_s, bag.decode(message))
    for tally in tallies:
        handlers |= _handlers(bag, tally)
    for message in bag.messages(handlers.keys()):
        handlers[message.topic](bag.time_s(message.logged_ns), message)
        frames = sum(tally.frames for tally in tallies)
        update(frames, f'{counted(frames, "frame")} of {bag.path.name}')
    return live


def _handlers(bag: LabelledBag,
              tally: CameraTally) -> dict[str, Callable[[float, Message], None]]:
    """What to do with a message of each of a camera's topics."""
    camera = tally.camera

    def labels(_: float, message: Message) -> None:
        tally.add_labels(message.logged_ns, header_stamp_ns(message.cdr), bag.pixels(message))

    def confidence(time_s: float, message: Message) -> None:
        tally.add_confidence(time_s, bag.pixels(message))

    def stage(name: str) -> Callable[[float, Message], None]:
        return lambda time_s, message: tally.add_time(time_s, name, bag.decode(message).data)

    stages = {topic: name for name in (*STAGES, LATENCY)
              if bag.topics.get(topic := debug_topic(f'{camera.name}/', name)) == FLOAT}
    return {camera.labels: labels, **({camera.confidence: confidence} if camera.confidence
                                      else {}),
            **{topic: stage(name) for topic, name in stages.items()}}
