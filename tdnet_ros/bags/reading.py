"""The image topics of a rosbag2 directory or file, read with `rosbags`."""
from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
import resource
import shlex
import struct
from typing import NamedTuple

from rosbags.rosbag2 import Reader

from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.files.paths import UriPath, write_ahead_log
from tdnet_ros.bags.sources import DEFAULT_RATE_HZ, Sample, info_topic
from tdnet_ros.bags.unread import Unread
from tdnet_ros.ros.names import made_by_node

RAW_IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
IMAGE_TYPES = frozenset({RAW_IMAGE, COMPRESSED_IMAGE})
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
HEADER_BYTES = 12
'''A message with a stamp is no shorter.'''
NEAR_NS = 10**9
'''So close to the last message of a topic all of its messages are read.'''
WHOLE = '`tdnet_bag info` and `tdnet_bag label` read what is there of it'


class Message(NamedTuple):
    """One message of a bag."""

    topic: str
    logged_ns: int
    cdr: bytes


class BagSource:
    """Image messages of a bag and the cameras' calibration, spaced in time as recorded.

    A given rate speeds the whole bag up or slows it down until its busiest image topic averages
    that rate, so that several cameras keep their order and their offsets.
    """

    def __init__(self, path: Path, rate_hz: float | None = None,
                 topics: tuple[str, ...] = ()) -> None:
        self._path = path
        self.problems = _log_problems(path)
        self.unread = Unread(self.problems)
        self._recorded_s = 0.0
        with closing(open_bag(path)) as reader:
            self.topics: Mapping[str, str] = _image_topics(reader, path, topics)
            self.left_out = () if topics else tuple(sorted(
                connection.topic for connection in reader.connections
                if connection.msgtype in IMAGE_TYPES and connection.topic not in self.topics))
            self.infos: Mapping[str, str] = _infos(reader, self.topics)
            self._counts: Counter[str] = Counter()
            for connection in reader.connections:
                if connection.topic in self.topics:
                    self._counts[connection.topic] += connection.msgcount
            self.count: int | None = sum(self._counts.values())
            if not self.count:
                raise BagError(f'{path} holds no message on {", ".join(self.topics)}')
            if rate_hz:
                self._measure(reader)
        self._stretch = 1.0 / (rate_hz * self._recorded_s) if rate_hz else 1.0

    @property
    def period_s(self) -> float:
        """See Source."""
        if not self._recorded_s:
            with closing(open_bag(self._path)) as reader:
                self._measure(reader)
        return self._recorded_s * self._stretch

    def _measure(self, reader: Reader) -> None:
        """Find the time from one image of the busiest topic to the next, as recorded."""
        (topic, count), = self._counts.most_common(1)
        seconds = _span_ns(reader, topic) * 1e-9
        self._recorded_s = seconds / max(count - 1, 1) or 1.0 / DEFAULT_RATE_HZ

    def __iter__(self) -> Iterator[Sample]:
        with closing(open_bag(self._path)) as reader:
            start_ns = None
            for message in read_messages(reader, {*self.topics, *self.infos.values()}):
                if not has_header(message, self.unread):
                    continue
                topic, logged_ns, cdr = message
                start_ns = logged_ns if start_ns is None else start_ns
                yield Sample(due_s=(logged_ns - start_ns) * 1e-9 * self._stretch,
                             stamp_ns=header_stamp_ns(cdr), payload=cdr, topic=topic,
                             logged_ns=logged_ns)
            if not self._recorded_s:  # who loops asks for it next
                self._measure(reader)


def _span_ns(reader: Reader, topic: str) -> int:
    """From the first to the last message of a topic, of which only a few others are read."""
    files = getattr(reader.storage, 'storages', [reader.storage])
    if any(file.metadata.message_count and getattr(file, 'chunks', True) == [] for file in files):
        return reader.duration - 1  # MCAP without chunks: each look would read the whole file
    first = next(read_messages(reader, {topic}), None)
    if first is None:
        return 0
    last_ns, end_ns = first.logged_ns, reader.end_time
    while end_ns - last_ns > NEAR_NS:
        middle_ns = (last_ns + end_ns) // 2
        later = next(read_messages(reader, {topic}, middle_ns, end_ns), None)
        last_ns, end_ns = (later.logged_ns, end_ns) if later else (last_ns, middle_ns)
    times_ns = (message.logged_ns for message in read_messages(reader, {topic}, last_ns, end_ns))
    return max(times_ns, default=last_ns) - first.logged_ns


