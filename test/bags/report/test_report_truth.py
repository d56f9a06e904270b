"""What a report says of labels whose truth is known."""
import json
from pathlib import Path

import pytest
from sensor_msgs.msg import Image

from bags.labelled_material import labels, names, png, raw
from bags.material import image_message, write_bag
from bags.report.report_material import CAR, FRAMES, NAMES, NONE, ROAD, camera_of, report
from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.label_record import LabelRecord

pytest.importorskip('vision_msgs.msg', reason='the bags name their classes in a LabelInfo')


def test_truth_in_the_bag(tmp_path: Path) -> None:
    truth = labels([[ROAD, ROAD, CAR, CAR], [CAR, CAR, NONE, 11]])  # 11 is no class either
    bag = write_bag(tmp_path / 'bag', {
        '/tdnet/labels': [raw(ms, pixels) for ms, pixels in FRAMES.items()],
        '/tdnet/label_info': [names(*NAMES)],
        '/camera/ground_truth': [raw(0, truth), raw(999, truth)]})
    camera = camera_of(bag)
    assert camera['truth'] == {
        'topic': '/camera/ground_truth', 'bag': str(bag), 'frames': 1, 'pixels': 6,
        'accuracy': 4 / 6, 'miou': pytest.approx((2 / 4 + 2 / 4) / 2)}
    assert [item['iou'] for item in camera['classes']] == [2 / 4, 2 / 4, None, None]


def test_truth_in_the_bag_that_was_labelled(tmp_path: Path, offline: Path) -> None:
    source = write_bag(tmp_path / 'input', {'/by/hand': [raw(0, FRAMES[0])]})
    content = json.loads((offline / 'tdnet_label.json').read_text())
    (offline / 'tdnet_label.json').write_text(
        json.dumps({**content, 'input': str(tmp_path / 'input')}))
    truth = camera_of(offline, truth=['/by/hand'])['truth']
    assert (truth['bag'], truth['frames'], truth['miou']) == (str(source), 1, 1)


def test_truth_comes_back_with_the_bag_that_was_labelled(tmp_path: Path, offline: Path) -> None:
    source = write_bag(tmp_path / 'input', {'/front/ground_truth': [raw(0, FRAMES[0])]})
    record = LabelRecord.read(offline)
    record.input = str(source)
    record.write(offline)
    away = source.rename(tmp_path / 'away')
    assert camera_of(offline)['truth'] is None
    away.rename(source)
    assert camera_of(offline)['truth']['miou'] == 1


def test_truth_belongs_to_the_camera_it_is_named_after(tmp_path: Path) -> None:
    front, rear = FRAMES[0], FRAMES[200]
    bag = write_bag(tmp_path / 'bag', {
        '/tdnet/front/labels': [raw(0, front)], '/tdnet/rear/labels': [raw(0, rear)],
        '/tdnet/top/labels': [raw(0, rear)],
        '/rear/ground_truth/labels': [raw(0, rear)],
        '/front/ground_truth/compressed': [png(0, rear)]})
    cameras = report(bag)['bags'][0]['cameras']
    assert [(camera['name'], camera['truth'] and camera['truth']['topic'],
             camera['truth'] and camera['truth']['accuracy']) for camera in cameras] == [
        ('/tdnet/front', '/front/ground_truth/compressed', 2 / 8),
        ('/tdnet/rear', '/rear/ground_truth/labels', 1), ('/tdnet/top', None, None)]


@pytest.mark.parametrize(('truth', 'why'), [
    (image_message(0), "at 0.000 s: encoding 'bgr8': expected mono8 or 8UC1"),
    (raw(0, labels([[ROAD]]))[1], 'label images of 1 x 1 and 4 x 2: expected one size')])
def test_a_truth_that_is_none_does_not_cost_the_report(
        tmp_path: Path, truth: Image, why: str) -> None:
    truth.header = raw(0, FRAMES[0])[1].header
    bag = write_bag(tmp_path / 'bag', {
        '/tdnet/labels': [raw(ms, pixels) for ms, pixels in FRAMES.items()],
        '/front/ground_truth': [(0, truth)]})
    found = report(bag)
    camera, = found['bags'][0]['cameras']
    assert (camera['frames'], camera['truth']) == (3, None)
    problem, = found['problems']
    assert problem.startswith(f'no truth: {bag}: /front/ground_truth ') and problem.endswith(why)
    with pytest.raises(BagError, match='/front/ground_truth'):
        report(bag, truth=['/front/ground_truth'])


def test_truth_that_is_not_there_is_named(offline: Path) -> None:
    report(offline)
    with pytest.raises(BagError, match='has no image topic /nowhere for a ground truth'):
        report(offline, truth=['/nowhere'])
