"""Graphs in 8-bit integers label as the network does, and say what they are made of."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
import json
import os
from pathlib import Path
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from tdnet_ros.nets.card import ModelCard, find_model, save_card, untrained_card
from tdnet_ros.nets.checkpoint import load_network, save_weights
from tdnet_ros.nets.images import read_pixels
from tdnet_ros.stream import Frame, VideoSegmenter
from tdnet_ros.stream.engines import load_engine, quantise
from tdnet_ros.stream.engines.export_cli import main
from tdnet_ros.stream.engines.quantise import export_quantised

pytest.importorskip('onnxscript')
pytest.importorskip('onnxruntime')
SIZE = (97, 129)


@pytest.fixture(scope='module')
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ModelCard]:
    """Makes a narrow network of a variant, which says that it has been trained."""
    folder = tmp_path_factory.mktemp('trained')

    def make(variant: str) -> ModelCard:
        card = untrained_card(variant)
        card = replace(card, architecture=replace(card.architecture, width=0.125),
                       input_size=SIZE, weights=folder / f'{variant}.safetensors')
        save_weights(load_network(replace(card, weights=None)), folder / f'{variant}.safetensors')
        save_card(card, folder / f'{variant}.yaml')
        return card

    return make


def street(count: int) -> list[np.ndarray]:
    """Pictures of a street, BGR: parts of that in the README."""
    picture = np.asarray(read_pixels(Path(__file__).parents[3] / 'docs/drive.png'), np.uint8)
    half = picture[:picture.shape[0] // 2]
    width = half.shape[1] // 4
    starts = np.linspace(0, half.shape[1] - width, count).astype(int)
    return [half[:, start:start + width] for start in starts]


@pytest.fixture(scope='module')
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp('images')
    files = [folder / f'{number}.png' for number in range(7)]
    for file, pixels in zip(files, street(7), strict=True):
        cv2.imwrite(str(file), pixels)
    return files


def labels(segmenter: VideoSegmenter, pictures: Sequence[np.ndarray]) -> np.ndarray:
    memory = segmenter.new_memory()
    memory.scene_cut = False
    return np.stack([segmenter.step(
        Frame(np.ascontiguousarray(bgr[..., ::-1]), number * 50_000_000), memory).labels
        for number, bgr in enumerate(pictures)])


def test_the_shipped_model_labels_the_same(images: list[Path], tmp_path: Path) -> None:
    card = find_model('street-small')
    manifest = export_quantised(card, tmp_path, SIZE, images)
    ours = VideoSegmenter.load(tmp_path / 'model.yaml', 'cpu', engine='onnxruntime',
                               precision='int8')
    plain = VideoSegmenter.load('street-small', 'cpu', SIZE, engine='reference')
    pictures = street(5)
    assert np.mean(labels(ours, pictures) == labels(plain, pictures)) > 0.97
    assert json.loads(manifest.read_text())['precision'] == 'int8'
    assert ours.card.metrics == {}  # they are those of the network in float32
    assert 'in 8-bit integers' in ours.card.source
    size = sum(file.stat().st_size for file in tmp_path.glob('*.onnx'))
    assert card.weights is not None
    assert size < 0.7 * card.weights.stat().st_size  # float16, and stages that the paths share


def test_a_per_frame_network_and_labels(
        trained: Callable[[str], ModelCard], images: list[Path], tmp_path: Path) -> None:
    manifest = export_quantised(trained('bise18-half'), tmp_path, SIZE, images[:1],
                                label_size=(40, 50))
    assert 'labels' in json.loads(manifest.read_text())['steps'][0]['outputs']
    segmenter = VideoSegmenter.load(tmp_path / 'model.yaml', 'cpu', engine='onnxruntime',
                                    precision='int8')
    assert labels(segmenter, street(2)).shape == (2, *street(1)[0].shape[:2])
    with pytest.raises(ValueError, match='was exported for precision int8, not float32'):
        VideoSegmenter.load(tmp_path / 'model.yaml', 'cpu', engine='onnxruntime')


def test_of_many_images_some_are_taken_evenly(
        trained: Callable[[str], ModelCard], images: list[Path], tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []

    def read(path: Path) -> object:
        taken.append(path)
        return read_pixels(path)

    monkeypatch.setattr(quantise, 'read_pixels', read)
    monkeypatch.setattr(quantise, 'MOST_IMAGES', 3)
    export_quantised(trained('bise18-half'), tmp_path, SIZE, images)
    assert taken == 2 * [images[0], images[3], images[6]]  # once before the work, to be sure


def test_the_program_takes_a_folder(
        trained: Callable[[str], ModelCard], images: list[Path], tmp_path: Path,
        capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / 'graphs'
    assert main([str(trained('td2-tiny').weights), '--out', str(out), '--precision', 'int8',
                 '--images', str(images[0].parent)]) == 0
    said = capsys.readouterr()
    assert 'path 2 of 2 in int8, by 7 images' in said.err
    assert '2 graphs' in said.out
    assert sorted(file.name for file in out.iterdir()) == [
        'manifest.json', 'model.yaml', 'path0.onnx', 'path1.onnx']


def test_a_signal_while_the_exporter_is_imported_leaves_nothing(
        images: list[Path], tmp_path: Path) -> None:
    out = tmp_path / 'graphs'
    code = '''
import os, signal, sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == 'onnxscript':
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
from tdnet_ros import programs
sys.exit(programs.export())
'''
    done = subprocess.run(
        [sys.executable, '-c', code, 'street-small', '--out', str(out), '--precision', 'int8',
         '--images', str(images[0].parent), '--input-size', '65', '97'],
        capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, 'TMPDIR': str(tmp_path)})
    assert (done.returncode, done.stderr.splitlines()[-1]) == (130, 'tdnet_export: interrupted')
    assert not out.exists()


@pytest.mark.parametrize(('options', 'message'), [
    (('--precision', 'int8'), '--precision int8 and --images belong together'),
    (('--images', '{images}'), '--precision int8 and --images belong together'),
    (('--precision', 'int8', '--images', '{empty}'), 'images {empty}: expected a folder with'),
    (('--precision', 'int8', '--images', '{few}'), '1 images, expected at least one for each of'),
    (('--precision', 'int8', '--images', '{damaged}'), 'cannot read the image {damaged}/1.png'),
    (('--precision', 'int8', '--images', '{images}', '--tensorrt'),
     'engine tensorrt computes in float32 or float16, not int8')])
def test_what_is_wrong_is_one_line(
        trained: Callable[[str], ModelCard], images: list[Path], tmp_path: Path,
        capsys: pytest.CaptureFixture[str], options: tuple[str, ...], message: str) -> None:
    places = {'images': images[0].parent,
              **{name: tmp_path / name for name in ('empty', 'few', 'damaged')}}
    for name, count in (('empty', 0), ('few', 1), ('damaged', 3)):
        places[name].mkdir()
        for number in range(count):
            (places[name] / f'{number}.png').write_bytes(images[number].read_bytes())
    damaged = tmp_path / 'damaged/1.png'
    damaged.write_bytes(damaged.read_bytes()[:200])
    out = tmp_path / 'out'
    assert main([str(trained('td2-tiny').weights), '--out', str(out),
                 *(text.format(**places) for text in options)]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f'tdnet_export: {message.format(**places)}')
    assert not list(out.glob('*'))


def test_random_weights_are_refused(images: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='td2-tiny has no weights: expected a trained one'):
        export_quantised(untrained_card('td2-tiny'), tmp_path, SIZE, images)


@pytest.mark.parametrize(('device', 'message'), [
    ('cpu', 'needs graphs of td2-tiny made with images: tdnet_export MODEL --precision int8'),
    ('cuda', 'precision int8 is for the CPU; on cuda use float16')])
def test_what_int8_needs_is_said(device: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_engine('onnxruntime', untrained_card('td2-tiny'), torch.device(device), SIZE, 'int8')
