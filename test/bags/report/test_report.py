"""Reports of bags whose figures are known: recorded live, labelled offline, with a truth."""
from collections.abc import Callable
import json
from pathlib import Path
import subprocess
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from std_msgs.msg import Float32

from bags.labelled_material import header, labels, names, png, raw, stamp_ns, write_labels
from bags.material import write_bag
from tdnet_ros.bags.definitions import definition
from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.label_record import LabelRecord, TopicRecord
from tdnet_ros.bags.report import write_report, writing
from tdnet_ros.bags.report.page import percent
from tdnet_ros.ros.messages import array_to_image, to_jpeg

pytest.importorskip('vision_msgs.msg', reason='the bags name their classes in a LabelInfo')
Start = Callable[..., subprocess.Popen]
ROAD, CAR, SKY, NONE = 0, 1, 2, 255
NAMES = ('road', 'car', 'sky')
# Of 8 pixels, 2 change from the first to the second and 4 from there to the third.
FRAMES = {0: labels([[ROAD] * 4, [CAR, CAR, SKY, NONE]]),
          100: labels([[ROAD] * 4, [CAR, CAR, CAR, CAR]]),
          200: labels([[CAR] * 4, [CAR, CAR, CAR, CAR]])}


def confidence(share: float) -> np.ndarray:
    return np.full((2, 4), round(255 * share), np.uint8)


def report(*bags: Path, **options: Any) -> dict[str, Any]:
    out = bags[0].parent / 'report.html'
    problems = write_report(bags, out, **options)
    content = json.loads(out.with_suffix('.json').read_text())
    content['problems'] = problems
    return content


def camera_of(*bags: Path, **options: Any) -> dict[str, Any]:
    camera, = report(*bags, **options)['bags'][0]['cameras']
    return camera


def record(bag: Path, image_topic: str = '/front/image_raw', **outcome: Any) -> Path:
    """Leave the record of `tdnet_bag label` in a bag."""
    LabelRecord(input='drive', model='street-small', engine='torch', device='cpu',
                input_size=(360, 480), classes=NAMES, palette=((1, 2, 3), (4, 5, 6), (7, 8, 9)),
                options={}, complete=True, frames_per_second=12.5, seconds=2.0, topics={
                    image_topic: TopicRecord(labels='/tdnet/labels/compressed',
                                             label_info='/tdnet/label_info', **outcome)}
                ).write(bag)
    return bag


@pytest.fixture
def offline(tmp_path: Path) -> Path:
    """A bag as `tdnet_bag label --confidence` writes it; the third frame has no history."""
    bag = write_bag(tmp_path / 'drive', {
        '/tdnet/labels/compressed': [png(ms, pixels) for ms, pixels in FRAMES.items()],
        '/tdnet/confidence/compressed': [
            png(ms, confidence(share)) for ms, share in zip(FRAMES, (0.2, 0.4, 0.6))],
        '/tdnet/label_info': [names(*NAMES)]})
    return record(
        bag, resets=[{'stamp_ns': stamp_ns(200), 'reason': 'scene cut (correlation 0.10)'}],
        failed=[{'stamp_ns': stamp_ns(300), 'why': 'no whole JPEG'}],
        skipped=[{'stamp_ns': stamp_ns(200), 'why': 'same stamp as the image before'}],
        latency_ms={'p50': 20.0, 'p95': 30.0, 'p99': 40.0, 'max': 50.0})


def diagnostics(resets: int, reason: str, processed: int) -> DiagnosticArray:
    def status(name: str, values: dict[str, object]) -> DiagnosticStatus:
        return DiagnosticStatus(name=name, values=[
            KeyValue(key=key, value=str(value)) for key, value in values.items()])

    return DiagnosticArray(status=[
        status('tdnet: device', {'model': 'td2-tiny', 'trained': False, 'device': 'cpu',
                                 'input size': '97 x 193'}),
        status('tdnet: image', {
            'topic': '/camera/image_raw', 'frames received': 9, 'frames processed': processed,
            'frames failed': 1, 'frames overwritten': 2, 'resets': resets, 'last reset': reason}),
        status('driver', {'topic': '/x'})])


