"""Image topics of real bags in both storages, and what is said about bags that are none."""
from pathlib import Path

import pytest
from rosbags.rosbag2 import StoragePlugin, storage_mcap
from rosbags.rosbag2.storage_mcap import McapReader
from std_msgs.msg import Header

from bags.material import image_message, with_stump, write_bag, write_raw
from tdnet_ros.bags import reading
from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.reading import open_bag
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


@pytest.mark.parametrize('storage', [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_both_storages_are_read_as_directory_and_as_file(tmp_path: Path,
                                                         storage: StoragePlugin) -> None:
    bag = write_bag(tmp_path / 'bag', {'/image': [(0, image_message(4))]}, storage)
    files = [path for path in bag.iterdir() if path.suffix in {'.mcap', '.db3'}]
    for path in (bag, *files):
        sample, = open_source(str(path))
        assert sample.stamp_ns == 104_000_000_007


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
    decompress = storage_mcap.decompress
    monkeypatch.setattr(storage_mcap, 'decompress', lambda *arguments: (
        read.append(arguments) or decompress(*arguments)))
    source = open_source(str(bag))
    assert source.period_s == pytest.approx(0.1)
    assert len(read) < 12
    read.clear()
    assert len(list(source)) == 2000
    assert len(read) > 30


@pytest.mark.parametrize('rate_hz', [None, 20.0])
def test_a_bag_is_opened_once_to_look_into_it_and_once_for_each_pass(
        bag: Path, monkeypatch: pytest.MonkeyPatch, rate_hz: float | None) -> None:
    opened = []
    monkeypatch.setattr(reading, 'open_bag', lambda path: opened.append(path) or open_bag(path))
    source = open_source(str(bag), rate_hz)
    for count in (2, 3):
        list(source)
        assert source.period_s == pytest.approx(1 / (rate_hz or 10))
        assert len(opened) == count


def test_a_file_without_chunks_is_not_searched(bag: Path,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look would read all of it: its camera is taken to span the whole bag."""
    read_index = McapReader.read_index

    def without_chunks(self: McapReader) -> None:
        read_index(self)
        self.chunks.clear()

    monkeypatch.setattr(McapReader, 'read_index', without_chunks)
    monkeypatch.delattr(McapReader, 'messages')
    assert open_source(str(bag)).period_s == pytest.approx(0.1)


def test_messages_without_a_header_are_left_out_and_told(tmp_path: Path) -> None:
    bag = with_stump(tmp_path / 'bag', '/image', [0, 200])
    source = open_source(str(bag))
    for _ in range(2):
        assert [sample.logged_ns for sample in source] == [10 ** 9, 1_200_000_000]
    assert source.problems == [
        'message of /image logged at 1100000000: 4 bytes are too few for a header']


def test_all_messages_without_a_header_are_one_line_of_each_topic(tmp_path: Path) -> None:
    stumps = [bytes([0, 1, 0, 0])] * 200
    source = open_source(str(write_raw(
        tmp_path / 'bag', {'/left/image': stumps, '/right/image': stumps[:1]})))
    for _ in range(2):
        assert list(source) == []
    assert source.problems == [
        '200 messages of /left/image cannot be read, first that logged at 1000000000: 4 bytes '
        'are too few for a header',
        'message of /right/image logged at 1000000000: 4 bytes are too few for a header']


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


def test_cut_off_recording_is_named(bag: Path) -> None:
    (bag / 'metadata.yaml').unlink()
    with pytest.raises(BagError, match=r'no metadata\.yaml'):
        open_source(str(bag))


@pytest.mark.parametrize('keep', [0, 100, 1500])
def test_truncated_storage_is_named(bag: Path, keep: int) -> None:
    storage = bag / 'bag.mcap'
    storage.write_bytes(storage.read_bytes()[:keep])
    with pytest.raises(BagError, match='cannot be read'):
        list(open_source(str(bag)))
