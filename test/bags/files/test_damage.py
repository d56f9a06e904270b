"""Damaged storage files: nothing is lost in silence, and what lies beyond damage is found."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
import os
from pathlib import Path
import sqlite3

import pytest
from rosbags.rosbag1 import Writer
from rosbags.typesys import Stores, get_typestore

from bags.files.damage_material import FRAMES, noise, read, storage, zeros
from bags.label_material import FORMATS, IMAGE, drive, write_bag
from tdnet_ros.bags.files import compression
from tdnet_ros.bags.files.bag import Bag
from tdnet_ros.bags.files.salvage import Salvage


@pytest.mark.parametrize('spoil', [zeros, noise])
@pytest.mark.parametrize('kind', [kind for kind in FORMATS if not kind.startswith('zstd')])
def test_damage_costs_the_frames_that_it_hits(tmp_path: Path, kind: str,
                                              spoil: Callable[[Path, int], None]) -> None:
    """4 KiB are spoiled, at one place after the other until a frame cannot be read."""
    bag = write_bag(tmp_path / 'drive', drive(FRAMES), kind)
    file = storage(bag)
    wanted = [item.logged_ns for item in drive(FRAMES)]
    assert read(bag) == (wanted, [])
    size = file.stat().st_size
    for at in range(size // 4, size // 2, 2048):
        content = file.read_bytes()
        spoil(file, at)
        logged, problems = read(bag)
        assert [logged_ns for logged_ns in logged if logged_ns not in wanted] == []
        assert len(logged) >= FRAMES - 3
        if len(logged) < FRAMES:
            assert len(problems) == 1 and f'{file}: offset ' in problems[0], at
            break
        file.write_bytes(content)
    else:
        raise AssertionError('no place was found where damage costs a frame')


@pytest.mark.parametrize('kind', FORMATS)
def test_a_cut_file_gives_what_is_there(tmp_path: Path, kind: str) -> None:
    bag = write_bag(tmp_path / 'drive', drive(FRAMES), kind)
    file = storage(bag)
    wanted = [item.logged_ns for item in drive(FRAMES)]
    os.truncate(file, int(0.8 * file.stat().st_size))
    logged, problems = read(bag)
    assert FRAMES // 2 <= len(logged) < FRAMES
    assert sorted({*logged} & {*wanted}) == logged
    assert f'{file}: offset ' in problems[0]


def test_a_row_that_makes_no_sense_is_named(tmp_path: Path) -> None:
    """As flipped bits make them; sqlite reads such rows without complaint."""
    bag = write_bag(tmp_path / 'drive', drive(FRAMES), 'db3')
    file = storage(bag)
    with closing(sqlite3.connect(file)) as database, database:
        database.execute('UPDATE messages SET topic_id = 99 WHERE id = 9')
    logged, problems = read(bag)
    assert len(logged) == FRAMES - 1
    assert len(problems) == 1 and 'row 9 is the first that cannot be read' in problems[0]
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE messages SET timestamp = 'late' WHERE id = 7")
    problems.clear()
    assert len(list(Salvage(file, problems.append).messages())) == FRAMES - 2
    assert len(problems) == 1 and 'row 7 is the first that cannot be read' in problems[0]
    problems.clear()
    os.truncate(file, int(0.8 * file.stat().st_size))
    assert FRAMES // 2 <= len(list(Salvage(file, problems.append).messages())) < FRAMES - 2
    assert 'bytes too early' in problems[0]
    assert problems[1:] == ['damaged; of its messages row 7 is the first that cannot be read']


def test_a_row_with_a_damaged_number_does_not_bring_others_back(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'drive', drive(FRAMES), 'db3')
    file = storage(bag)
    wanted = [item.logged_ns for item in drive(FRAMES)]
    lost = wanted.pop(13)
    zeros(file, file.read_bytes().rindex(lost.to_bytes(6, 'big')) - 16, 16)  # of its row
    logged, problems = read(bag)
    assert sorted({*logged} & {*wanted}) == logged and len(logged) >= FRAMES - 2
    assert len(problems) == 1 and 'row 14 is the first that cannot be read' in problems[0]


def test_messages_that_cannot_be_converted_are_one_line(tmp_path: Path) -> None:
    store = get_typestore(Stores.ROS1_NOETIC)
    bag = tmp_path / 'drive.bag'
    with Writer(bag) as writer:
        for topic in ('/front', '/rear'):
            connection = writer.add_connection(topic, IMAGE, typestore=store)
            for index in range(3):
                writer.write(connection, 10 ** 9 + index, bytes(2))
    with closing(Bag(bag)) as opened:
        for _ in range(2):
            assert list(opened.messages(['/front', '/rear'])) == []
        assert [problem.split(', first')[0] for problem in opened.problems] == [
            f'{bag}: 3 messages of {topic} cannot be read' for topic in ('/front', '/rear')]


def test_a_chunk_that_is_lost_does_not_cost_the_others(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'drive', drive(400))
    file = storage(bag)
    whole, _ = read(bag)
    for size in (1, 2 ** 40):  # the length of the second chunk
        content = bytearray(file.read_bytes())
        second = content.index(b'\x06', 43 + 2 ** 20)
        while int.from_bytes(content[second + 1:second + 9], 'little') > len(content):
            second = content.index(b'\x06', second + 1)
        spoiled = content[:second + 1] + size.to_bytes(8, 'little') + content[second + 9:]
        file.write_bytes(spoiled)
        for end in (len(spoiled), len(spoiled) - 100):  # with its index, and without
            os.truncate(file, end)
            logged, problems = read(bag)
            assert len(whole) - 130 < len(logged) and sorted({*logged}) == logged
            assert problems
        file.write_bytes(content)


def test_without_an_index_messages_are_in_the_order_of_time(tmp_path: Path) -> None:
    first, *rest = drive(400)
    bag = write_bag(tmp_path / 'drive', [*rest, first])
    file = storage(bag)
    os.truncate(file, file.stat().st_size - 100)
    logged, _ = read(bag)
    assert logged == [item.logged_ns for item in (first, *rest)]


@pytest.mark.parametrize(('kind', 'most', 'readable'), [
    ('zstd-storage', 2 ** 20, range(50, 100)), ('zstd-message', 5000, [0])])
def test_what_unpacks_to_more_than_fits_is_named(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, most: int,
        readable: Sequence[int]) -> None:
    """The first chunk is just larger than 1 MiB, a message than 9000 bytes."""
    bag = write_bag(tmp_path / 'drive', drive(200), kind)
    assert len(read(bag)[0]) == 200
    monkeypatch.setattr(compression, 'MOST_BYTES', most)
    logged, problems = read(bag)
    assert len(logged) in readable
    assert len(problems) == 1 and f'the packed data have more than {most} bytes' in problems[0]
