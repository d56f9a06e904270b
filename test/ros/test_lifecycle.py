"""Transitions: led by a manager, over and over, and to the end."""
from __future__ import annotations

from collections.abc import Callable
import re
import signal
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
import pytest
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
import torch

from ros.harness import (
    DOWN,
    RELIABLE,
    TINY,
    UP,
    NodeProcess,
    Peer,
    count_of,
    image_message,
    latest_status,
    moving_square,
    resident_mib,
    wait_for,
)

NOTE_RUNS = '''
from tdnet_ros.stream.engines.torch_engine import TorchEngine
run = TorchEngine.run
def noted(self, image, path, memory):
    print(f'path {path} with {len(memory)} in the memory', flush=True)
    return run(self, image, path, memory)
TorchEngine.run = noted
'''

NOTE_MEMORY = '''
import itertools, torch
from tdnet_ros.ros import segmentation_node
release, cycles = segmentation_node.release_memory, itertools.count()
def noted():
    taken = torch.cuda.memory_reserved()
    release()
    print(f'cycle {next(cycles)}: left {torch.cuda.memory_reserved()} of {taken}', flush=True)
segmentation_node.release_memory = noted
'''

NOTE_NETWORKS = '''
import gc
from tdnet_ros.ros import segmentation_node
from tdnet_ros.stream.engines.torch_engine import TorchEngine
release = segmentation_node.release_memory
def noted():
    release()
    left = sum(type(item) is TorchEngine for item in gc.get_objects())
    print(f'{left} networks are left', flush=True)
segmentation_node.release_memory = noted
'''

SLOW_STATUS = '''
import time
from tdnet_ros.ros import segmentation_node
camera_status = segmentation_node.camera_status
def slow(*arguments):
    print('a status begins', flush=True)
    time.sleep(0.5)
    return camera_status(*arguments)
segmentation_node.camera_status = slow
'''


@pytest.fixture(scope='module')
def managed(start: Callable[..., NodeProcess], peer: Peer) -> NodeProcess:
    """A node that waits for a lifecycle manager."""
    process = start(*TINY, '-p', 'autostart:=false', '-r', '__node:=managed', patch=NOTE_RUNS,
                    ready='')
    wait_for(lambda: peer.state('/managed') == 'unconfigured', 'node')
    return process


def test_a_manager_leads_it_through_all_states(managed: NodeProcess, peer: Peer) -> None:
    labels = peer.collect(Image, '/managed/labels')
    assert not peer.call(Trigger, '/managed/reset').success
    assert peer.change_state(Transition.TRANSITION_CONFIGURE, '/managed')
    assert peer.state('/managed') == 'inactive'
    for path in range(2):
        assert f'path {path} with 1 in the memory' in managed.log, 'each path is warmed up'
    assert peer.node.count_subscribers('/image') == 0
    assert peer.change_state(Transition.TRANSITION_ACTIVATE, '/managed')
    send = peer.sender()
    wait_for(lambda: send.publish(image_message(moving_square(1)[0], peer.now_ns()))
             or time.sleep(0.05) or labels, 'labels')
    assert peer.change_state(Transition.TRANSITION_DEACTIVATE, '/managed')
    wait_for(lambda: peer.node.count_subscribers('/image') == 0, 'end of the subscription')
    answer = peer.call(Trigger, '/managed/reset')
    assert (answer.success, answer.message) == (
        False, 'nothing to reset: the node is inactive')
    assert peer.change_state(Transition.TRANSITION_CLEANUP, '/managed')
    assert peer.state('/managed') == 'unconfigured'
    wait_for(lambda: peer.node.count_publishers('/managed/labels') == 0, 'end of the topics')


def test_an_impossible_transition_is_refused(managed: NodeProcess, peer: Peer) -> None:
    assert not peer.change_state(Transition.TRANSITION_ACTIVATE, '/managed')
    assert peer.state('/managed') == 'unconfigured'
    assert managed.alive
    # rclpy's own words from Kilted on.
    wait_for(lambda: 'cannot activate: the node is unconfigured' in managed.log
             or 'Unable to start transition 3' in managed.log, 'words in the log')
    assert 'RCLError' not in managed.log


