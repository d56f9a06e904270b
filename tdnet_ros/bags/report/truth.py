"""Labels against a ground truth that is in the bag, or in the bag that was labelled."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.labelled import LabelCamera, LabelledBag
from tdnet_ros.bags.matching import frame_keys, matched_frames
from tdnet_ros.bags.pair_counts import PairCounts, number
from tdnet_ros.bags.reading import IMAGE_TYPES

NAME = 'ground_truth'
'''The part of a topic's name that tells it is one.'''


def is_truth(topic: str) -> bool:
    """Whether a topic's name says that it is a ground truth: /front/ground_truth."""
    return NAME in topic.split('/')


def find_truth(bag: LabelledBag, cameras: Sequence[LabelCamera],
               wanted: Sequence[str]) -> dict[str, tuple[LabelledBag, str]]:
    """Bag and topic of each camera's ground truth, by the camera's name.

    `wanted` names topics; without, they are found by their name. The truth of one of several
    cameras begins as the camera's images do: /front/ground_truth is that of /tdnet/front.
    """
    found: dict[str, tuple[LabelledBag, str]] = {}
    for source in _sources(bag):
        for topic in wanted or filter(is_truth, sorted(source.topics)):
            if source.topics.get(topic) in IMAGE_TYPES:
                for camera in cameras:
                    if len(cameras) == 1 or _belongs(topic, camera):
                        found.setdefault(camera.name, (source, topic))
    missing = set(wanted) - {topic for _, topic in found.values()}
    if missing:
        raise BagError(f'{bag.path} has no ground truth {", ".join(sorted(missing))} of '
                       f'{", ".join(camera.name for camera in cameras)}; its topics: '
                       f'{", ".join(sorted(bag.topics))}')
    return found


def _sources(bag: LabelledBag) -> list[LabelledBag]:
    """The bag, and the one that was labelled where that is still there."""
    if bag.record and Path(bag.record.input).exists():
        try:
            return [bag, LabelledBag(Path(bag.record.input))]
        except BagError:
            pass
    return [bag]


def _belongs(topic: str, camera: LabelCamera) -> bool:
    space = topic.rpartition(f'/{NAME}' if is_truth(topic) else '/')[0]
    return bool(space) and camera.name.endswith(space)


def against_truth(bag: LabelledBag, camera: LabelCamera, source: LabelledBag,
                  topic: str) -> tuple[dict[str, Any], PairCounts]:
    """What there is to say of all frames that have a truth, and the counts by class.

    A truth that is no class of the model, 255 for one, is not counted.
    """
    labelled = frame_keys(bag, camera.labels)
    common = {key: logged_ns for key, logged_ns in frame_keys(source, topic).items()
              if key in labelled}
    counts = PairCounts()
    for _, *messages in matched_frames(source, topic, bag, camera.labels, common):
        try:
            counts.add(source.pixels(messages[0]), bag.pixels(messages[1]))
        except ValueError as error:
            raise BagError(f'{bag.path}: {topic} and {camera.labels}: {error}') from error
    counts.ignore_from(max(bag.classes.names, default=254) + 1)
    return {'topic': topic, 'bag': str(source.path), 'frames': len(common),
            'pixels': counts.pixels, 'accuracy': number(counts.equal_share()),
            'miou': number(counts.miou())}, counts
