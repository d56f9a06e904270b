"""The messages of a storage file, as many as can be read, without rosbags' help."""
from __future__ import annotations

from collections.abc import Callable, Iterator
import mmap
from pathlib import Path
from typing import Any

from tdnet_ros.bags.files.mcap import McapScan
from tdnet_ros.bags.files.paths import MCAP, SQLITE, storage_kind
from tdnet_ros.bags.files.ros1 import scan_ros1
from tdnet_ros.bags.files.scanned import NEVER, Report, Scanned
from tdnet_ros.bags.files.sqlite import scan_sqlite


class Salvage:
    """Reads a .mcap, .db3 or .bag file; damage is reported, not raised."""

    def __init__(self, path: Path, report: Report) -> None:
        self._path = path
        self._kind = storage_kind(path)
        self._report = report
        self._mcap = McapScan(report)

    def survey(self) -> Iterator[Scanned]:
        """All messages, in any order."""
        return self._read(self._mcap.survey) if self._kind == MCAP else self.messages()

    def messages(self, start_ns: int = 0, stop_ns: int = NEVER) -> Iterator[Scanned]:
        """The messages, of MCAP in the order of time.

        Those before `start_ns` and from `stop_ns` on can be left out, but need not be.
        """
        if self._kind == SQLITE:
            return scan_sqlite(self._path, self._report)
        if self._kind == MCAP:
            return self._read(lambda data: self._mcap.messages(data, start_ns, stop_ns))
        return self._read(lambda data: scan_ros1(data, self._report))

    def _read(self, scan: Callable[[Any], Iterator[Scanned]]) -> Iterator[Scanned]:
        if self._path.stat().st_size == 0:
            self._report('offset 0: the file is empty')
            return
        with (self._path.open('rb') as file,
              mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data):
            yield from scan(data)
