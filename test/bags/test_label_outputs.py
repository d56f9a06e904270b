"""What a labelled bag holds: names, types, headers, and everything that can be asked for."""
from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
import threading
from typing import Any

import cv2
import numpy as np
import pytest

from bags.label_material import (
    FORMATS,
    IMAGE,
    MS,
    SIZE,
    START_NS,
    Logged,
    cdr_of,
    drive,
    eventful,
    header,
    make,
    raw_image,
    read_labels,
    write_bag,
)
from tdnet_ros.bags.definitions import definition
from tdnet_ros.bags.files.bag import Bag
from tdnet_ros.bags.label.chunk import Labeller
from tdnet_ros.bags.label.options import LabelOptions
from tdnet_ros.bags.label.run import label_bag
from tdnet_ros.bags.label.wire import LABEL_INFO, decoded, types
from tdnet_ros.bags.label_record import LabelRecord
from tdnet_ros.bags.message import CAMERA_INFO

Label = Callable[..., dict[str, list[tuple[int, Any]]]]
PATHS = 2


@pytest.fixture
def label(tmp_path: Path, model: Path) -> Label:
    """Label a bag and return everything in it: log time and message, by topic."""
    def label(bag: Path, **options: Any) -> dict[str, list[tuple[int, Any]]]:
        with Labeller(LabelOptions(model=str(model), device='cpu', **options)) as labeller:
            outcome = label_bag(bag, tmp_path / 'out', labeller, threading.Event())
        assert outcome.error == ''
        return contents(outcome.output)
    return label


def contents(path: Path) -> dict[str, list[tuple[int, Any]]]:
    bag = Bag(path)
    found: dict[str, list[tuple[int, Any]]] = {topic: [] for topic in bag.topics}
    for message in bag.messages(list(bag.topics)):
        found[message.topic].append((message.logged_ns, decoded(
            message.cdr, bag.topics[message.topic].msgtype)))
    bag.close()
    return found


def with_depth(count: int = 6) -> list[Logged]:
    """A camera with camera_info, and depth that is logged up to 60 ms later than its image."""
    messages = drive(count)
    info = make(
        CAMERA_INFO, header=header(START_NS), height=SIZE[0], width=SIZE[1],
        distortion_model='plumb_bob', d=np.zeros(5), k=np.array([50., 0, 32, 0, 50, 24, 0, 0, 1]),
        r=np.eye(3).reshape(-1), p=np.zeros(12), binning_x=0, binning_y=0,
        roi=make('sensor_msgs/msg/RegionOfInterest', x_offset=0, y_offset=0, height=0, width=0,
                 do_rectify=False))
    depth = [Logged('/depth/image', IMAGE, item.logged_ns + 60 * MS, raw_image(
        np.full(SIZE, 1000 * (index + 1), np.uint16),
        header(START_NS + index * 50 * MS + 4 * MS), '16UC1'))
        for index, item in enumerate(messages) if index != 3]
    return sorted([*messages, *depth, Logged('/front/camera_info', CAMERA_INFO, START_NS, info)],
                  key=lambda item: item.logged_ns)


def test_one_camera_is_named_as_the_node_names_it(tmp_path: Path, label: Label) -> None:
    frames = drive(4)
    found = label(write_bag(tmp_path / 'drive', frames))
    assert list(found) == ['/tdnet/labels/compressed', '/tdnet/label_info']
    for item, (logged_ns, message) in zip(frames, found['/tdnet/labels/compressed']):
        assert logged_ns == item.logged_ns
        assert message.header == item.message.header
        assert message.format == 'mono8; png compressed '
    (logged_ns, info), = found['/tdnet/label_info']
    assert logged_ns == frames[0].logged_ns
    assert [entry.class_id for entry in info.class_map] == list(range(19))
    assert info.class_map[0].class_name == 'road'
    with closing(Bag(tmp_path / 'out' / 'drive')) as bag:
        latched, = bag.topics['/tdnet/label_info'].offers
        assert latched.durability.name == 'TRANSIENT_LOCAL'
        assert sum(topic.count for topic in bag.topics.values()) == 5


def test_everything_that_can_be_asked_for(tmp_path: Path, label: Label) -> None:
    frames = with_depth()
    found = label(write_bag(tmp_path / 'drive', frames), raw=True, overlay=True, confidence=True,
                  points=True, copy_input=True, chunk_frames=2, keep_classes=('road', 'car'))
    assert {topic: len(messages) for topic, messages in found.items()} == {
        '/tdnet/labels': 6, '/tdnet/label_info': 1, '/tdnet/overlay/compressed': 6,
        '/tdnet/confidence': 6, '/tdnet/points': 5, '/front/image_raw': 6, '/depth/image': 5,
        '/front/camera_info': 1}
    labels = [message.data.reshape(SIZE) for _, message in found['/tdnet/labels']]
    assert set(np.unique(labels)) <= {0, 13, 255}
    for index, (logged_ns, cloud) in enumerate(found['/tdnet/points']):
        frame = index + (index >= 3)  # the fourth has no depth
        assert logged_ns == START_NS + (frame * 50 + 3) * MS
        points = cloud.data.view(np.dtype({
            'names': ['z', 'label'], 'formats': ['<f4', 'u1'], 'offsets': [8, 16],
            'itemsize': 20}))
        np.testing.assert_allclose(points['z'], frame + 1.0, rtol=1e-6)
        np.testing.assert_array_equal(points['label'].reshape(SIZE), labels[frame])
    picture = cv2.imdecode(found['/tdnet/overlay/compressed'][0][1].data, cv2.IMREAD_COLOR)
    image = found['/front/image_raw'][0][1].data.reshape(picture.shape).astype(int)
    assert np.abs(picture - image)[labels[0] == 255].mean() < 20  # no class, no colour
    for topic in ('/front/image_raw', '/depth/image', '/front/camera_info'):
        sent = [item for item in frames if item.topic == topic]
        assert [logged_ns for logged_ns, _ in found[topic]] == [item.logged_ns for item in sent]
        for item, (_, message) in zip(sent, found[topic]):
            assert (types().serialize_cdr(message, item.msgtype)
                    == types().serialize_cdr(item.message, item.msgtype))
    record = LabelRecord.read(tmp_path / 'out' / 'drive').topics['/front/image_raw']
    assert record.without_points == {'no image on /depth/image with the stamp of the frame': 1}


