"""A camera whose images are larger than Fast DDS takes by default."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import subprocess
import sys

import pytest
from rclpy.utilities import get_rmw_implementation_identifier

SEND = '''
import sys, time
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
rclpy.init()
qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
publisher = rclpy.create_node('large').create_publisher(Image, sys.argv[1], qos)
def image(width, height):
    msg = Image(height=height, width=width, step=3 * width, encoding='rgb8')
    msg.data.frombytes(bytes(3 * width * height))
    return msg
large, small, medium = image(1920, 1080), image(32, 32), image(200, 200)
while True:
    for msg in large, large, small, medium:
        publisher.publish(msg)
        time.sleep(0.03)
'''


@contextmanager
def sending_large(topic: str) -> Iterator[None]:
    """Images of three sizes on a topic from a process of its own; the large ones are lost."""
    if 'fastrtps' not in get_rmw_implementation_identifier():
        pytest.skip('only Fast DDS counts what it loses')
    sender = subprocess.Popen([sys.executable, '-c', SEND, topic])
    try:
        yield
    finally:
        sender.kill()
        sender.wait()
