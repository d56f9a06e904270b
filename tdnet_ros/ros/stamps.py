"""Stamps of messages, and whether they are of the node's clock."""
from __future__ import annotations

from typing import Any

MAX_AGE_S = 60.0
MAX_AHEAD_S = 1.0


def stamp_ns(header: Any) -> int:
    """The header's stamp in nanoseconds."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


def is_comparable(age_s: float) -> bool:
    """Whether a stamp of this age is of the node's clock, not of a bag or an unset clock."""
    return -MAX_AHEAD_S <= age_s <= MAX_AGE_S
