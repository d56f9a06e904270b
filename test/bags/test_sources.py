"""Images of files, folders and cameras: order, timing, and one clear line on bad input."""
from collections.abc import Callable
import json
from pathlib import Path
import time

import cv2
import numpy as np
import pytest

from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.sources import FolderSource, camera_number, open_source

FRAMES = 12


def brightness(samples) -> list[int]:
    return [round(float(np.mean(sample.payload)) / 10) for sample in samples]


def test_names_may_have_digits_that_are_no_numbers(tmp_path: Path) -> None:
    for name in ('²10.png', '²9.png', '٣.png'):
        (tmp_path / name).touch()
    assert [path.name for path in FolderSource(tmp_path, None).files] == [
        '٣.png', '²9.png', '²10.png']


def test_folder_plays_in_natural_order(folder: Path) -> None:
    source = open_source(str(folder))
    assert source.count == FRAMES
    assert brightness(source) == list(range(FRAMES))


def test_folder_is_paced_by_the_rate(folder: Path) -> None:
    samples = list(open_source(str(folder), rate_hz=50.0))
    assert [sample.due_s for sample in samples] == pytest.approx(
        [index / 50 for index in range(FRAMES)])
    assert [sample.stamp_ns for sample in samples] == [index * 20_000_000
                                                       for index in range(FRAMES)]


def test_video_plays_at_its_own_rate_every_time(video: Path) -> None:
    source = open_source(str(video))
    assert source.count == FRAMES
    for _ in range(2):
        samples = list(source)
        assert brightness(samples) == list(range(FRAMES))
        assert samples[-1].due_s == pytest.approx((FRAMES - 1) / 20.0)


def test_pixels_are_bgr(folder: Path) -> None:
    sample = next(iter(open_source(str(folder))))
    assert sample.payload.dtype == np.uint8
    assert sample.payload.shape == (24, 32, 3)


@pytest.mark.parametrize(('name', 'content', 'message'), [
    ('missing.mp4', None, 'does not exist.* or the number of a camera$'),
    ('text.mp4', b'plain text', 'no video that OpenCV can decode'),
    ('empty.avi', b'', 'no video that OpenCV can decode'),
])
def test_bad_video_is_named(tmp_path: Path, name: str, content: bytes | None,
                            message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BagError, match=f'{name}.*{message}'):
        open_source(str(tmp_path / name))


def test_a_url_is_no_source() -> None:
    with pytest.raises(BagError, match=r'^http://robot/drive\.mp4 does not .* on this machine$'):
        open_source('http://robot/drive.mp4')


def test_video_cut_short_is_named(video: Path) -> None:
    video.write_bytes(video.read_bytes()[:200])
    with pytest.raises(BagError, match=r'clip\.mp4'):
        open_source(str(video))


def test_video_that_was_cut_off_is_played_and_told(tmp_path: Path) -> None:
    path = tmp_path / 'drive.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 20.0, (32, 24))
    for _ in range(60):
        writer.write(np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8))
    writer.release()
    source = open_source(str(path))
    assert len(list(source)) == 60
    assert source.problems == []
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
    source = open_source(str(path))
    played = [len(list(source)) for _ in range(2)]
    assert played[0] == played[1] < 40
    assert source.problems == [
        f'{path}: {played[0]} of 60 frames can be read: it was cut off or is damaged']


def test_empty_folder_is_named(tmp_path: Path, folder: Path) -> None:
    (tmp_path / 'empty').mkdir()
    with pytest.raises(BagError, match=r'holds no image .*metadata.yaml\)$'):
        open_source(str(tmp_path / 'empty'))
    with pytest.raises(BagError, match=f'; there are images in {folder}$'):
        open_source(str(folder.parent))


def test_broken_images_are_left_out_and_named(folder: Path) -> None:
    (folder / 'frame3.png').write_bytes(b'no png')
    source = open_source(str(folder))
    for _ in range(2):
        samples = list(source)
        assert brightness(samples) == [0, 1, 2, *range(4, FRAMES)]
        assert samples[3].due_s == pytest.approx(0.4)
        (problem,) = source.problems
        assert problem.startswith('cannot read the image') and 'frame3.png' in problem
    (folder / 'frame5.png').write_bytes(b'no png')
    assert len(list(source)) == FRAMES - 2
    assert source.problems == [f'2 images cannot be read, first that: {problem}']


@pytest.mark.parametrize('device', ['63', '/dev/video63'])
def test_absent_camera_is_named(device: str) -> None:
    with pytest.raises(BagError, match='camera 63'):
        open_source(device)


def test_a_file_comes_before_a_camera_of_its_name(tmp_path: Path,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / '7').write_bytes(b'')
    specs = ('7', '8', '/dev/video7', 'clip.mp4')
    assert [camera_number(spec) for spec in specs] == [None, 8, 7, None]


def test_topics_need_a_bag(folder: Path) -> None:
    with pytest.raises(BagError, match='no rosbag'):
        open_source(str(folder), topics=('/camera/image_raw',))


@pytest.mark.parametrize('name', ['drive.bag', 'drive.mcap.zstd', 'drive.db3', 'old.bag.zstd'])
def test_storage_files_are_told_from_videos(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b'content')
    for path in (tmp_path, tmp_path / name):
        with pytest.raises(BagError, match=rf'^{path} has no image topic.*\n(.*\n)?.*{name}: '):
            open_source(str(path))


class Capture:
    """Stands in for cv2.VideoCapture: a camera that delivers three images and is unplugged."""

    def __init__(self, *_: object) -> None:
        self.left = 3
        self.released = False

    def isOpened(self) -> bool:
        return True

    def get(self, _: int) -> float:
        return 0.0

    def set(self, *_: object) -> bool:
        return True

    def grab(self) -> bool:
        self.left -= 1
        return self.left >= 0

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return True, np.zeros((2, 2, 3), np.uint8)

    def release(self) -> None:
        self.released = True


def test_camera_delivers_at_once_and_says_when_it_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('cv2.VideoCapture', Capture)
    before_ns = time.time_ns()
    source = open_source('63')
    samples = list(source)
    assert source.problems == ['camera 63 stopped delivering images']
    assert [sample.due_s for sample in samples] == [None] * 3
    assert before_ns < samples[0].stamp_ns <= samples[2].stamp_ns


@pytest.mark.parametrize('arguments', [[], ['--loop']])
def test_what_came_of_a_camera_that_is_unplugged_is_told(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tdnet_bag: Callable[..., tuple],
        arguments: list[str]) -> None:
    monkeypatch.setattr('cv2.VideoCapture', Capture)
    summary = tmp_path / 'sent.json'
    status, out, err = tdnet_bag('play', 63, '--wait-for-subscriber', 0, '--summary', summary,
                                 *arguments)
    assert (status, err) == (1, 'tdnet_bag: camera 63 stopped delivering images\n')
    assert out.startswith('sent 3 images in ')
    assert json.loads(summary.read_text())['sent'] == 3
