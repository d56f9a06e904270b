"""Log files of ROS on a robot whose usual folder cannot be written."""
from __future__ import annotations

from collections.abc import Callable
import os
from pathlib import Path
import tempfile

import pytest

from ros.harness import TINY, NodeProcess
from tdnet_ros.ros.log_folder import find_log_folder


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, 'tempdir', None)
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    for variable in ('ROS_LOG_DIR', 'ROS_HOME'):
        monkeypatch.setenv(variable, '')  # so that what is set in here is taken back


@pytest.mark.parametrize('name', ['ROS_LOG_DIR', 'ROS_HOME', 'HOME'])
def test_another_is_taken_where_one_cannot_be_written(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
        name: str) -> None:
    (tmp_path / 'file').touch()
    monkeypatch.setenv(name, str(tmp_path / 'file'))
    find_log_folder()
    assert os.environ['ROS_LOG_DIR'].startswith(f'{tmp_path}/ros_log_')
    assert capsys.readouterr().err.startswith('cannot write into ')


def test_a_folder_that_cannot_be_written_does_not_stop_the_node(
        start: Callable[..., NodeProcess], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
        ) -> None:
    (tmp_path / 'file').touch()
    monkeypatch.setenv('ROS_LOG_DIR', str(tmp_path / 'file'))
    process = start(*TINY)
    assert process.log.count('ROS_LOG_DIR names another folder') == 1
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
