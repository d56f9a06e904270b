"""The one thread that runs the network for all cameras."""
from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
import threading
import time
from typing import NamedTuple

from rclpy.node import Node

from tdnet_ros.ros.adaptation import Adaptation
from tdnet_ros.ros.camera_stream import CameraStream, Job
from tdnet_ros.ros.errors import ErrorLog, one_line
from tdnet_ros.ros.memory_guard import MemoryGuard
from tdnet_ros.stream import Segmentation, VideoSegmenter


class _Flight(NamedTuple):
    """Images that the device works on."""

    jobs: list[tuple[CameraStream, Job]]
    outcomes: Iterator[tuple[int, Segmentation | Exception]]
    errors: list[Exception]
    launched_s: float


class Worker:
    """Labels the newest image of each camera in turn, so that no camera starves.

    Where batches are faster, images that are due at the same turn of the network go along with
    the camera whose turn it is. Cameras that are out of step get into it when images wait.
    """

    def __init__(self, segmenter: VideoSegmenter, streams: Sequence[CameraStream],
                 guard: MemoryGuard, adaptation: Adaptation | None,
                 node: Node) -> None:
        self._segmenter = segmenter
        self._streams = streams
        self._turns = list(streams)
        self._in_flight: deque[_Flight] = deque()
        self._guard = guard
        self._adaptation = adaptation
        self._errors = ErrorLog(node)
        self._stopping = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name='tdnet_worker')
        self._thread.start()

    def wake(self) -> None:
        """Say that an image waits."""
        self._wake.set()

    def stop(self) -> None:
        """Finish the images in work and end."""
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait()
            self._wake.clear()
            try:
                while self._serve_next() and not self._stopping:
                    pass
                self._land()
                self._publish_points()
            except Exception as error:
                self._errors.report(f'labelling failed: {one_line(error)}')
                self._wake.set()

    def _serve_next(self) -> bool:
        """Label for the camera whose turn it is, if an image waits; returns whether one did."""
        due = [stream for stream in self._turns if stream.is_due]
        if due:
            together = [stream for stream in due if stream.memory.turn == due[0].memory.turn]
            self._launch(together[:self._segmenter.batch])
            self._publish_points()
        return bool(due)

    def _launch(self, streams: Sequence[CameraStream]) -> None:
        """Label images; where the device works by itself, those launched before land meanwhile."""
        self._turns = [*(stream for stream in self._turns if stream not in streams), *streams]
        jobs = [(stream, job) for stream in streams if (job := stream.take()) is not None]
        launched_s = time.monotonic()
        outcomes = self._segmenter.step_batch(
            [job.frame for _, job in jobs], [stream.memory for stream, _ in jobs],
            confidence=any(stream.wants_confidence for stream, _ in jobs))
        self._in_flight.append(_Flight(jobs, outcomes, [], launched_s))
        self._land(but=int(self._segmenter.is_asynchronous))

    def _land(self, but: int = 0) -> None:
        """Publish what was launched, all but the last; after an error it goes on from there."""
        while len(self._in_flight) > but:
            flight = self._in_flight[0]
            for index, outcome in flight.outcomes:
                stream, job = flight.jobs[index]
                if isinstance(outcome, Exception):
                    flight.errors.append(outcome)
                latency_ms = stream.finish(job, outcome)
                if self._adaptation is not None and latency_ms is not None:
                    self._adaptation.observe(latency_ms, stream.latency_budget_ms)
            self._in_flight.popleft()
            self._guard.failed(flight.errors, flight.launched_s)

    def _publish_points(self) -> None:
        for stream in self._streams:
            stream.publish_points()
