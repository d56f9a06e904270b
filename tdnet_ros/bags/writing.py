"""Writing a rosbag2 MCAP bag from a thread of its own, so that a slow disk stalls no callback."""
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
import queue
import shutil
import threading
from typing import Literal

from rosbags.interfaces import Connection, Qos
from rosbags.rosbag2 import StoragePlugin, Writer

from tdnet_ros.bags.definitions import definition
from tdnet_ros.bags.errors import BagError

# Version 8 is the newest layout of metadata.yaml that ROS 2 Humble can open too.
METADATA_VERSION: Literal[8] = 8
QUEUE_BYTES = 256 * 2 ** 20

_Item = tuple[Connection, int, bytes]


class BagWriter:
    """A bag that is being written; messages wait in memory, up to a number of bytes."""

    def __init__(self, path: Path, queue_bytes: int = QUEUE_BYTES) -> None:
        self.path = path
        self.dropped = 0  # messages that found the queue full
        self.bytes = 0
        self.error: BagError | None = None
        self._room = queue_bytes
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()  # of the numbers above, never held while the disk works
        self._writing = threading.Lock()
        self._items: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        if path.exists():
            raise BagError(f'{path} exists already: choose another --out or remove it')
        self._writer = Writer(path, version=METADATA_VERSION, storage_plugin=StoragePlugin.MCAP)
        try:
            self._writer.open()
            self._number_file()
        except OSError as error:
            raise BagError(f'cannot create {path}: {error.strerror or error}') from error
        self._thread = threading.Thread(target=self._run, name='bag writer')
        self._thread.start()

    def add_topic(self, topic: str, msgtype: str, offers: Sequence[Qos]) -> Connection:
        """Declare a topic with the profiles that its publishers offer."""
        known = definition(msgtype)
        with self._lock:
            self._counts[topic] += 0
        with self._writing:
            return self._writer.add_connection(topic, msgtype, msgdef=known.text,
                                               rihs01=known.digest, offered_qos_profiles=offers)

    def put(self, connection: Connection, stamp_ns: int, cdr: bytes) -> None:
        """Hand over a serialized message; it is dropped and counted when there is no room."""
        with self._lock:
            if self.error or len(cdr) > self._room:
                self.dropped += 1
                return
            self._room -= len(cdr)
        self._items.put((connection, stamp_ns, cdr))

    @property
    def counts(self) -> dict[str, int]:
        """Messages written so far, by topic."""
        with self._lock:
            return dict(self._counts)

    def close(self) -> None:
        """Write what waits, then the index and metadata.yaml."""
        self._items.put(None)
        self._thread.join()
        try:
            self._writer.close()
        except OSError as error:
            self.error = self.error or self._disk_error(error)
            with suppress(OSError):
                self._writer.abort()
        if self.error:
            raise self.error

    def remove(self) -> None:
        """Remove the bag, once it is closed."""
        shutil.rmtree(self.path)

    def _number_file(self) -> None:
        """Name the storage file as rosbag2 does: `ros2 bag reindex` takes no other."""
        storage = self._writer.storage
        assert storage is not None
        path = storage.path
        storage.path = path.rename(path.with_stem(f'{path.stem}_0'))

    def _run(self) -> None:
        while (item := self._items.get()) is not None:
            connection, stamp_ns, cdr = item
            with self._lock:
                self._room += len(cdr)
                if self.error:
                    self.dropped += 1
                    continue
            try:
                self.path.stat()  # where it was removed all that is written is lost
                with self._writing:
                    self._writer.write(connection, stamp_ns, cdr)
            except OSError as error:
                self.error = self._disk_error(error)
                continue
            with self._lock:
                self.bytes += len(cdr)
                self._counts[connection.topic] += 1

    def _disk_error(self, error: OSError) -> BagError:
        return BagError(f'cannot write {self.path}: {error.strerror or error}')

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
