"""The commands without their extra, and the scripts around them."""
import os
from pathlib import Path
import subprocess
import sys

import pytest
import torch

MODEL = ['--model', 'td2-tiny']


def run(command, package, *arguments):
    """Run a command where a package is missing."""
    code = (f'import sys; sys.modules[{package!r}] = None\n'
            f'from tdnet_ros import programs\nsys.exit(programs.{command}())')
    return subprocess.run([sys.executable, '-c', code, *arguments], capture_output=True, text=True)


@pytest.mark.parametrize(('command', 'package'), [
    ('train', 'lightning_fabric'), ('evaluate', 'torchmetrics')])
def test_a_missing_package_is_named(data, tmp_path, command, package):
    more = [*MODEL, '--out', tmp_path / 'run'] if command == 'train' else []
    done = run(command, package, '--dataset', 'folder', '--root', data, *more)
    assert done.returncode == 1
    assert done.stderr.startswith(f'tdnet_{command}: the Python package {package}')
    assert 'script/setup' in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(('command', 'more', 'message'), [
    ('train', ['--length', '1'], 'expected --model or --init'),
    ('train', [*MODEL, '--length', '0'], '--length 0: expected a number above 0'),
    ('train', [*MODEL, '--until', 'never'], "stage 'never', expected one of solo, repea"),
    ('train', [*MODEL, '--root', 'nothing'], 'there is no nothing/classes.yaml: '),
    ('evaluate', ['--key-model', 'psp18'], '--key-model is of the modes key-frame and compare, '),
])
def test_options_are_checked_before_pytorch_is_loaded(data, command, more, message):
    """Which takes seconds."""
    done = run(command, 'torch', '--dataset', 'folder', '--root', data, *more)
    assert done.returncode == 1
    assert done.stderr.startswith(f'tdnet_{command}: {message}')


@pytest.mark.parametrize('name', ['train-default', 'ablation'])
@pytest.mark.parametrize(('arguments', 'message'), [
    ([], 'CAMVID [OUT] [MINUTES] [OPTIONS]'),
    (['camvid', 'out', 'soon'], "MINUTES is 'soon', expected a whole number"),
])
def test_scripts_say_how_they_are_called(name, arguments, message):
    script = Path(__file__).parents[2] / 'script' / name
    done = subprocess.run([script, *arguments], capture_output=True, text=True)
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason='with a GPU it trains a teacher itself')
def test_the_ablation_on_a_cpu_asks_for_a_teacher(tmp_path):
    script = Path(__file__).parents[2] / 'script' / 'ablation'
    environment = {**os.environ, 'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}'}
    environment.pop('TEACHER', None)
    done = subprocess.run([script, tmp_path, tmp_path], capture_output=True, text=True,
                          env=environment)
    assert done.returncode != 0
    assert 'TEACHER=CARD.yaml' in done.stderr.splitlines()[-1]


STUB = """#!{python}
import os, pathlib, sys
arguments = sys.argv[1:]
if '-c' in arguments:
    sys.exit()  # all packages are there, CUDA is not
if '-m' not in arguments:
    os.execv({python!r}, [{python!r}, *arguments])
value = lambda name: pathlib.Path(arguments[arguments.index(name) + 1])
if 'tdnet_ros.learn.train' in arguments:
    names = 'last.pt', 'best.yaml', 'best.safetensors'
    value('--out').mkdir(parents=True, exist_ok=True)
    print(value('--out').name, *(name for name in names if (value('--out') / name).exists()))
    for name in names:
        (value('--out') / name).touch()
else:
    value('--json').write_text('{{"miou": 0.5, "flip_rate": 0.1, "vc8": 0.9, "tc": null}}')
"""


def test_rows_of_the_ablation_start_from_the_common_weights_alone(tmp_path):
    """A best model of the common stage would be the figure of each row that is no better."""
    stub = tmp_path / 'bin/python3'
    stub.parent.mkdir()
    stub.write_text(STUB.format(python=sys.executable))
    stub.chmod(0o755)
    environment = {**os.environ, 'TEACHER': 'card.yaml',
                   'PATH': f'{stub.parent}:{os.environ["PATH"]}'}
    script = Path(__file__).parents[2] / 'script' / 'ablation'
    done = subprocess.run([script, tmp_path, tmp_path / 'out'], capture_output=True, text=True,
                          env=environment)
    assert done.returncode == 0, done.stderr
    rows = 'none', 'overall', 'grouped', 'both', 'both, no agreement'
    lines = done.stdout.splitlines()
    assert lines[:6] == ['solo', *(f'{row} last.pt' for row in rows)]
    assert lines[8:] == [f'| {row} | 50.0 | 50.0 | 10.0 | 90.0 |  |' for row in rows]
