"""Comparing the labels of two bags, frame by frame."""
from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tdnet_ros.bags.bag_classes import BagClasses
from tdnet_ros.bags.compare.worst import ComparedFrame, WorstFrames
from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.labelled import LabelCamera, LabelledBag
from tdnet_ros.bags.matching import (
    Key,
    Topics,
    frame_keys,
    match_cameras,
    matched_frames,
)
from tdnet_ros.bags.pair_counts import PairCounts, number
from tdnet_ros.ros.texts import counted

LISTED_STAMPS = 100  # of the frames that only one bag has


@dataclass(frozen=True)
class CameraComparison:
    """The labels of one camera in both bags."""

    name: str
    topics: Topics
    only_first: list[int]
    '''Stamps in ns.'''
    only_second: list[int]
    counts: PairCounts
    agreements: array[float] = field(default_factory=lambda: array('d'))
    '''Share of equal pixels of each frame that both have.'''
    worst: list[ComparedFrame] = field(default_factory=list)

    def as_dict(self, classes: BagClasses) -> dict[str, Any]:
        """Everything but pixels in plain types, for JSON."""
        shares = np.array(self.agreements)
        return {
            'name': self.name, 'topics': list(self.topics),
            'frames': {'both': len(self.agreements), 'only_a': len(self.only_first),
                       'only_b': len(self.only_second)},
            'only_a_stamps_ns': self.only_first[:LISTED_STAMPS],
            'only_b_stamps_ns': self.only_second[:LISTED_STAMPS],
            'agreement': self.counts.equal_share(),
            'frame_agreement': {'min': float(shares.min()), 'p5': float(np.percentile(shares, 5)),
                                'median': float(np.median(shares))},
            'miou': number(self.counts.miou()), 'pixels': self.counts.pixels,
            'classes': class_rows(self.counts, classes),
            'worst': [{'stamp_ns': frame.stamp_ns, 'time_s': frame.time_s,
                       'agreement': frame.agreement} for frame in self.worst]}


@dataclass(frozen=True)
class Comparison:
    """Everything that two bags have in common."""

    paths: tuple[Path, Path]
    classes: BagClasses
    cameras: list[CameraComparison]
    unmatched: tuple[list[str], list[str]]
    '''Label topics that only one bag has.'''
    problems: list[str]
    '''What of the bags cannot be read, each in one line.'''

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON, as docs/bags.md has them."""
        return {'a': str(self.paths[0]), 'b': str(self.paths[1]),
                'topics_only_a': self.unmatched[0], 'topics_only_b': self.unmatched[1],
                'problems': self.problems,
                'cameras': [camera.as_dict(self.classes) for camera in self.cameras]}


def class_rows(counts: PairCounts, classes: BagClasses) -> list[dict[str, Any]]:
    """One row for each label that occurs in either, by id; None where a share has no meaning."""
    first, second = counts.matrix.sum(1), counts.matrix.sum(0)
    agreement, iou = counts.agreement(), counts.iou()
    rows = []
    for label in np.flatnonzero(first + second).tolist():
        instead = counts.instead(label)
        rows.append({
            'id': label, 'name': classes.name(label), 'pixels_a': int(first[label]),
            'pixels_b': int(second[label]), 'agreement': number(agreement[label]),
            'iou': number(iou[label]),
            'mostly_instead': None if instead is None else classes.name(instead)})
    return rows


def compare(first: Path, second: Path, topics: Topics | None = None, worst: int = 0,
            on_frame: Callable[[int, int, str], None] = lambda done, total, camera: None,
            ) -> Comparison:
    """Compare the frames with the same stamp of the cameras that both bags have."""
    with closing(LabelledBag(first)) as bag, closing(LabelledBag(second)) as other:
        conflict = bag.classes.conflict(other.classes)
        if conflict:
            raise BagError(f'{first} and {second} differ in their classes: {conflict}')
        pairs = match_cameras(bag, other, topics)
        cameras = [_compare_camera((bag, other), pair, worst, on_frame) for pair in pairs]
        unmatched = [[camera.labels for camera in every.cameras
                      if camera not in [pair[side] for pair in pairs]]
                     for side, every in enumerate((bag, other))]
        return Comparison((first, second), bag.classes.merged(other.classes), cameras,
                          (unmatched[0], unmatched[1]), [*bag.problems, *other.problems])


def _compare_camera(bags: tuple[LabelledBag, LabelledBag], pair: tuple[LabelCamera, LabelCamera],
                    worst: int, on_frame: Callable[[int, int, str], None]) -> CameraComparison:
    topics = pair[0].labels, pair[1].labels
    keys = tuple(frame_keys(bag, topic) for bag, topic in zip(bags, topics))
    common = {key: logged_ns for key, logged_ns in keys[0].items() if key in keys[1]}
    if not common:
        raise BagError(
            f'no frame of {topics[0]} in {bags[0].path} ({counted(len(keys[0]), "frame")}) has '
            f'the stamp of one of {topics[1]} in {bags[1].path} ({len(keys[1])}): expected labels '
            'of the same images')
    only = [[key.stamp_ns for key in side if key not in common] for side in keys]
    result = CameraComparison(pair[0].name, topics, only[0], only[1], PairCounts())
    ranking = WorstFrames(worst)
    for frame in _frames(bags, topics, common, result.counts):
        result.agreements.append(frame.agreement)
        ranking.add(frame)
        on_frame(len(result.agreements), len(common), pair[0].name)
    result.worst.extend(ranking.ranked())
    return result


def _frames(bags: tuple[LabelledBag, LabelledBag], topics: Topics, common: Mapping[Key, int],
            counts: PairCounts) -> Iterator[ComparedFrame]:
    matched = matched_frames(bags[0], topics[0], bags[1], topics[1], common)
    for key, *messages in matched:
        first, second = (bag.pixels(message) for bag, message in zip(bags, messages))
        time_s = bags[0].time_s(messages[0].logged_ns)
        try:
            agreement = counts.add(first, second)
        except ValueError as error:
            raise BagError(f'{topics[0]} in {bags[0].path} and {topics[1]} in {bags[1].path} at '
                           f'{time_s:.3f} s: {error}') from error
        yield ComparedFrame(agreement, key.stamp_ns, key.repeat, time_s, first, second)
