"""Reports of bags that are damaged, empty or not there."""
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from std_msgs.msg import Float32

from bags.labelled_material import header, png, raw, write_damaged_labels, write_labels
from bags.material import write_bag
from bags.report.report_material import FRAMES, camera_of, pictures, report
from tdnet_ros.bags.definitions import definition
from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.labelled import LabelledBag
from tdnet_ros.bags.report import writing
from tdnet_ros.bags.report.writing import write_report
from tdnet_ros.ros.messages import to_jpeg

pytest.importorskip('vision_msgs.msg', reason='the bags name their classes in a LabelInfo')
Run = Callable[..., tuple[int, str, str]]


def test_bags_that_cannot_be_read_are_named_and_the_others_reported(
        tmp_path: Path, offline: Path) -> None:
    empty = write_bag(tmp_path / 'empty', {'/x': [(0, Float32())]})
    cut = write_labels(tmp_path / 'cut', FRAMES)
    storage, = cut.glob('*.mcap')
    storage.write_bytes(storage.read_bytes()[:-3287])
    content = report(empty, offline, cut, tmp_path / 'missing')
    assert [bag.get('error', bag['cameras'][0]['frames'] if 'cameras' in bag else '')
            for bag in content['bags'][1:3]] == [3, 3]
    problems = content['problems']
    assert len(problems) == 3
    assert 'empty has no label topic' in problems[0] and 'its topics: /x' in problems[0]
    assert 'cut.mcap: offset' in problems[1]
    assert 'missing does not exist' in problems[2]


def test_bad_input_is_one_line(tmp_path: Path, tdnet_bag: Run) -> None:
    assert tdnet_bag('report', tmp_path) == (
        1, '', f'tdnet_bag: {tmp_path} is no rosbag2 directory and holds none\n')


def test_nothing_is_written_where_there_is_nothing_to_report(
        tmp_path: Path, tdnet_bag: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bag = write_bag(tmp_path / 'bag', {'/load': [(0, Float32())]})
    before = sorted(tmp_path.rglob('*'))
    status, out, err = tdnet_bag('report', 'nope', bag)
    assert (status, out) == (1, '')
    first, second = err.splitlines()
    assert first.startswith('tdnet_bag: nope does not exist')
    assert second.startswith(f'tdnet_bag: {bag} has no label topic')
    assert sorted(tmp_path.rglob('*')) == before


def test_output_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    bag = write_labels(tmp_path / 'bag', FRAMES)
    (tmp_path / 'file').write_text('')
    with pytest.raises(OSError, match=f'cannot write {tmp_path}/file: Not a directory'):
        write_report([bag], tmp_path / 'file' / 'report.html')


@pytest.mark.parametrize('name', ['figures.json', '.'])
def test_a_page_is_not_written_over_its_figures(tmp_path: Path, name: str) -> None:
    bag = write_labels(tmp_path / 'bag', FRAMES)
    before = sorted(tmp_path.rglob('*'))
    with pytest.raises(BagError, match='expected the name of a page, such as '):
        write_report([bag], tmp_path / name)
    assert sorted(tmp_path.rglob('*')) == before


def test_a_labelled_bag_that_may_not_be_looked_into_is_done_without(
        offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, 'Permission denied', str(path))

    monkeypatch.setattr('tdnet_ros.bags.labelled.needs_copy', refuse)
    with closing(LabelledBag(offline)) as bag:
        assert bag.record and bag.labelled_from() is None


def test_topic_that_stayed_silent_is_shown_as_such(tmp_path: Path) -> None:
    known = definition('sensor_msgs/msg/Image')
    with Writer(tmp_path / 'bag', version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        writer.add_connection('/tdnet/labels', 'sensor_msgs/msg/Image', msgdef=known.text,
                              rihs01=known.digest)
    assert camera_of(tmp_path / 'bag', drawn=True)['frames'] == 0
    assert 'There are no label images.' in (tmp_path / 'report.html').read_text()


def test_damaged_picture_is_left_out(tmp_path: Path) -> None:
    overlays = [(ms, to_jpeg(np.zeros((2, 4, 3), np.uint8), header(ms), 90)) for ms in FRAMES]
    overlays[1][1].data = overlays[1][1].data[:20]
    bag = write_bag(tmp_path / 'bag', {
        '/tdnet/labels': [raw(ms, pixels) for ms, pixels in FRAMES.items()],
        '/tdnet/overlay/compressed': overlays})
    assert report(bag, drawn=True)['problems'] == []
    assert pictures((tmp_path / 'report.html').read_text()) == 2


def test_damaged_label_is_an_error_that_names_it(tmp_path: Path) -> None:
    late = png(100, FRAMES[0])[1]
    late.data = late.data[:-20]
    bag = write_bag(tmp_path / 'bag', {'/tdnet/labels/compressed': [png(0, FRAMES[0]),
                                                                    (100, late)]})
    with pytest.raises(BagError, match=f'{bag}: /tdnet/labels/compressed at 0.100 s: '):
        report(bag)


def test_message_without_a_header_is_left_out_and_told(tmp_path: Path) -> None:
    bag = write_damaged_labels(tmp_path / 'bag', {0: FRAMES[0], 50: FRAMES[0], 200: FRAMES[0]})
    content = report(bag, drawn=True)
    assert content['bags'][0]['cameras'][0]['frames'] == 3
    assert content['problems'] == [f'{bag}: message of /tdnet/labels logged at 1100000000: '
                                   '4 bytes are too few for a header']
    assert pictures((tmp_path / 'report.html').read_text()) == 3


def test_a_bag_that_goes_away_while_it_is_read_is_named(tmp_path: Path) -> None:
    bags = [write_labels(tmp_path / name, FRAMES) for name in 'ab']
    later = write_labels(tmp_path / 'later', {ms + 10_000: rows for ms, rows in FRAMES.items()})
    (later / 'later.mcap').rename(bags[0] / 'later.mcap')
    (bags[0] / 'metadata.yaml').unlink()

    def update(frames: int, text: str) -> None:
        if bags[0].exists():
            bags[0].rename(tmp_path / 'gone')

    assert write_report(bags, tmp_path / 'report.html', update=update) == [
        f'{bags[0]} cannot be read: No such file or directory']
    assert '/tdnet' in (tmp_path / 'report.html').read_text()


def test_two_reports_at_once_are_written_one_after_the_other(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where several `tdnet_bag label` into one folder end together."""
    bag, page = write_labels(tmp_path / 'a', FRAMES), tmp_path / 'report.html'
    write_page, others = writing.write_page, list[Future]()

    def met(*arguments: Any) -> None:
        if not others:
            others.append(pool.submit(write_report, [bag], page))
            wait(others, 1)
        write_page(*arguments)

    monkeypatch.setattr(writing, 'write_page', met)
    monkeypatch.setattr(writing, 'MAX_DETAILED', 0)
    with ThreadPoolExecutor(1) as pool:
        assert write_report([bag], page) == others[0].result() == []
    assert page.read_text().count('</html>') == 1


def test_a_bag_that_gets_its_final_name_meanwhile_has_figures_and_no_pictures(
        tmp_path: Path) -> None:
    bags = [write_labels(tmp_path / name, FRAMES) for name in ('drive.part', 'other')]

    def update(frames: int, text: str) -> None:
        if text.endswith('other') and bags[0].exists():
            bags[0].rename(tmp_path / 'drive')

    assert write_report(bags, tmp_path / 'report.html', update=update) == []
    page = (tmp_path / 'report.html').read_text()
    assert pictures(page) == len(FRAMES) and 'drive.part' in page
