"""The records of an MCAP file in the order of the file, past chunks that are damaged."""
from __future__ import annotations

from binascii import crc32
from collections.abc import Callable, Iterator
import struct
import sys
from typing import Any, NamedTuple

from lz4.frame import decompress as lz4_decompress

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAGIC = b'\x89MCAP0\r\n'
SCHEMA, CHANNEL, MESSAGE, CHUNK, DATA_END = 3, 4, 5, 6, 15
_HEAD = struct.Struct('<BQ')
_MESSAGE = struct.Struct('<HIQQ')
_CHUNK = struct.Struct('<QQQI')
_UNPACK: dict[bytes, Callable[[bytes], bytes]] = {
    b'': bytes, b'zstd': zstd.decompress, b'lz4': lz4_decompress}

Found = tuple[str, str, str, int, bytes]
'''Topic, type, definition, log time in ns, data.'''


class _Record(NamedTuple):
    """One record; `missing` bytes of its body are beyond the end of the file."""

    offset: int
    kind: int
    body: bytes
    missing: int


class _Scan:
    """Channels seen so far, which tell what the messages are."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self.report = report
        self._schemas: dict[int, tuple[str, str]] = {}
        self._channels: dict[int, tuple[str, str, str]] = {}

    def message(self, record: _Record) -> Found | None:
        """The message in a record, or None after noting what else it says."""
        body = record.body
        if record.kind == SCHEMA:
            key, = struct.unpack_from('<H', body)
            name, at = _text(body, 2)
            _, at = _text(body, at)
            text, _ = _text(body, at)
            self._schemas[key] = name.decode(), text.decode()
        elif record.kind == CHANNEL:
            key, schema = struct.unpack_from('<HH', body)
            topic, _ = _text(body, 4)
            self._channels[key] = (topic.decode(), *self._schemas.get(schema, ('', '')))
        elif record.kind == MESSAGE:
            key, _, logged_ns, _ = _MESSAGE.unpack_from(body)
            if key in self._channels:
                return (*self._channels[key], logged_ns, body[_MESSAGE.size:])
        return None

    def chunk(self, record: _Record) -> Iterator[Found]:
        """The messages of a chunk in the order of time; of a cut one those that are there."""
        _, _, size, crc = _CHUNK.unpack_from(record.body)
        compression, at = _text(record.body, _CHUNK.size)
        packed = record.body[at + 8:]
        if record.missing and compression:
            return
        raw = _UNPACK[compression](packed)
        if not record.missing and (len(raw) != size or (crc and crc32(raw) != crc)):
            raise ValueError('checksum of the chunk does not match')
        found, cut = [], False
        for inner in _records(raw, 0):
            cut = bool(inner.missing)
            if not cut and (message := self.message(inner)) is not None:
                found.append(message)
        yield from sorted(found, key=lambda message: message[3])
        if cut and not record.missing:
            raise ValueError('a record inside of the chunk is longer than the chunk')


def scan_mcap(data: Any, report: Callable[[str], None]) -> Iterator[Found]:
    """Yield the messages in the bytes of an MCAP file; damage is reported with its offset."""
    if data[:len(MAGIC)] != MAGIC:
        report('offset 0: this is no MCAP file')
        return
    scan = _Scan(report)
    end = len(MAGIC)
    for record in _records(data, end):
        end = record.offset + _HEAD.size + len(record.body)
        try:
            if record.kind == DATA_END:
                return
            if record.kind == CHUNK:
                yield from scan.chunk(record)
            elif not record.missing and (message := scan.message(record)) is not None:
                yield message
        except Exception as error:  # decompressors and damaged bytes raise nearly anything
            if not record.missing:
                report(f'offset {record.offset}: {" ".join(str(error).split())}')
    report(f'offset {end}: the file ends here, without an index; the recording was cut off '
           'or the file damaged')


def _records(data: Any, at: int) -> Iterator[_Record]:
    """The records from an offset on, until one that cannot be."""
    while at + _HEAD.size <= len(data):
        kind, size = _HEAD.unpack_from(data, at)
        if not (1 <= kind <= DATA_END or kind >= 0x80):
            return
        body = bytes(data[at + _HEAD.size:at + _HEAD.size + size])
        yield _Record(at, kind, body, size - len(body))
        at += _HEAD.size + size


def _text(body: bytes, at: int) -> tuple[bytes, int]:
    """A string with its length before it, and where it ends."""
    length, = struct.unpack_from('<I', body, at)
    if at + 4 + length > len(body):
        raise ValueError('a text is longer than its record')
    return body[at + 4:at + 4 + length], at + 4 + length
