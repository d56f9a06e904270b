"""The rows of a rosbag2 sqlite3 file and its write-ahead log, past those that are damaged."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
import re
import struct

import apsw
from rosbags.interfaces import Qos
from rosbags.rosbag2.metadata import parse_qos

from tdnet_ros.bags.files.paths import write_ahead_log
from tdnet_ros.bags.files.scanned import Report, Scanned, Topic

MAGIC = b'SQLite format 3\0'
LOG_MAGIC = b'\x37\x7f\x06\x82', b'\x37\x7f\x06\x83'
DAMAGE = (apsw.Error, UnicodeDecodeError)
'''What reading a damaged database raises.'''
MOST_DAMAGED = 1000
'''Rows one after the other that are tried before the rest is given up.'''
TOPICS = """SELECT topics.*, count(messages.id) AS messages FROM topics
LEFT JOIN messages ON topics.id = topic_id GROUP BY topics.id ORDER BY topics.id"""
ROWS = 'SELECT id, topic_id, timestamp, data FROM messages WHERE id > ? ORDER BY id'
IN_TIME = """SELECT name, timestamp, data FROM messages JOIN topics ON topic_id = topics.id
WHERE (name, type) IN (VALUES {}) AND timestamp >= ? AND timestamp < ? ORDER BY timestamp"""


def index_sqlite(path: Path) -> tuple[dict[tuple[str, str], Topic], int | None, int | None]:
    """Topics by name and type, and first and last log time if there are any; fails at damage."""
    topics: dict[tuple[str, str], Topic] = {}
    with closing(_opened(path)) as database:
        definitions = _definitions(database)
        cursor = database.execute(TOPICS)
        for values in cursor:
            row = dict(zip((name for name, _ in cursor.getdescription()), values))
            topic = topics.setdefault((row['name'], row['type']), Topic(
                row['type'], 0, definitions.get(row['type'], ''),
                tuple(parse_qos(row.get('offered_qos_profiles', '')))))
            topic.count += row['messages']
        (first_ns, last_ns, count), = database.execute(
            'SELECT min(timestamp), max(timestamp), count(*) FROM messages')
    if count != sum(topic.count for topic in topics.values()) or (count and first_ns is None):
        raise ValueError('messages are of no topic, or not in the index of their times')
    return topics, first_ns, last_ns


def read_sqlite(path: Path, types: Mapping[str, str], start_ns: int,
                stop_ns: int) -> Iterator[tuple[str, int, bytes]]:
    """Topic, log time and data of messages in the order of time; fails at the first damage."""
    query = IN_TIME.format(', '.join(['(?, ?)'] * len(types)))
    with closing(_opened(path)) as database:
        names = (text for pair in types.items() for text in pair)
        yield from database.execute(query, (*names, start_ns, stop_ns))


def scan_sqlite(path: Path, report: Report) -> Iterator[Scanned]:
    """Yield messages in the order of their rows; damage is reported with its offset."""
    cut = _missing_bytes(path)
    if cut:
        size = path.stat().st_size
        report(f'offset {size}: the file ends here, {cut} bytes too early')
    try:
        with closing(_opened(path)) as database:
            yield from _rows(database, report, bool(cut))
    except DAMAGE as error:
        report(f'offset 0: {error}')


def is_log(path: Path) -> bool:
    """Whether a file begins as write-ahead logs do."""
    with path.open('rb') as file:
        return file.read(4) in LOG_MAGIC


def _opened(path: Path) -> apsw.Connection:
    """A database that nobody writes, with its write-ahead log; nothing beside it is changed.

    Alone with it, SQLite keeps the index of the log in memory; that needs no lock here.
    """
    log = write_ahead_log(path)
    database = apsw.Connection(
        f'{path.resolve().as_uri()}?mode=ro{"" if log else "&immutable=1"}',
        apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI, 'unix-none')
    database.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)  # else an empty log is removed
    database.execute('PRAGMA locking_mode = EXCLUSIVE')
    database.execute('PRAGMA writable_schema = ON')  # else nothing opens one that is cut off
    return database


def _rows(database: apsw.Connection, report: Report, cut: bool) -> Iterator[Scanned]:
    topics = {key: (name, kind) for key, name, kind in
              database.execute('SELECT id, name, type FROM topics')}
    definitions, offers = _definitions(database), _offers(database)
    row = tried = 0
    broken: list[int] = []
    while tried - row <= MOST_DAMAGED:
        try:
            for number, key, logged_ns, data in database.execute(ROWS, (tried,)):
                if number <= row:  # damaged: from there on all would be read again, for ever
                    broken.append(row + 1)
                    continue
                row = tried = number
                if key in topics and isinstance(logged_ns, int) and isinstance(data, bytes):
                    name, kind = topics[key]
                    yield Scanned(name, kind, definitions.get(kind, ''), logged_ns, data,
                                  offers.get(key, ()))
                else:
                    broken.append(number)
            break
        except DAMAGE:
            tried += 1
            broken.append(tried)
    if cut:  # what follows the last row that was read is what is missing
        broken = [number for number in broken if number < row]
    if broken:
        place = '' if cut else _damaged_page(database)
        report(f'{place}damaged; of its messages row {broken[0]} is the first that cannot be read')


def _damaged_page(database: apsw.Connection) -> str:
    """Where the first damaged page is, if SQLite can tell."""
    (page_bytes,), = database.execute('PRAGMA page_size')
    try:
        verdict = ' '.join(text for text, in database.execute('PRAGMA integrity_check(1)'))
    except DAMAGE as error:
        verdict = str(error)
    page = re.search(r'page (\d+)', verdict, re.IGNORECASE)
    return f'offset {(int(page[1]) - 1) * page_bytes}: ' if page else ''


def _missing_bytes(path: Path) -> int:
    """How much of the end of a database is nowhere, so far as one can tell before it is read."""
    if write_ahead_log(path):
        return 0  # it may be there
    with path.open('rb') as file:
        head = file.read(32)
    if len(head) < 32 or not head.startswith(MAGIC):
        return 0
    page, = struct.unpack('>H', head[16:18])
    pages, = struct.unpack('>I', head[28:32])
    return max((65536 if page == 1 else page) * pages - path.stat().st_size, 0)


def _offers(database: apsw.Connection) -> dict[int, tuple[Qos, ...]]:
    """What publishers offered, by the number of the topic; the oldest recordings have none."""
    with suppress(Exception):  # damaged text raises nearly anything
        return {key: tuple(parse_qos(text)) for key, text in database.execute(
            'SELECT id, offered_qos_profiles FROM topics')}
    return {}


def _definitions(database: apsw.Connection) -> dict[str, str]:
    """Message definitions by type; older recordings have none."""
    try:
        return dict(database.execute(
            'SELECT topic_type, encoded_message_definition FROM message_definitions'))
    except DAMAGE:
        return {}
