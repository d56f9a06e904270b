"""Which image topics of a bag are labelled, under which names, and what is said of the others."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rosbags.rosbag2 import StoragePlugin, Writer

from bags.label_material import (
    COMPRESSED,
    IMAGE,
    START_NS,
    Logged,
    cdr_of,
    drive,
    header,
    jpeg_image,
    make,
    scene,
    types,
    write_bag,
)
from tdnet_ros.bags.label.bag_job import prepare
from tdnet_ros.bags.label.options import LabelOptions
from tdnet_ros.bags.label.plan import camera_names
from tdnet_ros.bags.label_record import LabelRecord

Run = Callable[..., tuple[int, list[str]]]
PATHS = 2


def test_several_cameras_are_named_apart() -> None:
    assert camera_names(['/front/image_raw', '/rear/image_raw/compressed']) == ['front', 'rear']
    assert camera_names(['/front/image_raw', '/front/image_rect', '/robot/left/image']) == [
        'front/image_raw', 'front/image_rect', 'robot/left']
    assert camera_names(['/image', '/rear/image']) == ['image', 'rear']
    assert camera_names(['/front/image_raw']) == ['']
    assert camera_names(['/front/image_raw', '/front/image_rect', '/front/image_raw/small']) == [
        'front/image_raw', 'front/image_rect', 'front/image_raw/small']
    assert camera_names(['/front/image_raw', '/front/image_raw/compressed']) == [
        'front/image_raw', 'front/image_raw/compressed']


def test_ground_truth_is_no_camera(tmp_path: Path, model: Path) -> None:
    bag = write_bag(tmp_path / 'drive', [*drive(2), *drive(2, '/front/ground_truth')])
    cameras = prepare(bag, LabelOptions(model=str(model), device='cpu')).cameras
    assert [camera.topic for camera in cameras] == ['/front/image_raw']


def test_of_a_raw_topic_without_images_the_compressed_one_is_taken(
        tmp_path: Path, model: Path) -> None:
    with Writer(tmp_path / 'drive', version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        writer.add_connection('/front/image_raw', IMAGE, typestore=types())
        packed = writer.add_connection('/front/image_raw/compressed', COMPRESSED,
                                       typestore=types())
        image = jpeg_image(scene(0), header(START_NS))
        writer.write(packed, START_NS, cdr_of(Logged('', COMPRESSED, START_NS, image)))
    job = prepare(tmp_path / 'drive', LabelOptions(model=str(model), device='cpu'))
    assert [camera.topic for camera in job.cameras] == ['/front/image_raw/compressed']


def mixed(folder: Path) -> Path:
    """A bag with a camera that is late, one that is broken, depth, and a video."""
    late, broken, depth, video = (drive(12, f'/{name}/image_raw')
                                  for name in ('late', 'broken', 'depth', 'video'))
    for item in (*late[:8], *broken):
        item.message.data = item.message.data[:10]
    for item in depth:
        item.message.encoding = '16UC1'
    return write_bag(folder / 'drive', [*drive(12), *late, *broken, *depth, *(
        Logged('/video/compressed', COMPRESSED, item.logged_ns, make(
            COMPRESSED, header=item.message.header, format='h264', data=item.message.data[:40]))
        for item in video)])


def test_a_topic_that_is_left_out_is_told_unless_it_is_one_of_depth(
        tmp_path: Path, run: Run, tdnet_bag: Callable[..., tuple[int, str, str]]) -> None:
    bag = mixed(tmp_path)
    cut = 'bgr8 image of 64 x 48 with step 192 has 10 bytes of data: expected 9216'
    left_out = [
        f'tdnet_bag: {bag}: /broken/image_raw is left out: {cut}',
        f"tdnet_bag: {bag}: /video/compressed is left out: 40 bytes of format 'h264': expected a "
        'whole JPEG or PNG']
    for _ in range(2):  # the second finds it labelled
        assert run(bag) == (1, [
            *left_out, f'tdnet_bag: {bag}: /late/image_raw: 8 of 12 frames failed, first: {cut}'])
    assert LabelRecord.read(tmp_path / 'out' / 'drive').complete  # nothing is damaged
    status, _, errors = tdnet_bag('frames', bag, '--out', tmp_path / 'mine')
    assert (status, errors.splitlines()[:2]) == (1, left_out)
