"""Graphs are written for any program to run, whole or not at all."""
from __future__ import annotations

import errno
import itertools
import json
import os
from pathlib import Path
import resource
import shutil
import sys

import numpy as np
import pytest
import torch

from stream.engines.onnx_material import SIZE, narrow
from tdnet_ros.nets.card import save_card
from tdnet_ros.stream.engines.export import export
from tdnet_ros.stream.engines.export_cli import main

pytest.importorskip('onnxscript')
onnxruntime = pytest.importorskip('onnxruntime')


def test_program_writes_graphs_for_any_onnxruntime(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Run a graph as a program in another language would: by the manifest alone."""
    assert main(['td2-tiny', '--out', str(tmp_path), '--input-size', '49', '65',
                 '--labels', '40', '50']) == 0
    assert '2 graphs' in capsys.readouterr().out
    manifest = json.loads((tmp_path / 'manifest.json').read_text())
    assert manifest['paths'] == len(manifest['steps']) == 2
    step = manifest['steps'][1]
    session = onnxruntime.InferenceSession(str(tmp_path / step['file']))
    assert {entry.name: list(entry.shape) for entry in session.get_inputs()} == {
        name: described['shape'] for name, described in step['inputs'].items()}
    inputs = {name: np.ones(described['shape'], described['dtype'])
              for name, described in step['inputs'].items()}
    outputs = dict(zip(step['outputs'], session.run(list(step['outputs']), inputs), strict=True))
    for name, described in step['outputs'].items():
        assert list(outputs[name].shape) == described['shape']
        assert outputs[name].dtype == described['dtype']
    assert outputs['labels'].shape == (40, 50)
    assert outputs['labels'].max() < 19


def test_a_full_disk_leaves_the_graphs_that_were_there(
        exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = shutil.copytree(exported, tmp_path / 'graphs')
    arguments = ['bise18-half', '--out', str(out), '--input-size', '49', '65']
    before = {path: path.read_bytes() for path in out.iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A limit on the size of files fails as a full disk does.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 14, limits[1]))
    try:
        assert main([*arguments, '--labels', '40', '50']) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert capsys.readouterr().err.endswith(
        f'\ntdnet_export: cannot write {out}: File too large\n')
    assert {path: path.read_bytes() for path in out.iterdir()} == before


def test_so_does_a_disk_that_is_full_only_when_files_are_synchronised(
        exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one over the network may be: some of the files are on it by then."""
    out = shutil.copytree(exported, tmp_path / 'graphs')
    before = {path: path.read_bytes() for path in out.iterdir()}
    fsync, left = os.fsync, itertools.count(2, -1)

    def filling_up(number: int) -> None:
        if not next(left):
            raise OSError(errno.ENOSPC, 'No space left on device')
        fsync(number)

    monkeypatch.setattr(os, 'fsync', filling_up)
    with pytest.raises(OSError, match=f'cannot write {out}: No space left on device'):
        export(narrow('bise18-half'), out, SIZE, label_size=(40, 50))
    assert {path: path.read_bytes() for path in out.iterdir()} == before


def test_a_pytorch_that_is_too_old_to_export_is_named(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, '__version__', '2.4.1')
    monkeypatch.setattr(torch.onnx, 'export', lambda model, args, f, **options: None)
    with pytest.raises(ValueError, match=r'^PyTorch 2\.4\.1 cannot export: expected 2\.5'):
        export(narrow('psp18'), tmp_path, SIZE)


def test_an_exporter_that_does_not_load_is_named(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'onnxscript.py').write_text('raise ImportError("numpy was built for another")')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, 'onnxscript')
    with pytest.raises(ValueError, match=r'onnxscript is missing or .* \(numpy was built for'):
        export(narrow('bise18-half'), tmp_path / 'out', SIZE)


def test_tensorrt_is_built_on_the_gpu_itself(tmp_path: Path,
                                             capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip('there is a CUDA device')
    assert main(['td2-tiny', '--out', str(tmp_path), '--tensorrt']) == 1
    assert capsys.readouterr().err == (
        'tdnet_export: --tensorrt: no CUDA device here; build on the robot itself\n')
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_named_before_the_work(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / 'file').touch()
    for out, reason in ((tmp_path / 'file/new', 'Not a directory'),
                        (Path('/proc/new'), 'No such file or directory')):
        assert main(['td2-tiny', '--out', str(out)]) == 1
        assert capsys.readouterr().err == f'tdnet_export: cannot write {out}: {reason}\n'


@pytest.mark.parametrize(('options', 'message'), [
    *((('--input-size', str(side), '65'), f'input size {side}x65, expected at least 32x32 pixels '
       'and at most 8192x8192') for side in (31, 8193)),
    (('--labels', '0', '65'), 'labels of 0x65, expected at least one pixel')])
def test_sizes_that_no_graph_has_are_one_line(
        tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...],
        message: str) -> None:
    assert main(['td2-tiny', '--out', str(tmp_path), *options]) == 1
    assert capsys.readouterr().err == f'tdnet_export: {message}\n'


def test_labels_that_no_memory_holds_are_one_line(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['bise18-half', '--out', str(tmp_path), '--input-size', '49', '65', '--labels',
                 '1000000', '1000000']) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith('tdnet_export: out of memory: ')


def test_a_card_of_other_weights_is_not_replaced(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = tmp_path / 'model.yaml'
    save_card(narrow('bise18-half'), card)
    before = card.read_bytes()
    assert main([str(card), '--out', str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f'tdnet_export: {card} exists already, and is not the card of an export\n')
    assert card.read_bytes() == before


def test_the_manifest_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who finds it, in the cache for one, finds the graphs."""
    moved = []
    replace_file = Path.replace

    def moving(file: Path, target: Path) -> Path:
        moved.append(target.name)
        return replace_file(file, target)

    monkeypatch.setattr(Path, 'replace', moving)
    export(narrow('bise18-half'), tmp_path, SIZE)
    assert sorted(moved) == ['manifest.json', 'model.yaml', 'path0.onnx']
    assert moved[-1] == 'manifest.json'


def test_unknown_model_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['td9', '--out', str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("tdnet_export: model 'td9'")
