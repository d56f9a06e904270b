"""Clean ends by a signal, from every state and on the way there."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import signal
import subprocess
import sys
import time

from lifecycle_msgs.msg import Transition
import pytest

from ros.harness import (
    NODE,
    TINY,
    UP,
    NodeProcess,
    Peer,
    image_message,
    moving_square,
    wait_for,
)


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    status = Path(f'/proc/{pid}/status').read_text()
    caught = next(line for line in status.splitlines() if line.startswith('SigCgt'))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def test_a_signal_while_it_still_imports() -> None:
    process = subprocess.Popen(
        [sys.executable, '-m', NODE, '--ros-args', *TINY], stderr=subprocess.PIPE, text=True)
    wait_for(lambda: catches(process.pid, signal.SIGTERM), 'first line of the program')
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert 'Traceback' not in process.communicate(timeout=20)[1]
    assert process.returncode == 0


MADE_TOO_LATE = '''
import os
import signal
import sys
import threading
import rclpy
from rclpy import executors
from rclpy.context import Context
from rclpy.node import Node
from tdnet_ros.ros import log_folder, spinning
def interrupt(*args, **options):
    signal.raise_signal(signal.SIGINT)
class Active(Node):
    def start(self):
        executors.SignalHandlerGuardCondition = interrupt  # a part of what would be made later
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    def stop(self):
        pass
cause = sys.argv[1]
def make():
    if cause == 'itself':
        raise OSError('of its own')
    if cause == 'signal as soon as it is active':
        return Active('late')
    if cause != 'parameter':
        rclpy.try_shutdown()  # as rclpy's handler of a signal does
    if cause == 'signal while the failure is handled':
        spinning.ok = interrupt
    return Node('late')
# As on Humble: the context that rclpy makes anew after its end cannot be destroyed.
Context.destroy = lambda self: self.handle.destroy_when_not_in_use()
if cause == 'signal while rclpy starts':
    rclpy.init = interrupt
def nowhere():
    raise FileNotFoundError('No usable temporary directory')
if cause == 'folder':
    os.environ['ROS_LOG_DIR'] = '/dev/null'
    log_folder.gettempdir = nowhere
arguments = {'arguments': ['-r', 'nonsense'], 'parameter': ['-p', 'use_sim_time:=on-monday']}
sys.exit(spinning.run(make, ['--ros-args', *arguments.get(cause, [])]))
'''


@pytest.mark.parametrize(('cause', 'code', 'last'), [
    ('signal', 0, ''), ('signal while the failure is handled', 0, ''),
    ('signal while rclpy starts', 0, ''), ('signal as soon as it is active', 0, ''),
    ('itself', 1, 'OSError: of its own'),
    ('arguments', 1, 'nonsense'), ('parameter', 1, "'use_sim_time' to 'on-monday'"),
    ('folder', 1, 'ROS does not start: No usable temporary')])
def test_a_signal_while_the_node_is_made(cause: str, code: int, last: str) -> None:
    done = subprocess.run([sys.executable, '-c', MADE_TOO_LATE, cause], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == code, done.stderr
    assert last in done.stderr if last else not done.stderr
    assert ('Traceback' in done.stderr) == (cause == 'itself')


STATES = {
    'unconfigured': (), 'inactive': UP[:1], 'active': UP,
    'deactivated': (*UP, Transition.TRANSITION_DEACTIVATE),
    'shut_down_inactive': (*UP[:1], Transition.TRANSITION_INACTIVE_SHUTDOWN),
    'shut_down_active': (*UP, Transition.TRANSITION_ACTIVE_SHUTDOWN)}


def test_signals_end_it_with_exit_code_0_from_every_state(
        start: Callable[..., NodeProcess], peer: Peer) -> None:
    processes = {name: start(*TINY, '-p', 'autostart:=false', '-r', f'__node:={name}', ready='')
                 for name in STATES}
    for name, transitions in STATES.items():
        for transition in transitions:
            assert peer.change_state(transition, f'/{name}'), name
        if name.startswith('shut_down'):
            assert peer.state(f'/{name}') == 'finalized'
    codes = {name: process.end(signal.SIGTERM if name == 'deactivated' else signal.SIGINT)
             for name, process in processes.items()}
    assert codes == dict.fromkeys(STATES, 0)
    wait_for(lambda: not set(STATES) & set(peer.node.get_node_names()),
             'end of the nodes for others', timeout_s=12.0)
    assert not [name for name, process in processes.items() if 'Traceback' in process.log]


SLOW_TO_CONFIGURE = '''
import time
from tdnet_ros.stream import VideoSegmenter
def warm_up(self, size):
    print('warming up', flush=True)
    for _ in range(3000):
        time.sleep(0.01)  # a signal just before a single long sleep is noticed after it
VideoSegmenter.warm_up = warm_up
'''


def test_a_signal_while_it_configures(start: Callable[..., NodeProcess]) -> None:
    process = start(*TINY, patch=SLOW_TO_CONFIGURE, ready='warming up')
    assert process.end(signal.SIGINT) == 0
    assert 'Traceback' not in process.log


SLOW_TO_LABEL = '''
import time
from tdnet_ros.stream import VideoSegmenter
step_batch = VideoSegmenter.step_batch
def slow(self, *arguments, **options):
    print('labelling', flush=True)
    time.sleep(1)
    return step_batch(self, *arguments, **options)
VideoSegmenter.step_batch = slow
'''


def test_a_signal_while_it_labels_is_no_failure_of_the_image(
        start: Callable[..., NodeProcess], peer: Peer) -> None:
    process = start(*TINY, '-r', 'image:=/busy', patch=SLOW_TO_LABEL, ready='')
    send = peer.sender(topic='/busy')
    wait_for(lambda: send.publish(image_message(moving_square(1)[0], peer.now_ns()))
             or time.sleep(0.05) or 'labelling' in process.log, 'image in work')
    assert process.end(signal.SIGINT) == 0
    assert 'ERROR' not in process.log
    assert 'Failed' not in process.log


SHORT_GRACE = 'from tdnet_ros.ros import spinning; spinning.GRACE_S = 0.5'


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_network_hangs(
        start: Callable[..., NodeProcess], peer: Peer, number: signal.Signals) -> None:
    topic = f'/hanging_{int(number)}'
    process = start(*TINY, '-r', f'image:={topic}', '-r', f'__node:={topic[1:]}',
                    patch=SLOW_TO_LABEL.replace('sleep(1)', 'sleep(1000)') + SHORT_GRACE,
                    ready='')
    send = peer.sender(topic=topic)
    wait_for(lambda: send.publish(image_message(moving_square(1)[0], peer.now_ns()))
             or time.sleep(0.05) or 'labelling' in process.log, 'image in work')
    assert process.end(number) == 0
    assert process.log.count('without cleaning up') == 1
    assert 'Traceback' not in process.log


NOBODY_READS = '''
import os
reading, writing = os.pipe()
os.close(reading)
os.dup2(writing, 2)
'''
FULL_DISK = '''
import sys
sys.stdout = open('/dev/full', 'w')
print('this waits to be written')
'''


def test_a_signal_while_the_network_hangs_and_nobody_reads_what_it_says(
        start: Callable[..., NodeProcess], peer: Peer) -> None:
    """Ctrl-C ends `tdnet_node 2>&1 | tee log` on both sides of the pipe."""
    process = start(*TINY, '-r', 'image:=/unread', '-r', '__node:=unread',
                    patch=SLOW_TO_LABEL.replace('sleep(1)', 'sleep(1000)') + SHORT_GRACE
                    + NOBODY_READS, ready='')
    send = peer.sender(topic='/unread')
    wait_for(lambda: send.publish(image_message(moving_square(1)[0], peer.now_ns()))
             or time.sleep(0.05) or 'labelling' in process.log, 'image in work')
    assert process.end() == 0


@pytest.mark.parametrize(('name', 'patch'), [
    ('full', FULL_DISK), ('closed', 'import sys; sys.stdout = None')])
def test_a_signal_while_the_output_cannot_be_written(
        start: Callable[..., NodeProcess], name: str, patch: str) -> None:
    process = start(*TINY, '-r', f'image:=/{name}', '-r', f'__node:={name}', patch=patch,
                    ready=f'active: labels /{name}')
    assert process.end() == 0
    assert 'Traceback' not in process.log
