"""One live line on a terminal, and nothing where nobody is looking."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import sys

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

Update = Callable[[int, str], None]


@contextmanager
def progress(title: str, total: int | None = None) -> Iterator[Update]:
    """A bar towards `total`, or a spinner; yields update(completed, text)."""
    if not sys.stderr.isatty():
        yield lambda completed, text: None
        return
    bar = (BarColumn(), TextColumn('{task.completed}/{task.total}')) if total else (
        SpinnerColumn(),)
    with Progress(TextColumn(title), *bar, TextColumn('{task.fields[text]}'),
                  TimeElapsedColumn(), console=Console(stderr=True), transient=True) as display:
        task = display.add_task('', total=total, text='')
        yield lambda completed, text: display.update(task, completed=completed, text=text)
