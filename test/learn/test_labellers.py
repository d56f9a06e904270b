"""The families of methods, frame by frame."""
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from learn.synthetic import picture
from tdnet_ros.learn.labellers import KeyFrame, PerFrame, Streaming, TemporalContext, optical_flow
from tdnet_ros.learn.metrics import warp_logits
from tdnet_ros.nets.variants import VARIANTS
from tdnet_ros.nets.zoo import build
from tdnet_ros.stream.frame import Frame
from tdnet_ros.stream.segmenter import VideoSegmenter


def frames(count=5, video=0):
    return [Frame(picture(n, video)[0], n * 33_000_000) for n in range(count)]


def test_streaming_restarts_with_a_video_and_remembers_within(model):
    segmenter = VideoSegmenter.load(model, 'cpu')
    streaming, alone = Streaming(segmenter), PerFrame(segmenter)
    first, second = frames(2)
    before = streaming.label(first)
    assert np.array_equal(before, alone.label(first))
    assert not np.array_equal(streaming.label(second), alone.label(second))
    streaming.restart()
    assert np.array_equal(streaming.label(first), before)


def test_streaming_starts_with_the_path_whose_turn_it_is(model):
    segmenter = VideoSegmenter.load(model, 'cpu')
    streaming = Streaming(segmenter)
    frame = frames(1)[0]
    outputs = []
    for turn in range(4):
        streaming.restart(turn)
        outputs.append(streaming.label(frame))
    assert not np.array_equal(outputs[0], outputs[1])
    assert np.array_equal(outputs[:2], outputs[2:])


def test_temporal_context_is_the_frame_repeated(model):
    segmenter = VideoSegmenter.load(model, 'cpu')
    context, streaming = TemporalContext(segmenter), Streaming(segmenter)
    frame = frames(1)[0]
    streaming.label(frame)
    assert np.array_equal(context.label(frame), streaming.label(frame))


def test_key_frames_are_labelled_and_the_rest_is_carried(model):
    segmenter = VideoSegmenter.load(model, 'cpu')
    carried, alone = KeyFrame(segmenter, 3), PerFrame(segmenter)
    shown = frames(4)
    outputs = [carried.label(frame) for frame in shown]
    expected = [alone.label(frame) for frame in shown]
    assert np.array_equal(outputs[0], expected[0])
    assert np.array_equal(outputs[3], expected[3])
    assert not np.array_equal(outputs[1], expected[1])
    carried.restart()
    assert np.array_equal(carried.label(shown[1]), expected[1])
    smaller = Frame(shown[2].rgb[:40], shown[2].stamp_ns)
    assert np.array_equal(carried.label(smaller), alone.label(smaller))


def test_flow_points_from_a_pixel_to_its_place_in_the_other_frame():
    rng = np.random.default_rng(0)
    texture = np.kron(rng.integers(0, 256, (16, 20)), np.ones((8, 8)))[..., None]
    image = np.repeat(texture, 3, 2).astype(np.uint8)
    flow = optical_flow(image[:, 8:136], image[:, 5:133])
    assert np.median(flow[20:-20, 20:-20], (0, 1)) == pytest.approx([3, 0], abs=0.2)


def test_small_pictures_have_a_flow_too():
    """OpenCV raises on some sizes, and on others the program ends without a word."""
    sizes = [(1, 1), (97, 8), (15, 1024), (8, 97)]
    code = f'''
import numpy as np
from tdnet_ros.learn.labellers import optical_flow
images = [np.zeros((*size, 3), np.uint8) for size in {sizes}]
print([optical_flow(image, image).shape[:2] for image in images])
'''
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.stdout == f'{sizes}\n', done.stderr


@pytest.mark.parametrize('carry', ['labels', 'features'])
def test_what_is_carried_moves_with_the_picture(model, carry):
    """The picture moves by 3 pixels a frame; what was found on the key frame moves along."""
    rng = np.random.default_rng(0)
    scene = cv2.resize(rng.integers(0, 256, (20, 28, 3), np.uint8), (224, 160),
                       interpolation=cv2.INTER_CUBIC)
    shown = [Frame(np.ascontiguousarray(scene[:, 3 * n:3 * n + 192]), n) for n in range(4)]
    segmenter = VideoSegmenter.load(model, 'cpu', shown[0].size)
    key = segmenter.step(shown[0], segmenter.new_memory(), keep_logits=True)
    assert len(np.unique(key.labels)) > 1
    carried = KeyFrame(segmenter, 9, carry)
    for number, frame in enumerate(shown):
        labels = carried.label(frame)
        expected = key.labels if carry == 'labels' else key.logits.argmax(0)
        inner = slice(16, -16), slice(16, -16 - 3 * number)
        moved = expected[:, 3 * number:][inner[0], 16:-16]
        assert (labels[inner] == moved).mean() > 0.95
        assert number == 0 or (labels[inner] == expected[inner]).mean() < 0.95


def test_moving_logits_is_moving_the_features_before_the_classifier():
    classifier = build(VARIANTS['td2-tiny'], 3).heads[0].classifier
    features = torch.randn(1, classifier[1].in_channels, 8, 12)
    flow = np.random.default_rng(0).normal(0, 2, (15, 23, 2)).astype(np.float32)
    with torch.inference_mode():
        moved = torch.from_numpy(warp_logits(features[0].numpy(), flow))
        expected = classifier(moved[None])[0]
        logits = classifier(features)[0]
    np.testing.assert_allclose(warp_logits(logits.numpy(), flow), expected, atol=1e-5)
