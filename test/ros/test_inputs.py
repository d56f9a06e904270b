"""Which topic is heard under a name that is remapped."""
from __future__ import annotations

import pytest
import rclpy
from rclpy.context import Context
from sensor_msgs.msg import CompressedImage, Image

from tdnet_ros.ros.inputs import INPUT_QOS, Input
from tdnet_ros.ros.names import COMPRESSED

SWAPPED = ('front/image:=/rear/image', 'rear/image:=/front/image')


@pytest.mark.parametrize(('rules', 'suffix', 'topic'), [
    (SWAPPED, '', '/rear/image'), (SWAPPED, COMPRESSED, '/rear/image/compressed'),
    (('front/image:=cam',), '', '/robot/cam'),
    (('front/image:=cam',), COMPRESSED, '/robot/cam/compressed'),
    (('front/image/compressed:=/packed',), COMPRESSED, '/packed'), ((), '', '/robot/front/image')])
def test_a_name_is_remapped_once(rules: tuple[str, ...], suffix: str, topic: str) -> None:
    namespace = () if rules is SWAPPED else ('__ns:=/robot',)
    context = Context()
    rclpy.init(args=['--ros-args', *(word for rule in (*rules, *namespace)
                                     for word in ('-r', rule))], context=context)
    node = rclpy.create_node('hears', context=context)
    kind = CompressedImage if suffix else Image
    heard = Input(node, 'image', 'front/image', kind, INPUT_QOS, suffix)
    heard.open(lambda msg: None)
    assert heard.topic == heard.subscription.topic_name == topic
    node.destroy_node()
    rclpy.shutdown(context=context)
