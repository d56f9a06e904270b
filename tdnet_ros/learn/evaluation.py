"""Runs a labeller over a data set and gathers its figures."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
import math
import time
from typing import Any

import numpy as np

from tdnet_ros.learn.datasets import Dataset, VideoFrame, check_one_size
from tdnet_ros.learn.labellers import Labeller, optical_flow
from tdnet_ros.learn.metrics import Confusion, Labels, flip_rate, video_consistency, warp_labels
from tdnet_ros.learn.reading import read_image
from tdnet_ros.stream.frame import Frame
from tdnet_ros.stream.memory import MAX_GAP_S

FLIP_FRAMES = 20
"""Labelled frames, evenly spread, on which the flip rate is measured."""
LEAST_CHANGES = 4
"""From output to output of each of them; whole rounds of all paths."""
WARM_UP_FRAMES = 8


@dataclass
class Report:
    """The figures of one mode; fractions from 0 to 1, None where one doesn't apply."""

    mode: str
    confusion: Confusion
    consistency: Confusion
    """Of labels with those of the next frame, carried back."""
    names: tuple[str, ...]
    judged: int = 0
    """Labelled frames so far."""
    latency_ms: list[float] = field(default_factory=list)
    vc8: list[float] = field(default_factory=list)
    vc16: list[float] = field(default_factory=list)
    flips: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Return what goes into the JSON file."""
        times = np.array(self.latency_ms)
        return {
            'miou': _number(self.confusion.miou()),
            'iou': {name: _number(value) for name, value in zip(self.names, self.confusion.iou())},
            'mode': self.mode,
            'flip_rate': _mean(self.flips),
            'vc8': _mean(self.vc8),
            'vc16': _mean(self.vc16),
            'tc': _number(self.consistency.miou()),
            'latency_ms': {'mean': round(float(times.mean()), 3),
                           'p99': round(float(np.percentile(times, 99)), 3),
                           'max': round(float(times.max()), 3)},
            'frames': len(times),
        }


def evaluate(mode: str, labeller: Labeller, paths: int, dataset: Dataset,
             tick: Callable[[], None] = lambda: None) -> Report:
    """
    Label all videos of a data set in their order and time.

    In the mode `repeated` each labelled frame is fed once per path and its last labels count; in
    the others every frame once. Runs start at each path in turn, and so do repeated frames:
    where labelled frames have the same distance from the start, all paths are judged nevertheless.
    tick: called ticks(dataset) times.
    """
    confusion, consistency = (Confusion(len(dataset.classes)) for _ in range(2))
    report = Report(mode, confusion, consistency, dataset.classes.names)
    _warm_up(labeller, dataset)
    for turn, run in enumerate(runs(dataset)):
        labeller.restart(turn)
        for clip in run:
            _evaluate_clip(report, labeller, paths, dataset, clip, tick)
    _measure_flips(report, labeller, paths * math.ceil(LEAST_CHANGES / paths), dataset, tick)
    return report


def ticks(dataset: Dataset) -> int:
    """Return the number of frames that are labelled, and of those fed again for the flips."""
    return sum(map(len, dataset.clips)) + min(FLIP_FRAMES, len(dataset.labelled()))


def runs(dataset: Dataset) -> Iterator[list[tuple[VideoFrame, ...]]]:
    """Group the clips of one video that no long gap parts; a still is a run of its own."""
    run = [dataset.clips[0]]
    for (*_, last), clip in pairwise(dataset.clips):
        first = clip[0]
        gap_s = (first.number - last.number) / dataset.rate_hz
        if not first.video or first.video != last.video or gap_s > MAX_GAP_S:
            yield run
            run = []
        run.append(clip)
    yield run


def _evaluate_clip(report: Report, labeller: Labeller, paths: int, dataset: Dataset,
                   clip: tuple[VideoFrame, ...], tick: Callable[[], None]) -> None:
    repeated = report.mode == 'repeated'
    kept = not repeated and all(entry.label for entry in clip)
    outputs: list[Labels] = []
    truths: list[Labels] = []
    last: tuple[VideoFrame, Frame, Labels] | None = None
    for entry in clip:
        tick()
        if repeated and not entry.label:  # nobody sees what it would be given
            continue
        frame = load_frame(dataset, entry)
        if last is not None:
            check_one_size(entry, frame.size, last[0], last[1].size)
        if repeated:
            labeller.restart(report.judged)
        for _ in range(paths if repeated else 1):
            start = time.perf_counter()
            labels = labeller.label(frame)
            report.latency_ms.append((time.perf_counter() - start) * 1e3)
        if entry.label:
            report.judged += 1
            truth = dataset.read_label(entry.label)
            report.confusion.add(labels, truth)
            if kept:
                outputs.append(labels)
                truths.append(truth)
                for length, found in ((8, report.vc8), (16, report.vc16)):
                    ended = slice(-length - 1, None)  # the window that ended with the last frame
                    found += video_consistency(outputs[ended], truths[ended], length)
                del outputs[:-16], truths[:-16]  # the longest window
        if last is not None and not repeated:
            warped = warp_labels(labels, optical_flow(last[1].rgb, frame.rgb))
            report.consistency.add(last[2], warped)
        last = entry, frame, labels


def _measure_flips(report: Report, labeller: Labeller, rounds: int, dataset: Dataset,
                   tick: Callable[[], None]) -> None:
    """Feed single frames again and again; what changes after the warm-up is flicker."""
    labelled = dataset.labelled()
    count = min(FLIP_FRAMES, len(labelled))
    for clip, position in (labelled[i * len(labelled) // count] for i in range(count)):
        frame = load_frame(dataset, dataset.clips[clip][position])
        labeller.restart()
        outputs = [labeller.label(frame) for _ in range(2 * rounds)]
        report.flips.append(flip_rate(outputs[rounds - 1:]))
        tick()


def _warm_up(labeller: Labeller, dataset: Dataset) -> None:
    frame = load_frame(dataset, dataset.clips[0][0])
    for _ in range(WARM_UP_FRAMES):
        labeller.label(frame)


def load_frame(dataset: Dataset, entry: VideoFrame) -> Frame:
    """Read a frame with its time in the video."""
    return Frame(read_image(entry.image), round(entry.number / dataset.rate_hz * 1e9))


def _mean(values: list[float]) -> float | None:
    return _number(float(np.mean(values))) if values else None


def _number(value: float) -> float | None:
    return round(float(value), 6) if math.isfinite(value) else None
