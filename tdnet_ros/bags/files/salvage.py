"""The messages of a storage file, as many as can be read, without rosbags' help."""
from __future__ import annotations

from collections.abc import Callable, Iterator
import mmap
from pathlib import Path
from typing import NamedTuple

from tdnet_ros.bags.files.mcap import NEVER, scan_mcap
from tdnet_ros.bags.files.ros1 import scan_ros1
from tdnet_ros.bags.files.sqlite import scan_sqlite

Report = Callable[[str], None]
'''Takes what is damaged, and where.'''


class Scanned(NamedTuple):
    """One message as it lies in the file."""

    topic: str
    msgtype: str
    definition: str
    '''The text of its .msg definition; empty where the file has none.'''
    logged_ns: int
    data: bytes


def scan(path: Path, report: Report, start_ns: int = 0,
         stop_ns: int = NEVER) -> Iterator[Scanned]:
    """Yield the messages of a .mcap, .db3 or .bag file; damage is reported, not raised.

    Those before `start_ns` and from `stop_ns` on can be left out, but need not be.
    """
    if path.suffix == '.db3':
        yield from map(Scanned._make, scan_sqlite(path, report))
        return
    if path.stat().st_size == 0:
        report('offset 0: the file is empty')
        return
    with path.open('rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield from map(Scanned._make, scan_mcap(data, report, start_ns, stop_ns)
                       if path.suffix == '.mcap' else scan_ros1(data, report))
