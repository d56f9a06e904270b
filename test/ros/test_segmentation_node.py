"""The node over DDS: what goes in comes out labelled, stamps untouched."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import Transition
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Float32
from std_srvs.srv import Trigger

from ros.camera import Camera
from ros.harness import (
    LATCHED,
    TALKATIVE,
    TINY,
    NodeProcess,
    Peer,
    moving_square,
    pixels,
    stamp_of,
    wait_for,
)
from tdnet_ros.ros.meter import STAGES
from tdnet_ros.stream import Frame, VideoSegmenter


@pytest.fixture(scope='module')
def node(start: Callable[..., NodeProcess]) -> NodeProcess:
    return start(*TINY, '-p', 'scene_cut:=false', '-p', 'max_gap_s:=60.0',
                 '-p', 'no_image_timeout_s:=1.0', patch=TALKATIVE)


@pytest.fixture(scope='module')
def camera(node: NodeProcess, peer: Peer) -> Camera:
    return Camera(peer)


def test_k_frames_in_k_labelled_frames_out(camera: Camera, peer: Peer) -> None:
    peer.call(Trigger, '/tdnet/reset')
    segmenter = VideoSegmenter.load('td2-tiny', 'cpu', scene_cut=False)
    memory = segmenter.new_memory()
    for rgb in moving_square(7):
        msg = camera.step(rgb)
        frame = Frame(rgb, camera.stamp_ns)
        np.testing.assert_array_equal(pixels(msg), segmenter.step(frame, memory).labels)
        assert (msg.encoding, msg.step, msg.header.frame_id) == ('mono8', 64, 'camera_optical')
        assert stamp_of(msg) == frame.stamp_ns
    assert len(camera.labels) == 7


def test_reset_starts_with_an_empty_memory(camera: Camera, peer: Peer) -> None:
    clip = moving_square(4)
    first = [pixels(camera.step(rgb)) for rgb in clip if peer.call(Trigger, '/tdnet/reset')]
    assert peer.call(Trigger, '/tdnet/reset').success
    again = pixels(camera.step(clip[-1]))
    np.testing.assert_array_equal(again, first[-1])
    assert not np.array_equal(pixels(camera.step(clip[-1])), again)
    camera.wait_for_value('last reset', 'reset was called')


def test_a_bag_that_loops_gives_the_same_labels_in_every_loop(camera: Camera) -> None:
    clip = moving_square(5)
    start_ns = camera.stamp_ns - 3_600_000_000_000
    loops = []
    for _ in range(5):
        loops.append([pixels(camera.step(rgb, start_ns + index * 66_666_667))
                      for index, rgb in enumerate(clip)])
    for loop in loops[1:]:
        np.testing.assert_array_equal(loop, loops[0])
    camera.wait_for_value('last reset', 'went backwards')


@pytest.mark.parametrize(('change', 'reason'), [
    ({'fields': {'frame_id': 'other'}}, 'frame_id changed from camera_optical to other'),
    ({'fields': {'encoding': 'bgr8'}}, 'encoding changed from rgb8 to bgr8'),
    ({'rgb': np.zeros((24, 32, 3), np.uint8)}, 'image size changed from 64 x 48 to 32 x 24'),
    ({'later_s': 61}, 'gap of 61.000 s exceeds max_gap_s 60'),
    ({'later_s': -1}, 'stamp went backwards by 1.000 s')],
    ids=['frame_id', 'encoding', 'size', 'gap', 'backwards'])
def test_a_memory_of_something_else_is_emptied_with_the_reason(
        camera: Camera, node: NodeProcess, peer: Peer, change: dict[str, Any],
        reason: str) -> None:
    rgb = moving_square(1)[0]
    image, fields = change.get('rgb', rgb), change.get('fields', {})
    later_ns = int(change.get('later_s', 0.1) * 1e9)
    peer.call(Trigger, '/tdnet/reset')
    fresh = pixels(camera.step(image, **fields))
    peer.call(Trigger, '/tdnet/reset')
    camera.step(rgb)
    camera.step(rgb)
    labels = camera.step(image, camera.stamp_ns + later_ns, **fields)
    status = camera.wait_for_value('last reset', reason)
    assert status['memory fill'] == '0 of 1'
    assert node.log.count(f'memory emptied: {reason}') == 1
    np.testing.assert_array_equal(pixels(labels), fresh)


def test_a_node_that_was_deactivated_starts_with_an_empty_memory(
        camera: Camera, node: NodeProcess, peer: Peer) -> None:
    rgb = moving_square(1)[0]
    peer.call(Trigger, '/tdnet/reset')
    fresh = pixels(camera.step(rgb))
    assert not np.array_equal(pixels(camera.step(rgb)), fresh)
    assert peer.change_state(Transition.TRANSITION_DEACTIVATE)
    assert peer.change_state(Transition.TRANSITION_ACTIVATE)
    np.testing.assert_array_equal(pixels(camera.first_heard(rgb)), fresh)
    camera.wait_for_value('last reset', 'node was deactivated')
    assert node.log.count('memory emptied: node was deactivated') == 1


def test_a_camera_that_vanishes_and_returns(camera: Camera) -> None:
    camera.vanish_and_return()
    assert camera.step(moving_square(1)[0])


def test_label_info_is_latched_for_late_subscribers(node: NodeProcess, peer: Peer) -> None:
    messages = pytest.importorskip('vision_msgs.msg', reason='vision_msgs is not built')
    received = peer.collect(messages.LabelInfo, '/tdnet/label_info', LATCHED)
    wait_for(lambda: received, 'label info')
    names = VideoSegmenter.load('td2-tiny', 'cpu').card.classes.names
    assert [entry.class_name for entry in received[0].class_map] == list(names)


def test_overlay_is_made_when_somebody_looks(camera: Camera, peer: Peer) -> None:
    rgb = moving_square(1, 240, 320)[0]
    overlays = peer.collect(Image, '/tdnet/overlay')
    jpegs = peer.collect(CompressedImage, '/tdnet/overlay/compressed')
    labels: list[Image] = []

    def both() -> bool:
        labels.append(camera.step(rgb))
        return bool(overlays and jpegs)

    wait_for(both, 'overlay and its JPEG')
    overlay = pixels(overlays[-1])
    assert (overlays[-1].encoding, overlay.shape) == ('bgr8', (240, 320, 3))
    assert stamp_of(overlays[-1]) in map(stamp_of, labels)
    jpeg = cv2.imdecode(np.frombuffer(jpegs[-1].data, np.uint8), cv2.IMREAD_COLOR)
    assert jpeg.shape == overlay.shape
    # The model is untrained: a darkened banner with white letters on top says so.
    assert overlay[:4].mean() < 0.5 * overlay[120:].mean()
    assert (overlay[:30] == 255).any()


def test_labels_in_colour_for_displays(camera: Camera, peer: Peer) -> None:
    colors = peer.collect(Image, '/tdnet/labels/color')
    rgb = moving_square(1)[0]
    wait_for(lambda: camera.step(rgb) and colors, 'coloured labels')
    wait_for(lambda: stamp_of(camera.step(rgb)) == stamp_of(colors[-1]), 'the same moment')
    palette = np.array(VideoSegmenter.load('td2-tiny', 'cpu').card.classes.palette)
    assert colors[-1].encoding == 'bgr8'
    np.testing.assert_array_equal(
        pixels(colors[-1])[..., ::-1], palette[pixels(camera.labels[-1])])


def test_debug_topics_carry_the_time_of_every_stage(camera: Camera, peer: Peer) -> None:
    names = [*(stage for stage in STAGES if stage != 'pictures'), 'latency']
    times = {name: peer.collect(Float32, f'/tdnet/debug/{name}_ms') for name in names}
    rgb = moving_square(1)[0]
    wait_for(lambda: camera.step(rgb) and all(times.values()), 'every stage')
    assert all(0 <= message.data < 10_000 for message in times['latency'])


def test_diagnostics_count_and_time_every_image(camera: Camera) -> None:
    heard = len(camera.diagnostics)
    wait_for(lambda: len(camera.diagnostics) >= heard + 2, 'count of all that was sent before')
    names = ('received', 'processed', 'overwritten', 'failed')
    before = [camera.count(name) for name in names]
    for _ in range(3):
        camera.step(moving_square(1)[0])
    wait_for(lambda: [camera.count(name) - count for name, count in zip(names, before)]
             == [3, 3, 0, 0], 'count of all images')
    values = camera.status()
    assert float(values['output rate (Hz)']) > 0
    assert values['topic'] == '/image'
    spread = [float(values[f'network {name} (ms)']) for name in ('p50', 'p95', 'p99', 'max')]
    assert 0 < spread[0] <= spread[1] <= spread[2] <= spread[3]
    latency = float(values['latency p50 (ms)'])
    assert latency >= float(values['network p50 (ms)'])


def test_diagnostics_warn_of_an_untrained_model(node: NodeProcess, camera: Camera) -> None:
    status = wait_for(lambda: camera.diagnostics and next(
        item for item in camera.diagnostics[-1].status if item.name == 'tdnet: device'),
        'device status')
    assert status.level == DiagnosticStatus.WARN
    assert 'HAS NO TRAINED WEIGHTS' in status.message
    assert 'HAS NO TRAINED WEIGHTS' in node.log
    assert status.hardware_id
    values = {item.key: item.value for item in status.values}
    assert (values['state'], values['model'], values['device']) == ('active', 'td2-tiny', 'cpu')
    assert 0 < float(values['device memory free (MiB)']) < float(
        values['device memory total (MiB)'])
    assert float(values['process memory (MiB)']) > 50


def test_diagnostics_say_that_images_stopped(camera: Camera) -> None:
    camera.step(moving_square(1)[0])
    status = camera.wait_for_value('message', 'no image on /image')
    assert status['level'] == DiagnosticStatus.ERROR
    assert 'although /peer publishes it' in status['message']


def test_confidence_has_the_header_and_size_of_the_labels(camera: Camera, peer: Peer) -> None:
    received = peer.collect(Image, '/tdnet/confidence')
    rgb = moving_square(1)[0]
    labels = []
    wait_for(lambda: labels.append(camera.step(rgb)) or received, 'confidence')
    wait_for(lambda: stamp_of(received[-1]) == stamp_of(labels[-1]), 'newest confidence')
    confidence = received[-1]
    assert (confidence.header, confidence.encoding) == (labels[-1].header, 'mono8')
    assert pixels(confidence).shape == rgb.shape[:2]
    # The best of 19 classes has a probability of at least 1/19.
    assert pixels(confidence).min() >= 255 // 19


def test_labels_as_png_equal_the_labels(camera: Camera, peer: Peer) -> None:
    received = peer.collect(CompressedImage, '/tdnet/labels/compressed')
    labels = []
    wait_for(lambda: labels.append(camera.step(moving_square(1)[0])) or received, 'PNG')
    msg = received[-1]
    decoded = cv2.imdecode(np.frombuffer(msg.data, np.uint8), cv2.IMREAD_UNCHANGED)
    same = next(item for item in labels if stamp_of(item) == stamp_of(msg))
    np.testing.assert_array_equal(decoded, pixels(same))


def test_copies_and_latecomers_are_skipped(camera: Camera, peer: Peer) -> None:
    camera.step(moving_square(1)[0])
    count, stamp_ns = len(camera.labels), camera.stamp_ns
    for number, (early_ns, reason) in enumerate((
            (0, 'same stamp as the image before'), (30_000_000, 'older than the image before'))):
        camera.send(moving_square(1)[0], stamp_ns - early_ns)
        wait_for(lambda skipped=number + 1: camera.count('skipped') == skipped, 'count')
        assert camera.status()['last skip'] == reason
    assert len(camera.labels) == count
    peer.call(Trigger, '/tdnet/reset')
    assert camera.step(moving_square(1)[0], stamp_ns), 'after a reset any image may be the first'
