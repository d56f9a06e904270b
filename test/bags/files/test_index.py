"""Damage to what tells which messages there are, and where: index, channels, metadata."""
from __future__ import annotations

from binascii import crc32
from contextlib import closing
from pathlib import Path

import pytest

from bags.files.damage_material import FRAMES, TOPIC, contents, noise, read, storage, zeros
from bags.label_material import FORMATS, IMAGE, drive, write_bag
from tdnet_ros.bags.files.bag import Bag


@pytest.mark.parametrize('text', [TOPIC, IMAGE])
def test_an_index_that_does_not_name_what_is_there_is_told(tmp_path: Path, text: str) -> None:
    bag = write_bag(tmp_path / 'drive', drive(FRAMES))
    file = storage(bag)
    noise(file, file.read_bytes().rindex(text.encode()), 1)
    with closing(Bag(bag)) as opened:
        assert list(opened.messages(list(opened.topics))) == []
        assert opened.problems == [f'{file}: the index does not name {TOPIC} [{IMAGE}]: its '
                                   'messages are left out']


def test_topics_that_an_index_has_lost_are_found(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'drive', drive(FRAMES))
    file = storage(bag)
    content = file.read_bytes()
    channel = content.rindex(TOPIC.encode()) - 4 - 4 - 8 - 1
    assert content[channel] == 4
    noise(file, channel, 1)
    assert read(bag) == ([item.logged_ns for item in drive(FRAMES)], [])


@pytest.mark.parametrize('before', [1, 2])
def test_times_of_an_index_that_make_no_sense_hide_nothing(tmp_path: Path, before: int) -> None:
    """Of a chunk, and of the whole file, which is told last."""
    bag = write_bag(tmp_path / 'drive', drive(FRAMES))
    file, start = storage(bag), drive(1)[0].logged_ns.to_bytes(8, 'little')
    content = bytearray(file.read_bytes())
    at = len(content)
    for _ in range(before):
        at = content.rindex(start, 0, at)
    content[at + 7] = 255
    file.write_bytes(content)
    assert read(bag) == ([item.logged_ns for item in drive(FRAMES)], [])


def test_an_index_of_another_checksum_is_not_believed(tmp_path: Path) -> None:
    """It says of the only chunk that it begins a second later."""
    bag = write_bag(tmp_path / 'drive', drive(FRAMES))
    file = storage(bag)
    content = bytearray(file.read_bytes())
    start = int.from_bytes(content[-28:-20], 'little')
    content[-12:-8] = crc32(content[start:-12]).to_bytes(4, 'little')
    file.write_bytes(content)
    wanted = [item.logged_ns for item in drive(FRAMES)]
    assert read(bag) == (wanted, [])
    first = wanted[0].to_bytes(8, 'little')
    at = content.rindex(first, 0, content.rindex(first))
    content[at:at + 8] = (wanted[0] + 10**9).to_bytes(8, 'little')
    file.write_bytes(content)
    with closing(Bag(bag)) as opened:
        found = opened.messages([TOPIC], wanted[0], wanted[5])
        assert [message.logged_ns for message in found] == wanted[:5]
        assert opened.problems == [
            f'{file}: offset {start}: checksum of the index does not match']


def test_a_message_of_a_time_that_makes_no_sense_is_told(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'drive', drive(FRAMES))
    file = storage(bag)
    wanted = [item.logged_ns for item in drive(FRAMES)]
    time = wanted.pop(7).to_bytes(8, 'little')
    changed = time[:-1] + b'\x11'
    file.write_bytes(file.read_bytes().replace(time, changed, 1))
    with closing(Bag(bag)) as opened:
        found = opened.messages([TOPIC], opened.start_ns, opened.end_ns)
        assert [message.logged_ns for message in found] == wanted
        assert opened.problems == [
            f'{bag}: message of {TOPIC} logged at {int.from_bytes(changed, "little")}: the bag is '
            'of other times']


def test_a_message_of_no_channel_costs_no_other(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'drive', drive(FRAMES))
    file = storage(bag)
    wanted = [item.logged_ns for item in drive(FRAMES)]
    lost = wanted.pop(7)
    content = bytearray(file.read_bytes())
    content[content.index(lost.to_bytes(8, 'little')) - 6] = 99  # its channel
    file.write_bytes(content)
    assert read(bag) == (wanted, [
        f'{file}: channel 99: nothing tells what it is; its messages are left out'])


@pytest.mark.parametrize('kind', FORMATS)
def test_a_recording_that_was_cut_off_before_its_metadata_is_read(tmp_path: Path,
                                                                  kind: str) -> None:
    bag = write_bag(tmp_path / 'drive', drive(FRAMES), kind)
    whole = contents(bag)
    if bag.is_dir():
        (bag / 'metadata.yaml').unlink()
    assert contents(bag) == whole


def test_metadata_that_was_cut_off_hides_no_file(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'drive', drive(FRAMES), 'split')
    metadata = bag / 'metadata.yaml'
    text = metadata.read_text()
    metadata.write_text(text[:text.index('- drive_1.mcap')])
    assert read(bag) == ([item.logged_ns for item in drive(FRAMES)], [
        f'{metadata}: offset 0: it was cut off within relative_file_paths'])


@pytest.mark.parametrize('named', [True, False])
def test_a_file_that_lies_there_packed_too_is_read_once(tmp_path: Path, named: bool) -> None:
    """As packing that was interrupted, or done by hand, leaves it."""
    bag = write_bag(tmp_path / 'drive', drive(FRAMES), 'zstd-file')
    plain = write_bag(tmp_path / 'plain' / 'drive', drive(FRAMES))
    (plain / 'drive.mcap').rename(bag / 'drive.mcap')
    if not named:
        (bag / 'metadata.yaml').unlink()
        zeros(bag / 'drive.mcap.zstd', 0)
    logged, problems = read(bag)
    assert logged == [item.logged_ns for item in drive(FRAMES)]
    assert all('metadata.yaml' in problem for problem in problems) and len(problems) == (not named)


def test_a_file_that_was_packed_later_is_read(tmp_path: Path) -> None:
    packed = write_bag(tmp_path / 'packed' / 'drive', drive(FRAMES), 'zstd-file')
    bag = write_bag(tmp_path / 'drive', drive(FRAMES))
    (packed / 'drive.mcap.zstd').rename(bag / 'drive.mcap.zstd')
    (bag / 'drive.mcap').unlink()
    assert read(bag) == ([item.logged_ns for item in drive(FRAMES)], [])


def test_a_file_that_metadata_does_not_name_is_told(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'drive', drive(FRAMES), 'split')
    metadata = bag / 'metadata.yaml'
    metadata.write_text(metadata.read_text().replace('  - drive_1.mcap\n', ''))
    logged, problems = read(bag)
    assert FRAMES // 3 < len(logged) < FRAMES
    assert problems == [f'{bag}/drive_1.mcap: offset 0: the file is left out, for metadata.yaml '
                        'does not name it']
