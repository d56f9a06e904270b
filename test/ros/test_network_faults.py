"""A network or a program that fails: one image is lost, the next is labelled."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import Transition
import numpy as np
from std_srvs.srv import Trigger

from ros.camera import Camera
from ros.harness import TINY, NodeProcess, Peer, latest_status, moving_square, pixels, wait_for

CLIP = moving_square(8)
BREAK_EVERY_THIRD = '''
import pathlib
from tdnet_ros.stream.engines.torch_engine import TorchEngine
run, calls = TorchEngine.run, []
def breaking(self, *inputs):
    if pathlib.Path(BROKEN).exists():
        calls.append(inputs)
    if len(calls) % 3 == 1:
        raise RuntimeError("a kernel failed")
    return run(self, *inputs)
TorchEngine.run = breaking
'''


def test_an_exception_in_the_network_costs_one_image(
        start: Callable[..., NodeProcess], peer: Peer, tmp_path: Path) -> None:
    broken = tmp_path / 'broken'
    process = start(*TINY, '-p', 'max_gap_s:=60.0',
                    patch=BREAK_EVERY_THIRD.replace('BROKEN', repr(str(broken))))
    camera = Camera(peer)
    broken.touch()
    for number in range(9):
        camera.send(CLIP[0])
        wait_for(lambda sent=number + 1: len(camera.labels) + camera.count('failed') == sent,
                 'end of the image')
    assert camera.count('failed') == 3
    assert process.log.count('RuntimeError: a kernel failed') in (1, 2)  # once in ten seconds
    assert process.end() == 0
    assert 'a kernel failed' in camera.status()['message']
    camera.wait_for_value('last reset', 'the frame before failed')


BREAK_ONE_CALLBACK = '''
from tdnet_ros.ros.camera_stream import CameraStream
receive, calls = CameraStream._receive, []
def breaking(self, msg):
    calls.append(msg)
    if len(calls) == 1:
        raise KeyError("a bug")
    receive(self, msg)
CameraStream._receive = breaking
'''


def test_an_exception_in_a_callback_costs_one_image(
        start: Callable[..., NodeProcess], peer: Peer) -> None:
    process = start(*TINY, patch=BREAK_ONE_CALLBACK)
    assert Camera(peer).step(CLIP[0])
    assert process.log.count("callback failed: KeyError: 'a bug'") == 1
    assert process.end() == 0


SMALL_DEVICE = '''
import pathlib, torch
from tdnet_ros.stream.engines.torch_engine import TorchEngine
run = TorchEngine.run
def small(self, image, *inputs):
    if pathlib.Path(LIMITED).exists() and image.shape[-1] > 150:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    return run(self, image, *inputs)
TorchEngine.run = small
'''


def test_out_of_memory_means_a_smaller_input_until_the_next_configure(
        start: Callable[..., NodeProcess], peer: Peer, tmp_path: Path) -> None:
    limited = tmp_path / 'limited'
    process = start(*TINY, '-p', 'max_gap_s:=60.0', '-p', 'scene_cut:=false',
                    patch=SMALL_DEVICE.replace('LIMITED', repr(str(limited))))
    camera = Camera(peer)
    rgb = CLIP[0]
    full = pixels(camera.step(rgb))
    limited.touch()
    for failed in (1, 2):
        camera.send(rgb)
        wait_for(lambda count=failed: camera.count('failed') == count, 'count of the failure')
    process.wait_for_log('out of memory on')
    for _ in range(2):
        assert pixels(camera.step(rgb)).shape == full.shape
    words = "the network's input is 73 x 145 instead of 97 x 193, so labels are coarser"
    assert words in process.log
    status = wait_for(lambda: words in (found := latest_status(
        camera.diagnostics, 'tdnet: device'))['message'] and found, 'finding')
    assert (status['level'], status['input size']) == (DiagnosticStatus.WARN, '73 x 145')
    configure_again(peer)
    assert process.log.count(words) == 2, 'the full size is tried first'
    limited.unlink()
    configure_again(peer)
    camera.first_heard(rgb)
    peer.call(Trigger, '/tdnet/reset')
    np.testing.assert_array_equal(pixels(camera.step(rgb)), full)
    wait_for(lambda: latest_status(camera.diagnostics, 'tdnet: device').get('input size')
             == '97 x 193', 'full size')
    assert process.end() == 0


def configure_again(peer: Peer) -> None:
    for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP,
                       Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
        assert peer.change_state(transition)