def test_a_depth_image_that_is_damaged_costs_its_points_alone(tmp_path: Path,
                                                              label: Label) -> None:
    frames = with_depth()
    for index, item in enumerate(frames):
        if item.topic == '/depth/image' and item.logged_ns == START_NS + 113 * MS:
            frames[index] = replace(item, message=cdr_of(item)[:-50])
    found = label(write_bag(tmp_path / 'drive', frames), points=True)
    assert len(found['/tdnet/labels/compressed']) == 6 and len(found['/tdnet/points']) == 4
    record = LabelRecord.read(tmp_path / 'out' / 'drive').topics['/front/image_raw']
    assert sorted(record.without_points.values()) == [1, 1]


@pytest.mark.parametrize('kind', FORMATS)
def test_copies_are_the_input_from_every_format(tmp_path: Path, label: Label, kind: str) -> None:
    frames = with_depth(4)
    found = label(write_bag(tmp_path / 'drive', frames, kind), copy_input=True)
    for topic in ('/front/image_raw', '/depth/image', '/front/camera_info'):
        assert [bytes(types().serialize_cdr(message, CAMERA_INFO if 'info' in topic else IMAGE))
                for _, message in found[topic]] == [
            bytes(types().serialize_cdr(item.message, item.msgtype)) for item in frames
            if item.topic == topic]


def test_what_was_latched_in_ros1_is_latched_in_the_copy(tmp_path: Path, label: Label) -> None:
    """Else who subscribes to /tf_static gets nothing of what is played."""
    static = Logged('/tf_static', 'std_msgs/msg/Header', START_NS, header(START_NS))
    label(write_bag(tmp_path / 'drive', [static, *drive(2)], 'ros1'), copy_input=True)
    with closing(Bag(tmp_path / 'out' / 'drive')) as bag:
        assert bag.topics['/front/image_raw'].offers == ()
        offer, = bag.topics['/tf_static'].offers
    assert (offer.durability.name, offer.reliability.name) == ('TRANSIENT_LOCAL', 'RELIABLE')


def test_a_part_of_the_bag(tmp_path: Path, label: Label) -> None:
    frames = drive(40)
    found = label(write_bag(tmp_path / 'drive', frames), start_s=0.5, duration_s=1.0, every=3)
    assert [logged_ns for logged_ns, _ in found['/tdnet/labels/compressed']] == [
        item.logged_ns for item in frames[10:30:3]]


def test_what_a_node_made_is_not_labelled_again(tmp_path: Path, label: Label) -> None:
    live = [Logged('/tdnet/labels', IMAGE, item.logged_ns, raw_image(
        np.zeros(SIZE, np.uint8), item.message.header, 'mono8')) for item in drive(3)]
    twin = [Logged('/front/image_raw/compressed', 'sensor_msgs/msg/CompressedImage',
                   item.logged_ns, make(
                       'sensor_msgs/msg/CompressedImage', header=item.message.header,
                       format='jpeg', data=np.zeros(4, np.uint8))) for item in drive(3)]
    found = label(write_bag(tmp_path / 'drive', sorted(
        [*drive(3), *live, *twin], key=lambda item: item.logged_ns)))
    assert len(found['/tdnet/labels/compressed']) == 3
    assert list(LabelRecord.read(tmp_path / 'out' / 'drive').topics) == ['/front/image_raw']


def test_label_info_is_the_real_one() -> None:
    pytest.importorskip('vision_msgs.msg', reason='vision_msgs is not built here')
    assert types().hash_rihs01(LABEL_INFO) == definition(LABEL_INFO).digest


def test_the_record_counts_every_frame(tmp_path: Path, label: Label) -> None:
    label(write_bag(tmp_path / 'drive', eventful()), chunk_frames=10)
    record = LabelRecord.read(tmp_path / 'out' / 'drive')
    assert record.complete and record.model == 'td2-tiny' and record.device == 'cpu'
    for name, topic in record.topics.items():
        read = len(read_labels(tmp_path / 'out' / 'drive', topic.labels))
        assert topic.frames == read
        sent = sum(item.topic == name for item in eventful())
        assert topic.frames + len(topic.failed) + len(topic.skipped) == sent
        assert 0 < topic.network_ms['p50'] <= topic.latency_ms['p50'] <= topic.latency_ms['max']
    assert record.until_ns == max(item.logged_ns for item in eventful())
