"""The live line on a terminal."""
import io
import sys

import pytest

from tdnet_ros.bags.progress import progress


class Terminal(io.StringIO):
    """Text that goes to a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize('total', [10, None])
def test_names_are_shown_as_they_are(monkeypatch: pytest.MonkeyPatch, total: int | None) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, 'stderr', terminal)
    monkeypatch.setenv('TERM', 'xterm')
    with progress('run{1}[red]', total) as update:
        update(5, 'at [bold] {0}')
    assert 'run{1}[red]' in terminal.getvalue()
    assert 'at [bold] {0}' in terminal.getvalue()
