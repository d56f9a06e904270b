"""Exported graphs give the numbers of the network as written."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
import json
import os
from pathlib import Path
import runpy
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from stream.engines.onnx_material import SIZE, narrow
from tdnet_ros.nets.card import ModelCard
from tdnet_ros.nets.checkpoint import load_network, save_weights
from tdnet_ros.stream import Frame, VideoSegmenter
from tdnet_ros.stream.engines import onnx_engine
from tdnet_ros.stream.engines.allocator import is_out_of_memory
from tdnet_ros.stream.engines.engine import ReferenceEngine
from tdnet_ros.stream.engines.export import export
from tdnet_ros.stream.engines.onnx_engine import OnnxEngine, tensorrt_folder

pytest.importorskip('onnxscript')
onnxruntime = pytest.importorskip('onnxruntime')

Run = Callable[..., list[Tensor]]
CPU = torch.device('cpu')


@pytest.mark.parametrize('card', [
    narrow('td4-tiny', paths=3), narrow('td2-bise18-half'), narrow('psp18')],
    ids=['3 paths', 'bise', 'per-frame'])
def test_equals_the_network(card: ModelCard, run: Run, tmp_path: Path) -> None:
    paths = card.architecture.paths
    manifest = export(card, tmp_path, SIZE)
    frames = [torch.randn(1, 3, *SIZE) for _ in range(2 * paths + 1)]
    expected = run(ReferenceEngine(load_network(card)), frames, paths)
    for ours, reference in zip(run(OnnxEngine(manifest, CPU), frames, paths), expected,
                               strict=True):
        assert torch.allclose(ours, reference, atol=1e-5 * float(reference.abs().max()) + 1e-6)


def test_nothing_is_noted_about_the_machine(tmp_path: Path) -> None:
    """What onnxruntime's wheel would report is a folder in the home folder."""
    environment = {**os.environ, 'HOME': str(tmp_path), 'XDG_CACHE_HOME': ''}
    del environment['ORT_DISABLE_TELEMETRY']  # the package sets it, here too
    subprocess.run([sys.executable, '-c', 'import tdnet_ros, onnxruntime'], check=True,
                   env=environment)
    assert not list(tmp_path.iterdir())


def test_float16_takes_and_returns_float32(run: Run, tmp_path: Path) -> None:
    card = narrow('td2-tiny')
    engine = OnnxEngine(export(card, tmp_path, SIZE, 'float16'), CPU)
    frames = [torch.randn(1, 3, *SIZE) for _ in range(4)]
    expected = run(ReferenceEngine(load_network(card)), frames, 2)
    for ours, reference in zip(run(engine, frames, 2), expected, strict=True):
        assert ours.dtype == torch.float32
        assert (ours.argmax(1) == reference.argmax(1)).float().mean() > 0.95


def test_card_of_the_graphs_runs_in_the_segmenter(
        make_frame: Callable[..., Frame], tmp_path: Path) -> None:
    card = narrow('td2-tiny')
    weights = tmp_path / 'weights.safetensors'
    save_weights(load_network(card), weights)
    export(replace(card, weights=weights), tmp_path / 'graphs', SIZE)
    results = []
    for segmenter in (VideoSegmenter.load(tmp_path / 'graphs' / 'model.yaml', 'cpu',
                                          engine='onnxruntime'),
                      VideoSegmenter(card, CPU, SIZE, engine='reference')):
        assert segmenter.input_size == SIZE
        memory = segmenter.new_memory()
        results.append([segmenter.step(make_frame(i), memory).labels for i in range(5)])
    assert np.mean(np.stack(results[0]) == np.stack(results[1])) > 0.9999
    for options, message in (
            ({}, 'tiny is exported .*: expected engine onnxruntime or tensorrt, or the model'),
            ({'engine': 'onnxruntime', 'precision': 'float16'}, 'precision float32, not float16'),
            ({'engine': 'onnxruntime', 'input_size': (65, 97)},
             r'was exported for input size \[49, 65\], not \[65, 97\]')):
        with pytest.raises(ValueError, match=message):
            VideoSegmenter.load(tmp_path / 'graphs' / 'model.yaml', 'cpu', **options)
    for content in ('{}', '{', '[]'):
        (tmp_path / 'graphs' / 'manifest.json').write_text(content)
        with pytest.raises(ValueError, match=r'manifest\.json is not the manifest of an exported'):
            VideoSegmenter.load(tmp_path / 'graphs' / 'model.yaml', 'cpu', engine='onnxruntime')