def test_ten_cycles_leak_nothing(managed: NodeProcess, peer: Peer) -> None:
    """Each cycle labels images; what is counted is what is left after the clean-up."""
    labels = peer.collect(Image, '/managed/labels')
    send = peer.node.create_publisher(Image, '/image', RELIABLE)
    rgb = moving_square(1)[0]
    sizes, threads, files = [], [], []
    for cycle in range(10):
        for transition in UP:
            assert peer.change_state(transition, '/managed')
        wait_for(lambda count=len(labels) + 2: send.publish(image_message(rgb, peer.now_ns()))
                 or time.sleep(0.05) or len(labels) >= count, f'labels in cycle {cycle}')
        for transition in DOWN:
            assert peer.change_state(transition, '/managed')
        sizes.append(resident_mib(managed.pid))
        threads.append(count_of(managed.pid, 'task'))
        files.append(count_of(managed.pid, 'fd'))
    peer.destroy(send)
    # A leaked network would be 2 MiB a cycle. What is freed may come back a little later.
    assert min(sizes[-3:]) - sizes[3] < 6, sizes
    assert min(sizes[-3:]) <= 1.05 * sizes[0], sizes
    assert min(threads[-3:]) <= threads[0], threads
    assert min(files[-3:]) <= files[0], files


def test_a_status_that_a_clean_up_interrupts_is_not_told_and_holds_no_network(
        start: Callable[..., NodeProcess], peer: Peer) -> None:
    process = start(*TINY, '-p', 'points:=true', '-p', 'no_image_timeout_s:=3600.0',
                    '-r', '__node:=watched', patch=SLOW_STATUS + NOTE_NETWORKS,
                    ready='a status begins')
    diagnostics = peer.collect(DiagnosticArray, '/diagnostics')
    wait_for(lambda: latest_status(diagnostics, 'watched: image'), 'diagnostics')
    assert peer.change_state(Transition.TRANSITION_DEACTIVATE, '/watched')
    begun = process.log.count('a status begins')
    wait_for(lambda: process.log.count('a status begins') > begun, 'another status')
    assert peer.change_state(Transition.TRANSITION_CLEANUP, '/watched')
    wait_for(lambda: latest_status(diagnostics, 'watched: device')['state'] == 'unconfigured',
             'state in diagnostics')
    assert '0 networks are left' in process.log
    assert not [status.message for array in diagnostics for status in array.status
                if status.name == 'watched: image' and status.level == DiagnosticStatus.ERROR]


def test_shut_down_by_a_manager_then_ended(managed: NodeProcess, peer: Peer) -> None:
    assert peer.change_state(Transition.TRANSITION_UNCONFIGURED_SHUTDOWN, '/managed')
    assert peer.state('/managed') == 'finalized'
    diagnostics = peer.collect(DiagnosticArray, '/diagnostics')
    status = wait_for(lambda: (found := latest_status(diagnostics, 'managed: device')).get(
        'state') == 'finalized' and found, 'state in diagnostics')
    assert status['message'] == 'finalized: start the process again to label'
    assert status['level'] == DiagnosticStatus.WARN
    assert managed.end(signal.SIGINT) == 0
    assert 'Traceback' not in managed.log


def test_shut_down_while_active_frees_the_network(
        start: Callable[..., NodeProcess], peer: Peer) -> None:
    process = start(*TINY, '-r', '__node:=ended', patch=NOTE_NETWORKS)
    assert peer.change_state(Transition.TRANSITION_ACTIVE_SHUTDOWN, '/ended')
    process.wait_for_log('networks are left')
    assert '0 networks are left' in process.log


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_cleanup_gives_the_memory_of_the_device_back(
        start: Callable[..., NodeProcess], peer: Peer) -> None:
    """To within 5 % of what the network took, or 4 MiB; others may use the device meanwhile."""
    process = start(*TINY, '-p', 'autostart:=false', '-p', 'device:=cuda',
                    '-r', '__node:=on_gpu', patch=NOTE_MEMORY, ready='')
    for cycle in range(3):
        for transition in (*UP, *DOWN):
            assert peer.change_state(transition, '/on_gpu')
        process.wait_for_log(f'cycle {cycle}: left ')
    for left, taken in re.findall(r'cycle \d: left (\d+) of (\d+)', process.log):
        assert int(left) <= max(0.05 * int(taken), 4 << 20)
