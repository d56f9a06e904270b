"""The records that an MCAP file is made of, as its specification has them."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
import struct
from typing import Any, NamedTuple

from rosbags.interfaces import Qos
from rosbags.rosbag2.metadata import parse_qos

MAGIC = b'\x89MCAP0\r\n'
FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, CHUNK_INDEX, DATA_END = 2, 3, 4, 5, 6, 8, 15
CUT_BYTES = 2 ** 26
'''So much is read of a record that ends beyond the file, whatever length it claims.'''
HEAD = struct.Struct('<BQ')


class Record(NamedTuple):
    """One record; `missing` bytes of its body are beyond the end of the file."""

    offset: int
    kind: int
    body: bytes
    missing: int

    @property
    def end(self) -> int:
        """Offset of the next record."""
        return self.offset + HEAD.size + len(self.body) + self.missing


def records(data: Any, at: int) -> Iterator[Record]:
    """The records from an offset on, until one that cannot be."""
    while at + HEAD.size <= len(data):
        kind, size = HEAD.unpack_from(data, at)
        if not (1 <= kind <= DATA_END or kind >= 0x80):
            return
        end = at + HEAD.size + size
        if end > len(data):
            end = min(end, at + CUT_BYTES)
        body = bytes(data[at + HEAD.size:end])
        yield Record(at, kind, body, size - len(body))
        at += HEAD.size + size


def channel_offers(body: bytes, at: int) -> tuple[Qos, ...]:
    """What the publishers of a channel offered, by its metadata at an offset."""
    with suppress(Exception):  # damaged text raises nearly anything, and the messages matter more
        length, = struct.unpack_from('<I', body, at)
        end, at = at + 4 + length, at + 4
        while at < end:
            key, at = text_at(body, at)
            value, at = text_at(body, at)
            if key == b'offered_qos_profiles':
                return tuple(parse_qos(value.decode()))
    return ()


def text_at(body: bytes, at: int) -> tuple[bytes, int]:
    """A string with its length before it, and where it ends."""
    length, = struct.unpack_from('<I', body, at)
    if at + 4 + length > len(body):
        raise ValueError('a text is longer than its record')
    return body[at + 4:at + 4 + length], at + 4 + length
