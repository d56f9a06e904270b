"""tdnet_benchmark on a network of a few channels."""
from __future__ import annotations

from contextlib import closing
import json
import multiprocessing
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tdnet_ros.benchmark import ceiling, measure
from tdnet_ros.benchmark.ceiling import count_gmac, measure_ceiling
from tdnet_ros.benchmark.cli import main
from tdnet_ros.benchmark.frames import find_frames, make_frame
from tdnet_ros.benchmark.worker import Setup, Stepper, Worker
from tdnet_ros.nets.variants import variant
from tdnet_ros.stream import VideoSegmenter


def test_measures_engines_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                       monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ceiling.MATRIX, 'cpu', 256)  # some processors emulate bfloat16
    out = tmp_path / 'out.json'
    status = main(['--model', 'td2-tiny', '--input-size', '65', '97', '--frame-size', '72', '96',
                   '--engines', 'reference', 'torch', '--precision', 'float32', 'bfloat16',
                   '--device', 'cpu', '--threads', '1', '--cameras', '2', '--frames', '3',
                   '--json', str(out)])
    assert status == 0, capsys.readouterr().err
    result = json.loads(out.read_text())
    assert result['device']
    assert all(value > 0 for value in result['ceiling'].values())
    runs = result['runs']
    assert [(run['engine'], run['precision']) for run in runs] == [
        ('reference', 'float32'), ('torch', 'float32'), ('torch', 'bfloat16')]
    for run in runs:
        assert run['model'] == 'td2-tiny'
        assert run['input_size'] == [65, 97]
        assert run['frames'] == 3
        assert 0 < run['min_ms'] <= run['median_ms'] <= run['p99_ms'] <= run['max_ms']
        assert run['fps'] == pytest.approx(2e3 / run['median_ms'], rel=0.01)
        assert sum(run['stage_ms'].values()) == pytest.approx(run['median_ms'], rel=0.5)
        assert run['speedup_vs_reference'] == pytest.approx(
            runs[0]['median_ms'] / run['median_ms'], rel=0.01)
        assert run['peak_memory_mb'] > 10
    assert [run['label_agreement'] for run in runs[:2]] == pytest.approx([1, 1], abs=1e-3)
    assert runs[2]['label_agreement'] < 1
    printed = capsys.readouterr().out
    assert 'reference' in printed
    assert 'bfloat16' in printed
    assert 'int8' not in printed


def test_int8_is_made_with_the_frames_and_measured(
        tmp_path: Path, capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip('onnxscript')
    pytest.importorskip('onnxruntime')
    monkeypatch.setitem(ceiling.MATRIX, 'cpu', 256)
    monkeypatch.setattr(measure, 'INT8_FRAMES', 4)
    out = tmp_path / 'out.json'
    status = main(['--input-size', '65', '97', '--engines', 'reference', 'onnxruntime',
                   '--precision', 'int8', '--device', 'cpu', '--threads', '1', '--frames', '3',
                   '--json', str(out)])
    assert status == 0, capsys.readouterr().err
    runs = json.loads(out.read_text())['runs']
    assert [(run['model'], run['engine'], run['precision']) for run in runs] == [
        ('street-small', 'reference', 'float32'), ('street-small', 'onnxruntime', 'int8')]
    assert 0.8 < runs[1]['label_agreement'] < 1
    assert 'int8: against' in capsys.readouterr().out
    assert runs[0]['gmac_per_frame'] == runs[1]['gmac_per_frame']


def test_threads_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(['--threads', '-1'])
    assert '--threads: -1: expected 0 or a number above it' in capsys.readouterr().err


@pytest.mark.parametrize(('arguments', 'message'), [
    (['--model', 'td9'], "model 'td9'"),
    (['--threads', '100000'], '--threads 100000: expected at most '),
    (['--json', 'nowhere/x.json'], 'cannot write nowhere/x.json: No such file'),
    (['--model', 'td2-tiny', '--images', 'nowhere'], 'images nowhere: expected a folder'),
    (['--model', 'td2-tiny', '--precision', 'float16', '--engines', 'torch', '--device', 'cpu'],
     'float16 needs a CUDA device')])
def test_one_line_says_what_is_wrong(arguments: list[str], message: str,
                                     capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith('tdnet_benchmark: ')
    assert message in error


def test_frames_in_a_row() -> None:
    setup = Setup('torch', 'float32', 'td2-tiny', None, 'cpu', (65, 97), None, 1, 1, ())
    with closing(Worker(setup)) as worker:
        ready = worker.ready()
        assert worker.throughput(3) > 1
        step, (labels,) = worker.step(0)
    assert step.wall_ms > 0
    assert labels.shape == ready.input_size


def test_a_worker_that_is_killed_between_two_frames_is_named() -> None:
    setup = Setup('torch', 'float32', 'td2-tiny', None, 'cpu', (65, 97), None, 1, 1, ())
    with closing(Worker(setup)) as worker:
        worker.ready()
        child, = multiprocessing.active_children()
        child.kill()
        child.join()
        with pytest.raises(ValueError, match=r'engine torch: its process ended with status -9'):
            worker.step(0)


def test_frames_that_fail_are_not_counted_as_done(monkeypatch: pytest.MonkeyPatch) -> None:
    stepper = Stepper(Setup('torch', 'float32', 'td2-tiny', None, 'cpu', (65, 97), None, 1, 0, ()))
    monkeypatch.setattr(VideoSegmenter, 'step_batch',
                        lambda *_: iter([(0, RuntimeError('out of memory'))]))
    with pytest.raises(RuntimeError, match='out of memory'):
        stepper.throughput(3)


def test_a_device_without_room_for_the_ceiling_is_one_clear_line(
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceiling, 'COPIED_BYTES', 1 << 50)
    monkeypatch.setitem(ceiling.MATRIX, 'cpu', 8)
    with pytest.raises(ValueError, match='out of memory, while the ceiling was measured: '):
        measure_ceiling(torch.device('cpu'), ['float32'])


def test_counts_what_the_authors_networks_cost() -> None:
    assert count_gmac(variant('td4-psp18'), 19, (769, 1537)) == pytest.approx(257.4, rel=0.01)
    assert count_gmac(variant('td2-psp50'), 19, (769, 1537)) == pytest.approx(551.5, rel=0.01)


def test_frames_repeat_and_move(tmp_path: Path) -> None:
    first, again, later, other = (make_frame(*which, (48, 64), []).rgb for which in (
        (0, 0), (0, 0), (5, 0), (0, 1)))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, later)
    assert not np.array_equal(first, other)
    assert np.array_equal(first[:, 5:], later[:, :-5])
    cv2.imwrite(str(tmp_path / 'a.png'), np.full((10, 20, 3), (255, 0, 0), np.uint8))
    frame = make_frame(3, 0, (5, 8), find_frames(tmp_path, 1))
    assert frame.size == (5, 8)
    assert tuple(frame.rgb[0, 0]) == (0, 0, 255)


def test_a_damaged_image_is_named_before_the_work(
        tmp_path: Path, capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('tdnet_ros.benchmark.cli.measure', None)
    for name in ('a.png', 'b.png', 'never_shown.png'):
        (tmp_path / name).write_bytes(b'no image')
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((10, 20, 3), np.uint8))
    assert main(['--images', str(tmp_path), '--frames', '2']) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.endswith(f'cannot read the image {tmp_path}/b.png: it is damaged, cut off or no '
                          'image')
    assert find_frames(tmp_path, 1) == [tmp_path / 'a.png']
