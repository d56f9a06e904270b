"""Damaged bags, interrupted runs and full disks: what can be saved is, and said."""
from __future__ import annotations

from collections.abc import Callable
import os
from pathlib import Path
import resource
import signal
import struct
import subprocess
import sys
from typing import Any

import pytest

from bags.label_material import (
    IMAGE,
    START_NS,
    Logged,
    assert_same,
    drive,
    expected,
    header,
    make,
    read_labels,
    write_bag,
)
from bags.material import label_command
from tdnet_ros.bags.label import chunk
from tdnet_ros.bags.label.job import ChunkJob
from tdnet_ros.bags.label.output import Output
from tdnet_ros.bags.label.wire import types
from tdnet_ros.bags.label_record import LabelRecord

Run = Callable[..., tuple[int, list[str]]]
LABELS = '/tdnet/labels/compressed'
PATHS = 2


def spoil_a_record(path: Path, after: int) -> None:
    """Overwrite the length of a message inside the second of the file's chunks."""
    content = bytearray(path.read_bytes())
    message = struct.pack('<BQ', 5, 22 + len(types().serialize_cdr(drive(1)[0].message, IMAGE)))
    at = content.index(message, after)
    content[at + 1:at + 9] = b'\xff' * 8
    path.write_bytes(content)


def cut(path: Path, share: float) -> None:
    os.truncate(path, int(path.stat().st_size * share))


def test_a_damaged_bag_gives_what_can_be_read_and_the_others_go_on(
        tmp_path: Path, run: Run, model: Path) -> None:
    frames = drive(400)  # some of MCAP's chunks
    bags = {name: write_bag(tmp_path / name, frames, kind) for name, kind in (
        ('cut', 'mcap'), ('broken', 'mcap'), ('database', 'db3'), ('old', 'ros1'),
        ('killed', 'mcap'), ('whole', 'mcap'))}
    cut(bags['cut'] / 'cut.mcap', 0.6)
    cut(bags['database'] / 'database.db3', 0.6)
    cut(bags['old'], 0.6)
    (bags['killed'] / 'metadata.yaml').unlink()
    spoil_a_record(bags['broken'] / 'broken.mcap', after=1_100_000)
    status, errors = run(*bags.values(), '--every', 8)
    assert status == 1
    wanted = expected(write_bag(tmp_path / 'eighth', frames[::8]), model)['/front/image_raw']
    every = len(wanted)
    for name, least, most in (('cut', 0.5, 0.6), ('broken', 0.98, 1), ('database', 0.5, 0.6),
                              ('old', 0.5, 0.6), ('killed', 1, 1), ('whole', 1, 1)):
        found = read_labels(tmp_path / 'out' / name, LABELS)
        assert least * every - 2 <= len(found) <= most * every, name
        if name not in ('broken', 'killed', 'whole'):
            assert_same(found, dict(list(wanted.items())[:len(found)]))
        record = LabelRecord.read(tmp_path / 'out' / name)
        assert record.complete == (name == 'whole')
    by_bag = {name: [line for line in errors if f'/{name}' in line] for name in bags}
    assert 'offset' in by_bag['cut'][0] and 'cut.mcap' in by_bag['cut'][0]
    assert 'broken.mcap: offset' in by_bag['broken'][0]
    assert 'database.db3: offset' in by_bag['database'][0]
    assert 'old.bag: offset' in by_bag['old'][0]
    assert 'metadata.yaml: offset 0: the file is missing' in by_bag['killed'][0]
    assert by_bag['whole'] == []


