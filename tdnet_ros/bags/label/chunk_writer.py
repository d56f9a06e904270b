"""One file of a labelled bag, written by a thread in the order in which messages are put."""
from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
import queue
import shutil
import tempfile
import threading
from typing import Any

from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer
import yaml

from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.files.paths import INFORMATION, METADATA
from tdnet_ros.bags.label.ahead import Budget
from tdnet_ros.bags.label.channels import Channel
from tdnet_ros.bags.label.encoder import Messages
from tdnet_ros.bags.writing import METADATA_VERSION
from tdnet_ros.nets.writing import to_disk

WRITING = 'writing'
'''Folder inside of a bag for files that are not finished.'''
BEHIND_BYTES = 128 * 2 ** 20
'''Labels and images that may wait to be encoded and written.'''


class ChunkWriter:
    """Writes BAG/<name>.mcap; the file is there, whole, or not at all."""

    def __init__(self, bag: Path, name: str, channels: Mapping[str, Channel]) -> None:
        self._bag = bag
        self._budget = Budget(BEHIND_BYTES)
        self._items: queue.SimpleQueue[tuple[int, Future[Messages] | Messages, int] | None] = (
            queue.SimpleQueue())
        self._error: BaseException | None = None
        try:
            writing = bag / WRITING
            writing.mkdir(exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(dir=writing))
            self._path = self._folder / name
            self._writer = Writer(self._path, version=METADATA_VERSION,
                                  storage_plugin=StoragePlugin.MCAP)
            self._writer.open()
        except OSError as error:
            raise self._disk_error(error) from error
        self._connections: dict[str, Connection] = {
            topic: self._writer.add_connection(
                topic, channel.msgtype, msgdef=channel.definition, rihs01=channel.digest,
                offered_qos_profiles=channel.offers)
            for topic, channel in channels.items()}
        self._thread = threading.Thread(target=self._run, name='bag writer', daemon=True)
        self._thread.start()

    def put(self, logged_ns: int, messages: Future[Messages] | Messages, cost: int) -> None:
        """Write messages when their turn comes; waits while too many bytes do."""
        if self._error is not None:
            raise self._failure()
        self._budget.take(cost)
        self._items.put((logged_ns, messages, cost))

    def finish(self) -> dict[str, Any]:
        """Put the finished file into the bag; return its rosbag2 metadata."""
        self._end()
        if self._error is not None:
            raise self._failure()
        try:
            self._writer.close()
            metadata = yaml.safe_load((self._path / METADATA).read_text(encoding='utf-8'))
            file = self._path / f'{self._path.name}.mcap'
            to_disk(file)
            file.replace(self._bag / file.name)
        except OSError as error:
            raise self._disk_error(error) from error
        return dict(metadata[INFORMATION])

    def _run(self) -> None:
        while (item := self._items.get()) is not None:
            logged_ns, messages, cost = item
            try:
                if self._error is None:
                    ready = messages.result() if isinstance(messages, Future) else messages
                    for topic, cdr in ready:
                        self._writer.write(self._connections[topic], logged_ns, cdr)
            except BaseException as error:  # raised again by `put` and `finish`
                self._error = error
            self._budget.give(cost)

    def _end(self) -> None:
        if self._thread.is_alive():
            self._items.put(None)
            self._thread.join()

    def _failure(self) -> BaseException:
        assert self._error is not None
        return (self._disk_error(self._error) if isinstance(self._error, OSError)
                else self._error)

    def _disk_error(self, error: OSError) -> BagError:
        return BagError(f'cannot write {self._bag}: {error.strerror or error}')

    def __enter__(self) -> ChunkWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self._end()
        self._writer.abort()
        shutil.rmtree(self._folder, ignore_errors=True)
