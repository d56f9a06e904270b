"""From bags to a data set that can be trained on: which pictures, which labels, and what stays."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
import os
from pathlib import Path

import cv2
import fsspec
import numpy as np
import pytest
import yaml

from bags.label_material import (
    COMPRESSED,
    IMAGE,
    MS,
    START_NS,
    Logged,
    expected,
    header,
    jpeg_image,
    raw_image,
    save_model,
    scene,
    write_bag,
)
from bags.material import label_command
from tdnet_ros.bags.cli import main
from tdnet_ros.learn.catalogue import open_dataset
from tdnet_ros.learn.train import main as train
from tdnet_ros.nets.card import load_card
from tdnet_ros.nets.classes import UNLABELED, write_classes

Frames = Callable[..., tuple[int, str, list[str]]]
FRONT, REAR = '/front/image_raw', '/rear/image_raw/compressed'
DELAY_MS = 7
'''Of the log.'''


@pytest.fixture
def frames(tmp_path: Path, capsys: pytest.CaptureFixture) -> Frames:
    """Run `tdnet_bag frames` into mine; return status, output and lines of errors."""
    def run(*arguments: object) -> tuple[int, str, list[str]]:
        capsys.readouterr()
        status = main(['frames', *map(str, arguments), '--out', str(tmp_path / 'mine')])
        out, errors = capsys.readouterr()
        return status, out, errors.splitlines()
    return run


def views(topic: str, seconds: int = 4, rate_hz: int = 4, still_s: float = 0.25) -> list[Logged]:
    """A camera that sees something else whenever `still_s` have passed."""
    logged = []
    for index in range(seconds * rate_hz):
        ns = START_NS + index * 10**9 // rate_hz
        picture = scene(int(index / rate_hz / still_s))
        make = jpeg_image if topic.endswith('compressed') else raw_image
        logged.append(Logged(topic, COMPRESSED if make is jpeg_image else IMAGE,
                             ns + DELAY_MS * MS, make(picture, header(ns))))
    return logged


def two_cameras() -> list[Logged]:
    return sorted([*views(FRONT), *views(REAR)], key=lambda item: item.logged_ns)


def stamp_ns(item: Logged) -> int:
    stamp = item.message.header.stamp
    return stamp.sec * 10**9 + stamp.nanosec


def pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob('*') if path.is_file())


def test_every_second_a_picture_of_each_camera_as_it_was_sent(
        tmp_path: Path, frames: Frames) -> None:
    logged = two_cameras()
    bags = [write_bag(tmp_path / name, logged, kind) for name, kind in (
        ('drive', 'mcap'), ('old', 'ros1'), ('packed', 'zstd-file'))]
    status, out, errors = frames(*bags)
    assert (status, errors) == (0, [])
    assert f'{bags[1]}: 10 pictures written to {tmp_path}/mine/train\n' in out
    for name in ('drive', 'old', 'packed'):
        found = pictures(tmp_path / 'mine/train/images' / name)
        sent = {stamp_ns(item): item for item in logged}
        raw = {stamp_ns(item): item.message for item in logged if item.topic == FRONT}
        assert len(found) == 10 and len(sent) == 16
        for path in found:
            camera, _, stamp = path.stem.rpartition('_')
            if path.suffix == '.jpg':
                assert camera == 'rear-image_raw'
                assert path.read_bytes() == next(
                    bytes(item.message.data) for item in logged
                    if item.topic == REAR and stamp_ns(item) == int(stamp))
            else:
                assert camera == 'front-image_raw'
                assert cv2.imread(str(path)).tobytes() == bytes(raw[int(stamp)].data)
        times_s = [(int(path.stem.rpartition('_')[2]) - START_NS) / 1e9 for path in found[:5]]
        assert all(0.7 < later - earlier < 1.3 for earlier, later in pairwise(times_s))


def test_part_of_a_bag_goes_to_another_split(tmp_path: Path, frames: Frames) -> None:
    bag = write_bag(tmp_path / 'drive', two_cameras())
    status, _, _ = frames(bag, '--split', 'val', '--topic', REAR, '--start', 2, '--duration', 1,
                          '--period', 0.1)
    assert status == 0
    assert [path.name for path in pictures(tmp_path / 'mine')] == [
        f'rear-image_raw_{START_NS + ms * MS}.jpg' for ms in (2000, 2250, 2500, 2750)]


def test_pictures_of_standing_still_are_left_out(tmp_path: Path, frames: Frames) -> None:
    bag = write_bag(tmp_path / 'drive', views(FRONT, seconds=6, still_s=3))
    _, out, _ = frames(bag)
    assert '2 pictures written' in out
    assert '5 pictures like the one before left out' in out
    _, out, _ = frames(bag, '--all')
    assert '5 pictures written' in out and '2 files kept from before' in out


@pytest.mark.parametrize('kind', ['mosaic', 'turned'])
def test_a_file_that_others_would_see_otherwise_becomes_a_png(
        tmp_path: Path, frames: Frames, kind: str) -> None:
    item = views(REAR)[0]
    if kind == 'mosaic':
        item.message.format = 'bayer_rggb8; jpeg compressed '
        item.message.data = cv2.imencode('.jpg', scene(1)[..., 0])[1].reshape(-1)
        shape = scene(1).shape
    else:  # by an orientation that the node does not look at
        exif = bytes.fromhex('ffe1 0022 4578 6966 0000 4d4d 002a 0000 0008 0001 0112 0003 0000 '
                             '0001 0006 0000 0000 0000')
        jpeg = item.message.data.tobytes()
        item.message.data = np.frombuffer(jpeg[:2] + exif + jpeg[2:], np.uint8)
        shape = scene(1).shape
        turned = cv2.imdecode(item.message.data, cv2.IMREAD_COLOR)
        assert turned.shape[:2] == shape[1::-1]
    assert frames(write_bag(tmp_path / 'drive', [item]))[0] == 0
    path, = pictures(tmp_path / 'mine')
    assert (path.suffix, cv2.imread(str(path)).shape) == ('.png', shape)


def test_labelled_pictures_train_a_model_and_corrections_stay(
        tmp_path: Path, frames: Frames, capsys: pytest.CaptureFixture) -> None:
    model = save_model(tmp_path)
    bags = [write_bag(tmp_path / name, two_cameras()) for name in ('drive', 'other')]
    assert main(label_command(model, tmp_path, *bags, '--every', 2)) == 0
    mine = tmp_path / 'mine'
    for bag, split in zip(bags, ('train', 'val')):
        status, out, errors = frames(bag, '--labels', tmp_path / 'out', '--split', split)
        assert (status, errors) == (0, [])
        assert f'8 pictures and 8 labels written to {mine}/{split}' in out

    wanted = expected(write_bag(tmp_path / 'half', [
        item for item in two_cameras() if (stamp_ns(item) - START_NS) % (500 * MS) == 0]), model)
    found = open_dataset('folder', mine, 'train')
    for path in pictures(mine / 'train/labels'):
        camera, _, stamp = path.stem.rpartition('_')
        labels = wanted[FRONT if camera == 'front-image_raw' else REAR]
        assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED).shape == (48, 64, 3)
        np.testing.assert_array_equal(found.read_label(path), labels[int(stamp) + DELAY_MS * MS])

    corrected = pictures(mine / 'train/labels')[0]
    cv2.imwrite(str(corrected), np.full((48, 64), 3, np.uint8))
    before = {path: path.read_bytes() for path in pictures(mine)}
    pictures(mine / 'train/labels')[1].unlink()
    status, out, _ = frames(bags[0], '--labels', tmp_path / 'out' / 'drive')
    assert status == 0
    assert '0 pictures and 1 label written' in out and '15 files kept from before' in out
    assert {path: path.read_bytes() for path in pictures(mine)} == before

    config = tmp_path / 'tiny.yaml'
    config.write_text(yaml.safe_dump({'stages': [
        {'name': 'one', 'crop': [65, 97], 'batch': 2, 'steps': 1, 'learning_rate': [1e-3, 0]}]}))
    for dataset in ('folder', 'stills'):
        found = open_dataset(dataset, mine, 'train')
        assert [len(clip) for clip in found.clips] == [1] * 8
        assert train(['--dataset', dataset, '--root', str(mine), '--model', 'td2-tiny',
                      '--accelerator', 'cpu', '--config', str(config), '--out',
                      str(tmp_path / dataset)]) == 0
        assert 'are taken for video' not in capsys.readouterr().err
        assert (tmp_path / dataset / 'best.yaml').exists()


def test_images_that_were_logged_at_once_keep_their_labels(
        tmp_path: Path, frames: Frames) -> None:
    logged = views(FRONT, seconds=1)
    bag = write_bag(tmp_path / 'drive', [
        replace(item, logged_ns=logged[index // 2 * 2].logged_ns)
        for index, item in enumerate(logged)])
    assert main(label_command(save_model(tmp_path), tmp_path, bag)) == 0
    frames(bag, '--labels', tmp_path / 'out', '--period', 0.01)
    assert [path.stem for path in pictures(tmp_path / 'mine/train/labels')] == [
        f'front-image_raw_{START_NS + ms * MS}' for ms in (0, 500)], 'the first of each moment'


def test_no_class_stays_no_class_where_black_is_one(tmp_path: Path, frames: Frames) -> None:
    bag = write_bag(tmp_path / 'drive', views(FRONT))
    model = save_model(tmp_path)
    assert main(label_command(model, tmp_path, bag, '--keep', 'car')) == 0
    mine = tmp_path / 'mine'
    mine.mkdir()
    classes = load_card(model).classes
    write_classes(mine / 'classes.yaml',
                  replace(classes, palette=((0, 0, 0), *classes.palette[1:])))
    assert frames(bag, '--labels', tmp_path / 'out')[0] == 0
    read = open_dataset('folder', mine, 'train').read_label
    found = {int(label) for path in pictures(mine / 'train/labels')
             for label in np.unique(read(path))}
    assert UNLABELED in found and 0 not in found


def test_classes_that_are_there_decide(tmp_path: Path, frames: Frames) -> None:
    bag = write_bag(tmp_path / 'drive', views(FRONT))
    assert main(label_command(save_model(tmp_path), tmp_path, bag)) == 0
    path = tmp_path / 'mine' / 'classes.yaml'
    assert frames(bag, '--labels', tmp_path / 'out')[0] == 0
    more = path.read_text() + 'pallet: [1, 2, 3]\n'
    path.write_text(more)
    assert frames(bag, '--labels', tmp_path / 'out', '--split', 'val')[0] == 0
    other = 'floor: [1, 2, 3]\n'
    path.write_text(other)
    status, out, errors = frames(bag, '--labels', tmp_path / 'out', '--split', 'test')
    assert (status, out, len(errors)) == (1, '', 1)
    assert f'{path} has the classes floor; the labels in ' in errors[0]
    assert path.read_text() == other
    assert not (tmp_path / 'mine/test').exists()


def test_of_a_damaged_bag_all_that_can_be_read_is_taken(tmp_path: Path, frames: Frames) -> None:
    logged = views(FRONT)
    logged[4].message.data = logged[4].message.data[:100]
    bad = write_bag(tmp_path / 'bad', logged)
    cut = write_bag(tmp_path / 'cut', views(FRONT, seconds=40))
    os.truncate(cut / 'cut.mcap', (cut / 'cut.mcap').stat().st_size * 6 // 10)
    good = write_bag(tmp_path / 'good', views(FRONT))
    status, _, errors = frames(bad, cut, tmp_path / 'none', good, '--period', 0.1)
    assert status == 1
    images = tmp_path / 'mine/train/images'
    assert len(pictures(images / 'bad')) == 15
    assert 80 < len(pictures(images / 'cut')) <= 96
    assert len(pictures(images / 'good')) == 16
    assert [line for line in errors if f'{bad}:' in line] == [
        f'tdnet_bag: {bad}: message of {FRONT} logged at {logged[4].logged_ns}: bgr8 image of '
        '64 x 48 with step 192 has 100 bytes of data: expected 9216']
    assert any(f'{cut}/cut.mcap: offset' in line for line in errors)
    assert f'tdnet_bag: {tmp_path}/none does not exist: expected a rosbag' in errors


def test_a_bag_comes_from_a_url(tmp_path: Path, frames: Frames) -> None:
    bag = write_bag(tmp_path / 'drive', views(FRONT))
    storage = fsspec.filesystem('memory')
    storage.put(str(bag), '/robot/drive', recursive=True)
    try:
        status, out, errors = frames('memory://robot/drive', 'memory://robot/none')
    finally:
        storage.rm('/robot', recursive=True)
    assert (status, errors) == (1, [
        'tdnet_bag: memory://robot/none does not exist: expected a rosbag'])
    assert out.startswith('memory://robot/drive: 5 pictures written')
    assert len(pictures(tmp_path / 'mine/train/images/drive')) == 5


def test_what_cannot_be_done_is_one_line(tmp_path: Path, frames: Frames) -> None:
    bag = write_bag(tmp_path / 'drive', views(FRONT))
    later = write_bag(tmp_path / 'later' / 'drive', [
        replace(item, logged_ns=item.logged_ns + 1) for item in views(FRONT)])
    restamped = views(FRONT)
    for item in restamped:
        item.message.header.stamp.nanosec += 1
    other = write_bag(tmp_path / 'other' / 'drive', restamped)
    assert main(label_command(save_model(tmp_path), tmp_path, bag)) == 0
    for arguments, message in (
            ((bag, '--labels', tmp_path), f'{bag} is no labelled bag'),
            ((later, '--labels', tmp_path / 'out'), 'is that of another bag?'),
            ((other, '--labels', tmp_path / 'out'), 'is that of another bag?'),
            ((bag, '--topic', '/left'), 'has no image topic /left'),
            ((bag, '--start', 5), 'nothing is left from --start 5 on'),
            ((bag, later), 'choose another --out')):
        status, out, errors = frames(*arguments)
        assert (status, out, len(errors)) == (1, '', 1), errors
        assert message in errors[0]
    (tmp_path / 'mine').rename(tmp_path / 'before')
    (tmp_path / 'mine').write_text('a file')
    status, _, errors = frames(bag)
    assert (status, errors) == (1, [f'tdnet_bag: {bag}: cannot write {tmp_path}/mine/train/images/'
                                    'drive: Not a directory'])