def _image_topics(reader: Reader, path: Path, wanted: tuple[str, ...]) -> dict[str, str]:
    found = {connection.topic: connection.msgtype for connection in reader.connections
             if connection.msgtype in IMAGE_TYPES}
    if not found:
        others = ', '.join(sorted({connection.topic for connection in reader.connections}))
        raise BagError(f'{path} has no image topic; its topics: {others or "none"}')
    missing = [topic for topic in wanted if topic not in found]
    if missing:
        raise BagError(f'{path} has no image topic {missing[0]}; its image topics: '
                       f'{", ".join(sorted(found))}')
    chosen = wanted or [topic for topic in found if not made_by_node(topic)]
    if not chosen:
        raise BagError(f'{path} holds no camera images, only what a node made of them: '
                       f'{", ".join(found)}; `tdnet_bag play --from` plays one')
    return {topic: found[topic] for topic in chosen}


def _infos(reader: Reader, images: Collection[str]) -> dict[str, str]:
    there = {connection.topic for connection in reader.connections
             if connection.msgtype == CAMERA_INFO}
    return {image: info_topic(image) for image in images if info_topic(image) in there}


def open_bag(path: Path) -> Reader:
    """Open a bag for reading; close it with `contextlib.closing`."""
    if path.is_dir() and not (path / 'metadata.yaml').exists():
        raise BagError(f'{path} has no metadata.yaml: the recording was cut off, or this is no '
                       f'rosbag2 directory ({WHOLE})')
    if path.is_dir():
        _allow_open_files()
    with _readable(path):
        reader = Reader(UriPath(path))
        reader.open()
    return reader


def _log_problems(path: Path) -> list[str]:
    """A line for each write-ahead log: what is in it is not played."""
    problems = []
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        if log := write_ahead_log(file):
            merge = f"sqlite3 {shlex.quote(str(file))} 'PRAGMA wal_checkpoint(TRUNCATE)'"
            problems.append(f'{log} may hold messages that are not in the bag and not played: '
                            f'`{merge}` moves them into it, `tdnet_bag label` reads them as '
                            'they are')
    return problems


def _allow_open_files() -> None:
    """Let the process have as many files open as it may.

    rosbags opens all files of a directory at once, unlike `files.bag.Bag`, which has one open
    while it is read.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def read_messages(reader: Reader, topics: Collection[str], start_ns: int | None = None,
                  stop_ns: int | None = None) -> Iterator[Message]:
    """Messages of some topics, in bag order, logged from `start_ns` to before `stop_ns`."""
    chosen = [connection for connection in reader.connections if connection.topic in topics]
    messages = iter(reader.messages(chosen, start_ns, stop_ns)) if chosen else iter(())
    while True:
        with _readable(str(reader.path)):
            message = next(messages, None)
        if message is None:
            return
        connection, logged_ns, cdr = message
        yield Message(connection.topic, logged_ns, bytes(cdr))


@contextmanager
def _readable(path: object) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # parsers of foreign bytes raise nearly anything
        raise BagError(f'{path} cannot be read: {error} ({WHOLE})') from error


def has_header(message: Message, unread: Unread) -> bool:
    """Whether a message is long enough for a header; one that is not is noted."""
    if len(message.cdr) >= HEADER_BYTES:
        return True
    unread.note(message.topic, message.logged_ns,
                f'{len(message.cdr)} bytes are too few for a header')
    return False


def header_stamp_ns(cdr: bytes) -> int:
    """Stamp of a serialized message that begins with a std_msgs/Header."""
    order = '<' if cdr[1] & 1 else '>'
    seconds, nanoseconds = struct.unpack_from(f'{order}iI', cdr, 4)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)
