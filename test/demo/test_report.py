"""The report, made from a small bag: for sources that can be read again and for a live camera."""
from collections.abc import Iterable
from contextlib import closing
import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Float32

from bags.material import compressed_message, frame, image_message, write_bag
from demo.material import diagnostics
from tdnet_ros.bags.files.bag import Bag
from tdnet_ros.demo.plan import CAMERA, LABELS, OVERLAY_JPEG, TIMES, Plan
from tdnet_ros.demo.processes import DemoError
from tdnet_ros.demo.report import write_report
from tdnet_ros.demo.results import read_results
from tdnet_ros.ros.messages import array_to_image
from tdnet_ros.ros.names import DIAGNOSTICS

SENT, LABELLED = 10, (1, 3, 5, 7, 9)
STAMPS_NS = [(100 + index) * 10**9 + 7 for index in range(SENT)]


def write_run(bag: Path, damaged: bool = False, **counts: int) -> None:
    """A bag as the demo's recorder leaves it: every second frame was labelled."""
    images = {index: image_message(index) for index in LABELLED}
    labels = {index: array_to_image(np.full((24, 32), index, np.uint8), 'mono8', image.header)
              for index, image in images.items()}
    overlays = {index: CompressedImage(header=message.header, format='jpeg',
                                       data=compressed_message(index).data)
                for index, message in images.items()}
    times = {topic: [(1000 * index, Float32(data=float(index))) for index in LABELLED]
             for topic in TIMES.values()}
    topics = {
        LABELS: [(1000 * index, message) for index, message in labels.items()],
        OVERLAY_JPEG: [(1000 * index, message) for index, message in overlays.items()],
        DIAGNOSTICS: [(0, diagnostics()), (9999, diagnostics(**counts))],
        CAMERA: [(1000 * index, image_message(index)) for index in range(SENT)], **times}
    write_bag(bag, {topic: [*messages, *([(8500, bytes([0, 1, 0, 0]))] if damaged else [])]
                    for topic, messages in topics.items()})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The images that were played."""
    path = tmp_path / 'frames'
    path.mkdir()
    for index in range(SENT):
        cv2.imwrite(str(path / f'{index}.png'), frame(index))
    return path


def report(plan: Plan, samples: Iterable[int] = range(SENT)) -> str:
    sent = {'sent': SENT, 'stamps_ns': STAMPS_NS, 'samples': [*samples], 'problems': ['a cat']}
    console = Console(width=100, record=True, file=io.StringIO())
    write_report(plan, sent, console)
    return console.export_text()


@pytest.mark.parametrize('name', ['latency.json', 'latency.png'])
def test_a_file_that_a_full_disk_does_not_take_is_named(tmp_path: Path, folder: Path,
                                                        name: str) -> None:
    write_run(tmp_path / 'bag', received=5, processed=5)
    (tmp_path / name).symlink_to('/dev/full')
    with pytest.raises(OSError, match=f'^cannot write {tmp_path / name}: No space left'):
        report(Plan(source=str(folder), out=tmp_path, model='td2-tiny'))


@pytest.mark.parametrize('live', [False, True])
def test_report_from_a_bag(tmp_path: Path, folder: Path, live: bool) -> None:
    plan = Plan(source='0' if live else str(folder), out=tmp_path, model='td2-tiny', live=live)
    write_run(tmp_path / 'bag', received=9, processed=5, overwritten=4)
    text = report(plan)
    summary = json.loads((tmp_path / 'latency.json').read_text())
    assert summary['frames'] == {'sent': 10, 'received': 9, 'labelled': 5, 'overwritten': 4,
                                 'failed': 0}
    assert summary['capture_to_publish_ms']['p50'] == 5.0
    assert 'note: a cat' in text
    assert 'note: 4 of 9 frames overwritten' in text
    assert 'note: 1 frame lost between player and node' in text
    video = cv2.VideoCapture(str(tmp_path / 'overlay.mp4'))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 9  # from the first overlay to the last image
    sheet = cv2.imread(str(tmp_path / 'overlay.png'))
    # The first pair is frame 1, whose pixels are (10, 10, 10) in the camera image.
    assert (sheet[130:, 60:400] == 10).all(2).sum() > 10_000


def test_what_was_not_sent_is_no_image(tmp_path: Path, folder: Path) -> None:
    cv2.imwrite(str(folder / '0_not_sent.png'), frame(0))
    write_run(tmp_path / 'bag', received=5, processed=5)
    report(Plan(source=str(folder), out=tmp_path, model='td2-tiny'), [0, *range(2, SENT + 1)])
    sheet = cv2.imread(str(tmp_path / 'overlay.png'))
    assert (sheet[130:, 60:400] == 10).all(2).sum() > 10_000


def test_messages_that_cannot_be_read_are_told(tmp_path: Path, folder: Path) -> None:
    write_run(tmp_path / 'bag', damaged=True, received=5, processed=5)
    text = report(Plan(source=str(folder), out=tmp_path, model='td2-tiny'))
    notes = [line for line in text.splitlines() if line.startswith('note: ')]
    for topic in (LABELS, OVERLAY_JPEG, DIAGNOSTICS, *TIMES.values()):
        assert any(f'message of {topic} logged at ' in line for line in notes), (topic, notes)
    assert json.loads((tmp_path / 'latency.json').read_text())['frames']['labelled'] == 5


def test_times_belong_to_their_frames(tmp_path: Path) -> None:
    write_run(tmp_path / 'bag', received=5, processed=5)
    with closing(Bag(tmp_path / 'bag')) as bag:
        results = read_results(bag)
    assert results.label_stamps_ns.tolist() == [STAMPS_NS[index] for index in LABELLED]
    assert results.times_s.tolist() == [0, 2, 4, 6, 8]
    assert results.times_ms['network'].tolist() == [1, 3, 5, 7, 9]
    assert results.report.counts['processed'] == 5


def test_run_without_labels_is_an_error(tmp_path: Path, folder: Path) -> None:
    write_bag(tmp_path / 'bag', {DIAGNOSTICS: [(0, diagnostics(received=3, failed=3))]})
    with pytest.raises(DemoError, match='no frame was labelled'):
        report(Plan(source=str(folder), out=tmp_path, model='td2-tiny'))
    assert json.loads((tmp_path / 'latency.json').read_text())['frames']['failed'] == 3
