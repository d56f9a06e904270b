"""The real node in a process of its own, and a peer that talks to it over DDS."""
from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
import os
from pathlib import Path
import signal
import sys
import threading
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from rclpy.time import Time
from sensor_msgs.msg import Image

from forks import FORKS, preload, set_environment
from tdnet_ros.ros.messages import array_to_image

SETTLE_S = 0.1
RELIABLE = QoSProfile(depth=50, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE,
                     durability=DurabilityPolicy.TRANSIENT_LOCAL)
NODE = 'tdnet_ros.ros.program'
TINY = ('-p', 'model:=td2-tiny', '-p', 'device:=cpu', '-p', 'diagnostics_period_s:=0.2')
'''On the CPU where there is a GPU, too; of two equal parameters the last counts.'''
UP = (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE)
DOWN = (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP)
GOALS = {Transition.TRANSITION_CONFIGURE: 'inactive', Transition.TRANSITION_ACTIVATE: 'active',
         Transition.TRANSITION_DEACTIVATE: 'inactive',
         Transition.TRANSITION_CLEANUP: 'unconfigured'}
'''The state in which a transition ends, if not in the last.'''
PATIENCE_S = 40.0


def wait_for(condition: Callable[[], Any], what: str, timeout_s: float = PATIENCE_S) -> Any:
    """Poll until the condition holds and return its value."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f'no {what} within {timeout_s} s')


preload('tdnet_ros.ros.segmentation_node', 'tdnet_ros.ros.spinning', NODE)


def _run(log: Path, arguments: tuple[str, ...], patch: str, environment: dict[str, str]) -> None:
    """Be tdnet_node, after code that changes it; in a process of its own."""
    with log.open('a') as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    sys.stdout.reconfigure(line_buffering=True)
    set_environment(environment)
    sys.argv = ['tdnet_node', '--ros-args', *arguments]
    exec(f'{patch}\nimport sys\nfrom {NODE} import main\nsys.exit(main())',
         {'__name__': '__main__'})


class NodeProcess:
    """tdnet_node with ROS arguments, after code that changes it; its output goes to a file.

    It is forked from a process that has PyTorch imported, which saves seconds for each.
    """

    def __init__(self, log: Path, *arguments: str, patch: str = '') -> None:
        log.touch()
        self._log = log
        self._process = FORKS.Process(
            target=_run, args=(log, arguments, patch, dict(os.environ)), daemon=True)
        self._process.start()

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def wait_for_log(self, text: str) -> None:
        wait_for(lambda: text in self.log or not self.alive, f"'{text}' in the log")
        assert text in self.log, self.log

    def end(self, number: int = signal.SIGINT) -> int:
        """Send a signal and return the exit code."""
        if self.alive:
            os.kill(self.pid, number)
        return self.wait()

    def wait(self, timeout_s: float = 20.0) -> int:
        self._process.join(timeout_s)
        if self._process.exitcode is None:
            self._process.kill()
            raise AssertionError(f'it did not end within {timeout_s} s: {self.log}')
        return int(self._process.exitcode)


TALKATIVE = 'from tdnet_ros.ros import errors; errors.PAUSE_S = 0'
'''A patch of the node: its log says more than one thing a second.'''


def slow_network(seconds: float) -> str:
    """A patch of the node: each frame takes so much longer."""
    return f'''
import time
from tdnet_ros.stream.engines.torch_engine import TorchEngine
run = TorchEngine.run
def slow(self, *inputs):
    time.sleep({seconds})
    return run(self, *inputs)
TorchEngine.run = slow
'''


class Peer:
    """A node in this process that sends images and collects what comes back."""

    def __init__(self, name: str = 'peer', namespace: str = '') -> None:
        self._context = Context()
        rclpy.init(context=self._context)
        self.node = rclpy.create_node(name, namespace=namespace, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._closing = False
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()

    def close(self) -> None:
        self._closing = True
        self._executor.wake()
        self._thread.join()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    def collect(self, kind: Any, topic: str, qos: QoSProfile = RELIABLE) -> list[Any]:
        """Subscribe; the list grows with every message."""
        messages: list[Any] = []
        self.node.create_subscription(kind, topic, messages.append, qos)
        self._executor.wake()
        return messages

    def sender(self, kind: Any = Image, topic: str = '/image', qos: QoSProfile = RELIABLE) -> Any:
        """Make a publisher and wait until somebody listens."""
        publisher = self.node.create_publisher(kind, topic, qos)
        wait_for(publisher.get_subscription_count, f'subscriber of {topic}')
        return publisher

    def destroy(self, entity: Publisher | Subscription) -> None:
        """Take a publisher or subscription back, in the thread that may wait for it.

        In another one it could go while a wait set is made of it, which ends that thread.
        """
        destroy = (self.node.destroy_publisher if isinstance(entity, Publisher)
                   else self.node.destroy_subscription)
        task = self._executor.create_task(destroy, entity)
        wait_for(task.done, 'end of the topic')
        assert task.result(), 'it was destroyed before'

    def call(self, kind: Any, name: str, request: Any = None) -> Any:
        client = self.node.create_client(kind, name)
        self._executor.wake()
        assert client.wait_for_service(PATIENCE_S), f'no service {name}'
        # A server that hears a request before it knows where to answer drops the answer.
        time.sleep(SETTLE_S)
        for patience_s in (5.0, PATIENCE_S):
            future = client.call_async(request or kind.Request())
            with suppress(AssertionError):
                wait_for(future.done, f'answer of {name}', patience_s)
                return future.result()
            if kind is ChangeState and self._arrived(name, request.transition.id):
                return ChangeState.Response(success=True)
        raise AssertionError(f'no answer of {name}')

    def _arrived(self, service: str, transition: int) -> bool:
        """Say whether a transition whose answer was lost has led to its state."""
        goal = GOALS.get(transition, 'finalized')
        return self.state(service.removesuffix('/change_state')) == goal

    def state(self, node: str = '/tdnet') -> str:
        return str(self.call(GetState, f'{node}/get_state').current_state.label)

    def change_state(self, transition: int, node: str = '/tdnet') -> bool:
        request = ChangeState.Request()
        request.transition.id = transition
        return bool(self.call(ChangeState, f'{node}/change_state', request).success)

    def now_ns(self) -> int:
        return int(self.node.get_clock().now().nanoseconds)

    def _spin(self) -> None:
        while not self._closing:
            self._executor.spin_once(timeout_sec=0.1)


def image_message(rgb: np.ndarray, stamp_ns: int, frame_id: str = 'camera_optical',
                  encoding: str = 'rgb8') -> Image:
    msg = array_to_image(rgb, encoding, Image().header)
    msg.header.stamp = Time(nanoseconds=stamp_ns).to_msg()
    msg.header.frame_id = frame_id
    return msg


def moving_square(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """A textured clip in which one square moves."""
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    clip = []
    for index in range(count):
        frame = noise.copy()
        frame[10:30, 4 + 2 * index:24 + 2 * index] = (200, 30, 60)
        clip.append(frame)
    return clip


def pixels(msg: Image) -> np.ndarray:
    shape = (msg.height, msg.width) if msg.encoding == 'mono8' else (msg.height, msg.width, 3)
    return np.frombuffer(msg.data, np.uint8).reshape(shape)


def stamp_of(msg: Any) -> int:
    return int(msg.header.stamp.sec) * 10**9 + int(msg.header.stamp.nanosec)


def latest_status(diagnostics: list[DiagnosticArray], name: str) -> dict[str, str]:
    """Values, level and message of the newest status of this name, empty if there is none."""
    for array in reversed(diagnostics):
        for status in array.status:
            if status.name == name:
                return {'level': status.level, 'message': status.message,
                        **{item.key: item.value for item in status.values}}
    return {}


def message_of(diagnostics: list[DiagnosticArray], name: str) -> str:
    """What the newest status of this name says."""
    return str(latest_status(diagnostics, name).get('message', ''))


def count_of(pid: int, what: str) -> int:
    """How many threads ('task') or open files ('fd') a process has."""
    return len(list(Path(f'/proc/{pid}/{what}').iterdir()))


def resident_mib(pid: int) -> float:
    """The memory of a process."""
    return int(Path(f'/proc/{pid}/statm').read_text().split()[1]) * 4096 / 2**20
