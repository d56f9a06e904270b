"""One live line on a terminal, and nothing where nobody is looking."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import sys

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Update = Callable[[int, str], None]


@contextmanager
def progress(title: str, total: int | None = None) -> Iterator[Update]:
    """A bar towards `total` with the time left, or a spinner; yields update(completed, text)."""
    if not sys.stderr.isatty():
        yield lambda completed, text: None
        return
    columns: list[ProgressColumn] = [SpinnerColumn(), TextColumn('{task.fields[text]}')]
    if total:
        columns = [BarColumn(), TextColumn('{task.completed}/{task.total}'),
                   TextColumn('{task.fields[text]}'), TimeRemainingColumn(), TextColumn('left')]
    with Progress(TextColumn(title), *columns, TimeElapsedColumn(),
                  console=Console(stderr=True), transient=True) as display:
        task = display.add_task('', total=total, text='')
        yield lambda completed, text: display.update(task, completed=completed, text=text)