def test_killed_work_is_a_readable_bag_and_goes_on(
        tmp_path: Path, model: Path, run: Run) -> None:
    bag = write_bag(tmp_path / 'drive', drive(80))
    part = tmp_path / 'out' / 'drive.part'
    program = f'''
import os, signal, sys
from tdnet_ros.bags import cli
from tdnet_ros.bags.label import chunk
label, frames = chunk.Labeller.label, []
def killed(self, job, on_frame, stop):
    def on_each():
        on_frame()
        frames.append(job.number)
        if len(frames) == 35:
            os.kill(os.getpid(), signal.SIGKILL)
    return label(self, job, on_each, stop)
chunk.Labeller.label = killed
sys.exit(cli.main({label_command(model, tmp_path, bag, '--chunk', 10)!r}))
'''
    killed = subprocess.run([sys.executable, '-c', program], stdout=subprocess.DEVNULL,
                            timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    wanted = expected(bag, model)['/front/image_raw']
    record = LabelRecord.read(part)
    done = read_labels(part, LABELS)
    assert 20 <= len(done) < 80 and not record.complete
    assert_same(done, dict(list(wanted.items())[:len(done)]))
    assert record.topics['/front/image_raw'].frames == len(done)
    assert record.until_ns == list(done)[-1]

    kept = (part / 'drive_0.mcap').stat().st_ino
    assert run(bag, '--chunk', 10) == (0, [])
    assert not part.exists()
    final = tmp_path / 'out' / 'drive'
    assert_same(read_labels(final, LABELS), wanted)
    assert (final / 'drive_0.mcap').stat().st_ino == kept
    assert LabelRecord.read(final).complete
    status, errors = run(bag, '--chunk', 11)
    assert (status, len(errors)) == (1, 1)
    assert 'was labelled with chunk_frames 10, not 11' in errors[0]


def test_other_names_of_the_classes_are_another_model(tmp_path: Path, run: Run,
                                                      model: Path) -> None:
    bag = write_bag(tmp_path / 'drive', drive(2))
    card = model.read_text()
    assert run(bag) == (0, [])
    model.write_text(card.replace('person', 'pedestrian', 1))
    status, errors = run(bag)
    model.write_text(card)
    assert (status, len(errors)) == (1, 1)
    assert "was labelled with classes ['road" in errors[0]


def test_two_runs_do_not_write_one_output(tmp_path: Path, run: Run) -> None:
    bag = write_bag(tmp_path / 'drive', drive(2))
    with Output(tmp_path / 'out', 'drive') as other:
        other.open({})
        (other.part / 'writing').mkdir()
        assert run(bag) == (1, [f'tdnet_bag: {other.part} is being written by another process'])
        assert (other.part / 'writing').exists()
    assert run(bag) == (0, [])


def test_a_full_disk_is_one_line_and_keeps_what_is_done(
        tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write_bag(tmp_path / 'first', drive(40))
    second = write_bag(tmp_path / 'second', drive(40))
    label, limits = chunk.Labeller.label, resource.getrlimit(resource.RLIMIT_FSIZE)

    def limited(self: chunk.Labeller, job: ChunkJob, *rest: Any) -> Any:
        if job.number == 2:  # a limit on the size of files fails as a full disk does
            resource.setrlimit(resource.RLIMIT_FSIZE, (2 ** 14, limits[1]))
        return label(self, job, *rest)

    monkeypatch.setattr(chunk.Labeller, 'label', limited)
    out = tmp_path / 'out'
    try:
        assert run(first, second, '--raw', '--chunk', 10) == (1, [
            f'tdnet_bag: cannot write {out}/{name}.part: File too large'
            for name in ('first', 'second')])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in out.iterdir()] == ['first.part']
    assert len(read_labels(out / 'first.part', '/tdnet/labels')) == 20
    assert LabelRecord.read(out / 'first.part').topics['/front/image_raw'].frames == 20
    assert not (out / 'first.part' / 'writing').exists()


def test_no_ros_is_needed(tmp_path: Path, model: Path) -> None:
    info = make('std_msgs/msg/Header', stamp=header(START_NS).stamp, frame_id='x')
    bag = write_bag(tmp_path / 'drive', [
        *drive(4), Logged('/note', 'std_msgs/msg/Header', START_NS, info)])
    program = f'''
import sys
sys.modules.update(dict.fromkeys(['rclpy', 'sensor_msgs', 'std_msgs', 'vision_msgs',
                                  'builtin_interfaces', 'ament_index_python']))
from tdnet_ros.bags.cli import main
sys.exit(main({label_command(model, tmp_path, bag, '--overlay', '--copy-input')!r}))
'''
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True,
                          timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, '')
    assert len(read_labels(tmp_path / 'out' / 'drive', LABELS)) == 4
