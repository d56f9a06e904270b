"""The messages of a storage file, as many as can be read, without rosbags' help."""
from __future__ import annotations

from collections.abc import Iterator
import mmap
from pathlib import Path

from tdnet_ros.bags.files.mcap import scan_mcap
from tdnet_ros.bags.files.paths import MCAP, SQLITE
from tdnet_ros.bags.files.ros1 import scan_ros1
from tdnet_ros.bags.files.scanned import NEVER, Report, Scanned
from tdnet_ros.bags.files.sqlite import scan_sqlite


def scan(path: Path, report: Report, start_ns: int = 0,
         stop_ns: int = NEVER) -> Iterator[Scanned]:
    """Yield the messages of a .mcap, .db3 or .bag file; damage is reported, not raised.

    Those before `start_ns` and from `stop_ns` on can be left out, but need not be.
    """
    if path.suffix == SQLITE:
        yield from scan_sqlite(path, report)
        return
    if path.stat().st_size == 0:
        report('offset 0: the file is empty')
        return
    with path.open('rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield from (scan_mcap(data, report, start_ns, stop_ns) if path.suffix == MCAP
                    else scan_ros1(data, report))
