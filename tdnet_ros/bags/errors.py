"""What goes wrong with a source or a bag, in one line that can be shown as it is."""
from __future__ import annotations

from collections.abc import Iterable
import sys

STOPPED = 'stopped; the same command goes on'
NOT_REACHED = 'not reached; the same command goes on'


class BagError(ValueError):
    """A source cannot be played or a bag cannot be read or written."""


def tell(problems: Iterable[str]) -> int:
    """Print a line for each on stderr; the exit status: 1 if there is one."""
    status = 0
    for problem in problems:
        print(f'tdnet_bag: {problem}', file=sys.stderr, flush=True)
        status = 1
    return status
