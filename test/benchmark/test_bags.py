"""The benchmark of labelling bags, in small: it runs and says what it measured."""
from __future__ import annotations

from pathlib import Path
import re

import pytest

pytest.importorskip('rosbags', reason='rosbags is missing')

from tdnet_ros.benchmark.bags import main

SMALL = ['--model', 'td2-tiny', '--device', 'cpu', '--size', '48', '64', '--frames', '3',
         '--rounds', '1', '--gigabytes', '0.013']


@pytest.mark.parametrize(('part', 'line'), [
    ('speed', r'speed, (raw|JPEG) images, .*: network alone [1-9]\S+ frames/s, labelling [1-9]'),
    ('open', r'open, (sqlite3|mcap): \d\.\d\d s for 0\.0 GB')])
def test_every_figure_has_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], part: str,
                                 line: str) -> None:
    assert main([*SMALL, '--parts', part, '--tmp', str(tmp_path)]) == 0
    found = [re.match(line, text) for text in capsys.readouterr().out.splitlines()]
    assert len({match[1] for match in found if match}) == len(found) == 2
    assert not any(tmp_path.iterdir()), 'bags are removed'
