"""The messages of an MCAP file, by its index or record by record, past what is damaged."""
from __future__ import annotations

from array import array
from binascii import crc32
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
import mmap
import re
import struct
from typing import Any

from rosbags.interfaces import Qos

from tdnet_ros.bags.files.compression import unpacked
from tdnet_ros.bags.files.mcap_records import (
    CHANNEL,
    CHUNK,
    CHUNK_INDEX,
    DATA_END,
    FOOTER,
    HEAD,
    MAGIC,
    MESSAGE,
    SCHEMA,
    Record,
    channel_offers,
    records,
    text_at,
)
from tdnet_ros.bags.files.merging import in_time
from tdnet_ros.bags.files.scanned import NEVER, Report, Scanned

_MESSAGE = struct.Struct('<HIQQ')
_CHUNK = struct.Struct('<QQQI')
_CHUNK_INDEX = struct.Struct('<QQQ')
_FOOTER = struct.Struct('<QQI')
_FOOTER_BYTES = HEAD.size + _FOOTER.size + len(MAGIC)
_STARTS = re.compile(b'[\\x05\\x06]')
'''Of messages and chunks, which are looked for beyond damage.'''
_CHUNK_STARTS = re.compile(b'\\x06')


class McapScan:
    """The messages in the bytes of one MCAP file; damage is reported with its offset.

    It keeps the channels seen so far, which tell what the messages are, and in which order to
    read a file without an index.
    """

    def __init__(self, report: Report) -> None:
        self.report = report
        self._schemas: dict[int, tuple[str, str]] = {}
        self._channels: dict[int, tuple[str, str, str]] = {}
        self._offers: dict[int, tuple[Qos, ...]] = {}
        self._unknown: set[int] = set()
        self._stretches: list[tuple[int, array[int]]] | None = None
        '''First log time, and records in the order of time; None: not known yet.'''

    def messages(self, data: Any, start_ns: int, stop_ns: int) -> Iterator[Scanned]:
        """The messages in the order of time.

        With an index those of chunks from `start_ns` to before `stop_ns`, else all.
        """
        chunks = _index(data, self) if self._stretches is None else []
        if chunks:
            yield from in_time((first_ns, partial(_indexed_chunk, data, self, offset))
                               for offset, first_ns, last_ns in chunks
                               if first_ns < stop_ns and last_ns >= start_ns)
            return
        if self._stretches is None:
            deque(self.survey(data), maxlen=0)
        yield from in_time((first_ns, partial(_stretch, data, self, offsets))
                           for first_ns, offsets in self._stretches or ())

    def survey(self, data: Any) -> Iterator[Scanned]:
        """The messages in any order: a file without an index is read but once."""
        if data[:len(MAGIC)] != MAGIC:
            self.report('offset 0: this is no MCAP file')
            self._stretches = []
        elif _index(data, self):
            yield from self.messages(data, 0, NEVER)
        else:
            yield from self._without_index(data)

    def _without_index(self, data: Any) -> Iterator[Scanned]:
        """All messages as they lie in the file, whose order of time is then known."""
        stretches: list[tuple[int, array[int]]] = []
        end, last_ns, kind = len(MAGIC), 0, 0
        for record in self.records(
                data, end, lambda at: self.report(f'offset {at}: no record is here')):
            end, kind = record.end, record.kind
            found = list(self.found(record))
            if found:
                if not stretches or found[0].logged_ns < last_ns:
                    stretches.append((found[0].logged_ns, array('Q')))
                stretches[-1][1].append(record.offset)
                last_ns = found[-1].logged_ns
            yield from found
            _give_back(data)
        if kind != DATA_END:
            self.report(f'offset {min(end, len(data))}: the file ends here, without an index; '
                        'the recording was cut off or the file damaged')
        self._stretches = stretches

    def found(self, record: Record) -> Iterator[Scanned]:
        """The messages in a record of the file; damage is reported."""
        try:
            if record.kind == CHUNK:
                yield from self._chunk(record)
            elif not record.missing and (message := self.message(record)) is not None:
                yield message
        except Exception as error:  # decompressors and damaged bytes raise nearly anything
            if not record.missing:
                self.report(f'offset {record.offset}: {" ".join(str(error).split())}')

    def message(self, record: Record) -> Scanned | None:
        """The message in a record, or None after noting what else it says."""
        body = record.body
        if record.kind == SCHEMA:
            key, = struct.unpack_from('<H', body)
            name, at = text_at(body, 2)
            _, at = text_at(body, at)
            text, _ = text_at(body, at)
            self._schemas[key] = name.decode(), text.decode()
        elif record.kind == CHANNEL:
            key, schema = struct.unpack_from('<HH', body)
            topic, at = text_at(body, 4)
            self._channels[key] = (topic.decode(), *self._schemas.get(schema, ('', '')))
            if key not in self._offers:  # every chunk has the channel again
                self._offers[key] = channel_offers(body, text_at(body, at)[1])
        elif record.kind == MESSAGE:
            key, _, logged_ns, _ = _MESSAGE.unpack_from(body)
            if key in self._channels:
                return Scanned(*self._channels[key], logged_ns, body[_MESSAGE.size:],
                               self._offers.get(key, ()))
            if key not in self._unknown:  # told once: all messages of a topic may be of it
                self._unknown.add(key)
                self.report(f'channel {key}: nothing tells what it is; its messages are left out')
        return None

    def records(self, data: Any, at: int, damaged: Callable[[int], None]) -> Iterator[Record]:
        """The records from an offset on; `damaged` is told of places that had to be passed."""
        while at < len(data):
            starts = _STARTS
            for record in records(data, at):
                yield record
                if record.kind == DATA_END:
                    return
                at = record.offset if record.missing else record.end
                if record.missing and record.kind == CHUNK:  # its messages are no loose ones
                    starts = _CHUNK_STARTS
            following = next((match.start() for match in starts.finditer(data, at + 1)
                              if self._starts(data, match.start())), None)
            if following is None:
                return
            damaged(at)
            at = following

    def _starts(self, data: Any, at: int) -> bool:
        """Whether a whole message or chunk begins at an offset, as far as one can tell."""
        if at + HEAD.size + _CHUNK.size + 4 > len(data):
            return False
        kind, size = HEAD.unpack_from(data, at)
        end = at + HEAD.size + size
        if end > len(data):
            return False
        if kind == MESSAGE:
            key, _, logged_ns, _ = _MESSAGE.unpack_from(data, at + HEAD.size)
            return (size >= _MESSAGE.size and key in self._channels and 0 < logged_ns < NEVER
                    and (end == len(data) or 1 <= data[end] <= DATA_END))
        start_ns, end_ns, _, _ = _CHUNK.unpack_from(data, at + HEAD.size)
        length, = struct.unpack_from('<I', data, at + HEAD.size + _CHUNK.size)
        return size > _CHUNK.size and start_ns <= end_ns < NEVER and length <= len(b'zstd')

    def _chunk(self, record: Record) -> Iterator[Scanned]:
        """The messages of a chunk in the order of time; of a cut one those that are there."""
        _, _, size, crc = _CHUNK.unpack_from(record.body)
        compression, at = text_at(record.body, _CHUNK.size)
        packed = record.body[at + 8:]
        if record.missing and compression:
            return
        raw = unpacked(packed, compression)
        broken, found, end = list[int](), [], 0
        for item in self.records(raw, 0, broken.append):
            if not item.missing:
                end = item.end
                try:
                    found.append(self.message(item))
                except (struct.error, ValueError):
                    broken.append(item.offset)
        if end < len(raw):
            broken.append(end)
        yield from sorted(filter(None, found), key=lambda message: message.logged_ns)
        if record.missing:
            return
        if broken:
            raise ValueError(f'the chunk here is damaged {broken[0]} bytes into its messages')
        if len(raw) != size or (crc and crc32(raw) != crc):
            raise ValueError('checksum of the chunk does not match')


