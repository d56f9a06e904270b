"""The frames of one chunk through network and encoder, and the count of what became of them."""
from __future__ import annotations

from concurrent.futures import Executor
import time
from typing import Any

from tdnet_ros.bags.label.camera import CameraTrack
from tdnet_ros.bags.label.chunk_writer import ChunkWriter
from tdnet_ros.bags.label.encoder import Encoder, Messages
from tdnet_ros.bags.label.job import ChunkJob, Place, TopicTally
from tdnet_ros.bags.label.plan import Camera
from tdnet_ros.bags.label.reader import Decoded, Item
from tdnet_ros.bags.label.wire import types
from tdnet_ros.ros.errors import one_line
from tdnet_ros.stream import Frame, Segmentation, VideoSegmenter
from tdnet_ros.stream.flight import FAILED

MOST_WAITING = 64
'''Messages to be copied may come between the frames of a batch, and none may follow.'''


class Frames:
    """Labels items in their order, each with its camera's memory.

    Where batches are faster the frames of several cameras go through the network together.
    """

    def __init__(self, job: ChunkJob, tracks: list[CameraTrack], segmenter: VideoSegmenter,
                 encoder: Encoder, pool: Executor) -> None:
        self.tallies = {camera.topic: TopicTally() for camera in job.cameras}
        self._cameras = job.cameras
        self._tracks = tracks
        self._segmenter = segmenter
        self._encoder = encoder
        self._pool = pool
        self._waiting: list[Item] = []

    def warm(self, item: Item) -> None:
        """Let a frame of before the start fill the memory, if it is one that was in it."""
        assert item.camera is not None and item.image is not None
        image, track = item.image.result(), self._tracks[item.camera]
        if image.frame is not None and track.replays(item.message.logged_ns, image.stamp_ns):
            self._segmenter.step(image.frame, track.memory)

    def take(self, item: Item, writer: ChunkWriter) -> None:
        """Label a frame, or copy a message: at once or, at the latest, in `flush`."""
        if item.camera is not None and item.camera in {other.camera for other in self._waiting}:
            self.flush(writer)
        self._waiting.append(item)
        frames = sum(other.camera is not None for other in self._waiting)
        most = len(self._cameras) if self._segmenter.batch > 1 else 1
        if not 0 < frames < most or len(self._waiting) >= MOST_WAITING:
            self.flush(writer)

    def flush(self, writer: ChunkWriter) -> None:
        """Label all that waits."""
        items, self._waiting = self._waiting, []
        outcomes = self._labelled(items)
        for index, item in enumerate(items):
            message = item.message
            if item.copied:
                writer.put(message.logged_ns, [(message.topic, message.cdr)], len(message.cdr))
            if item.camera is not None:
                self._finish(item, item.camera, outcomes.get(index), writer)

    def place(self, item: Item) -> Place:
        """Where labelling stands before this item; nothing may wait."""
        return Place(item.message.logged_ns, tuple(
            track.state(seen) for track, seen in zip(self._tracks, item.seen)))

    def _labelled(self, items: list[Item]) -> dict[int, Segmentation | Exception]:
        """The labels of the frames among items, by index, or why the network failed."""
        turns = []
        for index, item in enumerate(items):
            if item.camera is None or item.image is None:
                continue
            image, track = item.image.result(), self._tracks[item.camera]
            if image.frame is not None and track.stale_reason(image.stamp_ns) is None:
                turns.append((index, image.frame, track.memory))
        outcomes = self._segmenter.step_batch(
            [frame for _, frame, _ in turns], [memory for _, _, memory in turns],
            confidence=any(camera.confidence or camera.points for camera in self._cameras))
        return {turns[number][0]: outcome for number, outcome in outcomes}

    def _finish(self, item: Item, index: int, outcome: Segmentation | Exception | None,
                writer: ChunkWriter) -> None:
        """Count a frame and write its labels."""
        assert item.image is not None
        logged_ns, image = item.message.logged_ns, item.image.result()
        camera, track = self._cameras[index], self._tracks[index]
        tally = self.tallies[camera.topic]
        if item.seen[index] == 0:
            writer.put(logged_ns, self._encoder.names(camera, image.header or _no_header()), 0)
        if isinstance(outcome, Segmentation):
            track.labelled(logged_ns, image.stamp_ns, outcome.reset_reason is not None)
            self._write(item, camera, image, outcome, writer)
        elif outcome is not None:  # out of memory, for one: the next frame is tried afresh
            track.broke(FAILED)
            tally.failed.append({'stamp_ns': image.stamp_ns, 'why': one_line(outcome)})
        elif (stale := track.stale_reason(image.stamp_ns)) is not None:
            tally.skipped.append({'stamp_ns': image.stamp_ns, 'why': stale})
        else:
            tally.failed.append({'stamp_ns': image.stamp_ns, 'why': image.why})

    def _write(self, item: Item, camera: Camera, image: Decoded, result: Segmentation,
               writer: ChunkWriter) -> None:
        frame, tally = image.frame, self.tallies[camera.topic]
        assert isinstance(frame, Frame)
        tally.frames += 1
        if result.reset_reason is not None:
            tally.resets.append({'stamp_ns': frame.stamp_ns, 'reason': result.reset_reason})
        tally.network_ms.append(round(result.stage_ms['network'], 3))

        def encode() -> Messages:
            start = time.perf_counter()
            messages = self._encoder.encode(camera, image.header, frame, result, item.depth,
                                            tally.without_points.append)
            encode_ms = (time.perf_counter() - start) * 1e3
            tally.latency_ms.append(
                round(image.ms + sum(result.stage_ms.values()) + encode_ms, 3))
            return messages

        writer.put(item.message.logged_ns, self._pool.submit(encode), 2 * frame.rgb.nbytes)


def _no_header() -> Any:
    kinds = types().types
    stamp = kinds['builtin_interfaces/msg/Time'](sec=0, nanosec=0)
    return kinds['std_msgs/msg/Header'](stamp=stamp, frame_id='')
