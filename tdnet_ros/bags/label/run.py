"""Labelling many bags, one after the other."""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
import threading
import time

from tdnet_ros.bags.errors import STOPPED, BagError
from tdnet_ros.bags.label.bag_job import BagJob, prepare
from tdnet_ros.bags.label.chunk import Labeller
from tdnet_ros.bags.label.job import ChunkResult, Place
from tdnet_ros.bags.label.location import bag_name
from tdnet_ros.bags.label.output import Output, continued
from tdnet_ros.bags.label_record import LabelRecord
from tdnet_ros.bags.progress import Update, progress
from tdnet_ros.ros.errors import one_line
from tdnet_ros.ros.texts import counted


@dataclass(frozen=True)
class Outcome:
    """What became of one bag."""

    bag: Path | str
    output: Path | str
    record: LabelRecord | None = None
    skipped: bool = False
    '''It had been labelled before.'''
    error: str = ''
    '''Why it could not be labelled.'''

    @classmethod
    def failed(cls, bag: Path | str, output: Path | str, error: Exception) -> Outcome:
        """Nothing, for a reason that is said with the bag's name."""
        return cls(bag, output, error=str(error) if isinstance(error, BagError) else
                   f'{bag}: {one_line(error)}')

    @property
    def frames(self) -> int:
        """Frames that are labelled."""
        return sum(topic.frames for topic in self.record.topics.values()) if self.record else 0

    @property
    def summary(self) -> str:
        """What was done, in one line; empty where nothing was."""
        if self.record is None or self.error:
            return ''
        frames = counted(self.frames, 'frame')
        left_out = Counter(entry['why'] for topic in self.record.topics.values()
                           for entry in topic.skipped)
        more = ''.join(f'; {counted(count, "frame")} skipped, {why}'
                       for why, count in left_out.most_common())
        if self.skipped:
            return f'{self.bag}: labelled before, {frames} in {self.output}{more}'
        return (f'{self.bag}: {frames} in {self.record.seconds:.1f} s '
                f'({self.record.frames_per_second:.1f} a second) in {self.output}{more}')

    @property
    def problems(self) -> list[str]:
        """Everything that went wrong, each in one line."""
        lines = [*([self.error] if self.error else []),
                 *(self.record.problems if self.record else [])]
        for name, topic in (self.record.topics if self.record else {}).items():
            if topic.failed:
                frames = counted(topic.frames + len(topic.failed), 'frame')
                lines.append(f'{self.bag}: {name}: {len(topic.failed)} of {frames} failed, first: '
                             f'{topic.failed[0]["why"]}')
            lines += [f'{self.bag}: {name}: {counted(count, "frame")} without points: {why}'
                      for why, count in topic.without_points.items()]
        return lines


class BagRun:
    """One bag while it is labelled: its output, and the chunks that are done."""

    def __init__(self, job: BagJob, output: Output) -> None:
        self.job = job
        self.output = output
        self.results = output.open(job.identity)
        self._before_s = sum(result.seconds for result in self.results)
        self._started = time.perf_counter()
        self.record = self._publish()

    @property
    def frames(self) -> int:
        """Frames that are labelled."""
        return sum(topic.frames for topic in self.record.topics.values())

    @property
    def next(self) -> tuple[int, Place] | None:
        """Number and place of the first chunk that is not done; None: all are."""
        done = continued(self.results)
        place = done[-1].next if done else self.job.first_place()
        return None if place is None else (len(done), place)

    def add(self, result: ChunkResult) -> None:
        """Take a chunk that is done."""
        others = [item for item in self.results if item.number != result.number]
        self.results = sorted([*others, result], key=lambda item: item.number)
        self.record = self._publish()

    def finish(self) -> Outcome:
        """What has become of the bag; its directory gets its final name if all is done."""
        bag = self.job.bag
        if self.next is not None:
            return Outcome(bag, self.output.part, self.record,
                           error=f'{bag}: {STOPPED}')
        if not any(topic.frames or topic.failed for topic in self.record.topics.values()):
            raise BagError('; '.join([f'{bag}: there is no image between --start and --duration',
                                      *self.record.problems]))
        self.output.finish()
        return Outcome(bag, self.output.final, self.record)

    def _publish(self) -> LabelRecord:
        seconds = self._before_s + time.perf_counter() - self._started
        record = self.job.record(self.results, seconds)
        self.output.publish(self.results, record)
        return record


def label_bag(bag: Path, folder: Path, labeller: Labeller, stop: threading.Event) -> Outcome:
    """Label one bag into `folder`, from where an earlier run was interrupted."""
    output = Output(folder, bag_name(bag))
    try:
        job = prepare(bag, labeller.options)
        record = output.finished(job.identity)
        if record is not None:
            return Outcome(bag, output.final, record, skipped=True)
        with output, progress(bag.name, job.frames) as update:
            return _label(BagRun(job, output), labeller, stop, update)
    except Exception as error:  # the other bags go on
        return Outcome.failed(bag, output.part, error)


def _label(run: BagRun, labeller: Labeller, stop: threading.Event, update: Update) -> Outcome:
    started, before, count = time.perf_counter(), run.frames, 0

    def on_frame() -> None:
        nonlocal count
        count += 1
        update(before + count, f'{count / (time.perf_counter() - started):.1f} frames/s')

    while (chunk := run.next) is not None and not stop.is_set():
        run.add(labeller.label(run.job.chunk(run.output, *chunk), on_frame, stop))
    return run.finish()
