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
    title_column = TextColumn('{task.description}', markup=False)
    text_column = TextColumn('{task.fields[text]}', markup=False)
    columns: list[ProgressColumn] = [SpinnerColumn(), text_column]
    if total:
        columns = [BarColumn(), TextColumn('{task.completed}/{task.total}'),
                   text_column, TimeRemainingColumn(), TextColumn('left')]
    with Progress(title_column, *columns, TimeElapsedColumn(),
                  console=Console(stderr=True), transient=True) as display:
        task = display.add_task(title, total=total, text='')
        yield lambda completed, text: display.update(task, completed=completed, text=text)
