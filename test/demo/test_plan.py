"""The commands of node, recorder and player."""
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from bags.material import compressed_message, image_message, write_bag
from tdnet_ros.bags.errors import BagError
from tdnet_ros.demo.plan import CAMERA, Plan, default_video, image_topic_of


def test_the_default_video_is_the_real_one() -> None:
    capture = cv2.VideoCapture(str(default_video()))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 250
    assert capture.get(cv2.CAP_PROP_FPS) == 25


def test_missing_default_video_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('tdnet_ros.demo.plan.files', lambda name: None)
    with pytest.raises(BagError, match='script/setup, or pass --video'):
        default_video()


def test_options_reach_the_processes(tmp_path: Path) -> None:
    plan = Plan(source='clip.mp4', out=tmp_path, model='td2-tiny', input_size=(97, 193), frames=12,
                rate_hz=5.0, engine='onnxruntime', precision='int8')
    node = ' '.join(plan.node())
    assert f'image:={CAMERA}' in node
    assert 'model:=td2-tiny' in node
    assert 'input_size:=[97, 193]' in node
    assert node.endswith(' -p engine:=onnxruntime -p precision:=int8')
    assert ' '.join(plan.player(tmp_path / 'sent.json')).endswith(
        f'play clip.mp4 --topic {CAMERA} --wait-for-subscriber 30 --summary '
        f'{tmp_path}/sent.json --rate 5.0 --frames 12')
    assert CAMERA not in plan.topics


def test_images_of_a_live_camera_are_recorded(tmp_path: Path) -> None:
    plan = Plan(source='0', out=tmp_path, model='td2-tiny', live=True)
    assert CAMERA in plan.recorder()


@pytest.mark.parametrize(('plan', 'words'), [
    (Plan(source='a.mp4', out=Path(), model='m'), ['image_topic:=/camera/image_raw model:=m']),
    (Plan(source='b', out=Path(), model='m', bag_topic='/x/compressed', compressed=True),
     ['image_topic:=/x model:=m bag:=b', 'image_transport:=compressed']),
    (Plan(source='my bag', out=Path(), model="m's.yaml", bag_topic='/x'),
     ["bag:='my bag' ", """model:='m'"'"'s.yaml' """]),
    (Plan(source='a', out=Path(), model='m', engine='onnxruntime', precision='int8'),
     ['model:=m engine:=onnxruntime precision:=int8 rviz']),
])
def test_launch_line_does_the_same(plan: Plan, words: list[str]) -> None:
    launch = plan.on_a_ros_machine()[0]
    assert launch.startswith('ros2 launch tdnet_ros tdnet.launch.py ')
    assert all(part in launch for part in words)


def test_node_and_player_by_hand_do_the_same() -> None:
    plan = Plan(source='b', out=Path(), model='m', bag_topic='/x/compressed', compressed=True)
    node = 'tdnet_node --ros-args -r image:=/x -p model:=m -p image_transport:=compressed'
    assert plan.by_hand() == [node, 'tdnet_bag play b']
    assert replace(plan, engine='eager').by_hand()[0] == node.replace(
        'model:=m', 'model:=m -p engine:=eager')
    assert replace(plan, rate_hz=5.0).by_hand() == [node, 'tdnet_bag play b --rate 5']


def test_a_path_with_spaces_can_be_pasted() -> None:
    plan = Plan(source='my clip.mp4', out=Path(), model='m')
    for commands in (plan.on_a_ros_machine(), plan.by_hand()):
        assert " play 'my clip.mp4' --topic /camera/image_raw" in commands[1]


DEPTH = Image(height=24, width=32, encoding='32FC1', step=128, data=bytes(24 * 128))


@pytest.mark.parametrize(('topics', 'chosen'), [
    ({'/a/compressed': compressed_message(0), '/a': image_message(0)}, ('/a', False)),
    ({'/a/compressed': compressed_message(0), '/b': DEPTH}, ('/a/compressed', True)),
    ({'/front': image_message(0), '/a/labels': image_message(0)}, ('/front', False))])
def test_the_first_topic_that_a_node_can_label_is_played(
        tmp_path: Path, topics: dict[str, object], chosen: tuple[str, bool]) -> None:
    bag = write_bag(tmp_path / 'bag', {topic: [(0, message)] for topic, message in topics.items()})
    assert image_topic_of(str(bag)) == chosen


def test_bag_of_labels_alone_is_named(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'made', {
        '/tdnet/labels': [(0, image_message(0))],
        '/tdnet/overlay/compressed': [(0, compressed_message(0))]})
    with pytest.raises(BagError, match=r'no camera images, only .*: /tdnet/labels, /tdnet/overl'):
        image_topic_of(str(bag))


def test_source_that_is_no_bag_is_named(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', {'/note': [(0, Header())]})
    with pytest.raises(BagError, match='no image topic'):
        image_topic_of(str(bag))
