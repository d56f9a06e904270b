"""One live line on a terminal, and nothing where nobody is looking."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

Update = Callable[[int, str], None]


@contextmanager
def progress(title: str, total: int | None = None) -> Iterator[Update]:
    """A bar towards `total` with the time left, or a spinner; yields update(completed, text).

    There is none where the package rich is missing, as on a robot.
    """
    if not sys.stderr.isatty() or find_spec('rich') is None:
        yield lambda completed, text: None
        return
    with _display(total) as display:
        task = display.add_task(title, total=total, text='')
        yield lambda completed, text: display.update(task, completed=completed, text=text)


def _display(total: int | None) -> Progress:
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
    title = TextColumn('{task.description}', markup=False)
    text = TextColumn('{task.fields[text]}', markup=False)
    columns: list[ProgressColumn] = [SpinnerColumn(), text]
    if total:
        columns = [BarColumn(), TextColumn('{task.completed}/{task.total}'), text,
                   TimeRemainingColumn(), TextColumn('left')]
    return Progress(title, *columns, TimeElapsedColumn(), console=Console(stderr=True),
                    transient=True)
