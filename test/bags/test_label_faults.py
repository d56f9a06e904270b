"""Damaged bags, interrupted runs, full disks and bad input: what can be saved is, and said."""
from __future__ import annotations

from collections.abc import Callable
import os
from pathlib import Path
import signal
import sqlite3
import struct
import subprocess
import sys

import pytest
import yaml

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
    save_model,
    write_bag,
)
from tdnet_ros.bags.cli import main
from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.label.location import check_inputs
from tdnet_ros.bags.label.output import Output
from tdnet_ros.bags.label.wire import types
from tdnet_ros.bags.label_record import LabelRecord

Run = Callable[..., tuple[int, list[str]]]
LABELS = '/tdnet/labels/compressed'


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp('model'), paths=2)


@pytest.fixture
def run(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> Run:
    """Run `tdnet_bag label`; return its status and the lines of its errors."""
    def run(*arguments: object) -> tuple[int, list[str]]:
        status = main(command(model, tmp_path, *arguments)[3:])
        return status, capsys.readouterr().err.splitlines()
    return run


def command(model: Path, folder: Path, *arguments: object) -> list[str]:
    return [sys.executable, '-m', 'tdnet_ros.bags.cli', 'label', *map(str, arguments), '--out',
            str(folder / 'out'), '--model', str(model), '--device', 'cpu', '--no-report']


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
    frames = drive(400)
    bags = {name: write_bag(tmp_path / name, frames, kind) for name, kind in (
        ('cut', 'mcap'), ('broken', 'mcap'), ('database', 'db3'), ('old', 'ros1'),
        ('killed', 'mcap'), ('whole', 'mcap'))}
    cut(bags['cut'] / 'cut.mcap', 0.6)
    cut(bags['database'] / 'database.db3', 0.6)
    cut(bags['old'], 0.6)
    (bags['killed'] / 'metadata.yaml').unlink()
    spoil_a_record(bags['broken'] / 'broken.mcap', after=1_100_000)
    status, errors = run(*bags.values(), '--every', 4)
    assert status == 1
    wanted = expected(write_bag(tmp_path / 'fourth', frames[::4]), model)['/front/image_raw']
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
    bag = write_bag(tmp_path / 'drive', drive(160))
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
        if len(frames) == 70:
            os.kill(os.getpid(), signal.SIGKILL)
    return label(self, job, on_each, stop)
chunk.Labeller.label = killed
sys.exit(cli.main({command(model, tmp_path, bag, '--chunk', 20)[3:]!r}))
'''
    killed = subprocess.run([sys.executable, '-c', program], stdout=subprocess.DEVNULL,
                            timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    wanted = expected(bag, model)['/front/image_raw']
    record = LabelRecord.read(part)
    done = read_labels(part, LABELS)
    assert 40 <= len(done) < 160 and not record.complete
    assert_same(done, dict(list(wanted.items())[:len(done)]))
    assert record.topics['/front/image_raw'].frames == len(done)
    assert record.until_ns == list(done)[-1]

    kept = (part / 'drive_0.mcap').stat().st_ino
    assert run(bag, '--chunk', 20) == (0, [])
    assert not part.exists()
    final = tmp_path / 'out' / 'drive'
    assert_same(read_labels(final, LABELS), wanted)
    assert (final / 'drive_0.mcap').stat().st_ino == kept
    assert LabelRecord.read(final).complete
    status, errors = run(bag, '--chunk', 21)
    assert (status, len(errors)) == (1, 1)
    assert 'was labelled with chunk_frames 20, not 21' in errors[0]


def test_two_runs_do_not_write_one_output(tmp_path: Path, run: Run) -> None:
    bag = write_bag(tmp_path / 'drive', drive(2))
    with Output(tmp_path / 'out', 'drive') as other:
        other.open({})
        (other.part / 'writing').mkdir()
        assert run(bag) == (1, [f'tdnet_bag: {other.part} is being written by another process'])
        assert (other.part / 'writing').exists()
    assert run(bag) == (0, [])


def test_a_full_disk_is_one_line_and_keeps_what_is_done(tmp_path: Path, model: Path) -> None:
    first = write_bag(tmp_path / 'first', drive(100))
    second = write_bag(tmp_path / 'second', drive(100))
    program = f'''
import resource, sys
from tdnet_ros.bags import cli
from tdnet_ros.bags.label import chunk
label = chunk.Labeller.label
def limited(self, job, *rest):
    if job.number == 2:  # a limit on the size of files fails as a full disk does
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 15, 1 << 15))
    return label(self, job, *rest)
