"""What adds up over the frames of one camera, in memory that does not grow with the bag."""
from __future__ import annotations

from array import array
from typing import Any

import numpy as np

from tdnet_ros.bags.bag_classes import BagClasses
from tdnet_ros.bags.labelled import LabelCamera, LabelledBag
from tdnet_ros.bags.pair_counts import IDS, Labels
from tdnet_ros.bags.report.series import Series
from tdnet_ros.ros.meter import LATENCY, STAGES, Spread

ORDER = (LATENCY, *STAGES)


class CameraTally:
    """Takes the messages of one camera in the order of time."""

    def __init__(self, bag: LabelledBag, camera: LabelCamera) -> None:
        self.camera = camera
        self._bag = bag
        self.logged_ns = array('q')
        '''Log time of each frame.'''
        self.sizes: list[list[int]] = []
        self._reset_stamps = {reset['stamp_ns'] for reset in
                              (camera.record.resets if camera.record else ())}
        self.reset_time_s: dict[int, float] = {}  # by stamp
        self._last: tuple[int, Labels] | None = None
        self._shares = Series(bag.duration_s, IDS)
        self._flips = Series(bag.duration_s)
        self._flip_rates = array('d')
        self._confidence = Series(bag.duration_s)
        self._latency = Series(bag.duration_s)
        self._times_ms: dict[str, array[float]] = {}

    @property
    def frames(self) -> int:
        """Frames so far."""
        return len(self.logged_ns)

    def add_labels(self, logged_ns: int, stamp_ns: int, labels: Labels) -> None:
        """Count the labels uint8 [H, W] of the next frame."""
        self.logged_ns.append(logged_ns)
        time_s = self._bag.time_s(logged_ns)
        size = [int(side) for side in labels.shape]
        if size not in self.sizes:
            self.sizes.append(size)
        if stamp_ns in self._reset_stamps:
            self.reset_time_s.setdefault(stamp_ns, time_s)
        self._shares.add(time_s, np.bincount(labels.ravel(), minlength=IDS) / labels.size)
        if self._last and self._follows(stamp_ns, labels):
            rate = float(np.mean(labels != self._last[1]))
            self._flips.add(time_s, rate)
            self._flip_rates.append(rate)
        self._last = stamp_ns, labels

    def _follows(self, stamp_ns: int, labels: Labels) -> bool:
        """Whether a frame is the next one of the same stream as the last."""
        assert self._last
        return (stamp_ns >= self._last[0] and stamp_ns not in self._reset_stamps
                and labels.shape == self._last[1].shape)

    def add_confidence(self, time_s: float, confidence: Labels) -> None:
        """Count the confidence uint8 [H, W] of a frame."""
        self._confidence.add(time_s, float(confidence.mean()) / 255)

    def add_time(self, time_s: float, stage: str, milliseconds: float) -> None:
        """Count how long one stage of a frame took."""
        self._times_ms.setdefault(stage, array('d')).append(milliseconds)
        if stage == LATENCY:
            self._latency.add(time_s, milliseconds)

    def class_shares(self, classes: BagClasses) -> dict[int, float]:
        """Mean share of the pixels of each class and of every other label that occurs."""
        overall = self._shares.overall()
        shares = np.zeros(IDS) if overall is None else overall
        return {label: float(shares[label]) for label in range(IDS)
                if shares[label] or label in classes.names}

    def figures(self) -> dict[str, Any]:
        """Means and spreads of the whole bag; None where nothing was recorded."""
        confidence = self._confidence.overall()
        return {
            'frames': self.frames, 'sizes': self.sizes,
            'flip_rate': {'mean': float(np.mean(self._flip_rates)),
                          **Spread.of(self._flip_rates)._asdict(),
                          'pairs': len(self._flip_rates)} if self._flip_rates else None,
            'confidence': None if confidence is None else {
                'mean': float(confidence[0]), 'min': float(self._confidence.least.min())},
            'times_ms': {stage: Spread.of(values)._asdict()
                         for stage, values in sorted(self._times_ms.items(), key=_in_order)}}

    def series(self, labels: list[int]) -> dict[str, Any]:
        """What the plots show, as lists: the shares of these labels, and the rest."""
        return {
            'class_share': {'time_s': _rounded(self._shares.time_s, 3),
                            'labels': labels,
                            'mean': [_rounded(self._shares.mean[:, label], 5)
                                     for label in labels]},
            'flip_rate': _listed(self._flips, 5), 'confidence': _listed(self._confidence, 4),
            'latency_ms': _listed(self._latency, 3)}


def _in_order(item: tuple[str, object]) -> int:
    return ORDER.index(item[0]) if item[0] in ORDER else len(ORDER)


def _listed(series: Series, digits: int) -> dict[str, list[float]] | None:
    if not len(series.time_s):
        return None
    return {'time_s': _rounded(series.time_s, 3), 'mean': _rounded(series.mean[:, 0], digits),
            'min': _rounded(series.least[:, 0], digits),
            'max': _rounded(series.largest[:, 0], digits)}


def _rounded(values: Any, digits: int) -> list[float]:
    return [round(float(value), digits) for value in values]
