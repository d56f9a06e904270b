"""Types of command line options."""
from __future__ import annotations

import argparse
from collections.abc import Callable


def positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    """Make an argparse type: a number of this kind above 0."""
    def parse(text: str) -> float:
        value = kind(text)
        if not 0 < value < float('inf'):
            raise argparse.ArgumentTypeError(f'{text}: expected a number above 0')
        return value

    parse.__name__ = kind.__name__  # argparse names it when the text is no number
    return parse
