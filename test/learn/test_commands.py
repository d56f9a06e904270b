"""The commands without their extra."""
import subprocess
import sys

import pytest


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
