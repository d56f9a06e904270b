"""Paths of sqlite3 files for rosbags, and what lies beside such files."""
from __future__ import annotations

from pathlib import Path

LOG = '-wal'


class SqlitePath(type(Path())):  # type: ignore[misc]
    """A path that is formatted as a part of a URI.

    rosbags formats it into one as it is; `#` and `?` would end the name of the file, and another
    one be created.
    """

    def __format__(self, spec: str) -> str:
        text = str(self).replace('%', '%25').replace('?', '%3f').replace('#', '%23')
        return format(text, spec)


def write_ahead_log(path: Path) -> Path | None:
    """The file with what a recording that was cut off has not moved into its database yet."""
    log = path.with_name(f'{path.name}{LOG}')
    return log if path.suffix == '.db3' and log.exists() and log.stat().st_size else None
