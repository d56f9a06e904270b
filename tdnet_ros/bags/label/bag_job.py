"""Labelling one bag: what is to be done, chunk by chunk, and the record of it."""
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
import hashlib
from pathlib import Path
from typing import Any

from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.files.bag import Bag
from tdnet_ros.bags.label.camera import CameraState
from tdnet_ros.bags.label.channels import Channel, copied_channels, output_channels
from tdnet_ros.bags.label.encoder import Encoder
from tdnet_ros.bags.label.job import ChunkJob, ChunkResult, Place, TopicTally
from tdnet_ros.bags.label.location import absolute
from tdnet_ros.bags.label.options import LabelOptions
from tdnet_ros.bags.label.output import Output, continued
from tdnet_ros.bags.label.plan import Camera, plan_cameras, time_span
from tdnet_ros.bags.label_record import LabelRecord, TopicRecord
from tdnet_ros.bags.unread import Unread
from tdnet_ros.nets.card import ModelCard, find_model
from tdnet_ros.ros.meter import Spread


@dataclass(frozen=True)
class BagJob:
    """All chunks of one bag have this in common."""

    bag: Path
    options: LabelOptions
    identity: dict[str, Any]
    '''What output and input must share for work to be continued.'''
    cameras: tuple[Camera, ...]
    channels: tuple[tuple[str, Channel], ...]
    copied: frozenset[str]
    start_ns: int
    stop_ns: int
    frames: int
    '''Frames to be labelled, about.'''
    left_out: tuple[str, ...] = ()
    '''What is said of topics that cannot be labelled.'''

    def first_place(self) -> Place:
        """Where labelling starts."""
        return Place(self.start_ns, (CameraState(),) * len(self.cameras))

    def chunk(self, output: Output, number: int, place: Place) -> ChunkJob:
        """One chunk of it."""
        return ChunkJob(self.bag, output.part, output.chunk_name(number), number, self.options,
                        self.cameras, self.channels, self.copied, place, self.stop_ns)

    def record(self, results: Sequence[ChunkResult], seconds: float) -> LabelRecord:
        """The record after these chunks, which are in order; `seconds` of work."""
        first = continued(results)
        card = find_model(self.options.model, self.options.weights)
        topics = {camera.topic: _topic_record(
            camera, [result.topics[camera.topic] for result in results])
            for camera in self.cameras}
        done = bool(first) and first[-1].next is None
        damage = list(dict.fromkeys(line for result in results for line in result.problems))
        unread = Unread(damage, f'{self.bag}: ')
        for result in results:
            for note in result.unread:
                unread.note(*note)
        frames = sum(topic.frames for topic in topics.values())
        return LabelRecord(
            input=absolute(self.bag), model=card.name, engine=self.options.engine,
            device=results[0].device if results else '',
            input_size=self.options.input_size or card.input_size, classes=card.classes.names,
            palette=card.classes.palette, options=self.identity, topics=topics,
            complete=done and not damage,
            until_ns=max((result.until_ns for result in first
                          if result.until_ns is not None), default=None),
            seconds=round(seconds, 3),
            frames_per_second=round(frames / seconds, 3) if seconds else 0.0,
            problems=[*self.left_out, *damage])


def prepare(path: Path, options: LabelOptions) -> BagJob:
    """Look into a bag and plan its labelling; BagError says why it cannot be."""
    bag = Bag(path)
    try:
        return _planned(bag, options)
    except BagError as error:
        raise BagError('; '.join([str(error), *bag.problems])) from error
    finally:
        bag.close()


def _planned(bag: Bag, options: LabelOptions) -> BagJob:
    left_out: list[str] = []
    cameras = plan_cameras(bag, options, left_out.append)
    card = find_model(options.model, options.weights)
    kinds: dict[str, str] = {}
    for camera in cameras:
        kinds |= Encoder(card, options).types(camera)
    channels = output_channels(kinds)
    copied = copied_channels(bag, channels, left_out.append) if options.copy_input else {}
    start_ns, stop_ns = time_span(bag, options)
    share = (stop_ns - start_ns) / max(bag.end_ns - bag.start_ns, 1) / options.every
    count = sum(bag.topics[camera.topic].count for camera in cameras)
    return BagJob(bag.path, options, _identity(bag, options, card), cameras,
                  tuple({**channels, **copied}.items()), frozenset(copied), start_ns, stop_ns,
                  max(1, round(count * share)), tuple(left_out))


def _identity(bag: Bag, options: LabelOptions, card: ModelCard) -> dict[str, Any]:
    """Everything that labels depend on, but for the device, as plain values."""
    digest = ''
    if card.weights is not None:
        digest = hashlib.sha256(card.weights.read_bytes()).hexdigest()[:16]
    plain = {name: list(value) if isinstance(value, tuple) else value
             for name, value in asdict(options).items() if name not in ('device', 'weights')}
    return {**plain, 'model': card.name, 'weights_sha256': digest,
            'classes': card.classes.described(), 'input_bytes': bag.bytes,
            'input_start_ns': bag.start_ns, 'input_end_ns': bag.end_ns}


def _topic_record(camera: Camera, tallies: Sequence[TopicTally]) -> TopicRecord:
    def every(name: str) -> list[Any]:
        return [item for tally in tallies for item in getattr(tally, name)]

    return TopicRecord(
        camera.labels, camera.label_info, camera.overlay, camera.confidence, camera.points,
        frames=sum(tally.frames for tally in tallies), failed=every('failed'),
        skipped=every('skipped'), resets=every('resets'),
        without_points=dict(Counter(every('without_points'))),
        latency_ms=_spread(every('latency_ms')), network_ms=_spread(every('network_ms')))


def _spread(values: Sequence[float]) -> dict[str, float]:
    return Spread.of(values).rounded() if values else {}
