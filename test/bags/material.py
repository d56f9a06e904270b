"""Images, messages, bags and a node to test against."""
from collections.abc import Callable, Mapping
from pathlib import Path
import time

import cv2
import numpy as np
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import serialize_message
from rosbags.rosbag2 import StoragePlugin, Writer
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from tdnet_ros.bags.definitions import definition
from tdnet_ros.ros.messages import array_to_image

FRAMES = 12
SHAPE = (24, 32, 3)
STUMP = bytes([0, 1, 0, 0])
'''A message that is too short for a header.'''
# Of a subscriber that loses nothing while the machine is busy.
KEEPING = QoSProfile(depth=50)


def frame(index: int) -> np.ndarray:
    """A flat image whose brightness tells its number."""
    return np.full(SHAPE, 10 * index, np.uint8)


def image_message(index: int) -> Image:
    header = Header(frame_id='front')
    header.stamp.sec, header.stamp.nanosec = 100 + index, 7
    return array_to_image(frame(index), 'bgr8', header)


def compressed_message(index: int) -> CompressedImage:
    message = CompressedImage(header=image_message(index).header, format='png')
    message.data.frombytes(cv2.imencode('.png', frame(index))[1].tobytes())
    return message


def write_bag(path: Path, topics: Mapping[str, list[tuple[int, object]]],
              storage: StoragePlugin = StoragePlugin.MCAP) -> Path:
    """Write a bag of (time in ms, message, or its bytes) lists with rosbags alone.

    A topic of bytes alone is one of images, or of camera_info.
    """
    with Writer(path, version=8, storage_plugin=storage) as writer:
        rows = []
        for topic, messages in topics.items():
            of_bytes = CameraInfo if topic.endswith('camera_info') else Image
            kind = next((type(message) for _, message in messages
                         if not isinstance(message, bytes)), of_bytes)
            name = f'{kind.__module__.split(".")[0]}/msg/{kind.__name__}'
            known = definition(name)
            connection = writer.add_connection(topic, name, msgdef=known.text,
                                               rihs01=known.digest)
            rows += [(ms, connection, message if isinstance(message, bytes)
                      else serialize_message(message)) for ms, message in messages]
        for ms, connection, cdr in sorted(rows, key=lambda row: row[0]):
            writer.write(connection, 10 ** 9 + ms * 10 ** 6, cdr)
    return path


def write_raw(path: Path, topics: Mapping[str, list[bytes]]) -> Path:
    """A bag of serialized messages, 10 ms apart: camera_info, else images."""
    return write_bag(path, {topic: [(10 * index, cdr) for index, cdr in enumerate(messages)]
                            for topic, messages in topics.items()})


def label_command(model: Path, folder: Path, *arguments: object) -> list[str]:
    """Arguments for `tdnet_bag` to label into a folder."""
    return ['label', *map(str, arguments), '--out', str(folder / 'out'), '--model', str(model),
            '--device', 'cpu', '--no-report']


class Peer:
    """The test's own node, the other end of the program under test."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)

    def spin_until(self, done: Callable[[], bool], timeout_s: float = 40.0) -> None:
        end_s = time.monotonic() + timeout_s
        while not done():
            assert time.monotonic() < end_s, 'timed out'
            self._executor.spin_once(timeout_sec=0.02)

    def spin_for(self, seconds: float) -> None:
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self._executor.spin_once(timeout_sec=0.02)


class Arrivals:
    """Messages of one topic and when they came."""

    def __init__(self, peer: Peer, kind: type, topic: str, qos: QoSProfile) -> None:
        self.messages: list = []
        self.times_ns: list[int] = []
        peer.node.create_subscription(kind, topic, self._keep, qos)

    def _keep(self, message: object) -> None:
        self.times_ns.append(time.time_ns())
        self.messages.append(message)

    def count(self) -> int:
        return len(self.messages)

    def stamps_ns(self) -> list[int]:
        return [message.header.stamp.sec * 10 ** 9 + message.header.stamp.nanosec
                for message in self.messages]
