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

from bags.label_material import COMPRESSED, START_NS, Logged, header, jpeg_image, scene, write_bag
from tdnet_ros.bags.files.bag import Bag
from tdnet_ros.bags.label import reader
from tdnet_ros.bags.label.ahead import Ahead
from tdnet_ros.bags.label.camera import CameraState
from tdnet_ros.bags.label.job import ChunkJob, Place
from tdnet_ros.bags.label.options import LabelOptions
from tdnet_ros.bags.label.plan import Camera
from tdnet_ros.bags.label.reader import Item, read_ahead

TOPIC = '/front/image_raw/compressed'
FRAMES = 40
LIMIT = 8
LARGE = (480, 640)


class CountingPool(ThreadPoolExecutor):
    """Threads, and how many tasks they were given."""

    count = 0

    def submit(self, *arguments: Any, **options: Any) -> Future[Any]:
        self.count += 1
        return super().submit(*arguments, **options)


@contextmanager
def reading(bag: Path, pool: CountingPool) -> Iterator[Ahead[Item]]:
    camera = Camera(TOPIC, compressed=True, labels='labels', label_info='label_info')
    job = ChunkJob(bag, bag, 'chunk', 0, LabelOptions(), (camera,), (), frozenset(),
                   Place(START_NS, (CameraState(),)), START_NS + FRAMES)
    with closing(Bag(bag)) as opened, closing(read_ahead(opened, job, pool)) as frames:
        yield frames


def logged(index: int, picture: np.ndarray) -> Logged:
    stamp_ns = START_NS + index
    return Logged(TOPIC, COMPRESSED, stamp_ns, jpeg_image(picture, header(stamp_ns)))


def test_images_that_wait_are_bounded_when_they_grow(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [scene(0), *[scene(1, LARGE)] * (FRAMES - 1)]
    bag = write_bag(tmp_path / 'drive', [logged(*item) for item in enumerate(pictures)])
    decode, go = reader._decode, threading.Event()

    def late(cdr: bytes, compressed: bool) -> Any:
        if pool.count > 1:  # the first is small
            go.wait(1)
        return decode(cdr, compressed)

    monkeypatch.setattr(reader, '_decode', late)
    monkeypatch.setattr(reader, 'AHEAD_BYTES', LIMIT * pictures[-1].nbytes)
    with CountingPool(2) as pool, reading(bag, pool) as frames:
        wait_until(lambda: pool.count >= LIMIT - 1)
        time.sleep(0.2)  # for the reader to go further than it may
        assert pool.count <= LIMIT + 2
        go.set()
        for taken, item in enumerate(frames):
            time.sleep(0.01)
            assert pool.count - taken <= LIMIT + 2
            assert item.image is not None and item.image.result().frame is not None
        assert taken == FRAMES - 1


def wait_until(done: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end_s
        time.sleep(0.01)
