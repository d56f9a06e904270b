"""The evaluation command and the families of methods that it compares."""
from dataclasses import replace
import json

import cv2
import numpy as np
import pytest
import torch

from learn.synthetic import picture, write_folder
from tdnet_ros.learn.evaluate import MODES, main
from tdnet_ros.learn.export import export
from tdnet_ros.learn.labellers import KeyFrame, PerFrame, Streaming, TemporalContext, optical_flow
from tdnet_ros.learn.metrics import warp_logits
from tdnet_ros.nets.card import ModelCard
from tdnet_ros.nets.classes import ClassSet
from tdnet_ros.nets.zoo import VARIANTS, build
from tdnet_ros.stream.frame import Frame
from tdnet_ros.stream.segmenter import VideoSegmenter

CLASSES = ClassSet('squares', ('sky', 'ground', 'square'), ((0, 0, 255), (0, 99, 0), (255, 9, 0)))


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp('data') / 'squares', videos=2, frames=10,
                        splits=('val',))


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp('model') / 'tiny.yaml'
    architecture = VARIANTS['td2-tiny']
    export(build(architecture, 3), ModelCard('tiny', architecture, CLASSES, (65, 97)), path)
    return path


def frames(count=5, video=0):
    return [Frame(picture(n, video)[0], n * 33_000_000) for n in range(count)]


def run(data, model, tmp_path, *more):
    out = tmp_path / 'figures.json'
    assert main(['--dataset', 'folder', '--root', str(data), '--model', str(model), '--device',
                 'cpu', '--json', str(out), *more]) == 0
    return json.loads(out.read_text())


@pytest.mark.parametrize('mode', MODES)
def test_every_mode_writes_the_same_figures(data, model, tmp_path, capsys, mode):
    result = run(data, model, tmp_path, '--mode', mode)
    assert list(result) == ['miou', 'iou', 'mode', 'flip_rate', 'vc8', 'vc16', 'tc', 'latency_ms',
                            'frames']
    assert result['mode'] == mode
    assert list(result['iou']) == ['sky', 'ground', 'square']
    assert result['miou'] == pytest.approx(
        np.mean([v for v in result['iou'].values() if v is not None]), abs=1e-5)
    assert 0 <= result['flip_rate'] <= 1
    assert result['frames'] == (40 if mode == 'repeated' else 20)
    assert 0 < result['latency_ms']['mean'] <= result['latency_ms']['max']
    repeated = mode == 'repeated'
    assert (result['tc'] is None) == repeated
    assert (result['vc8'] is None) == repeated
    assert result['vc16'] is None  # the clips are shorter
    assert 'latency p99' in capsys.readouterr().out


def test_one_command_compares_three_families(data, model, tmp_path, capsys):
    results = run(data, model, tmp_path, '--mode', 'compare', '--key-interval', '3')
    assert [result['mode'] for result in results] == ['streaming', 'key-frame',
                                                      'temporal-context']
    table = capsys.readouterr().out
    assert 'key-frame' in table


def test_a_key_model_without_weights_is_mentioned(tmp_path, capsys):
    root = write_folder(tmp_path / 'camvid', videos=1, frames=2, splits=('val',))
    assert main(['--dataset', 'camvid', '--root', str(root), '--mode', 'key-frame', '--model',
                 'street-small', '--key-model', 'bise18-half', '--device', 'cpu']) == 0
    error = capsys.readouterr().err
    assert "'bise18-half' has no weights" in error
    assert 'street-small' not in error


def test_the_models_input_takes_another_size(data, model, tmp_path, monkeypatch):
    sizes = []
    step = VideoSegmenter.step
    monkeypatch.setattr(VideoSegmenter, 'step', lambda self, *arguments: (
        sizes.append(self.input_size) or step(self, *arguments)))
    run(data, model, tmp_path, '--input-size', '33', '65')
    assert set(sizes) == {(33, 65)}


def test_labels_that_are_all_void_are_refused(tmp_path, model, capsys):
    root = write_folder(tmp_path / 'squares', videos=1, frames=2, splits=('val',))
    for label in (root / 'val/labels').iterdir():
        cv2.imwrite(str(label), np.full((65, 97), 255, np.uint8))
    assert main(['--dataset', 'folder', '--root', str(root), '--model', str(model)]) == 1
    assert 'all pixels of the labels are void' in capsys.readouterr().err


def test_a_frame_of_another_size_in_a_video_is_named(tmp_path, model, capsys):
    root = write_folder(tmp_path / 'squares', videos=1, frames=2, splits=('val',))
    (root / 'val/labels/v0_000.png').unlink()
    cv2.imwrite(str(root / 'val/images/v0_000.png'), np.zeros((40, 97, 3), np.uint8))
    assert main(['--dataset', 'folder', '--root', str(root), '--model', str(model), '--device',
                 'cpu']) == 1
    assert 'v0_001.png is 97x65, but ' in capsys.readouterr().err


