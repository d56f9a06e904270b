"""The rows of a rosbag2 sqlite3 file, past those that are damaged."""
from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import closing
import errno
import os
from pathlib import Path
import re
import shutil
import sqlite3
import struct
from tempfile import TemporaryDirectory

from tdnet_ros.bags.files.scanned import Report, Scanned

MAGIC = b'SQLite format 3\0'
LOG_MAGIC = b'\x37\x7f\x06\x82', b'\x37\x7f\x06\x83'
MOST_DAMAGED = 1000
'''Rows one after the other that are tried before the rest is given up.'''
ROWS = 'SELECT id, topic_id, timestamp, data FROM messages WHERE id > ? ORDER BY id'

IN_TIME = """SELECT name, timestamp, data FROM messages JOIN topics ON topic_id = topics.id
WHERE name IN ({}) AND timestamp >= ? AND timestamp < ? ORDER BY timestamp"""


def read_sqlite(path: Path, topics: Collection[str], start_ns: int,
                stop_ns: int) -> Iterator[tuple[str, int, bytes]]:
    """Topic, log time and data of messages in the order of time; fails at the first damage."""
    query = IN_TIME.format(', '.join('?' * len(topics)))
    with closing(_opened(path)) as database:
        yield from database.execute(query, (*topics, start_ns, stop_ns))


def merged(path: Path, log: Path, folder: Path, report: Report) -> Path:
    """A copy of a database in a folder, with all that its write-ahead log has.

    The database itself where that cannot be made; why is told to `report`. What was never wholly
    written to the log is no damage.
    """
    with log.open('rb') as head:
        if head.read(4) not in LOG_MAGIC:
            report('offset 0: this is no write-ahead log; none of its messages can be read')
            return path
    try:
        copy = _copied(path, folder)
        _copied(log, folder)
        with closing(sqlite3.connect(copy)) as database:
            database.execute('PRAGMA wal_checkpoint(FULL)').fetchone()
        return copy
    except (OSError, sqlite3.OperationalError) as error:
        report(f'left out, for it cannot be put together with {path.name} in {folder.parent}: '
               f'{getattr(error, "strerror", error)}; TMPDIR can name another folder')
    except sqlite3.Error as error:
        report(f'offset 0: {error}')
    for file in folder.iterdir():
        file.unlink()
    return path


def _copied(path: Path, folder: Path) -> Path:
    """A copy of a file that can be written, also where the file itself cannot."""
    if shutil.disk_usage(folder).free < path.stat().st_size:  # the folder may be memory
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return Path(shutil.copyfile(path, folder / path.name))


def scan_sqlite(path: Path, report: Report) -> Iterator[Scanned]:
    """Yield messages in the order of their rows; damage is reported with its offset."""
    try:
        with TemporaryDirectory(prefix='tdnet_bag_') as folder:
            whole = _padded(path, Path(folder), report)
            cut = whole != path
            with closing(_opened(whole)) as database:
                yield from _rows(database, report, cut)
    except sqlite3.Error as error:
        report(f'offset 0: {error}')


def _opened(path: Path) -> sqlite3.Connection:
    """A database that nobody writes, without any file beside it; for any thread."""
    return sqlite3.connect(f'{path.resolve().as_uri()}?mode=ro&immutable=1', uri=True,
                           check_same_thread=False)


def _rows(database: sqlite3.Connection, report: Report, cut: bool) -> Iterator[Scanned]:
    topics = {key: (name, kind) for key, name, kind in
              database.execute('SELECT id, name, type FROM topics')}
    definitions = _definitions(database)
    row = tried = 0
    broken: list[int] = []
    while tried - row <= MOST_DAMAGED:
        try:
            for number, key, logged_ns, data in database.execute(ROWS, (tried,)):
                row = tried = number
                if key in topics and isinstance(logged_ns, int) and isinstance(data, bytes):
                    name, kind = topics[key]
                    yield Scanned(name, kind, definitions.get(kind, ''), logged_ns, data)
                else:
                    broken.append(number)
            break
        except sqlite3.Error:
            tried += 1
            broken.append(tried)
    if broken and not cut:
        report(_damage(database, broken))


def _damage(database: sqlite3.Connection, broken: list[int]) -> str:
    """Where the first damaged page is, and which row is damaged first."""
    page_bytes, = database.execute('PRAGMA page_size').fetchone()
    try:
        verdict = ' '.join(text for text, in database.execute('PRAGMA integrity_check(1)'))
    except sqlite3.Error as error:
        verdict = str(error)
    page = re.search(r'page (\d+)', verdict, re.IGNORECASE)
    place = f'offset {(int(page[1]) - 1) * page_bytes}: ' if page else ''
    return f'{place}damaged; of its messages row {broken[0]} is the first that cannot be read'


def _padded(path: Path, folder: Path, report: Report) -> Path:
    """The file or, where its end is missing, a copy of its full length: else nothing opens it."""
    with path.open('rb') as file:
        head = file.read(32)
    if len(head) < 32 or not head.startswith(MAGIC):
        return path
    page, = struct.unpack('>H', head[16:18])
    pages, = struct.unpack('>I', head[28:32])
    size, length = path.stat().st_size, (65536 if page == 1 else page) * pages
    if size >= length:
        return path
    report(f'offset {size}: the file ends here, {length - size} bytes too early')
    copy = _copied(path, folder)
    os.truncate(copy, length)
    return copy


def _definitions(database: sqlite3.Connection) -> dict[str, str]:
    """Message definitions by type; older recordings have none."""
    try:
        return dict(database.execute(
            'SELECT topic_type, encoded_message_definition FROM message_definitions'))
    except sqlite3.Error:
        return {}
