"""A local Ray of two workers, one of them killed: every frame is labelled, once."""
from __future__ import annotations

from collections.abc import Iterator
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest

from bags.label_material import (
    assert_same,
    drive,
    eventful,
    expected,
    read_labels,
    save_model,
    write_bag,
)
from tdnet_ros.bags.files.bag import Bag
from tdnet_ros.bags.label_record import LabelRecord

pytest.importorskip('ray', reason="ray is not installed: pip install '.[ray]'")
LABELS = '/tdnet/labels/compressed'
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_model(tmp_path, input_size=(257, 385))  # a bag takes seconds


@pytest.fixture
def start(tmp_path: Path, model: Path) -> Iterator:
    """Start `tdnet_bag label --ray`."""
    running: list[subprocess.Popen] = []

    def start(*bags: Path, workers: int = 2, **environment: str) -> subprocess.Popen:
        running.append(subprocess.Popen(
            [sys.executable, '-m', 'tdnet_ros.bags.cli', 'label', *map(str, bags), '--out',
             str(tmp_path / 'out'), '--model', str(model), '--device', 'cpu', '--ray', 'local',
             '--workers', str(workers), '--chunk', '20', '--no-report'],
            env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.communicate()


WORKER = b'ray::_Worker.label'
MACHINE = b'/raylet/raylet\0'


def kill(driver: int, what: bytes = WORKER) -> None:
    """Kill a process of the Ray that another started, an actor once it works."""
    end_s = time.monotonic() + 60
    while time.monotonic() < end_s:
        for pid in descendants(driver):
            try:
                name = Path(f'/proc/{pid}/cmdline').read_bytes()
            except OSError:
                continue
            if what in name:
                os.kill(pid, signal.SIGKILL)
                return
        time.sleep(0.02)
    raise AssertionError(f'there is no {what!r}')


def descendants(parent: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for stat in Path('/proc').glob('[0-9]*/stat'):
        try:
            fields = stat.read_text().rpartition(')')[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, waiting = [], [parent]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def wait_for_chunk(part: Path) -> None:
    end_s = time.monotonic() + 200
    while not any(part.glob('*_1.json')):
        assert time.monotonic() < end_s, 'no chunk is done'
        time.sleep(0.02)


def assert_once(path: Path, wanted: int) -> None:
    bag = Bag(path)
    logged = [message.logged_ns for message in bag.messages([LABELS])]
    bag.close()
    assert len(logged) == len(set(logged)) == wanted


def test_chunks_of_one_bag_survive_a_lost_worker(tmp_path: Path, model: Path, start) -> None:
    bag = write_bag(tmp_path / 'drive', drive(400))
    process = start(bag)
    wait_for_chunk(tmp_path / 'out' / 'drive.part')
    kill(process.pid)
    out, err = process.communicate(timeout=200)
    assert (process.returncode, err) == (0, '')
    assert '400 frames' in out
    final = tmp_path / 'out' / 'drive'
    assert_once(final, 400)
    assert_same(read_labels(final, LABELS), expected(bag, model)['/front/image_raw'])
    assert LabelRecord.read(final).complete
    assert [path.name for path in final.glob('*.json')] == ['tdnet_label.json']


def test_whole_bags_survive_a_lost_worker(tmp_path: Path, model: Path, start) -> None:
    bags = [write_bag(tmp_path / 'first', drive(300)), write_bag(tmp_path / 'second', drive(200)),
            write_bag(tmp_path / 'third', eventful())]
    (tmp_path / 'none').mkdir()
    process = start(*bags, tmp_path / 'none')
    wait_for_chunk(tmp_path / 'out' / 'first.part')
    kill(process.pid)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 1
    lines = err.splitlines()
    assert len(lines) == 2 and any('/none is no rosbag' in line for line in lines)
    assert any('/front/image_raw: 1 of 32 frames failed' in line for line in lines)
    for bag, count in zip(bags[:2], (300, 200)):
        assert_once(tmp_path / 'out' / bag.name, count)
        assert_same(read_labels(tmp_path / 'out' / bag.name, LABELS),
                    expected(bag, model)['/front/image_raw'])
    assert out.count(' a second) in ') == 3


def test_workers_that_the_cluster_has_no_room_for_get_no_chunk(tmp_path: Path, start) -> None:
    bag = write_bag(tmp_path / 'drive', drive(60))
    process = start(bag, workers=3, RAY_OVERRIDE_RESOURCES='{"CPU": 1}')
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, '')
    assert '60 frames' in out


def test_a_cluster_without_machines_is_told(tmp_path: Path, start) -> None:
    process = start(write_bag(tmp_path / 'drive', drive(3000)))
    wait_for_chunk(tmp_path / 'out' / 'drive.part')
    kill(process.pid, MACHINE)
    _, err = process.communicate(timeout=200)
    assert process.returncode == 1
    assert 'the Ray cluster has lost all of its machines' in err
    assert 'Traceback' not in err
