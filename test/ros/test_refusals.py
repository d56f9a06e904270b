"""What configure and activate refuse, the reason that they give, and how it is mended."""
from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
import signal
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
import pytest
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters

from ros.harness import (
    DOWN,
    TINY,
    UP,
    NodeProcess,
    Peer,
    latest_status,
    message_of,
    wait_for,
)
from tdnet_ros.nets.card import find_model, save_card


@pytest.fixture
def garbage(tmp_path: Path) -> str:
    """A weights file that is none, with a proper card beside it."""
    save_card(find_model('td2-tiny'), tmp_path / 'weights.yaml')
    path = tmp_path / 'weights.safetensors'
    path.write_bytes(b'not a checkpoint' * 20)
    return str(path)


FAILING = {
    'depth': ((*TINY, '-p', 'qos_overrides./no_depth/labels.publisher.depth:=-1'),
              '/no_depth/labels: QoS depth is -1: expected 1 to '),
    'model': (('-p', 'model:=td9-resnext'), "model 'td9-resnext': expected"),
    'file': ((*TINY, '-p', 'weights:=/nowhere/w.safetensors'),
             '/nowhere/w.safetensors: no such file'),
    'garbage': ((*TINY, '-p', 'weights:={garbage}'), 'weights.safetensors'),
    'device': ((*TINY, '-p', 'device:=cuda:7'), "device 'cuda:7': "),
    'value': ((*TINY, '--params-file', '{parameters}'), "'overlay_opacity' is 7.0: expected")}


@pytest.fixture
def parameters(tmp_path: Path) -> str:
    """A parameter file with a value out of range and a name that there is not."""
    path = tmp_path / 'wrong.yaml'
    path.write_text('/**: {ros__parameters: {overlay_opacity: 7.0, overlay_opaqueness: 0.2}}')
    return str(path)


def test_a_failing_load_leaves_it_unconfigured_with_the_reason(
        start: Callable[..., NodeProcess], peer: Peer, garbage: str, parameters: str) -> None:
    diagnostics = peer.collect(DiagnosticArray, '/diagnostics')
    processes = {name: start(
        *(argument.format(garbage=garbage, parameters=parameters) for argument in arguments),
        '-r', f'__node:=no_{name}', ready='') for name, (arguments, _) in FAILING.items()}
    for name, process in processes.items():
        words = FAILING[name][1]
        process.wait_for_log('cannot configure: ')
        line = next(line for line in process.log.splitlines() if 'cannot configure: ' in line)
        assert words in line
        assert '-tiny' not in line, 'models for tests'
        assert 'Traceback' not in process.log
        assert peer.state(f'/no_{name}') == 'unconfigured'
        status = wait_for(
            lambda node=name: (found := latest_status(diagnostics, f'no_{node}: device'))
            and found['level'] == DiagnosticStatus.ERROR and found, 'device status')
        assert words in status['message']
    hint = "no parameter 'overlay_opaqueness', did you mean 'overlay_opacity'?"
    assert hint in processes['value'].log
    assert hint in status['message']
    repair = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=0.5)
    assert peer.call(SetParameters, '/no_value/set_parameters', SetParameters.Request(parameters=[
        Parameter(name='overlay_opacity', value=repair)])).results[0].successful
    assert peer.change_state(Transition.TRANSITION_CONFIGURE, '/no_value'), 'once it is repaired'
    assert [process.end(signal.SIGTERM) for process in processes.values()] == [0] * len(FAILING)


def test_what_the_network_warns_of_is_in_the_log_and_in_diagnostics(
        start: Callable[..., NodeProcess], peer: Peer) -> None:
    diagnostics = peer.collect(DiagnosticArray, '/diagnostics')
    process = start(*TINY, '-p', 'precision:=bfloat16', '-r', '__node:=slow', ready='active',
                    patch='import torch; torch.cpu._is_avx512_bf16_supported = lambda: False')
    said = 'no instructions for bfloat16 in this CPU: float32 is likely faster'
    line, = (line for line in process.log.splitlines() if said in line)
    assert line.startswith('[WARN] ')
    wait_for(lambda: said in message_of(diagnostics, 'slow: device'), 'the warning')
    for transition in DOWN:
        assert peer.change_state(transition, '/slow')
    assert set_text_of(peer, '/slow', 'precision', 'float32') == 'set'
    for transition in UP:
        assert peer.change_state(transition, '/slow')
    wait_for(lambda: 'NO TRAINED' in (found := message_of(diagnostics, 'slow: device'))
             and said not in found, 'a status without it')
    assert process.end(signal.SIGTERM) == 0


def set_text_of(peer: Peer, node: str, name: str, text: str) -> str:
    """Set a parameter; returns 'set' or why not."""
    value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=text)
    request = SetParameters.Request(parameters=[Parameter(name=name, value=value)])
    result = peer.call(SetParameters, f'{node}/set_parameters', request).results[0]
    return 'set' if result.successful else str(result.reason)


def test_wrong_values_and_wrong_types_are_mended_one_by_one(
        start: Callable[..., NodeProcess], peer: Peer) -> None:
    process = start(*TINY, '-p', 'precision:=3', '-p', 'engine:=fast', '-r', '__node:=mended',
                    ready='cannot configure: ')
    assert "'precision' is 3: expected text" in process.log
    assert "'engine' is 'fast': expected one of" in process.log
    for name, text in (('precision', 'float32'), ('engine', 'torch')):
        assert not peer.change_state(Transition.TRANSITION_CONFIGURE, '/mended')
        assert set_text_of(peer, '/mended', name, text) == 'set'
    assert peer.change_state(Transition.TRANSITION_CONFIGURE, '/mended'), process.log


