"""Reports of bags whose figures are known: recorded live, or labelled offline."""
from collections.abc import Callable
import json
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
import numpy as np
import pytest
from std_msgs.msg import Float32

from bags.labelled_material import header, names, png, raw, stamp_ns, write_labels
from bags.material import write_bag
from bags.report.report_material import (
    CAR,
    FRAMES,
    NONE,
    ROAD,
    SKY,
    camera_of,
    pictures,
    record,
    report,
)
from tdnet_ros.bags.report import writing
from tdnet_ros.bags.report.page import percent
from tdnet_ros.bags.report.writing import write_report
from tdnet_ros.ros.messages import array_to_image, to_jpeg

pytest.importorskip('vision_msgs.msg', reason='the bags name their classes in a LabelInfo')
Run = Callable[..., tuple[int, str, str]]


def diagnostics(resets: int, reason: str, received: int, failed: int = 1) -> DiagnosticArray:
    def status(name: str, values: dict[str, object]) -> DiagnosticStatus:
        return DiagnosticStatus(name=name, values=[
            KeyValue(key=key, value=str(value)) for key, value in values.items()])

    return DiagnosticArray(status=[
        status('tdnet: device', {'model': 'td2-tiny', 'trained': False, 'device': 'cpu',
                                 'input size': '97 x 193'}),
        status('tdnet: image', {
            'topic': '/camera/image_raw', 'frames received': received,
            'frames failed': failed, 'frames overwritten': 2 * failed,
            'resets': resets, 'last reset': reason}),
        status('driver', {'topic': '/x'})])


def test_offline_figures_are_exact(offline: Path) -> None:
    bag, = report(offline, drawn=True)['bags']
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
        '/diagnostics': [(50, diagnostics(0, '', 1, failed=0)),
                         (250, diagnostics(2, '~/reset', 3))],
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


def test_what_was_before_the_recording_is_not_counted(tmp_path: Path) -> None:
    """And all that a node counts which was started anew meanwhile."""
    bag = write_bag(tmp_path / 'live', {
        '/tdnet/labels': [raw(ms, pixels) for ms, pixels in FRAMES.items()],
        '/diagnostics': [(50, diagnostics(40, 'gap', 900, failed=500)),
                         (100, diagnostics(41, 'gap', 930, failed=503)),
                         (150, diagnostics(2, 'scene cut', 20, failed=4)),
                         (200, diagnostics(2, 'scene cut', 50, failed=4))]})
    camera = camera_of(bag)
    assert camera['unlabelled'] == {'failed': 7, 'skipped': 0, 'overwritten': 14, 'throttled': 0}
    assert [(reset['count'], reset['reason']) for reset in camera['resets']] == [
        (1, 'gap'), (2, 'scene cut')]


def test_images_without_stamps_are_compared(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', {
        '/tdnet/labels': [(ms, raw(0, pixels)[1]) for ms, pixels in FRAMES.items()]})
    assert camera_of(bag)['flip_rate']['pairs'] == 2


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
    assert len(camera_of(bag, drawn=True)['pictures_ns']) == 8
    assert pictures((tmp_path / 'report.html').read_text()) == 8


def test_many_cameras_are_all_in_the_table_and_some_in_detail(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, 'MAX_DETAILED', 1)
    calm = write_labels(tmp_path / 'calm', {0: FRAMES[0], 100: FRAMES[0]})
    restless = write_labels(tmp_path / 'restless', {0: FRAMES[0], 100: FRAMES[200]})
    report(calm, restless, drawn=True)
    page = (tmp_path / 'report.html').read_text()
    assert page.count('<td class="name">/tdnet</td>') == 2
    assert page.count('<section') == 1
    assert '<a href="#camera-1">restless</a>' in page
    assert 'Details follow for 1 of 2 cameras' in page


def test_cameras_that_failed_are_shown_first(tmp_path: Path,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, 'MAX_DETAILED', 1)
    calm, restless = (record(write_bag(tmp_path / name, {'/tdnet/labels/compressed': [
        png(0, FRAMES[0]), png(100, pixels)]}), failed=failed) for name, pixels, failed in (
            ('calm', FRAMES[0], [{'stamp_ns': stamp_ns(50), 'why': 'no JPEG'}]),
            ('restless', FRAMES[200], [])))
    report(restless, calm, drawn=True)
    assert '<a href="#camera-1">calm</a>' in (tmp_path / 'report.html').read_text()


def test_names_in_a_bag_are_no_markup(tmp_path: Path) -> None:
    report(write_labels(tmp_path / 'bag', FRAMES, classes=('road', '<b>car</b>', 'sky')),
           drawn=True)
    page = (tmp_path / 'report.html').read_text()
    assert '&lt;b&gt;car&lt;/b&gt;' in page and '<b>car' not in page


def test_every_camera_has_its_own_status(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'live', {
        '/robot/tdnet/front/labels': [raw(0, FRAMES[0])], '/robot/tdnet/rear/labels': [
            raw(0, FRAMES[0])],
        '/diagnostics': [(0, DiagnosticArray(status=[DiagnosticStatus(
            name=f'robot/tdnet: {side}', values=[KeyValue(key='frames received', value='1'),
                                                 KeyValue(key='topic', value=f'/{side}/image')])
            for side in ('rear', 'front')]))]})
    cameras = report(bag)['bags'][0]['cameras']
    assert [(camera['name'], camera['image']) for camera in cameras] == [
        ('/robot/tdnet/front', '/front/image'), ('/robot/tdnet/rear', '/rear/image')]


def test_a_folder_of_bags_is_one_report(tmp_path: Path, tdnet_bag: Run) -> None:
    for name in ('run10', 'run9'):
        write_labels(tmp_path / name, FRAMES)
    assert tdnet_bag('report', tmp_path) == (
        0, f'{tmp_path}/report.html and {tmp_path}/report.json: the labels of 2 bags\n', '')
    content = json.loads((tmp_path / 'report.json').read_text())
    assert [bag['name'] for bag in content['bags']] == ['run9', 'run10']
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        'report.html', 'report.json', 'run10', 'run9']


def test_percent_of_nothing_is_a_dash() -> None:
    assert (percent(None, 1), percent(0.12345, 1)) == ('–', '12.3 %')


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


def test_a_report_inside_of_a_bag_is_no_part_of_it(offline: Path) -> None:
    page = offline / 'report.html'  # where `tdnet_bag report BAG` writes it
    write_report([offline], page)
    storage, = offline.glob('*.mcap')
    storage.write_bytes(bytes(storage.stat().st_size))
    assert write_report([offline], page) == []


def test_kept_summary_that_is_none_is_made_again(offline: Path) -> None:
    first = report(offline)
    (offline / 'tdnet_report.json').write_text('[]')
    assert report(offline)['bags'] == first['bags']


def test_labels_of_another_run_are_read_anew(offline: Path) -> None:
    report(offline)
    failed = [{'stamp_ns': stamp_ns(ms), 'why': 'no JPEG'} for ms in (300, 400)]
    record(offline, failed=failed)
    camera = camera_of(offline)
    assert camera['unlabelled'] == {'failed': 2, 'skipped': 0}
    assert camera['failures'] == failed


def test_recorded_bag_is_left_as_it_is(tmp_path: Path) -> None:
    bag = write_labels(tmp_path / 'bag', FRAMES)
    before = sorted(bag.iterdir())
    report(bag)
    assert sorted(bag.iterdir()) == before
