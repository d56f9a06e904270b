"""One camera: its subscription, its newest image, its memory and its outputs."""
from __future__ import annotations

from collections.abc import Callable
import threading
import time
from typing import Any, NamedTuple

from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from tdnet_ros.ros.admission import RateLimit, stale_reason
from tdnet_ros.ros.camera_outputs import CameraOutputs
from tdnet_ros.ros.cloud import Labelled
from tdnet_ros.ros.decoding import to_frame
from tdnet_ros.ros.device import hardware_name
from tdnet_ros.ros.errors import ErrorLog, Pace, one_line, printable
from tdnet_ros.ros.graph import IMAGE
from tdnet_ros.ros.inputs import INPUT_QOS, Input
from tdnet_ros.ros.meter import LATENCY, StreamMeter
from tdnet_ros.ros.names import COMPRESSED
from tdnet_ros.ros.parameters import NodeParameters
from tdnet_ros.ros.points import SOURCES, Match, PointPainter
from tdnet_ros.ros.stamps import age_s, is_comparable, is_simulated, stamp_ns
from tdnet_ros.stream import Frame, FrameMemory, Segmentation, VideoSegmenter


class Arrival(NamedTuple):
    """An image message, when it came and how old it was then."""

    msg: Any
    time_s: float
    age_s: float


class Job(NamedTuple):
    """An image to label, by what and when it came, when it was decoded, and its depth."""

    subscription: Any
    arrival: Arrival
    frame: Frame
    match: Match | None
    taken_s: float
    decoded_s: float


