"""The directory of one labelled bag: <name>.part while it grows, <name> when it is done."""
from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from glob import escape
import os
from pathlib import Path
import re
import shutil
from typing import Any

import yaml

from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.files.paths import INFORMATION, METADATA, natural_key
from tdnet_ros.bags.label.chunk_writer import WRITING
from tdnet_ros.bags.label.job import ChunkResult
from tdnet_ros.bags.label_record import FILE, LabelRecord
from tdnet_ros.nets.writing import locked, replacing

PART = '.part'
OF_INPUT = frozenset({'input_bytes', 'input_start_ns', 'input_end_ns'})
'''Options in a record that tell which bag it was, not how it was labelled.'''


class Output:
    """A bag directory that is readable, and says how far it is, after every chunk."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.final = folder / name
        self.part = folder / f'{name}{PART}'
        self._lock = -1

    def finished(self, options: dict[str, Any]) -> LabelRecord | None:
        """The record of a run with these options that is done; BagError if others made it."""
        if not self.final.exists():
            return None
        record = LabelRecord.read(self.final)
        for key in {*options, *record.options}:
            if options.get(key) != record.options.get(key):
                how = ('from another bag of this name, or before the bag was all there'
                       if key in OF_INPUT else
                       f'with {key} {record.options.get(key)}, not {options.get(key)}')
                raise BagError(f'{self.final} was labelled {how}: choose another --out or remove '
                               'it')
        return record

    def open(self, options: dict[str, Any]) -> list[ChunkResult]:
        """Take the directory for this process; return its chunks, up to the first missing one.

        A chunk is missing, too, where only its result is there.
        """
        try:
            self.part.mkdir(parents=True, exist_ok=True)
            if self._is_foreign():
                raise BagError(f'{self.part} is in the way, and no work of `tdnet_bag label`: '
                               'choose another --out or remove it')
            self._lock = locked(self.part)
        except BlockingIOError as error:
            raise BagError(f'{self.part} is being written by another process') from error
        except OSError as error:
            raise BagError(f'cannot write {self.part}: {error.strerror or error}') from error
        shutil.rmtree(self.part / WRITING, ignore_errors=True)
        if not self._continues(options):
            self._clear()
        found = sorted((ChunkResult.read(path) for path in self._results(self.part)
                        if path.with_suffix('.mcap').exists()), key=lambda result: result.number)
        for lone in found[len(continued(found)):]:  # a cluster that was cut off leaves holes
            for path in self.part.glob(f'{escape(self.chunk_name(lone.number))}.*'):
                path.unlink()
        return continued(found)

    def chunk_name(self, number: int) -> str:
        """Name of a chunk's file, without suffix, as rosbag2 names split files."""
        return f'{self.name}_{number}'

    def publish(self, results: Sequence[ChunkResult], record: LabelRecord) -> None:
        """Make the chunks that are done a bag, with a record of how far it is."""
        try:
            if not results:
                record.write(self.part)
                return
            about = {INFORMATION: merged(results)}
            with replacing(self.part / METADATA) as partial:
                partial.write_text(yaml.safe_dump(about, sort_keys=False), encoding='utf-8')
                record.write(self.part)  # last, so that the two agree whenever work is killed
        except OSError as error:
            raise BagError(str(error)) from error

    def finish(self) -> None:
        """Give the directory its final name."""
        shutil.rmtree(self.part / WRITING, ignore_errors=True)
        self.part.rename(self.final)
        for path in self._results(self.final):
            path.unlink()

    def close(self) -> None:
        """Leave the directory to others; one without any chunk is removed."""
        if self._lock < 0:
            return
        shutil.rmtree(self.part / WRITING, ignore_errors=True)
        if self.part.exists() and not any(self.part.glob('*.mcap')):
            shutil.rmtree(self.part, ignore_errors=True)
        os.close(self._lock)
        self._lock = -1

    def _results(self, folder: Path) -> list[Path]:
        """The files with the results of chunks."""
        return [path for path in folder.glob('*.json') if is_of_chunk(path.name, self.name)]

    def _continues(self, options: dict[str, Any]) -> bool:
        """Whether what is there was made with the same options from the same input."""
        if not (self.part / FILE).exists():
            return False
        try:
            return LabelRecord.read(self.part).options == options
        except BagError:
            return False

    def _is_foreign(self) -> bool:
        """Whether somebody else has files there: ours come after the record."""
        return not (self.part / FILE).exists() and any(
            path.name != WRITING and not path.name.endswith('.partial')
            for path in self.part.iterdir())

    def _clear(self) -> None:
        # The record last: what is left of a directory without one is taken for that of others.
        for path in sorted(self.part.iterdir(), key=lambda path: path.name == FILE):
            if path.suffix in ('.mcap', '.json', '.yaml', '.partial'):
                with suppress(OSError):
                    path.unlink()

    def __enter__(self) -> Output:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def continued(results: Sequence[ChunkResult]) -> list[ChunkResult]:
    """The chunks from the first on that follow each other."""
    found: list[ChunkResult] = []
    for result in results:
        if result.number != len(found):
            break
        found.append(result)
    return found


def is_of_chunk(file: str, name: str) -> bool:
    """Whether this is the name of a chunk of the bag, as `chunk_name` has it, or of its result."""
    return bool(re.fullmatch(rf'{re.escape(name)}_\d+\.(mcap|json)', file))


def finished_bags(folder: Path) -> list[Path]:
    """The bags of labels in a folder that are done, those of earlier runs too."""
    return sorted((record.parent for record in folder.glob(f'*/{FILE}')
                   if record.parent.suffix != PART), key=natural_key)


def merged(results: Sequence[ChunkResult]) -> dict[str, Any]:
    """The rosbag2 metadata of all files together."""
    parts = [result.metadata for result in results]
    full = [part for part in parts if part['message_count']] or parts[:1]
    start_ns = min(_start(part) for part in full)
    end_ns = max(_start(part) + part['duration']['nanoseconds'] for part in full)
    topics: dict[str, dict[str, Any]] = {}
    for part in parts:
        for entry in part['topics_with_message_count']:
            known = topics.setdefault(entry['topic_metadata']['name'],
                                      {**entry, 'message_count': 0})
            known['message_count'] += entry['message_count']
    return {
        **parts[0],
        'relative_file_paths': [path for part in parts for path in part['relative_file_paths']],
        'duration': {'nanoseconds': end_ns - start_ns},
        'starting_time': {'nanoseconds_since_epoch': start_ns},
        'message_count': sum(part['message_count'] for part in parts),
        'topics_with_message_count': list(topics.values()),
        'files': [file for part in parts for file in part['files']]}


def _start(part: dict[str, Any]) -> int:
    return int(part['starting_time']['nanoseconds_since_epoch'])
