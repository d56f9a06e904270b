"""Reading ahead of the network is bounded, whatever the images are."""
from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
import threading
import time
from typing import Any

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
    """Threads, and how many tasks they were given."""

    count = 0

    def submit(self, *arguments: Any, **options: Any) -> Future[Any]:
        self.count += 1
        return super().submit(*arguments, **options)


def test_compressed_images_wait_decoded_from_the_first_on(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first image takes long to decode; no more than the limit may wait then and later."""
    bag = write_bag(tmp_path / 'drive', [
        Logged(TOPIC, COMPRESSED, START_NS + index, jpeg_image(picture, header(START_NS + index)))
        for index, picture in enumerate(clip(FRAMES))])
    decode, decoded = reader._decode, threading.Event()

    def slow(cdr: bytes, compressed: bool) -> Any:
        decoded.wait(10)
        return decode(cdr, compressed)

    monkeypatch.setattr(reader, '_decode', slow)
    picture_bytes = next(clip(1)).nbytes
    monkeypatch.setattr(reader, 'AHEAD_BYTES', LIMIT * 2 * picture_bytes)  # with the JPEG
    camera = Camera(TOPIC, compressed=True, labels='labels', label_info='label_info')
    span = Span((camera,), (CameraState(),), START_NS, START_NS + FRAMES)
    with closing(Bag(bag)) as opened, CountingPool(2) as pool, closing(
            FrameReader(opened, span, pool)) as frames:
        time.sleep(0.3)
        before = pool.count
        decoded.set()
        time.sleep(0.3)
        assert before == 1
        assert LIMIT <= pool.count <= 2 * LIMIT + 1
        assert len(list(frames)) == FRAMES
