"""Graphs beside a card or in the cache are those of one export, or what is wrong is said."""
from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
import json
import os
from pathlib import Path
import pwd
import shutil
import time

import pytest
import torch

from stream.engines.onnx_material import SIZE, narrow
from tdnet_ros.nets.card import load_card, save_card
from tdnet_ros.nets.checkpoint import load_network, save_weights
from tdnet_ros.nets.classes import CAMVID
from tdnet_ros.stream import VideoSegmenter
from tdnet_ros.stream.engines import exported as graphs
from tdnet_ros.stream.engines.export import export
from tdnet_ros.stream.engines.exported import find_graphs
from tdnet_ros.stream.engines.onnx_engine import OnnxEngine

pytest.importorskip('onnxscript')
pytest.importorskip('onnxruntime')

CPU = torch.device('cpu')


@pytest.fixture(scope='module')
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Graphs of a network of two paths that says that it was trained, to be copied."""
    folder = tmp_path_factory.mktemp('trained')
    card = narrow('td2-tiny')
    save_weights(load_network(card), folder / 'weights.safetensors')
    return export(replace(card, weights=folder / 'weights.safetensors'), folder / 'graphs',
                  SIZE).parent


def test_a_folder_that_was_copied_labels(trained: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(trained, tmp_path / 'elsewhere')
    (copied / 'model.yaml').rename(copied / 'mine.yaml')
    segmenter = VideoSegmenter.load(copied / 'mine.yaml', 'cpu', engine='onnxruntime')
    assert segmenter.warm_up((40, 50)) > 0


def test_the_card_in_a_folder_is_named(trained: Path) -> None:
    with pytest.raises(ValueError, match=f"folder: expected the card {trained / 'model.yaml'} in"):
        VideoSegmenter.load(trained, 'cpu', engine='onnxruntime')


def other_graph(folder: Path) -> None:
    shutil.copy(folder / 'path0.onnx', folder / 'path1.onnx')


def edited(change: Callable[[dict[str, object]], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        content = json.loads((folder / 'manifest.json').read_text())
        change(content)
        (folder / 'manifest.json').write_text(json.dumps(content))
    return edit


def other_classes(folder: Path) -> None:
    card = folder / 'model.yaml'
    save_card(replace(load_card(card), classes=CAMVID), card)


@pytest.mark.parametrize(('harm', 'message'), [
    (lambda folder: (folder / 'manifest.json').unlink(),
     r'manifest\.json is missing: copy all that tdnet_export wrote, or export it once more'),
    (lambda folder: (folder / 'path1.onnx').unlink(), r'path1\.onnx is missing: copy all'),
    (lambda folder: (folder / 'path1.onnx').write_bytes(b''), r'path1\.onnx is damaged or of'),
    (other_graph, r'path1\.onnx is damaged or of another export than manifest\.json beside it'),
    (other_classes, r'path0\.onnx are of 2 paths and 19 classes, but its card of 2 and 11: copy'),
    (edited(lambda content: content['steps'].pop()), r'not the manifest .* \(1 steps of 2 paths'),
    (edited(lambda content: content.update(steps=None)), 'not the manifest of an exported model'),
    (edited(lambda content: content['steps'][1].clear()), 'file, inputs, outputs, sha256 missing'),
])
def test_what_is_not_of_one_export_is_named(
        harm: Callable[[Path], None], message: str, trained: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(trained, tmp_path / 'graphs')
    harm(folder)
    with pytest.raises((FileNotFoundError, ValueError), match=message) as raised:
        VideoSegmenter.load(folder / 'model.yaml', 'cpu', engine='onnxruntime')
    assert 'Errno' not in str(raised.value)


def test_what_is_damaged_in_the_cache_is_made_anew(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    card = narrow('bise18-half')
    manifest = find_graphs(card, SIZE, 'float32')
    made = []
    monkeypatch.setattr(graphs, 'export', lambda card, folder, *_, **__: made.append(folder))
    for file in manifest, manifest.parent / 'path0.onnx':
        whole = file.read_bytes()
        file.write_bytes(whole[:100])
        find_graphs(card, SIZE, 'float32')
        file.write_bytes(whole)
    assert made == [manifest.parent] * 2
    assert find_graphs(card, SIZE, 'float32') == manifest
    assert len(made) == 2


def test_graphs_are_exported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                  capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    card = narrow('bise18-half')
    manifest = find_graphs(card, SIZE, 'float32')
    assert 'exporting bise18-half' in capsys.readouterr().err
    assert manifest.is_relative_to(tmp_path)
    assert find_graphs(card, SIZE, 'float32') == manifest
    assert not capsys.readouterr().err
    monkeypatch.setattr(graphs, 'code_digest', lambda: 'other code')
    assert find_graphs(card, SIZE, 'float32') != manifest
    assert 'exporting bise18-half' in capsys.readouterr().err
    with pytest.raises(ValueError, match='exported for one image of 49x65'):
        OnnxEngine(manifest, CPU).run(torch.zeros(1, 3, 64, 96), 0, [])
    with pytest.raises(ValueError, match='tensorrt needs a CUDA device'):
        OnnxEngine(manifest, CPU, tensorrt=True)


def test_threads_export_one_after_the_other(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As cameras do that load a model each; in two at once PyTorch's exporter fails."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    running = []

    def slow_export(*_: object, **__: object) -> None:
        running.append(1)
        time.sleep(0.05)
        assert running == [1]
        running.clear()

    monkeypatch.setattr(graphs, 'export', slow_export)
    card = narrow('bise18-half')
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: find_graphs(card, SIZE, 'float32'), range(2)))


def test_graphs_survive_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that have their names but not yet their bytes would be taken for whole ones."""
    on_disk = []
    monkeypatch.setattr(os, 'fsync', lambda file: on_disk.append(os.fstat(file).st_ino))
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    folder = find_graphs(narrow('bise18-half'), SIZE, 'float32').parent
    assert {file.stat().st_ino for file in folder.iterdir()} == set(on_disk)


def test_a_cache_that_cannot_be_written_is_named_before_the_work(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a robot whose root is read-only, or with an account that has no home."""
    monkeypatch.setattr(graphs, 'export', None)
    (tmp_path / 'file').touch()
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    with pytest.raises(OSError, match=f'^cannot write {tmp_path}/file/tdnet_ros/bise18-half'):
        find_graphs(narrow('bise18-half'), SIZE, 'float32')
    for variable in ('XDG_CACHE_HOME', 'HOME'):
        monkeypatch.delenv(variable)
    monkeypatch.setattr(pwd, 'getpwuid', {}.__getitem__)
    with pytest.raises(ValueError, match='have no folder: set HOME or XDG_CACHE_HOME'):
        find_graphs(narrow('bise18-half'), SIZE, 'float32')
