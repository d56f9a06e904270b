"""Camera images of real bags of every format, and what is said about bags that have none."""
from contextlib import ExitStack
import os
from pathlib import Path
import shutil

import pytest
from rclpy.serialization import deserialize_message, serialize_message
from rosbags.rosbag2 import StoragePlugin, Writer
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from bags.label_material import FORMATS, drive
from bags.label_material import write_bag as write_drive
from bags.material import STUMP, compressed_message, image_message, write_bag, write_raw
from tdnet_ros.bags.definitions import definition
from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.files import mcap
from tdnet_ros.bags.files.bag import Bag
from tdnet_ros.bags.files.compression import unpacked
from tdnet_ros.bags.sources import open_source


def test_bag_yields_its_image_topics_in_recorded_order(bag: Path) -> None:
    source = open_source(str(bag))
    assert source.topics == {'/front/image_raw': 'sensor_msgs/msg/Image',
                             '/rear/image_raw/compressed': 'sensor_msgs/msg/CompressedImage'}
    assert source.count == 9
    samples = list(source)
    assert [sample.topic.split('/')[1] for sample in samples] == [
        'front', 'rear', 'front', 'front', 'rear', 'front', 'front', 'rear', 'front']
    assert [sample.due_s for sample in samples] == pytest.approx(
        [0, .03, .1, .2, .23, .3, .4, .43, .5])
    assert samples[0].stamp_ns == 100_000_000_007
    assert samples[-1].stamp_ns == 105_000_000_007


@pytest.mark.parametrize('kind', [*FORMATS, 'zstd-storage'])
def test_every_format_is_played_as_directory_and_as_file(tmp_path: Path, kind: str) -> None:
    bag = write_drive(tmp_path / 'drive', drive(5), kind)
    files = [] if kind in ('ros1', 'split') else [
        path for path in bag.iterdir() if path.suffix != '.yaml']
    for path in (bag, *files):
        source = open_source(str(path))
        assert [(sample.logged_ns, sample.topic) for sample in source] == [
            (item.logged_ns, '/front/image_raw') for item in drive(5)]
        image = deserialize_message(next(iter(source)).payload, Image)
        assert bytes(image.data) == bytes(drive(1)[0].message.data)
        assert source.count == 5


def test_rate_stretches_time_and_keeps_offsets(bag: Path) -> None:
    samples = list(open_source(str(bag), rate_hz=20.0))
    assert [sample.due_s for sample in samples] == pytest.approx(
        [0, .015, .05, .1, .115, .15, .2, .215, .25])


