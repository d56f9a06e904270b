"""Bags under odd names, with a write-ahead log beside them, and of very many files."""
from __future__ import annotations

from contextlib import closing, nullcontext
import os
from pathlib import Path
import resource
import shutil
import sqlite3

import pytest
import yaml

from bags.files.damage_material import read
from bags.label_material import IMAGE, drive, types, write_bag
from tdnet_ros.bags.bag_source import BagSource
from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.files.bag import Bag
from tdnet_ros.bags.sources import open_source

FRAMES = 12
WANTED = [item.logged_ns for item in drive(FRAMES)]


@pytest.mark.parametrize('name', ['drive#1', 'drive?1', 'run%20a', '50%', 'ümlaut', 'a b'])
@pytest.mark.parametrize('whole', [True, False])
def test_a_database_may_have_any_name(tmp_path: Path, name: str, whole: bool) -> None:
    bag = write_bag(tmp_path / 'drive', drive(FRAMES), 'db3').rename(tmp_path / name)
    if whole:
        assert [sample.logged_ns for sample in BagSource(bag)] == WANTED
        assert read(bag) == (WANTED, [])
    else:
        os.truncate(bag / 'drive.db3', (bag / 'drive.db3').stat().st_size // 2)
        logged, problems = read(bag)
        assert 0 < len(logged) < FRAMES and logged == WANTED[:len(logged)]
        assert len(problems) == 1 and f'{bag}/drive.db3: offset ' in problems[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]
    assert sorted(path.name for path in bag.iterdir()) == ['drive.db3', 'metadata.yaml']


def cut_off(folder: Path, before: int) -> Path:
    """A recording with a write-ahead log, as it lies there while it is recorded."""
    source = write_bag(folder / 'source' / 'drive', drive(before), 'db3')
    with closing(sqlite3.connect(source / 'drive.db3')) as database:
        database.execute('PRAGMA journal_mode = WAL')
        for item in drive(FRAMES)[before:]:
            with database:
                database.execute(
                    'INSERT INTO messages(topic_id, timestamp, data) VALUES (1, ?, ?)',
                    (item.logged_ns, bytes(types().serialize_cdr(item.message, IMAGE))))
        bag = Path(shutil.copytree(source, folder / 'drive'))
    (bag / 'drive.db3-shm').unlink()
    assert (bag / 'drive.db3-wal').stat().st_size
    return bag


def test_what_is_in_a_write_ahead_log_is_read(tmp_path: Path) -> None:
    bag = cut_off(tmp_path, before=5)
    before = {path: path.read_bytes() for path in bag.iterdir()}
    assert read(bag) == (WANTED, [])
    for path in (bag, bag / 'drive.db3'):
        assert [sample.logged_ns for sample in BagSource(path)] == WANTED
    (bag / 'metadata.yaml').unlink()
    del before[bag / 'metadata.yaml']
    logged, problems = read(bag)
    assert logged == WANTED
    assert len(problems) == 1 and 'metadata.yaml' in problems[0]
    assert {path: path.read_bytes() for path in bag.iterdir()} == before


def test_a_log_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    bag = cut_off(tmp_path, before=5)
    (bag / 'drive.db3-wal').write_bytes(b'no log ' * 10_000)
    assert read(bag) == (WANTED[:5], [
        f'{bag}/drive.db3-wal: offset 0: this is no write-ahead log; none of its messages can be '
        'read'])


def test_a_log_of_what_is_no_database_is_told(tmp_path: Path) -> None:
    bag = cut_off(tmp_path, before=5)
    (bag / 'drive.db3').write_bytes(b'no database ' * 10_000)
    os.truncate(bag / 'drive.db3-wal', 32)
    logged, problems = read(bag)
    assert logged == []
    assert 'drive.db3-wal: offset 0: ' in problems[0] and 'not a database' in problems[0]


@pytest.mark.parametrize('frames', [0, 0.5, 2])
def test_what_was_not_wholly_written_to_a_log_is_no_damage(tmp_path: Path, frames: float) -> None:
    """Its header alone, half of its first page, and two pages of a message that has more."""
    bag = cut_off(tmp_path, before=5)
    log = bag / 'drive.db3-wal'
    os.truncate(log, 32 + round(frames * (24 + 4096)))
    before = log.read_bytes()
    assert read(bag) == (WANTED[:5], [])
    assert log.read_bytes() == before


def test_no_database_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither with a log nor when it is cut off: there may be no room for another of 10 GB."""
    logged = cut_off(tmp_path / 'logged', before=5)
    cut = write_bag(tmp_path / 'cut', drive(40), 'db3')
    os.truncate(cut / 'cut.db3', int(0.8 * (cut / 'cut.db3').stat().st_size))
    for file in (*logged.iterdir(), *cut.iterdir()):
        file.chmod(0o444)
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path / 'nowhere'))
    assert read(logged) == (WANTED, [])
    assert len(read(cut)[0]) > 20


def test_a_log_may_have_the_end_of_a_database(tmp_path: Path) -> None:
    """Putting them together was cut off."""
    bag = cut_off(tmp_path, before=5)
    file = bag / 'drive.db3'
    log = (bag / 'drive.db3-wal').read_bytes()
    with closing(sqlite3.connect(file)) as database:
        database.execute('PRAGMA wal_checkpoint')
    (bag / 'drive.db3-wal').write_bytes(log)
    os.truncate(file, file.stat().st_size - 20_000)
    assert read(bag) == (WANTED, [])


def test_a_link_to_a_database_finds_its_log(tmp_path: Path) -> None:
    bag = cut_off(tmp_path, before=5)
    (tmp_path / 'link.db3').symlink_to(bag / 'drive.db3')
    assert read(tmp_path / 'link.db3') == (WANTED, [])


@pytest.mark.parametrize('nearly', [False, True])
def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                              nearly: bool) -> None:
    bag = write_bag(tmp_path / 'drive', drive(FRAMES), 'zstd-file')
    full = tmp_path / 'full'
    full.mkdir()
    if nearly:
        total = shutil.disk_usage(full).total
        monkeypatch.setattr(shutil, 'disk_usage', lambda folder: (
            shutil._ntuple_diskusage(total, total - 2 ** 20, 2 ** 20)))
    else:
        (full / 'drive.mcap').symlink_to('/dev/full')
    monkeypatch.setattr('tdnet_ros.bags.files.bag.TemporaryDirectory',
                        lambda prefix: nullcontext(str(full)))
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path))
    with pytest.raises(BagError) as raised:
        Bag(bag)
    assert str(raised.value) == (
        f'{bag} cannot be read: No space left on device in {tmp_path}, where it is unpacked; '
        'TMPDIR can name another folder')


@pytest.mark.parametrize('kind', ['mcap', 'db3'])
def test_a_bag_may_have_more_files_than_can_be_open(tmp_path: Path, kind: str) -> None:
    bag = tmp_path / 'day'
    bag.mkdir()
    for index, item in enumerate(drive(30)):
        part = write_bag(tmp_path / 'part', [item], kind)
        shutil.move(part / f'part.{kind}', bag / f'day_{index}.{kind}')
        shutil.rmtree(part)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir('/proc/self/fd')) + 15, hard))
    try:
        logged, problems = read(bag)
        assert [sample.logged_ns for sample in BagSource(bag)] == logged
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert logged == [item.logged_ns for item in drive(30)]
    assert len(problems) == 1 and 'metadata.yaml' in problems[0]


def test_ros1_bags_have_no_metadata(tmp_path: Path) -> None:
    bag = tmp_path / 'day'
    bag.mkdir()
    for index in range(2):
        write_bag(bag / f'day_{index}', drive(FRAMES)[index::2], 'ros1')
    assert read(bag) == (WANTED, [])


@pytest.mark.parametrize('place', ['drive.bag.active', ''])
def test_a_ros1_bag_may_still_have_the_name_that_it_was_recorded_under(tmp_path: Path,
                                                                       place: str) -> None:
    bag = write_bag(tmp_path / 'drive', drive(FRAMES), 'ros1')
    bag = bag.rename(tmp_path / 'drive.bag.active')
    os.truncate(bag, bag.stat().st_size - 300)
    logged, problems = read(tmp_path / place)
    assert logged == WANTED
    assert len(problems) == 1 and problems[0].startswith(f'{bag}: offset ')
    assert [sample.logged_ns for sample in open_source(str(tmp_path / place))] == WANTED


def test_metadata_that_names_no_files_are_told(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'drive', drive(3), 'mcap')
    about = yaml.safe_load((bag / 'metadata.yaml').read_text())
    about['rosbag2_bagfile_information']['relative_file_paths'] = 5
    (bag / 'metadata.yaml').write_text(yaml.safe_dump(about))
    logged, problems = read(bag)
    assert logged == [item.logged_ns for item in drive(3)]
    assert problems == [f'{bag}/metadata.yaml: offset 0: relative_file_paths is no list']


def test_files_are_given_back_where_one_cannot_be_read(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bag = tmp_path / 'old'
    bag.mkdir()
    for index in range(3):
        write_bag(bag / f'old_{index}', drive(2), 'ros1')
    before = len(os.listdir('/proc/self/fd'))

    def fail(self: Bag, path: Path) -> tuple[Path, str]:
        if path.stem == 'old_2':
            raise OSError(24, 'Too many open files')
        return path, str(path)

    monkeypatch.setattr(Bag, '_readable', fail)
    with pytest.raises(BagError, match='Too many open files'):
        Bag(bag)
    assert len(os.listdir('/proc/self/fd')) == before
