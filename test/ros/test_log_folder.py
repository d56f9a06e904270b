"""Log files of ROS on a robot whose usual folder cannot be written."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import tempfile

import pytest

from ros.harness import TINY, NodeProcess


@pytest.mark.parametrize('name', ['ROS_LOG_DIR', 'ROS_HOME', 'HOME'])
def test_a_folder_that_cannot_be_written_does_not_stop_the_node(
        start: Callable[..., NodeProcess], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        name: str) -> None:
    usual = tmp_path / 'file'
    usual.touch()
    for variable in ('ROS_LOG_DIR', 'ROS_HOME'):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv(name, str(usual))
    monkeypatch.setattr(tempfile, 'tempdir', None)
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    process = start(*TINY)
    lines = [line for line in process.log.splitlines() if 'ROS_LOG_DIR' in line]
    assert len(lines) == 1 and lines[0].startswith('cannot write into ')
    assert process.end() == 0
    folder, = tmp_path.glob('ros_log_*')
    assert any(folder.iterdir())


def test_a_folder_that_can_be_written_is_used(start: Callable[..., NodeProcess], tmp_path: Path,
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('ROS_LOG_DIR', str(tmp_path / 'log'))
    process = start(*TINY)
    assert 'ROS_LOG_DIR' not in process.log
    process.end()
    assert any((tmp_path / 'log').iterdir())
