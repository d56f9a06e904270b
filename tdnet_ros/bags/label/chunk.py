"""Labelling one chunk: frames in, one file of a bag out."""
from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
import threading
import time

import cv2

from tdnet_ros.bags.files.bag import Bag
from tdnet_ros.bags.label.ahead import Ahead
from tdnet_ros.bags.label.camera import CameraTrack
from tdnet_ros.bags.label.chunk_writer import ChunkWriter
from tdnet_ros.bags.label.encoder import Encoder
from tdnet_ros.bags.label.frames import Frames
from tdnet_ros.bags.label.job import ChunkEnd, ChunkJob, ChunkResult, Place
from tdnet_ros.bags.label.options import LabelOptions
from tdnet_ros.bags.label.reader import THREADS, Item, read_ahead
from tdnet_ros.stream import VideoSegmenter

OnFrame = Callable[[], None]


@dataclass
class _Course:
    """An open bag, read up to a place with every camera's memory as it is there."""

    bag: Bag
    job: ChunkJob
    place: Place
    reader: Ahead[Item]
    tracks: list[CameraTrack]
    told: int = 0
    '''Messages that cannot be read and are in the result of a chunk.'''

    def unread(self) -> list[tuple[str, int | None, str]]:
        """What cannot be read and was not told yet."""
        notes = self.bag.unread.noted[self.told:]
        self.told += len(notes)
        return notes

    def close(self) -> None:
        self.reader.close()
        self.bag.close()


class Labeller:
    """A network, and the place it has reached: chunks that follow each other need no warm-up."""

    def __init__(self, options: LabelOptions) -> None:
        cv2.setNumThreads(1)
        self.options = options
        self.segmenter = VideoSegmenter.load(
            options.model, options.device, options.input_size, options.weights,
            max_gap_s=options.max_gap_s, scene_cut=options.scene_cut, engine=options.engine,
            precision=options.precision)
        self.encoder = Encoder(self.segmenter.card, options)
        self._pool = ThreadPoolExecutor(THREADS, 'bag images')
        self._course: _Course | None = None
        self._batch_limit = 0
        self._stack = ExitStack()
        self._stack.callback(self._pool.shutdown, cancel_futures=True)
        self._stack.callback(self._leave)

    def label(self, job: ChunkJob, on_frame: OnFrame = lambda: None,
              stop: threading.Event | None = None) -> ChunkResult:
        """Label one chunk; its file and its result are in `job.out` when this returns.

        `stop` ends the chunk early. BagError says why it cannot be read or written.
        """
        self._measure_batches(len(job.cameras))
        try:
            result = self._label(job, self._course_to(job), on_frame, stop)
        except BaseException:
            self._leave()  # it has read beyond the place
            raise
        if result.next is None:
            self._leave()
        elif self._course is not None:
            self._course.place = result.next
        return result

    def _label(self, job: ChunkJob, course: _Course, on_frame: OnFrame,
               stop: threading.Event | None) -> ChunkResult:
        started, following = time.perf_counter(), None
        end = ChunkEnd(job.options.chunk_frames)
        frames = Frames(job, course.tracks, self.segmenter, self.encoder, self._pool)
        with ChunkWriter(job.out, job.name, dict(job.channels)) as writer:
            for item in course.reader:
                if item.warm:
                    frames.warm(item)
                    continue
                logged_ns = item.message.logged_ns
                if end.before(logged_ns, stop is not None and stop.is_set()):
                    course.reader.put_back(item)
                    frames.flush(writer)
                    following = frames.place(item)
                    break
                end.passed(logged_ns, item.camera is not None)
                frames.take(item, writer)
                if item.camera is not None:
                    on_frame()
            else:
                frames.flush(writer)
            metadata = writer.finish()
        result = ChunkResult(
            job.number, frames.tallies, metadata, end.last_ns, following,
            time.perf_counter() - started, str(self.segmenter.device), course.bag.unread.others,
            course.unread())
        result.write(job.out / f'{job.name}.json')
        return result

    def _measure_batches(self, cameras: int) -> None:
        """Find out once how many cameras' frames are faster together, as the node does."""
        if cameras > max(self._batch_limit, 1):
            self._batch_limit = cameras
            self.segmenter.measure_batches(self.segmenter.input_size, cameras)

    def _course_to(self, job: ChunkJob) -> _Course:
        """Go on if the last chunk ended where this one starts; else go there."""
        course = self._course
        if (course is not None and course.place == job.place and course.job.bag == job.bag
                and course.job.stop_ns == job.stop_ns and course.job.cameras == job.cameras):
            return course
        self._leave()
        bag = Bag(job.bag)
        tracks = [CameraTrack(self.segmenter.new_memory(), state) for state in job.place.states]
        self._course = _Course(bag, job, job.place, read_ahead(bag, job, self._pool), tracks)
        return self._course

    def _leave(self) -> None:
        course, self._course = self._course, None
        if course is not None:
            course.close()

    def close(self) -> None:
        """End all threads."""
        self._stack.close()

    def __enter__(self) -> Labeller:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
