"""Bags that are fetched from, and labelled to, where fsspec reaches."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
import tempfile
import threading

import fsspec
import pytest

from bags.label_material import assert_same, drive, expected, read_labels, save_model, write_bag
from tdnet_ros.bags.label import run
from tdnet_ros.bags.label.chunk import Labeller
from tdnet_ros.bags.label.location import bag_name
from tdnet_ros.bags.label.options import LabelOptions
from tdnet_ros.bags.label.remote import label_location
from tdnet_ros.bags.label_record import LabelRecord


@pytest.fixture
def storage() -> Iterator[fsspec.AbstractFileSystem]:
    storage = fsspec.filesystem('memory')
    storage.store.clear()
    yield storage
    storage.store.clear()


def test_a_bag_goes_from_url_to_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                    storage: fsspec.AbstractFileSystem) -> None:
    model = save_model(tmp_path)
    bag = write_bag(tmp_path / 'drive', drive(30))
    storage.put(str(bag), '/in/drive', recursive=True)
    source, out = 'memory://in/drive', 'memory://out'
    stop = threading.Event()

    with Labeller(LabelOptions(model=str(model), device='cpu', chunk_frames=8)) as labeller:
        monkeypatch.setattr(run, 'progress', lambda title, total: nullcontext(
            lambda done, text: stop.set() if done == 10 else None))  # in the second chunk
        part = label_location(source, out, labeller, stop)
        assert part.error == 'memory://in/drive: stopped; the same command goes on'
        assert part.output == 'memory://out/drive.part'
        done = label_location(source, out, labeller, threading.Event())
        assert (done.problems, done.output) == ([], 'memory://out/drive')
        again = label_location(source, out, labeller, threading.Event())
        assert again.skipped and again.output == 'memory://out/drive'
        missing = label_location('memory://in/none', out, labeller, threading.Event())
        assert missing.error == 'memory://in/none does not exist: expected a rosbag'
        unknown = label_location('nowhere://in/none', out, labeller, threading.Event())
        assert len(unknown.error.splitlines()) == 1 and 'nowhere' in unknown.error

    assert storage.ls('/out', detail=False) == ['/out/drive']
    storage.get('/out/drive', str(tmp_path / 'labelled'), recursive=True)
    record = LabelRecord.read(tmp_path / 'labelled')
    assert (record.input, record.complete) == (source, True)
    assert_same(read_labels(tmp_path / 'labelled', '/tdnet/labels/compressed'),
                expected(bag, model)['/front/image_raw'])


def test_a_bag_that_does_not_fit_is_told(
        tmp_path: Path, model: Path, tdnet_bag: Callable[..., tuple[int, str, str]],
        monkeypatch: pytest.MonkeyPatch, storage: fsspec.AbstractFileSystem) -> None:
    storage.put(str(write_bag(tmp_path / 'drive', drive(2))), '/in/full', recursive=True)

    def full(*_: object) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(type(storage), 'get_file', full)
    for command in (('frames',), ('label', '--model', model, '--device', 'cpu')):
        assert tdnet_bag(*command, 'memory://in/full', '--out', tmp_path / 'out') == (
            1, '', 'tdnet_bag: memory://in/full cannot be fetched: No space left on device in '
            f'{tempfile.gettempdir()}; TMPDIR can name another folder\n')


def test_names_of_locations() -> None:
    assert [bag_name(location) for location in (
        's3://bucket/drive/', '/bags/old.bag', 'here/a.mcap', 'x.bag.active', 'y.db3.zstd')] == [
        'drive', 'old', 'a', 'x', 'y']
