"""Reading ahead of the network is bounded, whatever the images are."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
import threading
import time
from typing import Any

import numpy as np
import pytest

from bags.label_material import COMPRESSED, START_NS, Logged, clip, header, jpeg_image, write_bag
from tdnet_ros.bags.files.bag import Bag
from tdnet_ros.bags.label import reader
from tdnet_ros.bags.label.camera import CameraState
from tdnet_ros.bags.label.plan import Camera
from tdnet_ros.bags.label.reader import FrameReader, Span

TOPIC = '/front/image_raw/compressed'
FRAMES = 40
LIMIT = 8


class CountingPool(ThreadPoolExecutor):
    """Threads, how many tasks they were given, and how many of these before the first was done."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self.count = self.early = 0
        self._first: Future[Any] | None = None

    def submit(self, *arguments: Any, **options: Any) -> Future[Any]:
        self.count += 1
        self.early += self._first is None or not self._first.done()
        task = super().submit(*arguments, **options)
        self._first = self._first or task
        return task


@contextmanager
def reading(bag: Path, pool: CountingPool) -> Iterator[FrameReader]:
    camera = Camera(TOPIC, compressed=True, labels='labels', label_info='label_info')
    span = Span((camera,), (CameraState(),), START_NS, START_NS + FRAMES)
    with closing(Bag(bag)) as opened, closing(FrameReader(opened, span, pool)) as frames:
        yield frames


def logged(index: int, picture: np.ndarray) -> Logged:
    stamp_ns = START_NS + index
    return Logged(TOPIC, COMPRESSED, stamp_ns, jpeg_image(picture, header(stamp_ns)))


def test_compressed_images_wait_decoded_from_the_first_on(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first image takes long to decode; no more than the limit may wait then and later."""
    bag = write_bag(tmp_path / 'drive', [logged(*item) for item in enumerate(clip(FRAMES))])
    decode = reader._decode
    picture_bytes = next(clip(1)).nbytes

    def slow(cdr: bytes, compressed: bool) -> Any:
        if pool.count == 1:
            time.sleep(0.1)
        return decode(cdr, compressed)

    monkeypatch.setattr(reader, '_decode', slow)
    monkeypatch.setattr(reader, 'AHEAD_BYTES', LIMIT * 2 * picture_bytes)  # with the JPEG
    with CountingPool(2) as pool, reading(bag, pool) as frames:
        wait_until(lambda: pool.count >= LIMIT)
        for taken, item in enumerate(frames):
            assert pool.count - taken <= 2 * LIMIT + 2
            time.sleep(0.01)  # for the reader to go further than it may
            assert item.image is not None and item.image.result().frame is not None
        assert taken == FRAMES - 1
        assert pool.early == 1


def test_only_the_first_image_is_waited_for_if_it_cannot_be_decoded(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    messages = [logged(*item) for item in enumerate(clip(3))]
    for item in messages:
        item.message.data = item.message.data[:10]
    bag = write_bag(tmp_path / 'drive', messages)
    decode, together = reader._decode, threading.Barrier(2)

    def meeting(cdr: bytes, compressed: bool) -> Any:
        if pool.early < pool.count:  # it is not the first
            together.wait(10)
        return decode(cdr, compressed)

    monkeypatch.setattr(reader, '_decode', meeting)
    with CountingPool(2) as pool, reading(bag, pool) as frames:
        assert ['JPEG' in item.image.result().why for item in frames] == [True] * 3


def wait_until(done: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end_s
        time.sleep(0.01)
