"""Names of the files of rosbags, and what lies beside them."""
from __future__ import annotations

from pathlib import Path
import re

MCAP, SQLITE, ROS1 = '.mcap', '.db3', '.bag'
SUFFIXES = (MCAP, SQLITE, ROS1)
PACKED = '.zstd'
'''Comes after the suffix of a file that is compressed as a whole.'''
ACTIVE = '.active'
'''Comes after that of a ROS 1 bag until its recording has ended.'''
LOG = '-wal'
METADATA, INFORMATION = 'metadata.yaml', 'rosbag2_bagfile_information'
'''The file that makes a directory a rosbag2, and its only key.'''


def storage_kind(path: Path) -> str:
    """Which of the suffixes a file has, packed or not; '' if none."""
    name = plain_name(path).removesuffix(ACTIVE)
    return next(filter(name.endswith, SUFFIXES), '')


def plain_name(path: Path) -> str:
    """Name of a file, or of the one that was packed into it."""
    return path.name.removesuffix(PACKED)


def is_storage(path: Path) -> bool:
    """Whether a file has one of the suffixes, packed or not."""
    return bool(storage_kind(path))


def is_bag(path: Path) -> bool:
    """Tell a directory or storage file of a rosbag from videos and folders of images."""
    if path.is_dir():
        return (path / METADATA).exists() or any(map(is_storage, path.iterdir()))
    return is_storage(path)


def natural_key(path: Path) -> list[tuple[int, int | str]]:
    """Sort key that reads runs of digits as numbers."""
    parts = re.split(r'(\d+)', path.name.lower())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts]


def write_ahead_log(path: Path) -> Path | None:
    """The file with what a recording that was cut off has not moved into its database yet.

    What has been moved may still be there too.
    """
    real = path.resolve()
    log = real.with_name(f'{real.name}{LOG}')
    return log if path.suffix == SQLITE and log.exists() and log.stat().st_size else None
