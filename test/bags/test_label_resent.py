"""What an earlier run sent to a URL, in whatever state, is not mixed with what comes later."""
from __future__ import annotations

from contextlib import nullcontext
import os
from pathlib import Path
import tempfile
import threading
from typing import Any

import fsspec
import pytest

from bags.label_material import assert_same, drive, expected, read_labels, write_bag
from tdnet_ros.bags.label import run
from tdnet_ros.bags.label.chunk import Labeller
from tdnet_ros.bags.label.options import LabelOptions
from tdnet_ros.bags.label.remote import label_location
from tdnet_ros.bags.label.run import Outcome

FRAMES = 16


class Robot:
    """A bag that is labelled to a URL, in chunks of four frames, and interrupted."""

    def __init__(self, folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.model, self._patch = folder, model, monkeypatch
        self.bag: Path | str = write_bag(folder / 'drive', drive(FRAMES))
        self.out = f'file://{folder}/out'

    def label(self, frames: int = FRAMES, **options: Any) -> Outcome:
        """Label until so many frames of this run are done, which is in the middle of a chunk."""
        stop = threading.Event()
        if not frames:
            stop.set()
        self._patch.setattr(run, 'progress', lambda title, total: nullcontext(
            lambda done, text: stop.set() if done == frames < FRAMES else None))
        with Labeller(LabelOptions(model=str(self.model), device='cpu', chunk_frames=4,
                                   **options)) as labeller:
            return label_location(str(self.bag), self.out, labeller, stop)

    def check(self, topic: str) -> None:
        """Fail unless the labels are those of a run that nothing happened to."""
        assert_same(read_labels(self.folder / 'out' / 'drive', topic),
                    expected(self.bag, self.model)['/front/image_raw'])


@pytest.fixture
def robot(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Robot:
    return Robot(tmp_path, model, monkeypatch)


def test_chunks_of_other_options_are_not_gone_on_with(robot: Robot) -> None:
    assert robot.label(14).error
    assert robot.label(6, raw=True).error
    done = robot.label(raw=True)
    assert (done.error, done.frames) == ('', FRAMES)
    robot.check('/tdnet/labels')
    assert not (robot.folder / 'out' / 'drive.part').exists()


def test_what_others_keep_under_the_name_stays(robot: Robot) -> None:
    kept = write_bag(robot.folder / 'out' / 'drive', drive(2))
    before = {file: file.read_bytes() for file in kept.iterdir()}
    assert robot.label().error == (
        f'{robot.out}/drive is in the way, and no work of `tdnet_bag label`: choose '
        'another --out or remove it')
    assert {file: file.read_bytes() for file in kept.parent.rglob('*') if file.is_file()} == before


def test_labels_that_cannot_be_sent_stay_on_this_machine(
        robot: Robot, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError('the token has expired')

    monkeypatch.setattr(tempfile, 'tempdir', str(robot.folder))
    monkeypatch.setattr(type(fsspec.filesystem('file')), 'put_file', refuse)
    said, _, kept = robot.label().error.partition('; the labels are in ')
    assert said == f'{robot.out}/drive cannot be written: the token has expired'
    assert_same(read_labels(Path(kept), '/tdnet/labels/compressed'),
                expected(robot.bag, robot.model)['/front/image_raw'])


def test_work_that_is_stopped_before_it_begins_goes_on(robot: Robot) -> None:
    assert robot.label(0).error == f'{robot.bag}: stopped; the same command goes on'
    assert not (robot.folder / 'out').exists()
    assert robot.label(6).error and robot.label(0).error
    done = robot.label()
    assert (done.error, done.frames) == ('', FRAMES)
    robot.check('/tdnet/labels/compressed')


def test_damage_is_told_once_and_by_the_name_of_the_bag(robot: Robot) -> None:
    file = robot.bag / 'drive.mcap'
    os.truncate(file, file.stat().st_size * 9 // 10)
    robot.bag = f'file://{robot.bag}'
    runs = [robot.label(6), robot.label(), robot.label()]
    assert [bool(outcome.error) for outcome in runs] == [True, False, False]
    for outcome in runs:
        problem, = outcome.record.problems
        assert problem.startswith(f'{robot.bag}/drive.mcap: offset ')


def test_a_storage_may_have_no_folders(robot: Robot, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = fsspec.filesystem('memory')
    monkeypatch.setattr(type(storage), 'makedirs', lambda *_, **__: None)  # as s3fs
    robot.out = 'memory://bucket/out'
    storage.store.clear()
    try:
        part = robot.label(6)
        assert (part.error, part.output) == (
            f'{robot.bag}: stopped; the same command goes on', f'{robot.out}/drive.part')
        done = robot.label(6)
        assert robot.label().frames == FRAMES and storage.ls('/bucket/out', detail=False) == [
            '/bucket/out/drive']
    finally:
        storage.store.clear()
    assert done.frames > part.frames > 0


@pytest.mark.parametrize(('before', 'last', 'sent'), [
    *((6, 14, sent) for sent in range(1, 10, 2)), *((0, FRAMES, sent) for sent in (0, 3, 6))])
def test_labels_that_were_not_sent_whole_are_made_again(
        robot: Robot, monkeypatch: pytest.MonkeyPatch, before: int, last: int, sent: int) -> None:
    assert not before or robot.label(before).error
    with monkeypatch.context() as patch:
        storage = type(fsspec.filesystem('file'))
        put_file, left = storage.put_file, [None] * sent

        def cut_off(self: Any, source: str, target: str, **rest: Any) -> None:
            if not left:
                Path(target).write_bytes(Path(source).read_bytes()[:100])
                raise KeyboardInterrupt
            left.pop()
            put_file(self, source, target, **rest)

        patch.setattr(storage, 'put_file', cut_off)
        with pytest.raises(KeyboardInterrupt):
            robot.label(last)
    done = robot.label()
    assert (done.error, done.frames) == ('', FRAMES)
    robot.check('/tdnet/labels/compressed')
