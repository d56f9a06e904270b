"""The way of an image through the node: a camera in this process, the real node in another."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
import sys
import tempfile
import time
from typing import Any

import numpy as np
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Float32, Header

from tdnet_ros.bags.session import ros_node
from tdnet_ros.benchmark.frames import make_frame
from tdnet_ros.benchmark.node import FREE
from tdnet_ros.demo.processes import Child, Crew
from tdnet_ros.demo.stages import STAGES
from tdnet_ros.ros.decoding import image_to_rgb
from tdnet_ros.ros.messages import array_to_image
from tdnet_ros.ros.meter import LATENCY, Spread
from tdnet_ros.ros.names import debug_topic
from tdnet_ros.ros.stamps import stamp_ns

SETTLING = 10
'''First frames that are sent but not counted.'''
START_S = 120.0
LINGER_S = 1.0
LISTENING = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
CAMERA = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
TIMED = (*STAGES, LATENCY)
REPEATS = 30


@dataclass(frozen=True)
class Course:
    """What the camera sends and what the node does with it."""

    size: tuple[int, int]
    '''Height and width of the images, bgr8.'''
    rate_hz: float
    frames: int
    model: str
    free: bool = False
    '''The network costs nothing: what remains is transport, conversion and the node.'''


def measure_course(course: Course) -> dict[str, Any]:
    """Send images and collect what the node publishes: frames, rate and times in ms.

    ValueError with the node's last words if it ends or does not come up.
    """
    with (tempfile.TemporaryDirectory() as folder, Crew(Path(folder)) as crew,
          ros_node('tdnet_benchmark') as node):
        child = crew.start('node', [
            sys.executable, '-m', 'tdnet_ros.benchmark.node', *([FREE] if course.free else []),
            '--ros-args', '-p', f'model:={course.model}',
            '-p', 'scene_cut:=false', '-p', 'max_gap_s:=10.0'])
        camera = _Camera(node)
        camera.wait_for(child)
        seconds = camera.send(course)
        child.stop()
    return camera.report(course, seconds)


def measure_conversion(size: tuple[int, int]) -> dict[str, float]:
    """Median ms of each copy between a DDS sample of bgr8 (height, width) and arrays."""
    rgb = make_frame(0, 0, size, []).rgb
    image = array_to_image(rgb, 'bgr8', Header())
    sample = serialize_message(image)
    labels = np.ascontiguousarray(rgb[..., 0])
    answer = array_to_image(labels, 'mono8', Header())
    return {
        'sample to message': _median_ms(lambda: deserialize_message(sample, Image)),
        'message to RGB': _median_ms(lambda: image_to_rgb(image)),
        'labels to message': _median_ms(lambda: array_to_image(labels, 'mono8', Header())),
        'message to sample': _median_ms(lambda: serialize_message(answer)),
    }


class _Camera:
    """Sends images, listens to labels and stage times."""

    def __init__(self, node: Node) -> None:
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        self._publisher = node.create_publisher(Image, '/image', CAMERA)
        self._times: dict[str, list[float]] = {name: [] for name in TIMED}
        self._received_ms: list[float] = []
        self._counted_ns = 0
        for name, values in self._times.items():
            node.create_subscription(Float32, debug_topic('/tdnet/', name),
                                     partial(_append, values), LISTENING)
        node.create_subscription(Image, '/tdnet/labels', self._on_labels, LISTENING)

    def wait_for(self, child: Child) -> None:
        """Return when the node listens and is heard."""
        end = time.monotonic() + START_S
        while not self._publisher.get_subscription_count():
            child.check()
            if time.monotonic() > end:
                raise ValueError(f'the node did not come up in {START_S:g} s; its last lines:\n'
                                 f'{child.last_lines()}')
            self._executor.spin_once(0.1)
        self._spin_until(time.monotonic() + LINGER_S)

    def send(self, course: Course) -> float:
        """Send the frames of a course on schedule; returns how long its counted part took."""
        messages = [array_to_image(make_frame(number, 0, course.size, []).rgb, 'bgr8', Header())
                    for number in range(4)]
        begin = time.monotonic()
        counted = begin
        for number in range(SETTLING + course.frames):
            self._spin_until(begin + number / course.rate_hz)
            if number == SETTLING:
                self._received_ms.clear()
                counted, self._counted_ns = time.monotonic(), time.time_ns()
            message = messages[number % len(messages)]
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(
                time.time_ns(), 10**9)
            self._publisher.publish(message)
        seconds = time.monotonic() - counted + 1 / course.rate_hz
        end = time.monotonic() + START_S
        while not self._received_ms and time.monotonic() < end:
            self._executor.spin_once(0.1)
        self._spin_until(time.monotonic() + LINGER_S)
        return seconds

    def report(self, course: Course, seconds: float) -> dict[str, Any]:
        """Sum up what came back."""
        labelled = len(self._received_ms)
        times = {name: np.array(values[-labelled:])  # each image has each time: the last count
                 for name, values in self._times.items() if values}
        if not labelled or LATENCY not in times:
            raise ValueError('the node published nothing')
        latency = times[LATENCY]
        outside = latency if course.free else latency - times['network']
        return {
            'frame_size': list(course.size), 'model': course.model, 'free': course.free,
            'rate_hz': course.rate_hz, 'sent': course.frames, 'labelled': labelled,
            'fps': round(labelled / seconds, 2),
            'latency_ms': Spread.of(latency).rounded(),
            'overhead_ms': Spread.of(outside).rounded(),
            'received_ms': Spread.of(self._received_ms).rounded(),
            'stage_ms': {name: Spread.of(times[name]).rounded()
                         for name in TIMED if name in times}}

    def _on_labels(self, msg: Any) -> None:
        if (stamp := stamp_ns(msg.header)) >= self._counted_ns:  # not one sent while it settled
            self._received_ms.append((time.time_ns() - stamp) / 1e6)

    def _spin_until(self, end: float) -> None:
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(left)


def _append(values: list[float], msg: Any) -> None:
    values.append(msg.data)


def _median_ms(work: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return round(1e3 * float(np.median(times)), 3)
