"""Labels against a ground truth that is in the bag, or in the bag that was labelled."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.labelled import LabelCamera, LabelledBag
from tdnet_ros.bags.matching import frame_keys, matched_frames
from tdnet_ros.bags.message import IMAGE_TYPES
from tdnet_ros.bags.pair_counts import PairCounts, number
from tdnet_ros.bags.sources import TRUTH, is_truth
from tdnet_ros.nets.classes import UNLABELED


@dataclass(frozen=True)
class Score:
    """How the labels of one camera compare with a truth; its pixels are the rows of `counts`."""

    topic: str
    bag: Path
    frames: int
    counts: PairCounts

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {'topic': self.topic, 'bag': str(self.bag), 'frames': self.frames,
                'pixels': self.counts.pixels, 'accuracy': number(self.counts.equal_share()),
                'miou': number(self.counts.miou())}


def score(bag: LabelledBag, cameras: Sequence[LabelCamera],
          wanted: Sequence[str]) -> dict[str, Score]:
    """Compare the cameras that have a ground truth with it; by the camera's name.

    `wanted` names topics; without, they are found by their name. The truth of one of several
    cameras begins as the camera's images do: /front/ground_truth is that of /tdnet/front. It is
    looked for in the bag, then in the one that was labelled. What is called so and cannot be
    compared is a problem of the bag.
    """
    found: dict[str, Score] = {}
    seen: set[str] = set()
    for source in _sources(bag):
        for topic in wanted or sorted(filter(is_truth, source.topics)):
            if source.topics.get(topic) not in IMAGE_TYPES:
                continue
            seen.add(topic)
            for camera in cameras:
                if camera.name in found or not (len(cameras) == 1 or _belongs(topic, camera)):
                    continue
                try:
                    found[camera.name] = _compare(bag, camera, source, topic)
                except BagError as error:
                    if wanted:
                        raise
                    bag.problems.append(f'no truth: {error}')
    if set(wanted) - seen:
        raise BagError(f'{bag.path} has no image topic {", ".join(sorted(set(wanted) - seen))} '
                       f'for a ground truth; its topics: {", ".join(sorted(bag.topics))}')
    return found


def _sources(bag: LabelledBag) -> Iterator[LabelledBag]:
    """The bag once more, and the one that was labelled where that is still there."""
    for source in (LabelledBag(bag.path), bag.labelled_from()):
        if source:
            with closing(source):
                yield source


def _belongs(topic: str, camera: LabelCamera) -> bool:
    space = topic.rpartition(f'/{TRUTH}' if is_truth(topic) else '/')[0]
    return bool(space) and camera.name.endswith(space)


def _compare(bag: LabelledBag, camera: LabelCamera, source: LabelledBag, topic: str) -> Score:
    """A truth that is no class of the model, 255 for one, does not count."""
    labelled = frame_keys(bag, camera.labels)
    common = {key: logged_ns for key, logged_ns in frame_keys(source, topic).items()
              if key in labelled}
    counts = PairCounts()
    for _, *messages in matched_frames(source, topic, bag, camera.labels, common):
        truth, labels = source.pixels(messages[0]), bag.pixels(messages[1])
        try:
            counts.add(truth, labels)
        except ValueError as error:
            raise BagError(f'{bag.path}: {topic} and {camera.labels}: {error}') from error
    counts.ignore_from(max(bag.classes.names, default=UNLABELED - 1) + 1)
    return Score(topic, source.path, len(common), counts)