chunk.Labeller.label = limited
sys.exit(cli.main({command(model, tmp_path, first, second, '--raw', '--chunk', 20)[3:]!r}))
'''
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True,
                          timeout=60, check=False)
    out = tmp_path / 'out'
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f'tdnet_bag: cannot write {out}/{name}.part: File too large'
        for name in ('first', 'second')]
    assert [path.name for path in out.iterdir()] == ['first.part']
    assert len(read_labels(out / 'first.part', '/tdnet/labels')) == 40
    assert LabelRecord.read(out / 'first.part').topics['/front/image_raw'].frames == 40
    assert not (out / 'first.part' / 'writing').exists()


def test_bad_input_is_one_line_each(tmp_path: Path,
                                    run: Run) -> None:
    note = Logged('/note', 'std_msgs/msg/Header', START_NS, header(START_NS))
    strange = drive(2)
    for item in strange:
        item.message.encoding = 'BGR8'
    depth = drive(2)
    for item in depth:
        item.message.encoding = '32FC1'
    twin = write_bag(tmp_path / 'elsewhere' / 'good', drive(2))
    good = write_bag(tmp_path / 'good', drive(2))
    empty = tmp_path / 'empty'
    empty.mkdir()
    (tmp_path / 'text.mcap').write_text('text')
    bags = {
        write_bag(tmp_path / 'silent', [note]): 'has no image topic; its topics: /note',
        write_bag(tmp_path / 'strange', strange): "encoding 'BGR8' is not supported "
                                                  "(did you mean 'bgr8'?)",
        write_bag(tmp_path / 'depth', depth): "encoding '32FC1' is not supported",
        tmp_path / 'nothing': 'does not exist: expected a rosbag',
        empty: 'is no rosbag: it has neither metadata.yaml nor a storage file',
        tmp_path / 'text.mcap': 'has no image topic',
        good: ''}
    status, errors = run(*bags)
    assert status == 1
    assert len(errors) == len(bags) - 1
    for (bag, message), error in zip(bags.items(), errors):
        assert error.startswith(f'tdnet_bag: {bag} ') and message in error
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['good']
    for bad, message in (((good, good), 'is given twice'), ((good, twin), 'choose another --out'),
                         ((tmp_path / 'out' / 'good',), 'would be labelled into itself'),
                         ((good, '--start', 5), 'nothing is left from --start 5 on'),
                         ((twin, '--keep', 'tank'), "there is no class 'tank'"),
                         ((twin, '--topic', '/left'), 'has no image topic /left'),
                         ((twin, '--points'), 'points need a depth topic')):
        status, errors = run(*bad)
        assert (status, len(errors)) == (1, 1), errors
        assert message in errors[0]


@pytest.mark.parametrize('out', ['drive', 'drive/labels', 'drive/../drive/'])
def test_an_output_inside_an_input_is_refused(tmp_path: Path, out: str) -> None:
    bag = write_bag(tmp_path / 'drive', drive(2))
    before = sorted(tmp_path.rglob('*'))
    with pytest.raises(BagError, match=rf'--out .* lies in {bag}, which is read'):
        check_inputs([str(bag)], f'{tmp_path}/{out}')
    check_inputs([str(bag)], f'{tmp_path}/drive2')
    assert sorted(tmp_path.rglob('*')) == before


def test_an_output_that_cannot_be_written_is_named(
        tmp_path: Path, run: Run) -> None:
    bag = write_bag(tmp_path / 'drive', drive(2))
    (tmp_path / 'out').write_text('a file')
    assert run(bag) == (1, [f'tdnet_bag: cannot write {tmp_path}/out/drive.part: '
                            'Not a directory'])


def test_a_message_without_definition_cannot_be_copied(
        tmp_path: Path, run: Run) -> None:
    note = Logged('/note', 'std_msgs/msg/Header', START_NS, header(START_NS))
    bag = write_bag(tmp_path / 'drive', [*drive(2), note], 'db3')
    with sqlite3.connect(bag / 'drive.db3') as database:
        database.execute("UPDATE topics SET type = 'lost_msgs/msg/Lost' WHERE name = '/note'")
        database.execute('DELETE FROM message_definitions')
    about = yaml.safe_load((bag / 'metadata.yaml').read_text())
    (bag / 'metadata.yaml').write_text(yaml.safe_dump(about))
    status, errors = run(bag, '--copy-input')
    assert (status, len(errors)) == (1, 1), errors
    assert '/note cannot be copied: the bag has no definition of lost_msgs/msg/Lost' in errors[0]
    assert run(bag) == (0, [])


def test_no_ros_is_needed(tmp_path: Path, model: Path) -> None:
    info = make('std_msgs/msg/Header', stamp=header(START_NS).stamp, frame_id='x')
    bag = write_bag(tmp_path / 'drive', [
        *drive(4), Logged('/note', 'std_msgs/msg/Header', START_NS, info)])
    program = f'''
import sys
sys.modules.update(dict.fromkeys(['rclpy', 'sensor_msgs', 'std_msgs', 'vision_msgs',
                                  'builtin_interfaces', 'ament_index_python']))
from tdnet_ros.bags.cli import main
sys.exit(main({command(model, tmp_path, bag, '--overlay', '--copy-input')[3:]!r}))
'''
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True,
                          timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, '')
    assert len(read_labels(tmp_path / 'out' / 'drive', LABELS)) == 4