def test_a_graph_that_cannot_be_started_is_one_line(exported: Path, tmp_path: Path) -> None:
    """As one that TensorRT cannot build."""
    manifest = shutil.copytree(exported, tmp_path / 'graphs') / 'manifest.json'
    graph = manifest.parent / json.loads(manifest.read_text())['steps'][0]['file']
    graph.write_bytes(b'no graph')
    with pytest.raises(ValueError, match=f'onnxruntime cannot start {graph.name}: ') as raised:
        OnnxEngine(manifest, CPU)
    assert '\n' not in str(raised.value)


def test_a_shortage_of_memory_in_onnxruntime_is_known(
        exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = OnnxEngine(exported / 'manifest.json', CPU)

    def no_room(_: object) -> None:
        raise onnxruntime.capi.onnxruntime_pybind11_state.Fail(
            'bfc_arena.cc:376 Failed to allocate memory for requested buffer of size 12288')

    session = SimpleNamespace(io_binding=engine._sessions[0].io_binding,
                              run_with_iobinding=no_room)
    monkeypatch.setattr(engine, '_sessions', [session])
    with pytest.raises(RuntimeError, match='onnxruntime failed: bfc_arena') as raised:
        engine.run(torch.zeros(1, 3, *SIZE), 0, [])
    assert is_out_of_memory(raised.value)


def test_engines_are_kept_for_what_they_are_good_for() -> None:
    content = {'precision': 'float16', 'input_size': [49, 65], 'weights_sha256': 'ab' * 32,
               'code_sha256': 'ef' * 32}
    others = [{**content, 'precision': 'float32'}, {**content, 'input_size': [65, 97]},
              {**content, 'weights_sha256': 'cd' * 32}, {**content, 'code_sha256': 'cd' * 32}]
    folders = {tensorrt_folder('Orin', entry) for entry in (content, *others)}
    folders.add(tensorrt_folder('NVIDIA Thor', content))
    assert len(folders) == 6
    assert onnxruntime.__version__ in str(tensorrt_folder('Orin', content))


def test_a_cache_of_engines_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / 'file').touch()
    settings = {'trt_timing_cache_path': str(tmp_path / 'file')}
    with pytest.raises(OSError, match=f'^cannot write {tmp_path}/file/path0: Not a directory'):
        onnx_engine._session(Path('path0.onnx'), [('TensorrtExecutionProvider', settings)])


def test_engines_that_cannot_run_are_refused_before_graphs_are_made(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    with pytest.raises(ValueError, match='tensorrt needs a CUDA device'):
        VideoSegmenter.load('td2-tiny', 'cpu', engine='tensorrt')
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(('content', 'reason'), [
    ('', "module 'onnxruntime' has no attribute 'InferenceSession'"),
    ('raise ImportError("libcudnn.so.9: cannot open")', 'libcudnn.so.9: cannot open'),
    ('raise ImportError', 'ImportError')],
    ids=['rest of a removed one', 'library missing', 'other NumPy'])
def test_a_package_that_does_not_load_is_named(
        content: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'onnxruntime.py').write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, 'onnxruntime')
    module = runpy.run_path(onnx_engine.__file__)
    with pytest.raises(ValueError, match=rf'onnxruntime is missing or .* \({reason}\): pip inst'):
        module['find_provider'](CPU, False)


def test_a_package_that_is_too_old_is_named_before_graphs_are_made(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    monkeypatch.setattr(onnxruntime, '__version__', '1.17.3')
    with pytest.raises(ValueError, match=r'^onnxruntime 1\.17\.3 .* expected 1\.18 or newer'):
        VideoSegmenter.load('td2-tiny', 'cpu', engine='onnxruntime')
    assert not list(tmp_path.iterdir())


def test_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_engine, 'onnxruntime', None)
    with pytest.raises(ValueError, match='onnxruntime is missing'):
        OnnxEngine(tmp_path / 'manifest.json', CPU)
