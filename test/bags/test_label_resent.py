"""What an earlier run sent to a URL, in whatever state, is not mixed with what comes later."""
from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
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
        self.bag = write_bag(folder / 'drive', drive(FRAMES))
        self.out = f'file://{folder}/out'

    def label(self, frames: int = FRAMES, **options: Any) -> Outcome:
        """Label until so many frames of this run are done, which is in the middle of a chunk."""
        stop = threading.Event()
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


@pytest.mark.parametrize('sent', range(1, 10, 2))
def test_labels_that_were_not_sent_whole_are_made_again(
        robot: Robot, monkeypatch: pytest.MonkeyPatch, sent: int) -> None:
    assert robot.label(6).error
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
            robot.label(14)
    done = robot.label()
    assert (done.error, done.frames) == ('', FRAMES)
    robot.check('/tdnet/labels/compressed')
