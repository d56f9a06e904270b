"""Definitions that are written into bags, against what the interface packages ship."""
from importlib.util import find_spec
import json
from pathlib import Path

import pytest
from rosbags.typesys import get_types_from_msg
import sensor_msgs

from tdnet_ros.bags.definitions import definition
from tdnet_ros.bags.errors import BagError

TYPES = ['sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage', 'sensor_msgs/msg/PointCloud2',
         'diagnostic_msgs/msg/DiagnosticArray', 'std_msgs/msg/Float32']


def shipped_hash(msgtype: str) -> str:
    package, _, name = msgtype.split('/')
    for prefix in Path(sensor_msgs.__file__).parents:
        path = prefix / 'share' / package / 'msg' / f'{name}.json'
        if path.exists():
            hashes = json.loads(path.read_text())['type_hashes']
            return next(item['hash_string'] for item in hashes if item['type_name'] == msgtype)
    pytest.skip('this ROS distribution ships no type hashes')


@pytest.mark.parametrize('msgtype', TYPES)
def test_hash_is_the_one_that_ros_computes(msgtype: str) -> None:
    assert definition(msgtype).digest == shipped_hash(msgtype)


def test_text_explains_every_type_used() -> None:
    text = definition('diagnostic_msgs/msg/DiagnosticArray').text
    assert text.count('=' * 80) == 4
    assert '# an array of components being reported on' in text  # comments are kept
    assert get_types_from_msg(text, 'diagnostic_msgs/msg/DiagnosticArray').keys() == {
        'diagnostic_msgs/msg/DiagnosticArray', 'diagnostic_msgs/msg/DiagnosticStatus',
        'diagnostic_msgs/msg/KeyValue', 'std_msgs/msg/Header', 'builtin_interfaces/msg/Time'}


@pytest.mark.skipif(not find_spec('vision_msgs'), reason='vision_msgs is not installed')
def test_label_info_is_known() -> None:
    assert 'MSG: vision_msgs/VisionClass' in definition('vision_msgs/msg/LabelInfo').text


def test_unknown_package_is_named() -> None:
    with pytest.raises(BagError, match=r'no_such_msgs/msg/Thing is not installed'):
        definition('no_such_msgs/msg/Thing')