def test_offline_figures_are_exact(offline: Path) -> None:
    bag, = report(offline)['bags']
    assert {key: bag[key] for key in ('name', 'source', 'model', 'engine', 'device', 'input_size',
                                      'complete', 'frames_per_second', 'duration_s')} == {
        'name': 'drive', 'source': 'offline', 'model': 'street-small', 'engine': 'torch',
        'device': 'cpu', 'input_size': '360 x 480', 'complete': True, 'frames_per_second': 12.5,
        'duration_s': pytest.approx(0.2)}
    camera, = bag['cameras']
    assert (camera['name'], camera['image'], camera['frames'], camera['sizes']) == (
        '/tdnet', '/front/image_raw', 3, [[2, 4]])
    assert camera['unlabelled'] == {'failed': 1, 'skipped': 1}
    # The change to the third frame, whose memory was emptied, is no flicker.
    assert camera['flip_rate']['pairs'] == 1
    assert camera['flip_rate']['mean'] == camera['flip_rate']['max'] == 2 / 8
    assert camera['confidence'] == pytest.approx({'mean': 0.4, 'min': 0.2})
    assert camera['reset_count'] == 1
    assert camera['resets'] == [{'time_s': pytest.approx(0.2), 'count': 1,
                                 'stamp_ns': stamp_ns(200),
                                 'reason': 'scene cut (correlation 0.10)'}]
    assert camera['times_ms'] == {'latency': {'p50': 20, 'p95': 30, 'p99': 40, 'max': 50}}
    assert [(item['name'], item['color'], item['share']) for item in camera['classes']] == [
        ('road', [1, 2, 3], pytest.approx(8 / 24)), ('car', [4, 5, 6], pytest.approx(14 / 24)),
        ('sky', [7, 8, 9], pytest.approx(1 / 24)),
        ('unlabelled', [0, 0, 0], pytest.approx(1 / 24))]
    series = camera['series']['class_share']
    assert series['labels'] == [ROAD, CAR, SKY, NONE]
    assert series['time_s'] == [0, 0.1, 0.2]
    assert series['mean'] == [[.5, .5, 0], [.25, .5, 1], [.125, 0, 0], [.125, 0, 0]]


def test_live_figures_are_exact(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'live', {
        '/tdnet/labels': [raw(ms, pixels) for ms, pixels in FRAMES.items()],
        '/tdnet/label_info': [names('sky', 'building', 'pole')],
        '/diagnostics': [(50, diagnostics(0, '', 1)), (250, diagnostics(2, '~/reset', 3))],
        '/tdnet/debug/latency_ms': [(ms, Float32(data=float(ms))) for ms in FRAMES],
        '/tdnet/debug/network_ms': [(ms, Float32(data=5.0)) for ms in FRAMES]})
    content, = report(bag)['bags']
    assert (content['source'], content['model'], content['input_size']) == (
        'live', 'td2-tiny', '97 x 193')
    assert content['problems'] == ['the model has no trained weights: its labels are noise']
    camera, = content['cameras']
    assert camera['image'] == '/camera/image_raw'
    assert camera['unlabelled'] == {'failed': 1, 'skipped': 0, 'overwritten': 2, 'throttled': 0}
    assert camera['flip_rate'] == {'mean': 3 / 8, 'pairs': 2, 'p50': 3 / 8, 'max': 4 / 8,
                                   'p95': pytest.approx(2 / 8 + .95 * 2 / 8),
                                   'p99': pytest.approx(2 / 8 + .99 * 2 / 8)}
    assert camera['confidence'] is None
    assert camera['reset_count'] == 2
    assert camera['resets'] == [
        {'time_s': pytest.approx(0.25), 'count': 2, 'reason': '~/reset'}]
    assert list(camera['times_ms']) == ['latency', 'network']
    assert camera['times_ms']['latency'] == {'p50': 100, 'p95': 190, 'p99': 198, 'max': 200}
    assert camera['series']['latency_ms']['mean'] == [0, 100, 200]
    # The names are those of CamVid's first classes, so the colours are.
    assert camera['classes'][0]['color'] == [128, 128, 128]


