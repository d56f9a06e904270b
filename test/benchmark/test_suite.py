"""script/bench: everything in one go, in small, and the document that it writes."""
from __future__ import annotations

import json
from pathlib import Path
import socket

import pytest

pytest.importorskip('matplotlib', reason='matplotlib is missing')
pytest.importorskip('rclpy', reason='rclpy is missing')

import torch

from tdnet_ros.benchmark import ceiling
from tdnet_ros.benchmark.bench import main
from tdnet_ros.benchmark.goals import goals
from tdnet_ros.benchmark.suite import at_most, parts


@pytest.mark.timeout(600)
@pytest.mark.skipif(torch.cuda.is_available(), reason='says what is not measured without a GPU')
def test_measures_and_writes_the_document(tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ceiling.MATRIX, 'cpu', 256)
    figures = tmp_path / 'figures.json'
    status = main(['--quick', '--out', str(tmp_path), '--json', str(figures)])
    captured = capsys.readouterr()
    assert status == 0, captured.err
    assert 'message path (1 of 2)' in captured.err
    results = json.loads(figures.read_text())
    assert [part for part in results['cpu'] if results['cpu'][part]['missing']] == []
    free, real = results['message_path']['courses']
    for course in (free, real):
        assert course['labelled'] > 0
        assert sum(stage['p50'] for stage in course['stage_ms'].values()) > 0
    text = (tmp_path / 'benchmarks.md').read_text()
    assert results['machine']['cpu'] in text
    assert 'Not measured: no CUDA device' in text
    assert socket.gethostname() not in text
    assert str(Path.home()) not in text
    plots = sorted(path.name for path in tmp_path.glob('*.png'))
    assert plots == ['benchmark-cost-cpu.png', 'benchmark-engines-cpu.png', 'benchmark-node.png']
    assert all(f'({plot})' in text for plot in plots)
    (tmp_path / 'benchmarks.md').unlink()
    assert main(['--from', str(figures), '--out', str(tmp_path)]) == 0
    assert (tmp_path / 'benchmarks.md').read_text() == text


def test_what_cannot_be_written_is_named_before_the_work(
        tmp_path: Path, capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('tdnet_ros.benchmark.bench._measure', None)
    for folder in ('benchmarks.md', 'figures.json'):
        (tmp_path / folder).mkdir()
        assert main(['--out', str(tmp_path), '--json', str(tmp_path / 'figures.json')]) == 1
        assert f'cannot write {tmp_path / folder}: Is a dir' in capsys.readouterr().err
        (tmp_path / folder).rmdir()


@pytest.mark.parametrize(('content', 'said'), [
    ('{}', 'these figures are of another version'), ('[]', 'expected the figures of an earlier'),
    ('loading', 'figures.json: expected the figures of an earlier')])
def test_figures_of_another_version(tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                    content: str, said: str) -> None:
    figures = tmp_path / 'figures.json'
    figures.write_text(content)
    assert main(['--from', str(figures), '--out', str(tmp_path)]) == 1
    assert said in capsys.readouterr().err


def test_what_was_not_measured_is_no_success() -> None:
    found = list(goals({'message_path': {'missing': 'no ROS here'}}))
    assert found
    assert all(goal.held is None and 'not measured' in goal.measured for goal in found)


def test_goals_are_judged() -> None:
    run = {'model': 'td4-psp18', 'engine': 'torch', 'precision': 'float16', 'frames': 1000,
           'speedup_vs_reference': 5.0, 'median_ms': 2.0, 'p99_ms': 2.1,
           'fraction_of_matmul': 0.4, 'label_agreement': 0.999, 'memory_growth_mb': 0.0}
    held = {goal.what: goal.held for goal in goals({
        'message_path': {}, 'cuda': {'paper': {'runs': [run]}, 'steady': {'runs': [run]}}})}
    what = 'td4-psp18 at 769x1537, float16, GPU'
    assert held[f'{what}: speed against the plain float32 path'] is False
    assert held[f'{what}: time of a frame'] is True
    assert held['growth of device memory over 1000 frames'] is True
    assert held['td2-psp50 at 769x1537, float16, GPU: time of a frame'] is None


def test_bfloat16_is_not_taken_for_float32() -> None:
    run = {'model': 'td4-psp18', 'engine': 'torch', 'precision': 'bfloat16',
           'speedup_vs_reference': 5.0, 'label_agreement': 0.98}
    found = list(goals({'cpu': {'paper': {'runs': [run]}}}))
    assert [goal.held for goal in found if 'float32, CPU' in goal.what] == [None]


@pytest.mark.parametrize(('device', 'fields', 'what'), [
    ('cuda', {'p99_ms': 2.4}, 'p99 over p50'),
    ('cuda', {'memory_growth_mb': 4.0}, 'growth of device memory'),
    ('cpu', {'memory_growth_mb': 4.0}, 'growth of memory'),
    ('cpu', {'label_agreement': 0.99}, 'labels equal')])
def test_a_goal_that_is_missed_is_not_held(device: str, fields: dict[str, float],
                                           what: str) -> None:
    run = {'model': 'td4-psp18', 'engine': 'torch', 'frames': 1000,
           'precision': 'float16' if device == 'cuda' else 'float32',
           'speedup_vs_reference': 7.0, 'median_ms': 2.0, 'p99_ms': 2.1,
           'fraction_of_matmul': 0.4, 'label_agreement': 1.0, 'memory_growth_mb': 0.0}

    def judged(run: dict[str, object]) -> bool | None:
        found, = [goal.held for goal in goals({device: {
            'paper': {'runs': [run]}, 'steady': {'runs': [run]}}}) if what in goal.what]
        return found

    assert judged(run) is True
    assert judged({**run, **fields}) is False


def test_a_gpu_measures_every_part_of_the_cpu_and_the_deep_network(tmp_path: Path) -> None:
    cpu, cuda = ({part.name: part for part in parts(device, (), tmp_path, quick=False)}
                 for device in ('cpu', 'cuda'))
    assert set(cuda) == set(cpu) | {'deep'}
    assert cuda['steady'].frames >= 1000
    assert 'int8' in {setup.precision for setup in cpu['default'].setups}
    assert {setup.precision for setup in cuda['paper'].setups} >= {'float32', 'float16'}
    assert {setup.device for part in cuda.values() for setup in part.setups} == {'cuda'}


@pytest.mark.parametrize('has', [True, False])
def test_bfloat16_is_measured_where_the_cpu_multiplies_it(
        has: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, '_is_avx512_bf16_supported', lambda: has)
    cpu = {part.name: part for part in parts('cpu', (), tmp_path, quick=False)}
    for name in 'paper', 'default':
        assert (('torch', 'bfloat16') in {(setup.engine, setup.precision)
                                          for setup in cpu[name].setups}) is has


def test_fewer_frames_but_memory_is_watched_for_as_long_as_ever(tmp_path: Path) -> None:
    everything = parts('cpu', (), tmp_path, quick=False)
    assert at_most(everything, None) == everything
    frames = {part.name: part.frames for part in at_most(everything, 5)}
    assert frames.pop('steady') >= 1000
    assert set(frames.values()) == {5}
