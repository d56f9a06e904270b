"""Long work goes on visibly."""
from __future__ import annotations

import time

import pytest

from tdnet_ros.stream.engines.announce import announced


def test_says_what_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    with announced('baking', every_s=0.02):
        time.sleep(0.2)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == 'baking: begins'
    assert lines[1:-1]
    assert set(lines[1:-1]) == {'baking: 0 s so far'}
    assert lines[-1] == 'baking: ready after 0 s'


def test_says_that_it_failed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), announced('baking'):
        1 / 0  # noqa: B018
    assert capsys.readouterr().err.splitlines()[-1] == 'baking: failed after 0 s'
