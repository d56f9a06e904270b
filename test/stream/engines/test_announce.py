"""Long work goes on visibly."""
from __future__ import annotations

import re
import time

import pytest

from tdnet_ros.stream.engines.announce import announced


def test_says_what_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    said = ''
    with announced('baking', every_s=0.02):
        end_s = time.monotonic() + 40
        while said.count('so far') < 2 and time.monotonic() < end_s:
            time.sleep(0.01)
            said += capsys.readouterr().err
    first, *between, last = (said + capsys.readouterr().err).splitlines()
    assert first == 'baking: begins'
    assert len(between) >= 2
    assert all(re.fullmatch(r'baking: \d+ s so far', line) for line in between)
    assert re.fullmatch(r'baking: ready after \d+ s', last)


def test_says_that_it_failed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), announced('baking'):
        1 / 0  # noqa: B018
    last = capsys.readouterr().err.splitlines()[-1]
    assert re.fullmatch(r'baking: failed after \d+ s', last)
