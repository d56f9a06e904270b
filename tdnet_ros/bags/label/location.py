"""Where bags are: paths, or URLs that fsspec knows."""
from __future__ import annotations

from collections.abc import Sequence
import os
from pathlib import Path

from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.files.paths import ACTIVE, PACKED, SUFFIXES, is_bag

MARK = '://'


def is_url(location: str | Path) -> bool:
    """Whether this is a URL, not a path."""
    return MARK in str(location)


def absolute(location: str | Path) -> str:
    """The location as it is called from anywhere on this machine."""
    return str(location).rstrip('/') if is_url(location) else os.path.realpath(location)


def bag_name(location: str | Path) -> str:
    """The name under which a bag is labelled."""
    name = absolute(location).rpartition('/')[2]
    for suffix in (PACKED, ACTIVE, *SUFFIXES):
        name = name.removesuffix(suffix)
    return name


def without_output(bags: Sequence[str], folder: str) -> Sequence[str]:
    """The bags but for the folder that is written, which * finds too when it is there."""
    if is_url(folder) or (Path(folder).is_dir() and is_bag(Path(folder))):
        return bags
    return [bag for bag in bags if absolute(bag) != absolute(folder)] or bags


def check_inputs(bags: Sequence[str], folder: str) -> None:
    """Refuse two bags that would be written into one directory, and one into itself."""
    seen: dict[str, str] = {}
    for bag in bags:
        name = bag_name(bag)
        if name in seen:
            what = ('is given twice' if absolute(seen[name]) == absolute(bag) else
                    f'and {seen[name]} would both be written as {name}: choose another --out '
                    'for one of them')
            raise BagError(f'{bag} {what}')
        if absolute(bag) == f'{absolute(folder)}/{name}':
            raise BagError(f'{bag} would be written into itself: choose another --out')
        if f'{absolute(folder)}/'.startswith(f'{absolute(bag)}/'):
            raise BagError(f'--out {folder} lies in {bag}, which is read: choose another --out')
        seen[name] = bag
