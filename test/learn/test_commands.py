"""The commands without their extra."""
import sys

import pytest

from tdnet_ros.learn import commands


@pytest.mark.parametrize(('command', 'package'), [
    (commands.train, 'lightning_fabric'), (commands.evaluate, 'torchmetrics')])
def test_a_missing_package_is_named_with_its_extra(monkeypatch, capsys, command, package):
    monkeypatch.setitem(sys.modules, package, None)
    for name in [name for name in sys.modules if name.startswith('tdnet_ros.learn.')]:
        monkeypatch.delitem(sys.modules, name)
    assert command() == 1
    error = capsys.readouterr().err
    assert f"'{package.split('.')[0]}" in error
    assert "pip install 'tdnet_ros[train]'" in error
    assert len(error.splitlines()) == 1