def test_every_change_of_stream_interrupts_the_flips(tmp_path: Path) -> None:
    wide = np.zeros((2, 6), np.uint8)
    other = FRAMES[200]
    bag = write_bag(tmp_path / 'bag', {'/tdnet/labels': [
        (0, raw(0, FRAMES[0])[1]), (10, raw(100, wide)[1]),  # another size
        (20, raw(50, wide + 1)[1]),  # the stamp goes back
        (30, raw(60, wide + 1)[1]), (40, raw(70, other)[1])]})
    camera = camera_of(bag)
    assert camera['flip_rate']['pairs'] == 1
    assert camera['flip_rate']['max'] == 0
    assert camera['sizes'] == [[2, 4], [2, 6]]


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
    write_bag(tmp_path / 'input', {'/by/hand': [raw(0, FRAMES[0])]})
    content = json.loads((offline / 'tdnet_label.json').read_text())
    (offline / 'tdnet_label.json').write_text(
        json.dumps({**content, 'input': str(tmp_path / 'input')}))
    truth = camera_of(offline, truth=['/by/hand'])['truth']
    assert (truth['bag'], truth['frames'], truth['miou']) == (str(tmp_path / 'input'), 1, 1)


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


def test_truth_that_is_not_there_is_named(offline: Path) -> None:
    with pytest.raises(BagError, match='has no image topic /nowhere for a ground truth'):
        report(offline, truth=['/nowhere'])


def pictures(page: str) -> int:
    return page.count('src="data:image/jpeg;base64,')


@pytest.mark.parametrize('source', ['overlay', 'image', 'labels'])
def test_strip_has_at_most_eight_frames_of_any_source(tmp_path: Path, source: str) -> None:
    image = np.full((2, 4, 3), 200, np.uint8)
    topics = {'/tdnet/labels/compressed': [png(ms, FRAMES[0]) for ms in range(0, 1000, 50)]}
    if source == 'overlay':
        topics['/tdnet/overlay/compressed'] = [
            (ms, to_jpeg(image, header(ms), 90)) for ms in range(0, 1000, 50)]
    if source == 'image':
        topics['/cam'] = [(ms, array_to_image(image, 'bgr8', header(ms)))
                          for ms in range(0, 1000, 50)]
    bag = record(write_bag(tmp_path / 'bag', topics), '/cam')
    assert len(camera_of(bag)['pictures_ns']) == 8
    assert pictures((tmp_path / 'report.html').read_text()) == 8


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


def test_many_cameras_are_all_in_the_table_and_some_in_detail(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, 'MAX_DETAILED', 1)
    calm = write_labels(tmp_path / 'calm', {0: FRAMES[0], 100: FRAMES[0]})
    restless = write_labels(tmp_path / 'restless', {0: FRAMES[0], 100: FRAMES[200]})
    report(calm, restless)
    page = (tmp_path / 'report.html').read_text()
    assert page.count('<td class="name">/tdnet</td>') == 2
    assert page.count('<section') == 1
    assert '<a href="#camera-1">restless</a>' in page
    assert 'Details follow for 1 of 2 cameras' in page


def test_a_folder_of_bags_is_one_report(tmp_path: Path, start: Start) -> None:
    for name in ('run10', 'run9'):
        write_labels(tmp_path / name, FRAMES)
    process = start('report', tmp_path)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, '')
    assert out == f'{tmp_path}/report.html and {tmp_path}/report.json: the labels of 2 bags\n'
    content = json.loads((tmp_path / 'report.json').read_text())
    assert [bag['name'] for bag in content['bags']] == ['run9', 'run10']
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        'report.html', 'report.json', 'run10', 'run9']


