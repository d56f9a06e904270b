"""The rows of a rosbag2 sqlite3 file, up to the first that is damaged."""
from __future__ import annotations

from collections.abc import Callable, Iterator
import os
from pathlib import Path
import shutil
import sqlite3
import struct
from tempfile import TemporaryDirectory

Found = tuple[str, str, str, int, bytes]
'''Topic, type, definition, log time in ns, data.'''


def scan_sqlite(path: Path, report: Callable[[str], None]) -> Iterator[Found]:
    """Yield messages in the order of their rows; damage is reported with its row."""
    with TemporaryDirectory(prefix='tdnet_bag_') as folder:
        yield from _rows(_padded(path, Path(folder)), report)


def _rows(path: Path, report: Callable[[str], None]) -> Iterator[Found]:
    row = 0
    try:
        database = sqlite3.connect(f'file:{path}?mode=ro&immutable=1', uri=True,
                                   check_same_thread=False)
        topics = {key: (name, kind) for key, name, kind in
                  database.execute('SELECT id, name, type FROM topics')}
        definitions = _definitions(database)
        for number, key, logged_ns, data in database.execute(
                'SELECT id, topic_id, timestamp, data FROM messages ORDER BY id'):
            row = number
            name, kind = topics[key]
            yield name, kind, definitions.get(kind, ''), logged_ns, data
    except (sqlite3.Error, KeyError) as error:
        report(f'after row {row} of its messages: {error}')


def _padded(path: Path, folder: Path) -> Path:
    """The file or, where its end is missing, a copy of its full length: else nothing opens it."""
    with path.open('rb') as file:
        head = file.read(32)
    if len(head) < 32:
        return path
    page, = struct.unpack('>H', head[16:18])
    pages, = struct.unpack('>I', head[28:32])
    length = (65536 if page == 1 else page) * pages
    if path.stat().st_size >= length:
        return path
    copy = Path(shutil.copy(path, folder))
    os.truncate(copy, length)
    return copy


def _definitions(database: sqlite3.Connection) -> dict[str, str]:
    """Message definitions by type; older recordings have none."""
    try:
        return dict(database.execute(
            'SELECT topic_type, encoded_message_definition FROM message_definitions'))
    except sqlite3.Error:
        return {}
