"""The launch file: that what it starts runs, ends and comes back."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
import time

import pytest

WHERE = 'is not installed (it comes with ROS 2, not with the wheels)'
pytest.importorskip('launch', reason=f'launch {WHERE}')
pytest.importorskip('launch_ros.actions', reason=f'launch_ros {WHERE}')
pytestmark = pytest.mark.usefixtures('installed')

FILE = Path(__file__).parents[1] / 'launch/tdnet.launch.py'
INCLUDE = '''
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import GroupAction, IncludeLaunchDescription
from launch_ros.actions import PushRosNamespace, SetRemap
service = LaunchService()
service.include_launch_description(LaunchDescription([
    GroupAction([*around, IncludeLaunchDescription(sys.argv[1], launch_arguments=given.items())])
    for around, given in ({})]))
sys.exit(service.run())
'''
TWO = '''
    ([], {'model': 'td2-tiny', 'namespace': 'left', 'image_topic': '/front/image',
          'params_file': sys.argv[2]}),
    ([PushRosNamespace('fleet'), SetRemap('image', '/rear/image')],
     {'model': 'td2-tiny', 'image_transport': 'compressed', 'params_file': sys.argv[2]})
'''


@contextmanager
def launched(included: str, *arguments: str) -> Iterator[subprocess.Popen]:
    """A launch service that includes the file so; it is interrupted at the end."""
    process = subprocess.Popen(
        [sys.executable, '-c', INCLUDE.replace('{}', included),
         str(FILE), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        time.sleep(0.5)  # launch loses what it has to do when the signal comes at that moment
        process.send_signal(signal.SIGINT)


def read_until(process: subprocess.Popen, *texts: str) -> str:
    """What the service says until all texts have come, in any order."""
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        assert 'cannot configure' not in line
        if all(any(text in line for line in lines) for text in texts):
            return ''.join(lines)
    raise AssertionError(''.join(lines))


def test_two_from_one_launch_file_start_and_end_with_exit_code_0(tmp_path: Path) -> None:
    """Included twice; no argument of one leaks into the other, and none is lost to the file."""
    path = tmp_path / 'mine.yaml'
    path.write_text('/left/tdnet: {ros__parameters: {scene_cut: false}}\n'
                    '/**: {ros__parameters: {model: td9}}\n'
                    '/fleet/tdnet: {ros__parameters: {model: td9}}')
    with launched(TWO, str(path)) as process:
        read_until(process, '[left.tdnet]: active: labels /front/image',
                   '[fleet.tdnet]: active: labels /rear/image/compressed')
    rest = process.stdout.read()
    assert rest.count('process has finished cleanly') == 2
    assert process.wait(10) == 0, rest


def test_a_node_that_was_killed_comes_back_where_that_is_asked_for() -> None:
    with launched("([], {'model': 'td2-tiny', 'use_respawn': 'true'}),") as process:
        said = read_until(process, 'active: labels')
        started = re.search(r'tdnet_node-1.*pid \[(\d+)\]', said)
        assert started is not None
        os.kill(int(started[1]), signal.SIGKILL)
        read_until(process, 'active: labels')
    assert 'process has finished cleanly' in process.stdout.read()
