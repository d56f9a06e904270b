"""The records of a ROS 1 bag in the order of the file, past chunks that are damaged."""
from __future__ import annotations

from collections.abc import Callable, Iterator
import re
import struct
from typing import Any, NamedTuple

from rosbags.interfaces import Qos

from tdnet_ros.bags.files.compression import unpacked
from tdnet_ros.bags.files.scanned import Report, Scanned
from tdnet_ros.bags.offers import offer

MAGIC = b'#ROSBAG V2.0\n'
MESSAGE, CHUNK, CONNECTION = 2, 5, 7
KNOWN = frozenset(range(2, 8))
_OP = re.compile(b'\\x04\\x00\\x00\\x00op=[\\x02\\x05\\x07]', re.DOTALL)
'''In the header of a message, chunk or connection.'''
LATCHED = offer(depth=64, latched=True)
'''Of a topic such as /tf_static, which may have many publishers that each latch a message.'''
HEADER_BYTES = 4096
'''A header begins at most so much before its op.'''

Fields = dict[bytes, bytes]


class _Record(NamedTuple):
    """One record; `missing` bytes of its data are beyond the end of the file."""

    offset: int
    fields: Fields
    data: bytes
    missing: int
    end: int


class _Connection(NamedTuple):
    topic: str
    msgtype: str
    definition: str
    offers: tuple[Qos, ...]


def scan_ros1(data: Any, report: Report) -> Iterator[Scanned]:
    """Yield the messages in the bytes of a ROS 1 bag; damage is reported with its offset."""
    if data[:len(MAGIC)] != MAGIC:
        report('offset 0: this is no ROS 1 bag of version 2.0')
        return
    end = len(MAGIC)
    damaged: list[int] = []
    connections: dict[bytes, _Connection] = {}

    def passed(at: int) -> None:
        damaged.append(at)
        report(f'offset {at}: no record is here')

    for record in _past_damage(data, end, CHUNK, passed):
        end = record.end
        try:
            if record.fields[b'op'][0] == CHUNK:
                yield from _chunk(record, connections)
            elif not record.missing:
                _note(record, connections)
        except Exception as error:  # decompressors and damaged bytes raise nearly anything
            damaged.append(record.offset)
            report(f'offset {record.offset}: {" ".join(str(error).split())}')
    if end != len(data) or not damaged:
        report(f'offset {min(end, len(data))}: no record beyond this place, or no index; the '
               'recording was cut off or the file damaged')


def _chunk(record: _Record, connections: dict[bytes, _Connection]) -> Iterator[Scanned]:
    """The messages of a chunk in the order of time; of a cut one those that are there."""
    compression = record.fields[b'compression']
    if record.missing and compression != b'none':
        return
    raw = unpacked(record.data, compression)
    found, end = [], 0
    broken: list[int] = []
    for inner in _past_damage(raw, 0, MESSAGE, broken.append):
        if inner.missing:
            continue
        end = inner.end
        if inner.fields[b'op'][0] == MESSAGE and inner.fields.get(b'conn') in connections:
            seconds, nanoseconds = struct.unpack('<II', inner.fields[b'time'])
            about = connections[inner.fields[b'conn']]
            found.append(Scanned(about.topic, about.msgtype, about.definition,
                                 seconds * 1_000_000_000 + nanoseconds, inner.data, about.offers))
        else:
            _note(inner, connections)
    if end < len(raw):
        broken.append(end)
    yield from sorted(found, key=lambda message: message.logged_ns)
    if broken and not record.missing:
        raise ValueError(f'the chunk here is damaged {broken[0]} bytes into its messages')


def _past_damage(data: Any, at: int, kind: int,
                 damaged: Callable[[int], None]) -> Iterator[_Record]:
    """The records from an offset on; after a damaged place from the next of a kind on.

    `damaged` is told of the places that had to be passed.
    """
    while True:
        for record in _records(data, at):
            yield record
            if record.missing:
                break
            at = record.end
        following = _next_record(data, at, kind)
        if following is None:
            return
        damaged(at)
        at = following


def _next_record(data: Any, at: int, kind: int) -> int | None:
    """Where the next whole record of a kind begins after a damaged place."""
    for match in _OP.finditer(data, at):
        for offset in range(match.start() - 4, max(at, match.start() - HEADER_BYTES), -1):
            length, = struct.unpack_from('<I', data, offset)
            if match.end() - offset - 4 <= length <= HEADER_BYTES:
                record = next(_records(data, offset), None)
                if record is not None and record.fields[b'op'][0] == kind and not record.missing:
                    return offset
    return None


def _note(record: _Record, connections: dict[bytes, _Connection]) -> None:
    """Keep what a connection record says."""
    if record.fields[b'op'][0] == CONNECTION:
        about = _fields(record.data)
        package, _, name = about[b'type'].decode().partition('/')
        connections[record.fields[b'conn']] = _Connection(
            record.fields[b'topic'].decode(), f'{package}/msg/{name}',
            about[b'message_definition'].decode(),
            (LATCHED,) if about.get(b'latching') == b'1' else ())


def _records(data: Any, at: int) -> Iterator[_Record]:
    """The records from an offset on, until one that cannot be."""
    while at + 4 <= len(data):
        offset = at
        length, = struct.unpack_from('<I', data, at)
        try:
            fields = _fields(bytes(data[at + 4:at + 4 + length]))
            if fields[b'op'][0] not in KNOWN:
                return
            size, = struct.unpack_from('<I', data, at + 4 + length)
        except (struct.error, KeyError, ValueError):
            return
        at += 8 + length
        body = bytes(data[at:at + size])
        at += size
        yield _Record(offset, fields, body, size - len(body), at)


def _fields(header: bytes) -> Fields:
    """The name=value pairs of a record's header."""
    fields, at = {}, 0
    while at < len(header):
        length, = struct.unpack_from('<I', header, at)
        name, separator, value = header[at + 4:at + 4 + length].partition(b'=')
        if not separator or at + 4 + length > len(header):
            raise ValueError('damaged header')
        fields[name] = value
        at += 4 + length
    return fields
