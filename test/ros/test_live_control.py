"""What may change while the node runs does, with the next image; the rest says why not."""
from __future__ import annotations

from collections.abc import Callable
import time

from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
import pytest
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue, SetParametersResult
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool

from ros.camera import Camera
from ros.harness import (
    LATCHED,
    TALKATIVE,
    TINY,
    NodeProcess,
    Peer,
    moving_square,
    pixels,
    wait_for,
)
from tdnet_ros.stream import VideoSegmenter


@pytest.fixture(scope='module')
def node(start: Callable[..., NodeProcess]) -> NodeProcess:
    return start(*TINY, '-p', 'scene_cut:=false', '-p', 'max_gap_s:=60.0', patch=TALKATIVE)


@pytest.fixture(scope='module')
def camera(node: NodeProcess, peer: Peer) -> Camera:
    return Camera(peer)


def parameter(name: str, value: object) -> Parameter:
    typed = {
        bool: lambda: ParameterValue(type=ParameterType.PARAMETER_BOOL, bool_value=value),
        str: lambda: ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=value),
        float: lambda: ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value),
        list: lambda: ParameterValue(type=ParameterType.PARAMETER_STRING_ARRAY,
                                     string_array_value=value)}[type(value)]()
    return Parameter(name=name, value=typed)


def set_parameter(peer: Peer, name: str, value: object) -> SetParametersResult:
    request = SetParameters.Request(parameters=[parameter(name, value)])
    return peer.call(SetParameters, '/tdnet/set_parameters', request).results[0]


def test_classes_are_kept_and_merged_while_running(camera: Camera, peer: Peer) -> None:
    rgb = moving_square(1)[0]
    names = VideoSegmenter.load('td2-tiny', 'cpu').card.classes.names
    most = int(np.bincount(pixels(camera.step(rgb)).ravel()).argmax())
    other = (most + 1) % len(names)
    assert not set_parameter(peer, 'keep_classes', ['unicorn']).successful
    assert set_parameter(peer, 'class_remap', [f'{names[most]}:{names[other]}']).successful
    assert set_parameter(peer, 'keep_classes', [names[other]]).successful
    assert set(np.unique(pixels(camera.step(rgb)))) <= {other, 255}
    messages = pytest.importorskip('vision_msgs.msg', reason='vision_msgs is not built')
    received = peer.collect(messages.LabelInfo, '/tdnet/label_info', LATCHED)
    wait_for(lambda: received, 'label info')
    assert [(item.class_id, item.class_name) for item in received[0].class_map] == [
        (other, names[other])]
    for name in ('class_remap', 'keep_classes'):
        assert set_parameter(peer, name, ['']).successful


def test_disabled_it_neither_listens_nor_labels(camera: Camera, peer: Peer) -> None:
    camera.step(moving_square(1)[0])
    assert peer.call(SetBool, '/tdnet/enable', SetBool.Request(data=False)).message == 'disabled'
    wait_for(lambda: peer.node.count_subscribers('/image') == 0, 'end of the subscription')
    assert peer.call(SetBool, '/tdnet/enable', SetBool.Request(data=True)).success
    wait_for(lambda: peer.node.count_subscribers('/image') == 1, 'subscription')
    assert camera.first_heard(moving_square(1)[0])


def test_a_scene_cut_empties_the_memory_where_asked_for(
        camera: Camera, node: NodeProcess, peer: Peer) -> None:
    assert set_parameter(peer, 'scene_cut', True).successful
    camera.step(moving_square(1)[0])
    camera.step(moving_square(1)[0][::-1, ::-1].copy())
    camera.wait_for_value('last reset', 'scene cut')
    assert 'memory emptied: scene cut (correlation ' in node.log
    assert set_parameter(peer, 'scene_cut', False).successful


def test_a_rate_limit_leaves_images_out(camera: Camera, peer: Peer) -> None:
    assert set_parameter(peer, 'max_rate_hz', 5.0).successful
    assert set_parameter(peer, 'max_gap_s', 0.15).successful  # beyond the 0.2 s of the limit
    resets = int(camera.status()['resets'])
    before, start = len(camera.labels), time.monotonic()
    wait_for(lambda: camera.send(moving_square(1)[0])
             and len(camera.labels) >= before + 8 and camera.count('throttled') > 20,
             'labels of some and count of the others')
    let_through = len(camera.labels) - before
    assert let_through <= 5 * (time.monotonic() - start) + 2
    assert int(camera.status()['resets']) <= resets + 1  # by the pause before the first of them
    assert set_parameter(peer, 'max_gap_s', 60.0).successful
    assert set_parameter(peer, 'max_rate_hz', 0.0).successful


@pytest.mark.parametrize(('name', 'value', 'reason'), [
    ('overlay_opacity', 0.8, ''), ('overlay_opacity', 1.5, 'range'),
    ('model', 'x', 'unconfigured'), ('autostart', False, 'read-only')])
def test_parameters_change_while_running_or_say_why_not(
        node: NodeProcess, peer: Peer, name: str, value: object, reason: str) -> None:
    result = set_parameter(peer, name, value)
    assert result.successful == (not reason)
    assert reason in result.reason


def test_opacity_takes_effect_with_the_next_image(camera: Camera, peer: Peer) -> None:
    rgb = moving_square(1, 120, 160)[0]
    overlays = peer.collect(Image, '/tdnet/overlay')
    assert set_parameter(peer, 'overlay_opacity', 0.0).successful
    wait_for(lambda: camera.step(rgb) and overlays, 'overlay')
    np.testing.assert_array_equal(pixels(overlays[-1])[60:], rgb[60:, :, ::-1])


@pytest.mark.parametrize(('wrong', 'reason'), [
    (('keep_classes', ['unicorn']), "no class 'unicorn'"), (('model', 'psp18'), 'unconfigured'),
    (('max_rate_hz', -1.0), 'range')])
def test_changes_that_go_together_are_made_together_or_not_at_all(
        camera: Camera, peer: Peer, wrong: tuple[str, object], reason: str) -> None:
    rgb = moving_square(1, 120, 160)[0]
    overlays = peer.collect(Image, '/tdnet/overlay')
    assert set_parameter(peer, 'overlay_opacity', 0.0).successful
    request = SetParametersAtomically.Request(
        parameters=[parameter('overlay_opacity', 1.0), parameter(*wrong)])
    result = peer.call(SetParametersAtomically, '/tdnet/set_parameters_atomically', request).result
    assert not result.successful
    assert reason in result.reason
    wait_for(lambda: camera.step(rgb) and overlays, 'overlay')
    np.testing.assert_array_equal(pixels(overlays[-1])[60:], rgb[60:, :, ::-1])


def test_budget_and_patience_are_those_that_were_set_last(camera: Camera, peer: Peer) -> None:
    assert set_parameter(peer, 'latency_budget_ms', 1.0).successful
    for _ in range(5):
        camera.step(moving_square(1)[0])
    camera.wait_for_value('message', 'images later than latency_budget_ms 1,')
    wait_for(lambda: camera.status()['level'] == DiagnosticStatus.ERROR, 'error')
    assert set_parameter(peer, 'latency_budget_ms', 60000.0).successful
    assert set_parameter(peer, 'no_image_timeout_s', 0.1).successful
    status = camera.wait_for_value('message', 'no image on /image for')
    assert 'latency_budget_ms' not in status['message']
    assert set_parameter(peer, 'no_image_timeout_s', 3600.0).successful
    camera.wait_for_value('message', 'active')