def _stretch(data: Any, scan: McapScan, offsets: array[int]) -> Iterator[Scanned]:
    for offset in offsets:
        yield from scan.found(next(records(data, offset)))
        _give_back(data)


def _indexed_chunk(data: Any, scan: McapScan, offset: int) -> Iterator[Scanned]:
    record = next(records(data, offset), None)
    if record is None or record.kind != CHUNK:
        scan.report(f'offset {offset}: no chunk is here, although the index names it')
        return
    _give_back(data)
    yield from scan.found(record)
    if record.missing:
        scan.report(f'offset {offset}: the chunk here ends beyond the file')


def _give_back(data: Any) -> None:
    """Let go of the pages of a file that were read: else they count as memory of the process."""
    if isinstance(data, mmap.mmap) and hasattr(mmap, 'MADV_DONTNEED'):
        data.madvise(mmap.MADV_DONTNEED)


def _index(data: Any, scan: McapScan) -> list[tuple[int, int, int]]:
    """Offset, first and last log time of each chunk, by the summary; none without one."""
    at = len(data) - _FOOTER_BYTES
    if at < len(MAGIC) or data[-len(MAGIC):] != MAGIC or data[at] != FOOTER:
        return []
    start, _, crc = _FOOTER.unpack_from(data, at + HEAD.size)
    if crc and crc32(data[start or at:at + HEAD.size + 16]) != crc:
        scan.report(f'offset {start}: checksum of the index does not match')
        return []
    chunks = []
    try:
        for record in records(data, start or at):
            if record.kind == CHUNK_INDEX:
                first_ns, last_ns, offset = _CHUNK_INDEX.unpack_from(record.body)
                if first_ns > last_ns:  # damaged: of any time
                    first_ns, last_ns = 0, NEVER
                chunks.append((offset, first_ns, last_ns))
            scan.message(record)
            if record.kind == FOOTER:
                return sorted(chunks)
    except (struct.error, ValueError):
        pass
    return []
