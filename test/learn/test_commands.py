"""The commands without their extra."""
import os
from pathlib import Path
import subprocess
import sys

import pytest
import torch


@pytest.mark.parametrize(('command', 'package'), [
    ('train', 'lightning_fabric'), ('evaluate', 'torchmetrics')])
def test_a_missing_package_is_named_with_its_extra(command, package):
    code = (f'import sys; sys.modules[{package!r}] = None\n'
            f'from tdnet_ros.learn import commands\nsys.exit(commands.{command}())')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(f"tdnet_{command}: the package '{package}")
    assert "pip install 'tdnet_ros[train]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


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