class CameraStream:
    """Takes images in the executor's thread, labels the newest in the worker's."""

    def __init__(self, node: Node, name: str, parameters: Callable[[], NodeParameters],
                 segmenter: VideoSegmenter) -> None:
        self._is_compressed = parameters().image_transport == 'compressed'
        self.name = name or 'image'
        kind, suffix = (CompressedImage, COMPRESSED) if self._is_compressed else (Image, '')
        self.input = Input(
            node, IMAGE, f'{name}/image' if name else 'image', kind, INPUT_QOS, suffix)
        self.meter = StreamMeter(parameters().diagnostics_window_s, segmenter.paths - 1)
        self.outputs = CameraOutputs(
            node, f'~/{name}/' if name else '~/', segmenter.card, parameters().points)
        self.points = None if self.outputs.points is None else PointPainter(
            node, SOURCES[parameters().points_source](node, f'{name}/' if name else ''),
            self.outputs.points)
        self.hardware = hardware_name(segmenter.device)
        self._node = node
        self._parameters = parameters
        self.memory: FrameMemory = segmenter.new_memory()
        self.image_bytes = 0
        '''Of the last image, as it came.'''
        self.is_told_lossy = False
        '''Whether the log has that such images are too large.'''
        self._last_stamp_ns = 0
        self._lock = threading.Lock()
        self._waiting: Arrival | None = None
        self._reset_reason: str | None = None
        self._rate_limit = RateLimit()
        self._errors = ErrorLog(node)
        self.silence = ErrorLog(node)
        '''Used by the thread of the diagnostics alone.'''
        self._is_news = False
        self._reset_pace = Pace()

    def open(self, wake: Callable[[], None]) -> None:
        """Subscribe; `wake` is called when an image waits to be labelled."""
        def on_image(msg: Any) -> None:
            self._receive(msg)
            wake()

        self.meter.opened()
        self.outputs.use_classes(self._parameters())
        if self.points is not None:
            self.points.open(wake, self.meter.depth_lost)
        self._is_news = True
        self.input.open(on_image, self.meter.lost)

    def close(self, reason: str) -> None:
        """Drop what waits, unsubscribe and empty the memory."""
        if self._take() is not None:  # first: without a subscription it would be published
            self.meter.overwritten()
        self.input.close()
        if self.points is not None:
            self.points.close()
        self.request_reset(reason)

    def destroy(self) -> None:
        """Give the topics back."""
        self.close('node was cleaned up')
        self.outputs.destroy()

    def request_reset(self, reason: str) -> None:
        """Empty the memory before the next image (from any thread)."""
        with self._lock:
            self._reset_reason = reason

    def clock_went_back(self, now_ns: int) -> None:
        """The clock jumped; the memory is of no use if it is from the future."""
        if self._last_stamp_ns > now_ns:
            self.request_reset('clock went backwards')

    @property
    def is_open(self) -> bool:
        """Whether images are taken."""
        return self.input.subscription is not None

    @property
    def is_due(self) -> bool:
        """Whether an image waits."""
        return self._waiting is not None

    @property
    def wants_confidence(self) -> bool:
        """Whether somebody needs the confidence of the labels."""
        return self.outputs.wants_confidence or (
            self.points is not None and self.points.wanted)

    @property
    def latency_budget_ms(self) -> float:
        """What the latency should not exceed."""
        return self._parameters().latency_budget_ms

    def take(self) -> Job | None:
        """Decode the image that waits and ready the memory for it (in the worker's thread).

        None if there is no image, or none that is to be labelled; that is counted and reported.
        """
        subscription = self.input.subscription  # before: an image that waits when it ends is gone
        arrival, taken_s = self._take(), time.perf_counter()
        if arrival is None:
            return None
        self.image_bytes = len(arrival.msg.data)
        self._reset_if_requested()
        stale = stale_reason(stamp_ns(arrival.msg.header), self._last_stamp_ns)
        if stale is not None:
            self.meter.skipped(stale)
            return None
        try:
            frame = to_frame(arrival.msg, self._is_compressed)
        except Exception as error:
            self._fail(error)
            return None
        parameters = self._parameters()
        self.memory.max_gap_s = parameters.longest_gap_s
        self.memory.scene_cut = parameters.scene_cut
        self._last_stamp_ns = frame.stamp_ns
        match = (self.points.expect(arrival.msg.header)
                 if self.points is not None and self.points.wanted else None)
        return Job(subscription, arrival, frame, match, taken_s, time.perf_counter())

    def finish(self, job: Job, outcome: Segmentation | Exception) -> float | None:
        """Publish what became of an image, or report why nothing did; the next is tried afresh.

        Returns the ms from capture to publication, if its labels were published; from arrival on
        in simulated time and without comparable stamps. Once a signal has ended the context,
        nobody can be told and nothing has failed. What was in work when the camera was closed is
        discarded, even if it is open again.
        """
        if isinstance(outcome, Exception):
            self._fail(outcome)
        elif self.input.subscription is not job.subscription:
            self.meter.overwritten()
        elif self._node.context.ok():
            try:
                return self._publish(job, outcome)
            except Exception as error:
                self._fail(error)
        return None

    def publish_points(self) -> None:
        """Publish points of all labels whose depth has come (in the worker's thread)."""
        if self.points is not None:
            self.points.publish_due()

    def _reset_if_requested(self) -> None:
        """Empty the memory if that was asked for; any image may be the first after that."""
        with self._lock:
            reason, self._reset_reason = self._reset_reason, None
        if reason is not None:
            self.memory.reset(reason)
            self._last_stamp_ns = 0

    def _fail(self, error: Exception) -> None:
        if not self._node.context.ok():
            return
        reason = one_line(error)
        self.meter.failed(reason)
        self._errors.report(f'{self.input.topic}: {reason}')

    def _log(self, text: str) -> None:
        self._node.get_logger().info(f'{self.input.topic}: {text}')

    def _receive(self, msg: Any) -> None:
        arrival = Arrival(msg, time.perf_counter(), age_s(self._node, msg.header))
        silent_s = self.meter.received(arrival.age_s)
        self._is_news |= silent_s > self._parameters().no_image_timeout_s
        if not self._rate_limit.admits(arrival.time_s, self._parameters().max_rate_hz):
            self.meter.throttled()
            return
        with self._lock:
            overwritten, self._waiting = self._waiting, arrival
        if overwritten is not None:
            self.meter.overwritten()

    def _take(self) -> Arrival | None:
        with self._lock:
            arrival, self._waiting = self._waiting, None
        return arrival

    def _publish(self, job: Job, result: Segmentation) -> float:
        start = time.perf_counter()
        arrival, rgb = job.arrival, job.frame.rgb
        header, parameters = arrival.msg.header, self._parameters()
        reset_reason = printable(result.reset_reason or '')
        if reset_reason and self._reset_pace.admits(reset_reason):
            self._log(f'memory emptied: {reset_reason}')
        self.outputs.use_classes(parameters)
        labels = self.outputs.mapped(result.labels)
        self.outputs.publish_labels(labels, result.confidence, header)
        published = time.perf_counter()
        times_ms = {'wait': (job.taken_s - arrival.time_s) * 1e3,
                    'decode': (job.decoded_s - job.taken_s) * 1e3,
                    **result.stage_ms, 'publish': (published - start) * 1e3}
        latency_ms = (published - arrival.time_s) * 1e3
        if is_comparable(arrival.age_s) and not is_simulated(self._node):
            times_ms['transport'] = arrival.age_s * 1e3
            latency_ms = age_s(self._node, header) * 1e3
        times_ms[LATENCY] = latency_ms
        if self.points is not None and job.match is not None and result.confidence is not None:
            self.points.add(job.match, Labelled(header, rgb, labels, result.confidence))
        if self.outputs.wants_pictures:
            self.outputs.publish_pictures(rgb, labels, header, parameters)
            times_ms['pictures'] = (time.perf_counter() - published) * 1e3
        self.outputs.publish_times(times_ms)
        self.meter.processed(times_ms, result.path, result.memory_fill, reset_reason)
        if self._is_news:
            self._is_news = False
            height, width = job.frame.size
            self._log(f'labels images of {width} x {height}')
        return latency_ms
