"""A network that takes long, and one that never comes back: diagnostics say so."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import time

from diagnostic_msgs.msg import DiagnosticStatus
import pytest
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool

from ros.camera import Camera
from ros.harness import TINY, NodeProcess, Peer, moving_square, wait_for

CLIP = moving_square(8)
SLOW = '''
import pathlib, time
from tdnet_ros.stream.engines.torch_engine import TorchEngine
run = TorchEngine.run
def slow(self, *inputs):
    time.sleep(0.4)
    while pathlib.Path(HUNG).exists():
        time.sleep(0.02)
    return run(self, *inputs)
TorchEngine.run = slow
'''


@pytest.fixture(scope='module')
def hung(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """While this file exists no image is done."""
    return tmp_path_factory.mktemp('hung') / 'hung'


@pytest.fixture(scope='module')
def node(start: Callable[..., NodeProcess], hung: Path) -> NodeProcess:
    return start(*TINY, '-p', 'diagnostics_window_s:=1.0', '-p', 'no_image_timeout_s:=1.5',
                 '-p', 'latency_budget_ms:=100.0', '-p', 'max_gap_s:=0.05',
                 patch=SLOW.replace('HUNG', repr(str(hung))))


@pytest.fixture(scope='module')
def camera(node: NodeProcess, peer: Peer) -> Camera:
    return Camera(peer)


def test_a_window_with_less_than_five_images_hides_nothing(camera: Camera) -> None:
    for index in range(6):
        camera.step(CLIP[index])
    status = camera.wait_for_value('message', '5 of 5 images later than latency_budget_ms 100')
    assert status['level'] == DiagnosticStatus.ERROR
    assert 'memory emptied for 5 of 5 images' in status['message']


def test_two_publishers_are_named_where_the_memory_is_emptied(camera: Camera) -> None:
    assert 'publishers on' not in camera.status()['message']
    other = camera.peer.node.create_publisher(Image, '/image', 1)
    for index in range(6):
        camera.step(CLIP[index])
    camera.wait_for_value('message', '2 publishers on /image, whose images mix: /peer, /peer')
    camera.peer.destroy(other)


def test_a_network_that_does_not_answer_is_an_error_until_it_does(
        node: NodeProcess, camera: Camera, hung: Path) -> None:
    camera.step(CLIP[0])
    hung.touch()
    camera.send(CLIP[1])
    words = 'images come in, none was labelled for'
    for image in CLIP[2:]:
        time.sleep(0.3)
        camera.send(image)
    status = camera.wait_for_value('message', words)
    assert status['level'] == DiagnosticStatus.ERROR
    node.wait_for_log(words)
    hung.unlink()
    wait_for(lambda: words not in camera.status()['message'], 'end of the error')
    wait_for(lambda: camera.is_answered, 'labels of the newest image')


@pytest.mark.parametrize('again', [False, True])
def test_an_image_in_work_is_discarded_when_the_node_is_disabled(
        camera: Camera, hung: Path, again: bool) -> None:
    """Also when it is enabled again before the image is done."""
    camera.step(CLIP[0])
    hung.touch()
    time.sleep(0.5)  # until diagnostics count all that was sent before
    received, labels = camera.count('received'), len(camera.labels)
    camera.send(CLIP[1])
    wait_for(lambda: camera.count('received') == received + 1, 'image in work')
    overwritten = camera.count('overwritten')
    enable(camera, False)
    if again:
        enable(camera, True)
    hung.unlink()
    wait_for(lambda: camera.count('overwritten') == overwritten + 1, 'end of the image')
    assert len(camera.labels) == labels
    enable(camera, True)


def enable(camera: Camera, data: bool) -> None:
    assert camera.peer.call(SetBool, '/tdnet/enable', SetBool.Request(data=data)).success


def test_a_camera_whose_clock_is_ahead_is_named_and_hides_no_late_image(camera: Camera) -> None:
    for index in range(6):
        camera.step(CLIP[index], camera.peer.now_ns() + 500_000_000)
    status = camera.wait_for_value('message', "s ahead of the node's clock, so latency counts")
    assert '5 of 5 images later than latency_budget_ms 100' in status['message']
    assert float(status['latency p50 (ms)']) > 400
    assert 'transport p50 (ms)' not in status
