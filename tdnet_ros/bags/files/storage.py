"""One storage file of a rosbag, whole or damaged: .mcap, .db3, or .bag of ROS 1."""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from rosbags.interfaces import Qos
from rosbags.rosbag1 import Reader as Ros1Reader
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from tdnet_ros.bags.files.compression import ZSTD_START, unpacked
from tdnet_ros.bags.files.paths import MCAP, ROS1, SQLITE, storage_kind
from tdnet_ros.bags.files.ros1 import LATCHED
from tdnet_ros.bags.files.salvage import Salvage
from tdnet_ros.bags.files.scanned import NEVER, Topic
from tdnet_ros.bags.files.sqlite import index_sqlite, read_sqlite
from tdnet_ros.bags.message import Message
from tdnet_ros.bags.unread import Unread
from tdnet_ros.ros.errors import one_line


class _Found(NamedTuple):
    topic: str
    logged_ns: int
    data: bytes


class StorageFile:
    """Its topics and its messages, as CDR; what is damaged is told to `report`.

    A file of rosbag2 is open only while it is read: a bag may have thousands. It is `searchable`
    if a short span of time can be read without the rest.
    """

    def __init__(self, path: Path, report: Callable[[str], None], unread: Unread,
                 name: str) -> None:
        """Look into a file; `name` is what damage to it is told of.

        Messages that cannot be read are told to `unread`, all else to `report`.
        """
        self.path = path
        self.kind = storage_kind(path)
        self._forget()
        self._report = lambda damage: report(f'{name}: {damage}')
        self._salvage = Salvage(path, self._report)
        self._unread = unread
        self._indexed = self.searchable = False
        self._ros1: Any = None
        try:
            self._read_index()
            self._indexed = True
        except Exception:  # parsers of foreign bytes raise nearly anything
            self.close()
            self._forget()
            self._survey()

    def close(self) -> None:
        """Give the file back."""
        if self._ros1 is not None:
            self._ros1.close()
            self._ros1 = None

    def messages(self, types: Mapping[str, str], start_ns: int, stop_ns: int) -> Iterator[Message]:
        """Messages of topics logged from `start_ns` to before `stop_ns`, in the order of time.

        `types` says by topic which type they have; those of another type are left out.
        """
        convert = self._converter()
        for topic, logged_ns, data in self._read(types, start_ns, stop_ns):
            try:
                yield Message(topic, logged_ns, convert(data, types[topic]))
            except Exception as error:
                self._unread.note(topic, logged_ns, one_line(error))

    def _forget(self) -> None:
        self.topics: dict[tuple[str, str], Topic] = {}  # by name and type
        self.start_ns, self.end_ns = NEVER, 0

    def _read_index(self) -> None:
        if self.kind == SQLITE:
            topics, first_ns, last_ns = index_sqlite(self.path)
            if first_ns is not None and last_ns is not None:
                self.start_ns, self.end_ns = first_ns, last_ns + 1
            self.topics = topics
        elif self.kind == ROS1:
            ros1 = Ros1Reader(self.path)
            ros1.open()
            self._ros1 = ros1
            self._take_index(ros1)
        else:
            with Reader(self.path) as reader:
                self._take_index(reader)
                self.searchable = bool(getattr(reader.storage, 'chunks', ()))
            return
        self.searchable = True

    def _take_index(self, reader: Any) -> None:
        for item in reader.connections:
            topic = self.topics.setdefault((item.topic, item.msgtype), Topic(item.msgtype, 0))
            topic.count += item.msgcount
            topic.definition = topic.definition or item.msgdef.data
            topic.offers = topic.offers or _offers(item.ext)
        if reader.message_count != sum(topic.count for topic in self.topics.values()):
            raise ValueError('the index has messages of topics that it does not name')
        if reader.message_count:
            self.start_ns, self.end_ns = reader.start_time, reader.end_time
            if self.start_ns >= self.end_ns:
                raise ValueError('the times in the index make no sense')

    def _survey(self) -> None:
        """Find topics and times without an index."""
        for found in self._salvage.survey():
            topic = self.topics.setdefault(
                (found.topic, found.msgtype), Topic(found.msgtype, 0, found.definition))
            topic.offers = topic.offers or found.offers
            topic.count += 1
            self.start_ns = min(self.start_ns, found.logged_ns)
            self.end_ns = max(self.end_ns, found.logged_ns + 1)

    def _read(self, types: Mapping[str, str], start_ns: int, stop_ns: int) -> Iterator[_Found]:
        """Read by the index and, where that fails, what a scan finds beyond.

        MCAP is always scanned: rosbags does not notice all damage.
        """
        passed: Counter[str] = Counter()  # messages at the last log time, by topic
        last_ns = start_ns
        if self._indexed and self.kind != MCAP:
            indexed = self._by_index(types, start_ns, stop_ns)
            while True:
                try:
                    found = next(indexed, None)
                except Exception:
                    break
                if found is None:
                    return
                if found.logged_ns != last_ns:
                    passed.clear()
                last_ns = found.logged_ns
                passed[found.topic] += 1
                yield found
        for item in self._salvage.messages(last_ns, stop_ns):
            if item.msgtype and (item.topic, item.msgtype) not in self.topics:
                self._report(f'the index does not name {item.topic} [{item.msgtype}]: its '
                             'messages are left out')
            if types.get(item.topic) != item.msgtype:
                continue
            if last_ns <= item.logged_ns < stop_ns:
                if item.logged_ns == last_ns and passed[item.topic] > 0:
                    passed[item.topic] -= 1
                    continue
                yield _Found(item.topic, item.logged_ns, item.data)
            elif not self.start_ns <= item.logged_ns < self.end_ns:
                self._unread.note(item.topic, item.logged_ns, 'the bag is of other times')

    def _by_index(self, types: Mapping[str, str], start_ns: int, stop_ns: int) -> Iterator[_Found]:
        if self.kind == SQLITE:
            yield from map(_Found._make, read_sqlite(self.path, types, start_ns, stop_ns))
            return
        chosen = [item for item in self._ros1.connections
                  if types.get(item.topic) == item.msgtype]
        if chosen:
            for item, logged_ns, data in self._ros1.messages(chosen, start=start_ns, stop=stop_ns):
                yield _Found(item.topic, logged_ns, data)

    def _converter(self) -> Callable[[bytes, str], bytes]:
        if self.kind == ROS1:
            return partial(_ros1_to_cdr, ros1_types(
                tuple((topic.msgtype, topic.definition) for topic in self.topics.values())))
        return lambda data, msgtype: (
            unpacked(data, b'zstd') if data.startswith(ZSTD_START) else data)


