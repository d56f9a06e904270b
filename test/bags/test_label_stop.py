"""Ctrl-C at any moment: what is not labelled is named, and the status says so."""
from __future__ import annotations

import os
from pathlib import Path
import signal
from typing import Any

import pytest

from bags.label_material import drive, write_bag
from tdnet_ros.bags.cli import main
from tdnet_ros.bags.files.bag import Bag
from tdnet_ros.bags.label import chunk

FRAMES = 6
PATHS = 2


def arguments(model: Path, folder: Path, *names: str) -> list[str]:
    bags = [write_bag(folder / name, drive(FRAMES)) for name in names]
    return ['label', *map(str, bags), '--out', str(folder / 'out'), '--model', str(model),
            '--device', 'cpu']


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_bags_that_are_not_reached_are_named(
        tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture, number: signal.Signals) -> None:
    """The signal comes with the last image of the first bag, which is then done."""
    label = chunk.Labeller.label
    frames = []

    def stopped(self: chunk.Labeller, job: Any, on_frame: Any, stop: Any) -> Any:
        def on_each() -> None:
            on_frame()
            frames.append(job.name)
            if len(frames) == FRAMES:
                os.kill(os.getpid(), number)
        return label(self, job, on_each, stop)

    monkeypatch.setattr(chunk.Labeller, 'label', stopped)
    command = [*arguments(model, tmp_path, 'a', 'b', 'c'), '--no-report']
    assert main(command) == 1
    out, err = capsys.readouterr()
    assert err.splitlines() == [
        f'tdnet_bag: {tmp_path / name}: not reached; the same command goes on' for name in 'bc']
    assert out.splitlines()[-1] == f'1 of 3 bags labelled, {FRAMES} frames in all'
    assert main(command) == 0
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['a', 'b', 'c']


@pytest.fixture
def stopped_after_two(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ctrl-C as the second chunk is done; the numbers of those that were begun."""
    label = chunk.Labeller.label
    numbers: list[int] = []

    def stopped(self: chunk.Labeller, job: Any, *rest: Any) -> Any:
        numbers.append(job.number)
        result = label(self, job, *rest)
        if len(numbers) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return result

    monkeypatch.setattr(chunk.Labeller, 'label', stopped)
    return numbers


@pytest.mark.parametrize('name', ['drive[1]', 'tdnet', 'a b'])
def test_work_on_a_bag_of_any_name_goes_on(
        tmp_path: Path, model: Path, stopped_after_two: list[int], name: str) -> None:
    command = [*arguments(model, tmp_path, name), '--no-report', '--chunk', '2']
    assert [main(command), main(command)] == [1, 0]
    assert stopped_after_two == [0, 1, 2]
    assert {path.name for path in (tmp_path / 'out' / name).iterdir()} == {
        *(f'{name}_{number}.mcap' for number in range(3)), 'metadata.yaml', 'tdnet_label.json'}


def test_the_report_can_be_stopped(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch,
                                   capsys: pytest.CaptureFixture) -> None:
    def write(*_: object) -> int:
        os.kill(os.getpid(), signal.SIGINT)
        return 0

    monkeypatch.setattr('tdnet_ros.bags.label.cli.write_and_tell', write)
    assert main(arguments(model, tmp_path, 'a')) == 1
    out = tmp_path / 'out'
    assert capsys.readouterr().err.splitlines() == [
        f'tdnet_bag: stopped before {out / "report.html"} was written: '
        f'`tdnet_bag report {out}` writes it']


def test_a_chunk_whose_file_was_removed_is_labelled_again(
        tmp_path: Path, model: Path, stopped_after_two: list[int]) -> None:
    command = [*arguments(model, tmp_path, 'a'), '--no-report', '--chunk', '2']
    assert main(command) == 1
    (tmp_path / 'out' / 'a.part' / 'a_0.mcap').unlink()
    assert main(command) == 0
    assert stopped_after_two == [0, 1, 0, 1, 2]
    assert Bag(tmp_path / 'out' / 'a').topics['/tdnet/labels/compressed'].count == FRAMES
