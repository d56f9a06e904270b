"""The frames of a bag, decoded ahead of the network, with what belongs to them."""
from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
import os
import time
from typing import Any, NamedTuple

from tdnet_ros.bags.files.bag import Bag
from tdnet_ros.bags.label.ahead import Ahead
from tdnet_ros.bags.label.job import ChunkJob
from tdnet_ros.bags.label.wire import decoded
from tdnet_ros.bags.message import (
    COMPRESSED_IMAGE,
    HEADER_BYTES,
    RAW_IMAGE,
    Message,
    header_stamp_ns,
)
from tdnet_ros.ros.cloud import SLOP_NS
from tdnet_ros.ros.compressed import compressed_size
from tdnet_ros.ros.decoding import to_frame
from tdnet_ros.ros.errors import one_line
from tdnet_ros.ros.stamps import stamp_ns
from tdnet_ros.stream import Frame

AHEAD_BYTES = 128 * 2 ** 20
'''Decoded images that may wait for the network.'''
THREADS = max(2, min(8, (os.cpu_count() or 2) // 2))
'''That decode and encode: OpenCV and compression let others run meanwhile.'''
DEPTH_NS = 500_000_000
'''How much earlier or later than an image its depth may be logged.'''


class Decoded(NamedTuple):
    """A decoded image message, or why it is none."""

    header: Any
    stamp_ns: int
    frame: Frame | None
    why: str
    ms: float


@dataclass
class Item:
    """One message of the bag in its turn."""

    message: Message
    seen: tuple[int, ...]
    '''Messages of each camera before this one.'''
    camera: int | None = None
    '''Whose frame it is; None: it is here to be copied.'''
    warm: bool = False
    '''It lies before the start, to fill the memory.'''
    copied: bool = False
    depth: bytes | None = None
    image: Future[Decoded] | None = None
    cost: int = 0


def read_ahead(bag: Bag, job: ChunkJob, pool: Executor) -> Ahead[Item]:
    """Iterate the items of a chunk and beyond it; decodes in the threads of a pool."""
    return Ahead(_Reader(bag, job, pool).items, lambda item: item.cost, AHEAD_BYTES)


class _Reader:
    """Reads what of the bag the job needs."""

    def __init__(self, bag: Bag, job: ChunkJob, pool: Executor) -> None:
        self._bag = bag
        self._job = job
        self._pool = pool
        self._index = {camera.topic: index for index, camera in enumerate(job.cameras)}
        self._depths = {camera.depth for camera in job.cameras if camera.depth}
        self._recent = [{logged for logged, _ in state.recent} for state in job.place.states]

    def items(self) -> Iterator[Item]:
        job = self._job
        seen = [state.seen for state in job.place.states]
        for message, depth in self._with_depth(self._messages()):
            camera = self._index.get(message.topic)
            item = Item(message, tuple(seen), cost=len(message.cdr))
            if message.logged_ns < job.place.start_ns:
                if camera is None or message.logged_ns not in self._recent[camera]:
                    continue
                item.warm = True
            elif message.logged_ns >= job.stop_ns:
                continue
            item.copied = message.topic in job.copied and not item.warm
            if camera is not None:
                if item.warm or seen[camera] % job.options.every == 0:
                    self._decode(item, camera, depth)
                seen[camera] += not item.warm
            if item.camera is not None or item.copied:
                yield item

    def _decode(self, item: Item, camera: int, depth: bytes | None) -> None:
        item.camera, item.depth = camera, depth
        compressed = self._job.cameras[camera].compressed
        item.image = self._pool.submit(_decode, item.message.cdr, compressed)
        item.cost += _decoded_bytes(item.message.cdr, compressed) + len(depth or b'')

    def _messages(self) -> Iterator[Message]:
        job, margin = self._job, DEPTH_NS if self._depths else 0
        first = min([job.place.start_ns - margin, *(
            logged for recent in self._recent for logged in recent)])
        topics = {*self._index, *self._depths, *job.copied}
        return self._bag.messages(topics, max(first, 0), job.stop_ns + margin)

    def _with_depth(self, messages: Iterator[Message]
                    ) -> Iterator[tuple[Message, bytes | None]]:
        """Each message and, for an image, the depth whose stamp is nearest."""
        if not self._depths:
            yield from ((message, None) for message in messages)
            return
        waiting: deque[Message] = deque()
        depths = _Depths(self._depths)
        for message in messages:
            depths.add(message)
            waiting.append(message)
            while waiting[0].logged_ns + DEPTH_NS < message.logged_ns:
                yield self._matched(waiting.popleft(), depths)
        while waiting:
            yield self._matched(waiting.popleft(), depths)

    def _matched(self, message: Message, depths: _Depths) -> tuple[Message, bytes | None]:
        camera = self._index.get(message.topic)
        if camera is None or len(message.cdr) < HEADER_BYTES:
            return message, None
        return message, depths.nearest(self._job.cameras[camera].depth, message)


class _Depths:
    """Depth images that were logged lately."""

    def __init__(self, topics: Collection[str]) -> None:
        self._kept: dict[str, deque[Message]] = {topic: deque() for topic in topics}

    def add(self, message: Message) -> None:
        """Keep a message if it is of a depth topic."""
        if message.topic in self._kept and len(message.cdr) >= HEADER_BYTES:
            self._kept[message.topic].append(message)

    def nearest(self, topic: str, image: Message) -> bytes | None:
        """The depth of an image: stamped within SLOP_NS of it, logged within DEPTH_NS."""
        kept = self._kept[topic]
        while kept and kept[0].logged_ns < image.logged_ns - DEPTH_NS:
            kept.popleft()
        stamp = header_stamp_ns(image.cdr)
        near = [(abs(header_stamp_ns(item.cdr) - stamp), item.cdr) for item in kept
                if item.logged_ns <= image.logged_ns + DEPTH_NS]
        distance, cdr = min(near, key=lambda pair: pair[0], default=(SLOP_NS + 1, None))
        return cdr if distance <= SLOP_NS else None


def _decoded_bytes(cdr: bytes, compressed: bool) -> int:
    """What an image will take, by what it says of itself; 0 if it cannot be decoded."""
    try:
        message = decoded(cdr, COMPRESSED_IMAGE if compressed else RAW_IMAGE)
        width, height = compressed_size(message) if compressed else (message.width, message.height)
    except Exception:  # damaged bytes raise nearly anything
        return 0
    return 3 * int(width) * int(height)


def _decode(cdr: bytes, compressed: bool) -> Decoded:
    start, header, stamp = time.perf_counter(), None, 0
    frame, why = None, ''
    try:
        message = decoded(cdr, COMPRESSED_IMAGE if compressed else RAW_IMAGE)
        header, stamp = message.header, stamp_ns(message.header)
        frame = to_frame(message, compressed)
    except Exception as error:  # damaged bytes raise nearly anything
        why = one_line(error)
    return Decoded(header, stamp, frame, why, (time.perf_counter() - start) * 1e3)