def test_an_unconfigured_node_takes_another_model(
        start: Callable[..., NodeProcess], peer: Peer) -> None:
    set_text = partial(set_text_of, peer, '/changed')
    process = start('-p', 'model:=td9-resnext', '-p', 'engine:=fast', '-p',
                    'image_transport:=jpeg', '-r', '__node:=changed',
                    ready="cannot configure: parameter 'image_transport' is 'jpeg'")
    assert "'precision' is 'int2': expected one of" in set_text('precision', 'int2')
    assert set_text('image_transport', 'raw') == set_text('model', 'td2-tiny') == 'set'
    assert not peer.change_state(Transition.TRANSITION_CONFIGURE, '/changed')
    process.wait_for_log("cannot configure: parameter 'engine' is 'fast'")
    assert set_text('engine', 'torch') == 'set'
    assert all(peer.change_state(transition, '/changed') for transition in UP)
    assert 'td2-tiny with ' in process.log
    assert set_text('model', 'street-small') == (
        "'model' can be set only while unconfigured: ros2 lifecycle set /changed deactivate, "
        'then cleanup (or call ~/change_state)')
    assert all(peer.change_state(transition, '/changed') for transition in DOWN)
    assert set_text('model', 'street-small') == 'set'
    assert peer.change_state(Transition.TRANSITION_CONFIGURE, '/changed')
    assert 'street-small with ' in process.log


def test_a_failing_configuration_takes_its_topics_back(
        start: Callable[..., NodeProcess], peer: Peer) -> None:
    override = 'qos_overrides./half/rear/overlay.publisher.reliability:=best-effort'
    start(*TINY, '-p', 'cameras:=[front, rear]', '-p', override, '-r', '__node:=half',
          ready='cannot configure: /half/rear/overlay: Unexpected QoS override')
    wait_for(lambda: peer.node.get_publishers_info_by_topic('/diagnostics'), 'the node')
    assert not peer.change_state(Transition.TRANSITION_CONFIGURE, '/half')
    names = 'front/labels', 'rear/labels', 'rear/confidence'
    wait_for(lambda: not any(peer.node.count_publishers(f'/half/{name}') for name in names),
             'end of the publishers')


NOTE_FREED = '''
import weakref
from tdnet_ros.ros import segmentation_node
from tdnet_ros.stream import VideoSegmenter
made, release, init = [], segmentation_node.release_memory, VideoSegmenter.__init__
def noted_init(self, *arguments, **more):
    init(self, *arguments, **more)
    made.append(weakref.ref(self))
def noted_release():
    release()
    print('networks left:', sum(item() is not None for item in made), 'of', len(made), flush=True)
VideoSegmenter.__init__, segmentation_node.release_memory = noted_init, noted_release
'''


@pytest.mark.parametrize('fault', [
    'keep_classes:=[unicorn]',
    'qos_overrides./tdnet/overlay.publisher.reliability:=unheard_of',
], ids=['before the topics', 'between the topics'])
def test_a_failing_configuration_frees_the_network(
        start: Callable[..., NodeProcess], fault: str) -> None:
    process = start(*TINY, '-p', fault, patch=NOTE_FREED, ready='cannot configure: ')
    assert 'networks left: 0 of 1' in process.log
    assert process.end() == 0


@pytest.mark.parametrize(('policy', 'value', 'reason'), [
    ('reliability', 'unheard_of', 'Unexpected QoS override for policy `reliability`'),
    ('depth', 'deep', "Trying to set parameter 'qos_overrides./image.subscription.depth'"),
    ('depth', 0, 'QoS depth is 0: expected 1 to ')])
def test_a_failing_activation_leaves_it_inactive_with_the_reason(
        start: Callable[..., NodeProcess], peer: Peer, policy: str, value: object,
        reason: str) -> None:
    diagnostics = peer.collect(DiagnosticArray, '/diagnostics')
    process = start(*TINY, '-r', '__node:=no_qos',
                    '-p', f'qos_overrides./image.subscription.{policy}:={value}', ready='')
    reason = f'cannot activate: /image: {reason}'
    process.wait_for_log(reason)
    assert peer.state('/no_qos') == 'inactive'
    wait_for(lambda: reason in message_of(diagnostics, 'no_qos: device'), 'reason')
    assert process.end() == 0
    assert 'Traceback' not in process.log and 'KEEP_LAST' not in process.log


def test_a_failing_activation_takes_its_subscriptions_back(
        start: Callable[..., NodeProcess], peer: Peer) -> None:
    process = start(*TINY, '-p', 'points:=true', '-r', '__ns:=/half_deaf',
                    '-p', 'qos_overrides./half_deaf/depth.subscription.reliability:=unheard_of',
                    ready='cannot activate: /half_deaf/depth: Unexpected QoS override')
    wait_for(lambda: peer.node.count_publishers('/half_deaf/tdnet/points'), 'the node')
    time.sleep(0.5)  # what it would still have would be known by now
    assert not peer.node.count_subscribers('/half_deaf/camera_info')
    assert process.end() == 0


@pytest.mark.parametrize(('arguments', 'message'), [
    (('--', '-p', 'model:=td2-tiny'), "unexpected '-p model:=td2-tiny'"),  # not ROS's any more
    (('--params-file', 'nope.yaml'), 'nope.yaml'),
])
def test_wrong_arguments_are_one_clear_line(
        start: Callable[..., NodeProcess], arguments: tuple[str, ...], message: str) -> None:
    process = start(*arguments, ready=message)
    assert process.wait() == 2
    assert len(process.log.splitlines()) == 1
