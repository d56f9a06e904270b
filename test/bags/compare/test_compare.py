"""`tdnet_bag compare` on bags whose answer is known, and what it says of those it cannot."""
from collections.abc import Callable
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Float32

from bags.labelled_material import (
    header,
    labels,
    png,
    raw,
    stamp_ns,
    write_damaged_labels,
    write_labels,
)
from bags.material import write_bag
from tdnet_ros.bags.compare import comparison
from tdnet_ros.bags.compare.comparison import compare
from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.labelled import LabelledBag
from tdnet_ros.bags.matching import Key
from tdnet_ros.bags.pair_counts import PairCounts
from tdnet_ros.learn.metrics import Confusion

pytest.importorskip('vision_msgs.msg', reason='the bags name their classes in a LabelInfo')
Run = Callable[..., tuple[int, str, str]]
ROAD, CAR, SKY, NONE = 0, 1, 2, 255
NAMES = ('road', 'car', 'sky')
FIRST = labels([[ROAD, ROAD, ROAD, ROAD], [CAR, CAR, SKY, NONE]])
SECOND = labels([[ROAD, ROAD, ROAD, CAR], [CAR, CAR, NONE, NONE]])


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Five frames each, four of them in both, of which one differs in two of eight pixels."""
    frames = dict.fromkeys((0, 100, 200, 300, 400), FIRST)
    others = {**frames, 100: SECOND, 500: FIRST}
    del others[400]
    return (write_labels(tmp_path / 'a', frames, classes=NAMES),
            write_labels(tmp_path / 'b', others, classes=NAMES))


def test_figures_are_exact(tmp_path: Path, pair: tuple[Path, Path], tdnet_bag: Run) -> None:
    status, out, err = tdnet_bag('compare', *pair, '--json', tmp_path / 'c.json', '--out',
                                 tmp_path / 'worst')
    assert (status, err) == (0, '')
    content = json.loads((tmp_path / 'c.json').read_text())
    camera, = content['cameras']
    assert camera['topics'] == ['/tdnet/labels', '/tdnet/labels']
    assert camera['frames'] == {'both': 4, 'only_a': 1, 'only_b': 1}
    assert camera['only_a_stamps_ns'] == [stamp_ns(400)]
    assert camera['only_b_stamps_ns'] == [stamp_ns(500)]
    assert camera['agreement'] == 30 / 32
    assert camera['frame_agreement']['min'] == 6 / 8
    assert camera['miou'] == pytest.approx((15 / 16 + 8 / 9 + 3 / 4) / 3)
    assert camera['classes'] == [
        {'id': ROAD, 'name': 'road', 'pixels_a': 16, 'pixels_b': 15, 'agreement': 15 / 16,
         'iou': 15 / 16, 'mostly_instead': 'car'},
        {'id': CAR, 'name': 'car', 'pixels_a': 8, 'pixels_b': 9, 'agreement': 1.0, 'iou': 8 / 9,
         'mostly_instead': None},
        {'id': SKY, 'name': 'sky', 'pixels_a': 4, 'pixels_b': 3, 'agreement': 3 / 4,
         'iou': 3 / 4, 'mostly_instead': 'unlabelled'},
        {'id': NONE, 'name': 'unlabelled', 'pixels_a': 4, 'pixels_b': 5, 'agreement': 1.0,
         'iou': 4 / 5, 'mostly_instead': None}]
    worst, = camera['worst']
    assert (worst['stamp_ns'], worst['time_s'], worst['agreement']) == (stamp_ns(100), .1, .75)
    assert cv2.imread(worst['picture']) is not None
    assert '4 frames in both, 1 only in A, 1 only in B' in out
    assert 'equal pixels of one frame: median 100.00 %, 5th percentile ' in out
    assert '93.75 %' in out and '85.88 %' in out


def test_every_agreement_is_that_of_the_confusion_matrix_used_in_training() -> None:
    generator = np.random.default_rng(1)
    counts, confusion = PairCounts(), Confusion(5)
    for _ in range(3):
        truth, predicted = generator.integers(0, 5, (2, 40, 50), np.uint8)
        truth[generator.random((40, 50)) < 0.1] = NONE
        counts.add(truth, predicted)
        confusion.add(predicted, truth)
    counts.ignore_from(5)
    assert counts.matrix[:5, :5].tolist() == confusion.matrix.tolist()
    assert counts.iou()[:5] == pytest.approx(confusion.iou())
    assert counts.miou() == pytest.approx(confusion.miou())


def test_raw_and_png_labels_of_one_camera_are_matched(tmp_path: Path) -> None:
    first = write_bag(tmp_path / 'a', {
        '/tdnet/front/labels': [raw(0, FIRST)], '/tdnet/rear/labels': [raw(0, SECOND)],
        '/tdnet/top/labels': [raw(0, FIRST)]})
    second = write_bag(tmp_path / 'b', {
        '/tdnet/rear/labels/compressed': [png(0, SECOND)],
        '/tdnet/front/labels/compressed': [png(0, SECOND)]})
    comparison = compare(first, second)
    assert [camera.name for camera in comparison.cameras] == ['/tdnet/front', '/tdnet/rear']
    assert [camera.counts.equal_share() for camera in comparison.cameras] == [6 / 8, 1]
    assert comparison.unmatched == (['/tdnet/top/labels'], [])


def test_topics_of_other_names_are_compared_when_named(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'a', {'/truth': [raw(0, FIRST)], '/x/labels': [raw(0, SECOND)]})
    camera, = compare(bag, bag, ('/truth', '/x/labels')).cameras
    assert camera.counts.equal_share() == 6 / 8


def test_frames_in_another_order_and_with_the_same_stamp_are_matched(tmp_path: Path) -> None:
    # The first bag loops: frame 0 comes again, with other labels.
    first = write_bag(tmp_path / 'a', {'/labels': [
        (0, raw(0, FIRST)[1]), (10, raw(7, FIRST)[1]), (20, raw(0, SECOND)[1])]})
    second = write_bag(tmp_path / 'b', {'/labels': [
        (0, raw(7, FIRST)[1]), (10, raw(0, FIRST)[1]), (20, raw(0, SECOND)[1])]})
    camera, = compare(first, second).cameras
    assert len(camera.agreements) == 3
    assert camera.counts.equal_share() == 1


def test_worst_frames_come_first_and_one_of_each_second(tmp_path: Path) -> None:
    def with_wrong(count: int) -> np.ndarray:
        pixels = np.zeros((4, 4), np.uint8)
        pixels.flat[:count] = CAR
        return pixels

    wrong = {0: 1, 100: 3, 900: 2, 1000: 0, 2000: 5, 2100: 4, 3000: 1, 4000: 2}
    first = write_labels(tmp_path / 'a', {ms: with_wrong(0) for ms in wrong})
    second = write_labels(tmp_path / 'b', {ms: with_wrong(count) for ms, count in wrong.items()})
    comparison = compare(first, second, worst=3)
    camera, = comparison.cameras
    assert [(frame.time_s, frame.agreement) for frame in camera.worst] == [
        (2.0, 11 / 16), (0.1, 13 / 16), (4.0, 14 / 16)]
    assert camera.as_dict(comparison.classes)['frame_agreement'] == pytest.approx({
        'min': 11 / 16, 'p5': 11.35 / 16, 'median': 14 / 16})


def bad_pairs(folder: Path) -> dict[str, tuple[Path, Path]]:
    good = write_labels(folder / 'good', {0: FIRST}, classes=NAMES)
    jpeg = CompressedImage(header=header(0), format='jpeg', data=b'\xff\xd8\xff')
    _, bomb = png(0, FIRST)
    content = bytes(bomb.data)
    bomb.data = content[:16] + 2 * (30_000).to_bytes(4, 'big') + content[24:]
    return {
        "differ in their classes: label 1 is 'car' in one and 'tree' in the other": (
            good, write_labels(folder / 'tree', {0: FIRST}, classes=('road', 'tree'))),
        'at 0.000 s: label images of 4 x 2 and 2 x 4: expected one size': (
            good, write_labels(folder / 'size', {0: FIRST.reshape(4, 2)})),
        'expected labels of the same images': (
            good, write_labels(folder / 'stamps', {1: FIRST})),
        'has no label topic': (
            good, write_bag(folder / 'none', {'/x': [(0, Float32())]})),
        'expected PNG, which loses nothing': (
            good, write_bag(folder / 'jpeg', {'/labels/compressed': [(0, jpeg)]})),
        'compressed image of 30000 x 30000: expected 1 to': (
            good, write_bag(folder / 'bomb', {'/labels/compressed': [(0, bomb)]})),
        "encoding 'bgr8': expected mono8 or 8UC1": (
            good, write_bag(folder / 'bgr', {
                '/labels': [raw(0, np.zeros((2, 4, 3), np.uint8))]})),
        'is no rosbag': (good, folder),
    }


@pytest.mark.parametrize('index', range(8))
def test_what_cannot_be_compared_is_named(tmp_path: Path, index: int) -> None:
    message, pair = list(bad_pairs(tmp_path).items())[index]
    with pytest.raises(BagError) as caught:
        compare(*pair)
    assert message in str(caught.value)
    assert str(pair[1]) in str(caught.value)


def test_cameras_that_do_not_match_are_named(tmp_path: Path) -> None:
    pair = [write_bag(tmp_path / name, {f'/{name}/{side}/labels': [raw(0, FIRST)]
                                        for side in ('left', 'right')}) for name in ('a', 'b')]
    with pytest.raises(BagError, match=r'no camera is in both bags: .*a has /a/left/labels'):
        compare(*pair)
    with pytest.raises(BagError, match='has no image topic /x; its image topics: /a/left/labels'):
        compare(*pair, ('/x', '/y'))


def test_pictures_of_two_comparisons_are_not_mixed(
        tmp_path: Path, pair: tuple[Path, Path], tdnet_bag: Run) -> None:
    command = 'compare', *pair, '--out', tmp_path / 'worst'
    assert tdnet_bag(*command)[0] == 0
    status, _, err = tdnet_bag(*command)
    assert status == 1
    assert err.startswith(f'tdnet_bag: {tmp_path}/worst holds pictures already: choose another')


@pytest.mark.parametrize('option', ['--json', '--out'])
def test_an_output_that_cannot_be_written_is_named_before_the_work(
        tmp_path: Path, tdnet_bag: Run, option: str) -> None:
    (tmp_path / 'file').write_text('')
    assert tdnet_bag('compare', tmp_path / 'missing', tmp_path / 'missing', option,
                     tmp_path / 'file' / 'x') == (
        1, '', f'tdnet_bag: cannot write {tmp_path}/file/x: Not a directory\n')


def test_bad_input_is_one_line(tmp_path: Path, tdnet_bag: Run) -> None:
    status, _, err = tdnet_bag('compare', tmp_path / 'missing', tmp_path / 'missing')
    assert status == 1
    assert len(err.splitlines()) == 1
    assert err.startswith(f'tdnet_bag: {tmp_path}/missing ')


def test_the_bag_in_a_folder_is_taken_and_several_are_named(tmp_path: Path,
                                                            tdnet_bag: Run) -> None:
    first, second = tmp_path / 'first', tmp_path / 'second'
    for bag in (first / 'drive', second / 'drive', second / 'drive10', second / 'drive9'):
        write_labels(bag, {0: FIRST})
    (second / 'report.html').write_text('')
    assert tdnet_bag('compare', first, second) == (
        1, '', f'tdnet_bag: {second} holds 3 bags: name one of them (drive, drive9, drive10)\n')
    status, out, err = tdnet_bag('compare', first, second / 'drive')
    assert (status, err) == (0, '')
    assert f'A {first}/drive  /tdnet/labels' in out


def test_message_without_a_header_is_left_out_and_told(tmp_path: Path) -> None:
    frames = {0: FIRST, 50: SECOND, 200: FIRST}
    pair = (write_labels(tmp_path / 'a', frames), write_damaged_labels(tmp_path / 'b', frames))
    comparison = compare(*pair)
    camera, = comparison.cameras
    assert (len(camera.agreements), camera.counts.equal_share()) == (3, 1.0)
    assert comparison.problems == [f'{pair[1]}: message of /tdnet/labels logged at 1100000000: '
                                   '4 bytes are too few for a header']


@pytest.mark.parametrize('name', ['a', 'b'])
def test_a_bag_that_is_replaced_meanwhile_is_named(
        tmp_path: Path, pair: tuple[Path, Path], tdnet_bag: Run,
        monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    other = write_labels(tmp_path / 'other', {0: FIRST, 100: FIRST}, classes=NAMES)
    frame_keys = comparison.frame_keys

    def replaced_after(bag: LabelledBag, topic: str) -> dict[Key, int]:
        keys = frame_keys(bag, topic)
        if bag.path.name == 'b':  # the second
            (other / 'other.mcap').replace(tmp_path / name / f'{name}.mcap')
        return keys

    monkeypatch.setattr(comparison, 'frame_keys', replaced_after)
    assert tdnet_bag('compare', *pair) == (
        1, '', f'tdnet_bag: {tmp_path / name} has changed while it was read: frames of it are '
               'gone\n')
