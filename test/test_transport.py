"""config/fastdds.xml lets large images through between two processes."""
import subprocess
import sys
import time

import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from tdnet_ros.ros.fastdds import given_profile

FRAMES = 12
CAMERA = f'''
import array, time, rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

rclpy.init()
node = rclpy.create_node('camera')
publisher = node.create_publisher(Image, 'large_image', QoSProfile(
    depth={FRAMES}, reliability=ReliabilityPolicy.BEST_EFFORT))
image = Image(height=1080, width=1920, step=5760, encoding='bgr8')
image.data = array.array('B', bytes(1080 * 5760))
deadline = time.monotonic() + 30
while not publisher.get_subscription_count() and time.monotonic() < deadline:
    time.sleep(0.05)
time.sleep(0.5)
for _ in range({FRAMES}):
    publisher.publish(image)
    time.sleep(1 / 4)
time.sleep(1)
rclpy.shutdown()
'''


def test_full_hd_images_arrive_best_effort() -> None:
    if not given_profile():
        pytest.skip('/dev/shm is too small for config/fastdds.xml (512 MB free)')
    received = []
    context = rclpy.Context()
    rclpy.init(context=context)
    try:
        node = rclpy.create_node('listener', context=context)
        executor = rclpy.executors.SingleThreadedExecutor(context=context)
        executor.add_node(node)
        node.create_subscription(Image, 'large_image', received.append, QoSProfile(
            depth=FRAMES, reliability=ReliabilityPolicy.BEST_EFFORT))
        camera = subprocess.Popen([sys.executable, '-c', CAMERA])
        deadline = time.monotonic() + 60
        while camera.poll() is None and time.monotonic() < deadline and len(received) < FRAMES:
            executor.spin_once(timeout_sec=0.1)
        assert camera.wait(timeout=30) == 0
    finally:
        rclpy.shutdown(context=context)
    # Without the profile about one in five arrives.
    assert len(received) >= 0.8 * FRAMES
    assert all(len(image.data) == 1080 * 5760 for image in received)
