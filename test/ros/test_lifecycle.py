"""Transitions, what a failing one says, and clean ends from every state."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import signal
import subprocess
import sys
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
import pytest
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

from ros.harness import NodeProcess, Peer, image_message, latest_status, moving_square, wait_for
from tdnet_ros.nets.card import find_model, save_card

TINY = ('-p', 'model:=td2-tiny')


def resident_mib(pid: int) -> float:
    return int(Path(f'/proc/{pid}/statm').read_text().split()[1]) * 4096 / 2**20


@pytest.fixture(scope='module')
def managed(start: Callable[..., NodeProcess], peer: Peer) -> NodeProcess:
    """A node that waits for a lifecycle manager."""
    process = start(*TINY, '-p', 'autostart:=false', '-r', '__node:=managed')
    wait_for(lambda: peer.state('/managed') == 'unconfigured', 'node')
    return process


def test_a_manager_leads_it_through_all_states(managed: NodeProcess, peer: Peer) -> None:
    labels = peer.collect(Image, '/managed/labels')
    assert not peer.call(Trigger, '/managed/reset').success
    assert peer.change_state(Transition.TRANSITION_CONFIGURE, '/managed')
    assert peer.state('/managed') == 'inactive'
    assert peer.node.count_subscribers('/image') == 0
    assert peer.change_state(Transition.TRANSITION_ACTIVATE, '/managed')
    send = peer.sender()
    wait_for(lambda: send.publish(image_message(moving_square(1)[0], peer.now_ns()))
             or time.sleep(0.05) or labels, 'labels')
    assert peer.change_state(Transition.TRANSITION_DEACTIVATE, '/managed')
    wait_for(lambda: peer.node.count_subscribers('/image') == 0, 'end of the subscription')
    assert peer.change_state(Transition.TRANSITION_CLEANUP, '/managed')
    assert peer.state('/managed') == 'unconfigured'
    wait_for(lambda: peer.node.count_publishers('/managed/labels') == 0, 'end of the topics')


def test_an_impossible_transition_is_refused(managed: NodeProcess, peer: Peer) -> None:
    assert not peer.change_state(Transition.TRANSITION_ACTIVATE, '/managed')
    assert peer.state('/managed') == 'unconfigured'
    assert managed.alive


def test_ten_cycles_leak_nothing(managed: NodeProcess, peer: Peer) -> None:
    sizes = []
    for _ in range(10):
        for transition in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE,
                           Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP):
            assert peer.change_state(transition, '/managed')
        sizes.append(resident_mib(managed.pid))
    # A leaked network would be 2 MiB a cycle.
    assert sizes[-1] - sizes[3] < 6, sizes


def test_shut_down_by_a_manager_then_ended(managed: NodeProcess, peer: Peer) -> None:
    assert peer.change_state(Transition.TRANSITION_UNCONFIGURED_SHUTDOWN, '/managed')
    assert peer.state('/managed') == 'finalized'
    assert managed.end(signal.SIGINT) == 0
    assert 'Traceback' not in managed.log


@pytest.mark.parametrize(('number', 'ready'), [
    (signal.SIGINT, 'active: labels'), (signal.SIGTERM, 'active: labels'), (signal.SIGINT, None)])
def test_signals_end_it_with_exit_code_0(
        start: Callable[..., NodeProcess], number: int, ready: str | None) -> None:
    process = start(*TINY)
    if ready:
        process.wait_for_log(ready)
    else:
        time.sleep(1.0)
    assert process.end(number) == 0
    assert 'Traceback' not in process.log


@pytest.fixture
def garbage(tmp_path: Path) -> str:
    """A weights file that is none, with a proper card beside it."""
    save_card(find_model('td2-tiny'), tmp_path / 'weights.yaml')
    path = tmp_path / 'weights.safetensors'
    path.write_bytes(b'not a checkpoint' * 20)
    return str(path)


@pytest.mark.parametrize(('arguments', 'words'), [
    (('-p', 'model:=td9-resnext'), "model 'td9-resnext': expected"),
    ((*TINY, '-p', 'weights:=/nowhere/w.safetensors'), '/nowhere/w.safetensors: no such file'),
    ((*TINY, '-p', 'weights:={garbage}'), 'weights.safetensors'),
    ((*TINY, '-p', 'device:=cuda:7'), "device 'cuda:7': "),
    ((*TINY, '-p', 'overlay_opacity:=7.0', '-p', 'zoom:=2'), "'overlay_opacity' is 7.0: expected"),
])
def test_a_failing_load_leaves_it_unconfigured_with_the_reason(
        start: Callable[..., NodeProcess], peer: Peer, garbage: str, arguments: tuple[str, ...],
        words: str) -> None:
    diagnostics = peer.collect(DiagnosticArray, '/diagnostics')
    process = start(*(argument.format(garbage=garbage) for argument in arguments))
    process.wait_for_log('cannot configure: ')
    line = next(line for line in process.log.splitlines() if 'cannot configure: ' in line)
    assert words in line
    assert 'Traceback' not in process.log
    assert peer.state() == 'unconfigured'
    status = wait_for(lambda: latest_status(diagnostics, 'tdnet: device'), 'device status')
    assert status['level'] == DiagnosticStatus.ERROR
    assert words in status['message']
    assert process.end(signal.SIGTERM) == 0
    wait_for(lambda: 'tdnet' not in peer.node.get_node_names(), 'end of the node')


@pytest.mark.parametrize(('arguments', 'message'), [
    (('-p', 'model:=td2-tiny'), "unexpected '-p model:=td2-tiny'"),
    (('--ros-args', '--params-file', 'nope.yaml'), 'nope.yaml'),
])
def test_wrong_arguments_are_one_clear_line(arguments: tuple[str, ...], message: str) -> None:
    ended = subprocess.run([sys.executable, '-m', 'tdnet_ros.ros.program', *arguments],
                           capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
