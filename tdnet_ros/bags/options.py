"""Types of command line options."""
from __future__ import annotations

import argparse
from collections.abc import Callable


def positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    """Make an argparse type: a number of this kind above 0."""
    return _number(kind, lambda value: 0 < value < float('inf'), 'a number above 0')


def not_negative(kind: Callable[[str], float]) -> Callable[[str], float]:
    """Make an argparse type: 0, or a number of this kind above it."""
    return _number(kind, lambda value: 0 <= value < float('inf'), '0 or a number above it')


def _number(kind: Callable[[str], float], fits: Callable[[float], bool],
            expected: str) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = kind(text)
        if not fits(value):
            raise argparse.ArgumentTypeError(f'{text}: expected {expected}')
        return value

    parse.__name__ = kind.__name__  # argparse names it when the text is no number
    return parse