def test_names_may_have_brackets(tmp_path, capsys):
    root = write_folder(tmp_path / 'squares', videos=1, frames=1, splits=('val',))
    (root / 'classes.yaml').write_text('"[sky]": [0, 0, 1]\n"[/a]": [0, 1, 0]\nb: [1, 0, 0]\n')
    names = ('[sky]', '[/a]', 'b')
    architecture = VARIANTS['td2-tiny']
    card = ModelCard('tiny', architecture, replace(CLASSES, names=names), (65, 97))
    export(build(architecture, 3), card, tmp_path / 'tiny.yaml')
    assert main(['--dataset', 'folder', '--root', str(root), '--device', 'cpu', '--model',
                 str(tmp_path / 'tiny.yaml')]) == 0
    shown = capsys.readouterr().out
    assert all(f'  {name} ' in shown for name in names)


def test_a_split_without_labels_is_refused(tmp_path, capsys):
    """As that of Cityscapes where only the painted labels were unpacked."""
    name = '{}/val/ulm/ulm_000000_000019_{}.png'
    for path in (name.format('leftImg8bit', 'leftImg8bit'), name.format('gtFine', 'gtFine_color')):
        (tmp_path / path).parent.mkdir(parents=True)
        cv2.imwrite(str(tmp_path / path), picture(0)[0])
    assert main(['--dataset', 'cityscapes', '--root', str(tmp_path), '--device', 'cpu',
                 '--model', 'td2-tiny']) == 1
    assert capsys.readouterr().err == (
        f"tdnet_evaluate: the split 'val' in {tmp_path} has no labelled frame\n")


def test_streaming_restarts_with_a_video_and_remembers_within(model):
    segmenter = VideoSegmenter.load(model, 'cpu')
    streaming, alone = Streaming(segmenter), PerFrame(segmenter)
    first, second = frames(2)
    before = streaming.label(first)
    assert np.array_equal(before, alone.label(first))
    assert not np.array_equal(streaming.label(second), alone.label(second))
    streaming.restart()
    assert np.array_equal(streaming.label(first), before)


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


def test_flow_points_from_a_pixel_to_its_place_in_the_other_frame():
    rng = np.random.default_rng(0)
    texture = np.kron(rng.integers(0, 256, (16, 20)), np.ones((8, 8)))[..., None]
    image = np.repeat(texture, 3, 2).astype(np.uint8)
    flow = optical_flow(image[:, 8:136], image[:, 5:133])
    assert np.median(flow[20:-20, 20:-20], (0, 1)) == pytest.approx([3, 0], abs=0.2)


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


@pytest.mark.parametrize('option', ['--json', '--confusion'])
def test_outputs_are_checked_before_the_work(data, model, tmp_path, capsys, monkeypatch, option):
    monkeypatch.setattr(VideoSegmenter, 'load', None)
    out = tmp_path / 'none' / 'x.png'
    assert main(['--dataset', 'folder', '--root', str(data), '--model', str(model),
                 option, str(out)]) == 1
    assert capsys.readouterr().err == (
        f'tdnet_evaluate: cannot write {out}: No such file or directory\n')


@pytest.mark.parametrize(('arguments', 'message'), [
    (['--split', 'test'], 'there is no folder'),
    (['--model', 'nothing'], "model 'nothing'"),
    (['--confusion', 'matrix.txt', '--model', 'nothing'], 'matrix.txt: expected the name of a pi'),
    (['--model', 'td2-bise18-half'], 'has 11 classes'),
    (['--mode', 'key-frame', '--key-interval', '0'], 'key-frame interval 0'),
    (['--mode', 'compare', '--key-interval', '0'], 'key-frame interval 0'),
    (['--mode', 'compare', '--key-model', 'nothing'], "model 'nothing'"),
    (['--mode', 'compare', '--key-model', 'td2-bise18-half'], 'has 11 classes'),
    (['--key-model', 'nothing'], '--key-model is of the modes key-frame and compare, not of stre'),
    (['--mode', 'repeated', '--key-interval', '5'], '--key-interval is of the modes key-frame'),
    (['--mode', 'per-frame', '--carry', 'labels'], '--carry is of the modes key-frame'),
    (['--input-size', '0', '97'], 'input size 0x97, expected at least 32x32 pixels'),
])
def test_bad_requests_are_one_clear_line(data, model, capsys, monkeypatch, arguments, message):
    monkeypatch.setattr('tdnet_ros.learn.evaluate.evaluate', None)  # no frame is labelled before
    assert main(['--dataset', 'folder', '--root', str(data), '--model', str(model), '--device',
                 'cpu', *arguments]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