@pytest.mark.parametrize('storage', [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
@pytest.mark.parametrize('first_s', [0, 40, 90])
def test_rate_is_the_cameras_however_long_the_bag_is(tmp_path: Path, first_s: int,
                                                     storage: StoragePlugin) -> None:
    """100 s of a bag, of which the camera has 5 s at 10 Hz."""
    bag = write_bag(tmp_path / 'bag', {
        '/imu': [(100 * k, Header(frame_id='x' * 2 ** 14)) for k in range(1000)],
        '/image': [(1000 * first_s + 100 * k + 50, image_message(0)) for k in range(50)]}, storage)
    assert open_source(str(bag)).period_s == pytest.approx(0.1)
    source = open_source(str(bag), rate_hz=20.0)
    assert source.period_s == pytest.approx(0.05)
    assert [sample.due_s for sample in source] == pytest.approx([k / 20 for k in range(50)])


def test_looking_for_the_rate_reads_little_of_a_bag(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of its 33 chunks it reads some twice, because it looks for a message, not for a chunk."""
    bag = write_bag(tmp_path / 'bag', {
        '/image': [(100 * k, image_message(0)) for k in range(2000)],
        '/note': [(100 * k, Header(frame_id='x' * 2 ** 14)) for k in range(2000)]})
    read = []
    monkeypatch.setattr(mcap, 'unpacked', lambda *arguments: (
        read.append(arguments) or unpacked(*arguments)))
    source = open_source(str(bag))
    assert source.period_s == pytest.approx(0.1)
    assert len(read) < 12
    read.clear()
    assert len(list(source)) == 2000
    assert len(read) > 30


def test_a_file_without_an_index_is_not_searched(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look would read all of it: its camera is taken to span the whole bag."""
    bag = write_drive(tmp_path / 'drive', drive(5), 'mcap')
    os.truncate(bag / 'drive.mcap', (bag / 'drive.mcap').stat().st_size - 40)
    source = open_source(str(bag))
    monkeypatch.delattr(Bag, 'messages')
    assert source.period_s == pytest.approx(
        (drive(5)[-1].logged_ns - drive(5)[0].logged_ns) * 1e-9 / 4)


def test_a_file_without_an_index_is_read_once_before_its_first_image(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bag = write_drive(tmp_path / 'drive', drive(400), 'mcap')
    os.truncate(bag / 'drive.mcap', (bag / 'drive.mcap').stat().st_size - 40)
    read: list[object] = []
    monkeypatch.setattr(mcap, 'unpacked', lambda *arguments: (
        read.append(arguments) or unpacked(*arguments)))
    source = open_source(str(bag))
    chunks = len(read)
    next(iter(source))
    assert chunks > 2 and len(read) == chunks + 1


def test_an_empty_file_of_a_bag_hides_no_rate(tmp_path: Path) -> None:
    """A recorder that ends just after a split leaves one."""
    bag = write_bag(tmp_path / 'bag', {
        '/imu': [(100 * k, Header()) for k in range(240)],
        '/image': [(100 * k, image_message(0)) for k in range(20)]})
    empty = tmp_path / 'empty'
    with Writer(empty, version=8, storage_plugin=StoragePlugin.MCAP):
        pass
    shutil.copy(empty / 'empty.mcap', bag / 'bag_1.mcap')
    (bag / 'metadata.yaml').unlink()
    assert open_source(str(bag)).period_s == pytest.approx(0.1)


def test_messages_without_a_header_are_left_out_and_told(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', {'/image': [
        (0, image_message(0)), (100, STUMP), (200, image_message(0))]})
    source = open_source(str(bag))
    for _ in range(2):
        assert [sample.logged_ns for sample in source] == [10 ** 9, 1_200_000_000]
    assert source.problems == [
        f'{bag}: message of /image logged at 1100000000: 4 bytes are too few for a header']


def test_all_messages_without_a_header_are_one_line_of_each_topic(tmp_path: Path) -> None:
    stumps = [STUMP] * 200
    bag = write_raw(tmp_path / 'bag', {'/left/image': stumps, '/right/image': stumps[:1]})
    source = open_source(str(bag))
    for _ in range(2):
        assert list(source) == []
    assert source.problems == [
        f'{bag}: 200 messages of /left/image cannot be read, first that logged at 1000000000: '
        '4 bytes are too few for a header',
        f'{bag}: message of /right/image logged at 1000000000: 4 bytes are too few for a header']


@pytest.mark.parametrize('split', [False, True], ids=['one file', 'split'])
@pytest.mark.parametrize('storage', StoragePlugin)
def test_of_a_topic_with_two_types_the_common_one_is_played(
        tmp_path: Path, storage: StoragePlugin, split: bool) -> None:
    messages = [compressed_message(0), compressed_message(1), image_message(2), image_message(3),
                image_message(4)]
    bags = [tmp_path / 'bag', tmp_path / ('rest' if split else 'bag')]
    with ExitStack() as stack:
        writers = {bag: stack.enter_context(Writer(bag, version=8, storage_plugin=storage))
                   for bag in dict.fromkeys(bags)}
        kinds = {}
        for kind, bag in zip((CompressedImage, Image), bags):
            known = definition(name := f'sensor_msgs/msg/{kind.__name__}')
            kinds[kind] = writers[bag], writers[bag].add_connection(
                '/cam', name, msgdef=known.text, rihs01=known.digest)
        for index, message in enumerate(messages):
            writer, connection = kinds[type(message)]
            writer.write(connection, 10 ** 9 + index, serialize_message(message))
    if split:
        for path in bags[1].glob('rest*'):
            path.rename(bags[0] / path.name)
        (bags[0] / 'metadata.yaml').unlink()
    source = open_source(str(bags[0]))
    assert source.topics == {'/cam': 'sensor_msgs/msg/Image'} and source.count == 3
    assert [sample.stamp_ns // 10 ** 9 for sample in source] == [102, 103, 104]
    assert source.problems[-1] == (f'{bags[0]}: /cam has sensor_msgs/msg/Image; 2 messages of '
                                   'sensor_msgs/msg/CompressedImage left out')


def test_one_topic_is_chosen(bag: Path) -> None:
    source = open_source(str(bag), topics=('/rear/image_raw/compressed',))
    assert source.count == 3
    assert {sample.topic for sample in source} == {'/rear/image_raw/compressed'}


def test_unknown_topic_is_named_with_those_there(bag: Path) -> None:
    with pytest.raises(BagError, match=r'no image topic /left; .*/front/image_raw, /rear'):
        open_source(str(bag), topics=('/left',))


def test_bag_without_images_names_its_topics(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', {'/note': [(0, Header())]})
    with pytest.raises(BagError, match='no image topic; its topics: /note'):
        open_source(str(bag))


@pytest.mark.parametrize('kind', ['mcap', 'db3', 'ros1'])
def test_of_a_recording_that_was_cut_off_the_rest_is_played(tmp_path: Path, kind: str) -> None:
    bag = write_drive(tmp_path / 'drive', drive(40), kind)
    file = bag
    if bag.is_dir():
        (bag / 'metadata.yaml').unlink()
        file = bag / f'drive.{kind}'
    os.truncate(file, int(0.7 * file.stat().st_size))
    source = open_source(str(bag))
    logged = [sample.logged_ns for sample in source]
    assert 10 < len(logged) < 40
    assert logged == [item.logged_ns for item in drive(len(logged))]
    assert any(f'{file}: offset ' in problem for problem in source.problems)


@pytest.mark.parametrize(('keep', 'damage'), [(0, 'the file is empty'), (100, 'without an index')])
def test_a_bag_of_which_nothing_is_left_says_why(bag: Path, keep: int, damage: str) -> None:
    os.truncate(bag / 'bag.mcap', keep)
    with pytest.raises(BagError) as raised:
        open_source(str(bag))
    first, problem = str(raised.value).splitlines()
    assert first == f'{bag} has no image topic; its topics: none'
    assert f'{bag}/bag.mcap: offset ' in problem and damage in problem