def test_bad_input_is_one_line(tmp_path: Path, start: Start) -> None:
    process = start('report', tmp_path)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err == f'tdnet_bag: {tmp_path} is no rosbag2 directory and holds none\n'


def test_nothing_is_written_where_there_is_nothing_to_report(
        tmp_path: Path, start: Start) -> None:
    bag = write_bag(tmp_path / 'bag', {'/load': [(0, Float32())]})
    before = sorted(tmp_path.rglob('*'))
    process = start('report', 'nope', bag, cwd=tmp_path)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, '')
    first, second = err.splitlines()
    assert first.startswith('tdnet_bag: nope does not exist')
    assert second.startswith(f'tdnet_bag: {bag} has no label topic')
    assert sorted(tmp_path.rglob('*')) == before


def test_output_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    bag = write_labels(tmp_path / 'bag', FRAMES)
    (tmp_path / 'file').write_text('')
    with pytest.raises(BagError, match=r'cannot write .*file/report\.json: File exists'):
        write_report([bag], tmp_path / 'file' / 'report.html')


def test_percent_of_nothing_is_a_dash() -> None:
    assert (percent(None, 1), percent(0.12345, 1)) == ('–', '12.3 %')


def test_topic_that_stayed_silent_is_shown_as_such(tmp_path: Path) -> None:
    known = definition('sensor_msgs/msg/Image')
    with Writer(tmp_path / 'bag', version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        writer.add_connection('/tdnet/labels', 'sensor_msgs/msg/Image', msgdef=known.text,
                              rihs01=known.digest)
    assert camera_of(tmp_path / 'bag')['frames'] == 0
    assert 'There are no label images.' in (tmp_path / 'report.html').read_text()


def test_damaged_picture_is_left_out(tmp_path: Path) -> None:
    overlays = [(ms, to_jpeg(np.zeros((2, 4, 3), np.uint8), header(ms), 90)) for ms in FRAMES]
    overlays[1][1].data = overlays[1][1].data[:20]
    bag = write_bag(tmp_path / 'bag', {
        '/tdnet/labels': [raw(ms, pixels) for ms, pixels in FRAMES.items()],
        '/tdnet/overlay/compressed': overlays})
    assert report(bag)['problems'] == []
    assert pictures((tmp_path / 'report.html').read_text()) == 2


def test_damaged_label_is_an_error_that_names_it(tmp_path: Path) -> None:
    late = png(100, FRAMES[0])[1]
    late.data = late.data[:-20]
    bag = write_bag(tmp_path / 'bag', {'/tdnet/labels/compressed': [png(0, FRAMES[0]),
                                                                    (100, late)]})
    with pytest.raises(BagError, match=f'{bag}: /tdnet/labels/compressed at 0.100 s: '):
        report(bag)


def test_labelled_bag_is_read_once(offline: Path) -> None:
    first = report(offline)
    storage, = offline.glob('*.mcap')
    content = storage.read_bytes()
    storage.write_bytes(bytes(len(content)))  # of the same size, but empty
    again = report(offline, truth=())
    assert again['bags'] == first['bags']
    moved = offline.rename(offline.with_name('moved'))
    assert report(moved)['bags'][0]['name'] == 'moved'
    (moved / storage.name).write_bytes(content[:len(content) // 2])
    assert report(moved)['problems'] != []


def test_labels_of_another_run_are_read_anew(offline: Path) -> None:
    report(offline)
    record(offline, failed=[])
    assert camera_of(offline)['unlabelled'] == {'failed': 0, 'skipped': 0}


def test_recorded_bag_is_left_as_it_is(tmp_path: Path) -> None:
    bag = write_labels(tmp_path / 'bag', FRAMES)
    before = sorted(bag.iterdir())
    report(bag)
    assert sorted(bag.iterdir()) == before
