"""The evaluation command."""
from dataclasses import replace
import json
import shutil

import cv2
import numpy as np
import pytest
import torch

from learn.synthetic import picture, write_folder
from tdnet_ros.learn.evaluate import MODES, main
from tdnet_ros.nets.card import load_card, save_card
from tdnet_ros.stream.segmenter import VideoSegmenter


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp('data') / 'squares', videos=2, frames=10,
                        splits=('val',))


@pytest.fixture(scope='module')
def few(tmp_path_factory):
    """Two frames, where the figures are not looked at one by one."""
    return write_folder(tmp_path_factory.mktemp('few') / 'squares', videos=1, splits=('val',))


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


@pytest.mark.parametrize(('frames', 'mode'), [(1, 'repeated'), (2, 'streaming')])
def test_stills_are_repeated_and_videos_streamed_where_no_mode_is_named(model, tmp_path, frames,
                                                                        mode):
    root = write_folder(tmp_path / 'squares', videos=2, frames=frames, splits=('val',))
    assert run(root, model, tmp_path)['mode'] == mode


def test_one_command_compares_three_families(few, model, tmp_path, capsys):
    results = run(few, model, tmp_path, '--mode', 'compare', '--key-interval', '3')
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


def test_the_models_input_takes_another_size(few, model, tmp_path, monkeypatch):
    sizes = []
    step = VideoSegmenter.step
    monkeypatch.setattr(VideoSegmenter, 'step', lambda self, *arguments: (
        sizes.append(self.input_size) or step(self, *arguments)))
    run(few, model, tmp_path, '--input-size', '33', '65')
    assert set(sizes) == {(33, 65)}


def test_accuracy_is_that_of_the_engine_and_precision(few, model, tmp_path, monkeypatch):
    loaded = []
    load = VideoSegmenter.load
    monkeypatch.setattr(VideoSegmenter, 'load', lambda *arguments, **options: (
        loaded.append(load(*arguments, **options)) or loaded[-1]))
    found = [run(few, model, tmp_path, *more)['miou'] for more in (
        [], ['--engine', 'reference'], ['--precision', 'bfloat16'])]
    assert [(segmenter.engine, segmenter.precision) for segmenter in loaded] == [
        ('torch', 'float32'), ('reference', 'float32'), ('torch', 'bfloat16')]
    assert found[1] == pytest.approx(found[0], abs=1e-3)


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


def test_a_picture_that_is_cut_off_is_named_before_the_work(tmp_path, model, capsys, monkeypatch):
    root = write_folder(tmp_path / 'squares', videos=1, frames=2, splits=('val',))
    path = root / 'val/images/v0_001.png'
    jpeg = cv2.imencode('.jpg', picture(1)[0])[1].tobytes()
    path.unlink()
    path.with_suffix('.jpg').write_bytes(jpeg[:len(jpeg) // 2])
    monkeypatch.setattr('tdnet_ros.learn.evaluation.evaluate', None)
    assert main(['--dataset', 'folder', '--root', str(root), '--model', str(model)]) == 1
    assert capsys.readouterr().err == (f'tdnet_evaluate: cannot read the image '
                                       f'{path.with_suffix(".jpg")}: it is damaged, cut off or no '
                                       'image\n')


@pytest.mark.parametrize('kind', [torch.cuda.OutOfMemoryError, MemoryError])
def test_out_of_memory_is_one_clear_line(data, model, capsys, monkeypatch, kind):
    def fail(*_):
        raise kind('no room for 2 GiB')

    monkeypatch.setattr(VideoSegmenter, 'step', fail)
    assert main(['--dataset', 'folder', '--root', str(data), '--model', str(model), '--device',
                 'cpu']) == 1
    assert capsys.readouterr().err == ('tdnet_evaluate: out of memory: no room for 2 GiB; a '
                                       'smaller --input-size takes less memory\n')


def test_the_first_class_that_differs_is_named(data, model, tmp_path, capsys):
    other = shutil.copytree(data, tmp_path / 'other')
    for classes, said in (('sky: [0, 0, 1]\nground: [0, 1, 0]\nrobot: [1, 0, 0]\n',
                           'of the 3 in the data robot'),
                          ('sky: [0, 0, 1]\nground: [0, 1, 0]\n', 'of the 2 in the data none')):
        (other / 'classes.yaml').write_text(classes)
        assert main(['--dataset', 'folder', '--root', str(other), '--model', str(model)]) == 1
        assert ('has other classes than the data: of its 3 number 2 is square, '
                f'{said}\n') in capsys.readouterr().err


def test_names_may_have_brackets_and_dollars(model, tmp_path, capsys):
    root = write_folder(tmp_path / 'squares', videos=1, frames=1, splits=('val',))
    (root / 'classes.yaml').write_text('"[sky]": [0, 0, 1]\n"[/a]": [0, 1, 0]\nb$_$: [1, 0, 0]\n')
    names = ('[sky]', '[/a]', 'b$_$')
    card = load_card(model)
    other = model.with_name('brackets.yaml')
    save_card(replace(card, classes=replace(card.classes, names=names)), other)
    assert main(['--dataset', 'folder', '--root', str(root), '--device', 'cpu', '--model',
                 str(other), '--confusion', str(tmp_path / 'c.png')]) == 0
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
    (['--model', 'td2-bise18-half'], 'classes than the data: of its 11 '),
    (['--mode', 'key-frame', '--key-interval', '0'], 'key-frame interval 0'),
    (['--mode', 'compare', '--key-interval', '0'], 'key-frame interval 0'),
    (['--mode', 'compare', '--key-model', 'nothing'], "model 'nothing'"),
    (['--mode', 'compare', '--key-model', 'td2-bise18-half'], 'classes than the data: of its 11 '),
    (['--key-model', 'nothing'], '--key-model is of the modes key-frame and compare, not of stre'),
    (['--mode', 'repeated', '--key-interval', '5'], '--key-interval is of the modes key-frame'),
    (['--mode', 'per-frame', '--carry', 'labels'], '--carry is of the modes key-frame'),
    (['--engine', 'reference', '--precision', 'bfloat16'], 'engine reference computes in float32'),
    (['--engine', 'tensorrt'], 'tensorrt needs a CUDA device'),
    (['--input-size', '0', '97'], 'input size 0x97, expected at least 32x32 pixels'),
])
def test_bad_requests_are_one_clear_line(data, model, capsys, monkeypatch, arguments, message):
    monkeypatch.setattr('tdnet_ros.learn.evaluation.evaluate', None)  # no frame is labelled before
    assert main(['--dataset', 'folder', '--root', str(data), '--model', str(model), '--device',
                 'cpu', *arguments]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
