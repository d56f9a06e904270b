"""Labelling bags: the labels of the live node, from every format, into one bag."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bags.label_material import (
    FORMATS,
    assert_same,
    drive,
    eventful,
    expected,
    read_labels,
    write_bag,
)
from tdnet_ros.bags.files.bag import Bag
from tdnet_ros.bags.label.chunk import Labeller
from tdnet_ros.bags.label.frames import Frames
from tdnet_ros.bags.label.options import LabelOptions
from tdnet_ros.bags.label.reader import Item
from tdnet_ros.bags.label.run import label_bag
from tdnet_ros.bags.label_record import LabelRecord
from tdnet_ros.bags.message import Message
from tdnet_ros.stream import VideoSegmenter


@pytest.fixture(scope='module')
def labeller(model: Path) -> Iterator[Labeller]:
    with Labeller(LabelOptions(model=str(model), device='cpu')) as labeller:
        yield labeller


@pytest.mark.parametrize('kind', FORMATS)
def test_every_format_gives_the_labels_of_the_node(tmp_path: Path, model: Path,
                                                   labeller: Labeller, kind: str) -> None:
    bag = write_bag(tmp_path / 'drive', eventful(), kind)
    outcome = label_bag(bag, tmp_path / 'out', labeller, threading.Event())
    assert [problem for problem in outcome.problems if 'frames failed' not in problem] == []
    wanted = expected(bag, model)
    front = read_labels(tmp_path / 'out' / 'drive', '/tdnet/front/labels/compressed')
    assert_same(front, wanted['/front/image_raw'])
    assert_same(read_labels(tmp_path / 'out' / 'drive', '/tdnet/rear/labels/compressed'),
                wanted['/rear/image_raw/compressed'])
    assert len({labels.tobytes() for labels in front.values()}) > 20
    record = LabelRecord.read(tmp_path / 'out' / 'drive').topics['/front/image_raw']
    assert record.frames == len(front) == 34 - 3
    assert [len(record.skipped), len(record.failed)] == [2, 1]
    assert [entry['reason'].split(' ')[0] for entry in record.resets] == [
        'frame_id', 'frame_id', 'scene', 'encoding', 'encoding', 'stamp', 'image', 'image', 'gap']
    assert np.diff(list(front)).min() > 0


def test_cameras_share_runs_of_the_network(tmp_path: Path, model: Path,
                                           monkeypatch: pytest.MonkeyPatch) -> None:
    bag = write_bag(tmp_path / 'drive', sorted(
        [*drive(12), *drive(12, '/rear/image_raw'), *drive(6, '/left/image_raw', 100)],
        key=lambda item: item.logged_ns))
    shared: list[list[int]] = []
    step_batch = VideoSegmenter.step_batch

    def counted(self: VideoSegmenter, *arguments: Any, **options: Any) -> Any:
        outcomes = list(step_batch(self, *arguments, **options))
        shared.append([outcome.batch for _, outcome in outcomes])
        return iter(outcomes)

    monkeypatch.setattr(VideoSegmenter, 'step_batch', counted)
    monkeypatch.setattr(VideoSegmenter, 'measure_batches', lambda self, size, limit: setattr(
        self, 'batch_ms', {count: 0.5 ** count for count in range(1, limit + 1)}))
    for chunk_frames in (500, 7):
        out = tmp_path / f'out{chunk_frames}'
        shared.clear()
        with Labeller(LabelOptions(model=str(model), device='cpu', copy_input=True,
                                   chunk_frames=chunk_frames)) as labeller:
            assert label_bag(bag, out, labeller, threading.Event()).problems == []
        for topic, labels in expected(bag, model).items():
            name = topic.split('/')[1]
            assert_same(read_labels(out / 'drive', f'/tdnet/{name}/labels/compressed'), labels)
        copies = Bag(out / 'drive')
        assert [message.logged_ns for message in copies.messages(['/rear/image_raw'])] == [
            item.logged_ns for item in drive(12)]
        copies.close()
        assert sum(map(len, shared)) == 30
        assert max(map(max, filter(None, shared))) == 3


def test_copies_do_not_pile_up_behind_a_frame_that_waits_for_others() -> None:
    put: list[int] = []
    one: Any = SimpleNamespace(topic='front', confidence='', points='')
    job: Any = SimpleNamespace(cameras=[one, one])
    track: Any = SimpleNamespace(stale_reason=lambda stamp_ns: 'same stamp')
    segmenter: Any = SimpleNamespace(batch=2, step_batch=lambda *_, **__: iter(()))
    writer: Any = SimpleNamespace(put=lambda logged_ns, *_: put.append(logged_ns))
    image: Any = SimpleNamespace(result=lambda: SimpleNamespace(frame=None, stamp_ns=0))
    nothing: Any = None
    frames = Frames(job, [track, track], segmenter, nothing, nothing)
    frames.take(Item(Message('front', 0, b''), (1, 1), camera=0, image=image), writer)
    for logged_ns in range(1, 1001):
        frames.take(Item(Message('scan', logged_ns, b''), (2, 1), copied=True), writer)
        assert logged_ns - len(put) < 100
    assert put == list(range(1, len(put) + 1))
