"""Any rosbag for reading: rosbag2 (sqlite3, MCAP, split, zstd) and ROS 1, whole or damaged."""
from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
import errno
from functools import partial
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory, gettempdir

import yaml

from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.files.compression import unpack_file
from tdnet_ros.bags.files.merging import in_time
from tdnet_ros.bags.files.paths import (
    INFORMATION,
    METADATA,
    PACKED,
    ROS1,
    SUFFIXES,
    is_storage,
    natural_key,
    plain_name,
    storage_kind,
    write_ahead_log,
)
from tdnet_ros.bags.files.scanned import NEVER, Topic
from tdnet_ros.bags.files.sqlite import is_log
from tdnet_ros.bags.files.storage import StorageFile
from tdnet_ros.bags.message import IMAGE_TYPES, Message
from tdnet_ros.bags.unread import Unread
from tdnet_ros.ros.texts import counted


class Bag:
    """Topics and messages of a bag in the order of their log times.

    A bag without metadata.yaml, or with damaged files, gives what can be read; `problems` says
    what could not, each in one line with file and offset, or for all unreadable messages of a
    topic. BagError where there is no bag.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[str] = []
        self.unread = Unread(self.problems, f'{path}: ')
        self._stack = ExitStack()
        try:
            paths = self._files()
            self.files = [self._opened(file) for file in paths]
        except OSError as error:
            self._stack.close()
            full = (f' in {gettempdir()}, where it is unpacked; TMPDIR can name another folder'
                    if error.errno in (errno.ENOSPC, errno.EDQUOT) else '')
            raise BagError(f'{path} cannot be read: {error.strerror or error}{full}') from error
        self.bytes = sum(file.stat().st_size for file in paths)
        self.topics = self._all_topics()
        self.start_ns = min((file.start_ns for file in self.files), default=NEVER)
        self.end_ns = max((file.end_ns for file in self.files), default=0)

    def close(self) -> None:
        """Give the files back."""
        self._stack.close()

    def messages(self, topics: Collection[str], start_ns: int = 0,
                 stop_ns: int = NEVER) -> Iterator[Message]:
        """Messages of some topics logged from `start_ns` to before `stop_ns`."""
        types = {name: self.topics[name].msgtype for name in topics if name in self.topics}
        files = sorted((file for file in self.files if types and file.start_ns < stop_ns
                        and file.end_ns > start_ns), key=lambda file: file.start_ns)
        return in_time((file.start_ns, partial(file.messages, types, start_ns, stop_ns))
                       for file in files)

    def image_topics(self, wanted: Collection[str] = ()) -> dict[str, str]:
        """Image topics and their types: all, or those of these names; BagError if one is none."""
        found = {name: topic.msgtype for name, topic in self.topics.items()
                 if topic.msgtype in IMAGE_TYPES}
        if not found:
            raise BagError(f'{self.path} has no image topic; its topics: '
                           f'{", ".join(sorted(self.topics)) or "none"}')
        for name in wanted:
            if name not in found:
                raise BagError(f'{self.path} has no image topic {name}; its image topics: '
                               f'{", ".join(sorted(found))}')
        return {name: found[name] for name in wanted or found}

    def _report(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def _files(self) -> list[Path]:
        if not self.path.exists():
            raise BagError(f'{self.path} does not exist: expected a rosbag')
        if not self.path.is_dir():
            if not is_storage(self.path):
                raise BagError(f'{self.path} is no rosbag: expected a rosbag2 directory or a '
                               f'{", ".join(SUFFIXES)} file')
            return [self.path]
        about = self.path / METADATA
        there = {plain_name(file): file for file in sorted(
            filter(is_storage, self.path.iterdir()), reverse=True)}  # packed before plain
        named = self._named_files(about) if about.exists() else []
        files = self._there(named, there) or sorted(there.values(), key=natural_key)
        if not files:
            raise BagError(f'{self.path} is no rosbag: it has neither {METADATA} nor a storage '
                           f'file ({", ".join(SUFFIXES)})')
        if not about.exists() and {*map(storage_kind, files)} != {ROS1}:
            self._report(f'{about}: offset 0: the file is missing; the recording was cut off')
        return files

    def _there(self, named: list[Path], there: Mapping[str, Path]) -> list[Path]:
        """Which files of a folder are those of the bag, packed meanwhile or not."""
        names = [plain_name(file) for file in named]
        for file, name in zip(named, names):
            if name not in there:
                self._report(f'{file}: offset 0: the file is missing, although {METADATA} '
                             'names it')
        files = [file if file.exists() else there[name]
                 for file, name in zip(named, names) if name in there]
        for name in sorted({*there} - {*names}) if files else ():
            self._report(f'{there[name]}: offset 0: the file is left out, for {METADATA} does not '
                         'name it')
        return files

    def _named_files(self, path: Path) -> list[Path]:
        """What metadata.yaml names as the bag's files."""
        try:
            about = dict(yaml.safe_load(path.read_text(encoding='utf-8'))[INFORMATION])
            names = about.get('relative_file_paths') or []
            if not isinstance(names, list):
                raise TypeError('relative_file_paths is no list')
            if names and [*about][-1] == 'relative_file_paths':  # others follow in all versions
                raise ValueError('it was cut off within relative_file_paths')
            return [self.path / PurePath(str(name)).name for name in names]
        except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
            self._report(f'{path}: offset 0: {" ".join(str(error).split())}')
        return []

    def _opened(self, path: Path) -> StorageFile:
        plain, name = self._readable(path)
        file = StorageFile(plain, self._report, self.unread, name)
        self._stack.callback(file.close)
        return file

    def _readable(self, path: Path) -> tuple[Path, str]:
        """A storage file as it is, or all of it that can be put into one; and its name."""
        if path.suffix == PACKED:
            plain = Path(self._folder(), path.stem)
            if damage := unpack_file(path, plain):
                self._report(f'{path}: {damage}')
            return plain, f'{path}: unpacked'
        log = write_ahead_log(path)
        if log and not is_log(log):
            self._report(f'{log}: offset 0: this is no write-ahead log; none of its messages can '
                         'be read')
            log = None
        return path, f'{path} with {log.name}' if log else str(path)

    def _folder(self) -> Path:
        return Path(self._stack.enter_context(TemporaryDirectory(prefix='tdnet_bag_')))

    def _all_topics(self) -> dict[str, Topic]:
        """The topics of all files; of one with several types those of its most common type."""
        kinds: dict[str, dict[str, Topic]] = {}
        for file in self.files:
            for (name, msgtype), topic in file.topics.items():
                total = kinds.setdefault(name, {}).setdefault(
                    msgtype, Topic(msgtype, 0, '', topic.offers))
                total.count += topic.count
                total.definition = total.definition or topic.definition
        topics = {name: max(found.values(), key=lambda topic: topic.count)
                  for name, found in kinds.items()}
        for name, found in kinds.items():
            for other in found.values():
                if other is not topics[name] and other.count:
                    self._report(f'{self.path}: {name} has {topics[name].msgtype}; '
                                 f'{counted(other.count, "message")} of {other.msgtype} left out')
        return topics


def needs_copy(path: Path) -> bool:
    """Whether a bag has a file that is unpacked into a temporary folder before it is read."""
    files = path.iterdir() if path.is_dir() else [path]
    return any(file.suffix == PACKED for file in files)