def _offers(ext: Any) -> tuple[Qos, ...]:
    """What publishers of a connection offered; of ROS 1 whether they were latched."""
    if getattr(ext, 'latching', None):
        return (LATCHED,)
    return tuple(getattr(ext, 'offered_qos_profiles', ()))


def _ros1_to_cdr(types: Any, data: bytes, msgtype: str) -> bytes:
    return bytes(types.ros1_to_cdr(data, msgtype))


@cache
def ros1_types(definitions: tuple[tuple[str, str], ...]) -> Any:
    """The types of a ROS 1 bag, from type names and definitions, as ROS 2 would define them.

    Its header has no sequence number.
    """
    standard = get_typestore(Stores.ROS2_JAZZY).fielddefs
    fields: dict[str, Any] = {name: standard[name] for name in (
        'builtin_interfaces/msg/Time', 'builtin_interfaces/msg/Duration')}
    for msgtype, text in definitions:
        with suppress(Exception):  # a type that cannot be parsed matters when it is asked for
            fields.update(get_types_from_msg(text, msgtype))
    for name in fields:
        if name == 'std_msgs/msg/Header' or _same_layout(fields[name], standard.get(name)):
            fields[name] = standard[name]
    types: Any = get_typestore(Stores.EMPTY)
    types.register(fields)
    return types


def _same_layout(first: Any, second: Any) -> bool:
    """Whether two definitions differ in the names of fields at most."""
    return bool(second) and [kind for _, kind in first[1]] == [kind for _, kind in second[1]]
