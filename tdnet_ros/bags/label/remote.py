"""Bags at URLs that fsspec knows, such as s3://bucket/drive: fetched, labelled, sent."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
import errno
from pathlib import Path
import shutil
from tempfile import TemporaryDirectory, gettempdir, mkdtemp
import threading
from typing import Any

from fsspec.core import url_to_fs

from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.label.chunk import Labeller
from tdnet_ros.bags.label.job import ChunkResult
from tdnet_ros.bags.label.location import bag_name, is_url
from tdnet_ros.bags.label.output import PART, is_of_chunk
from tdnet_ros.bags.label.run import Outcome, label_bag
from tdnet_ros.bags.label_record import FILE, LabelRecord
from tdnet_ros.ros.errors import one_line


def label_location(bag: str, folder: str, labeller: Labeller, stop: threading.Event) -> Outcome:
    """Label one bag into a folder, where each is a path or a URL."""
    if not is_url(bag) and not is_url(folder):
        return label_bag(Path(bag), Path(folder), labeller, stop)
    try:
        with TemporaryDirectory(prefix='tdnet_bag_') as temporary:
            target = Path(temporary, 'out') if is_url(folder) else Path(folder)
            if is_url(folder):
                _fetch_earlier(f'{folder}/{bag_name(bag)}', target / bag_name(bag))
            source = fetched(bag, Path(temporary, 'in')) if is_url(bag) else Path(bag)
            outcome = _named(label_bag(source, target, labeller, stop), source, bag)
            if is_url(folder):
                outcome = _sent_or_kept(outcome, f'{folder}/{bag_name(bag)}')
            return outcome
    except Exception as error:  # storages fail in ways of their own
        return Outcome.failed(bag, folder, error)


def fetched(url: str, folder: Path) -> Path:
    """A copy of a bag's file or directory; BagError where it does not fit."""
    storage, path = url_to_fs(url)
    local = folder / path.rstrip('/').rpartition('/')[2]
    try:
        if storage.isfile(path):
            folder.mkdir(parents=True)
            storage.get_file(path, str(local))
        elif storage.exists(path):
            _fetch_all(storage, path, local)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise BagError(f'{url} cannot be fetched: {error.strerror} in {gettempdir()}; TMPDIR can '
                       'name another folder') from error
    return local


def _fetch_all(storage: Any, path: str, local: Path) -> None:
    local.mkdir(parents=True)
    for file in storage.ls(path, detail=False):
        if storage.isfile(file):
            storage.get_file(file, str(local / file.rpartition('/')[2]))


def _fetch_earlier(url: str, local: Path) -> None:
    """What an earlier run left: the record of a bag that is done, or all of one that is not."""
    storage, path = url_to_fs(url)
    if storage.exists(f'{path}/{FILE}'):
        local.mkdir(parents=True)
        storage.get_file(f'{path}/{FILE}', str(local / FILE))
        if _is_whole(local):
            return
    if storage.exists(f'{path}{PART}/{FILE}'):
        shutil.rmtree(local, ignore_errors=True)
        _fetch_all(storage, f'{path}{PART}', local.with_name(f'{local.name}{PART}'))
    elif storage.exists(path) and not local.exists():
        raise BagError(f'{url} is in the way, and no work of `tdnet_bag label`: choose another '
                       '--out or remove it')


def _is_whole(bag: Path) -> bool:
    """Whether the record, which is sent last, was sent whole."""
    try:
        LabelRecord.read(bag)
        return True
    except BagError:
        return False


def _named(outcome: Outcome, source: Path, bag: str) -> Outcome:
    """The outcome, and what is kept of it, with the bag's own name in place of the copy's."""
    def name(text: str) -> str:
        return text.replace(str(source), bag)

    output, record = Path(outcome.output), outcome.record
    if record is not None and not outcome.skipped:
        # What earlier runs and this one could not read of their copies may be the same.
        record.input, record.problems = bag, list(dict.fromkeys(map(name, record.problems)))
        if output.exists():  # not without a chunk
            record.write(output)
    for path in output.glob('*.json'):
        if is_of_chunk(path.name, bag_name(bag)):
            result = ChunkResult.read(path)
            result.problems = [*map(name, result.problems)]
            result.write(path)
    return replace(outcome, bag=bag, error=name(outcome.error))


def _sent_or_kept(outcome: Outcome, url: str) -> Outcome:
    """Send the output; BagError where that fails says where on this machine it is."""
    try:
        return _sent(outcome, url)
    except Exception as error:  # hours of work, and a password that has expired meanwhile
        if not Path(outcome.output).exists() or outcome.skipped:
            raise
        kept = shutil.move(outcome.output, mkdtemp(prefix='tdnet_bag_kept_'))
        raise BagError(f'{url} cannot be written: {one_line(error)}; the labels are in {kept}'
                       ) from error


def _sent(outcome: Outcome, url: str) -> Outcome:
    """Send the output; its record last, for a directory without one is not whole.

    The record of the work, which lies there meanwhile, says that what is there is no one else's.
    """
    local = Path(outcome.output)
    done = local.suffix != PART
    if local.exists() and not outcome.skipped:
        storage, path = url_to_fs(url)
        work = f'{path}{PART}'
        if not done or not storage.exists(f'{work}/{FILE}'):
            _remove_earlier(storage, work)
        if done:
            _put(storage, [local / FILE], work)
        _put(storage, sorted(local.iterdir(), key=lambda file: file.name == FILE),
             path if done else work)
        if done:
            storage.rm(work, recursive=True)
    return replace(outcome, output=url if done else f'{url}{PART}')


def _put(storage: Any, files: Iterable[Path], folder: str) -> None:
    storage.makedirs(folder, exist_ok=True)
    for file in files:
        storage.put_file(str(file), f'{folder}/{file.name}')


def _remove_earlier(storage: Any, work: str) -> None:
    """Remove the work that an earlier run sent: its record first, which would vouch for the rest.

    Chunks that this run does not have would else be taken for its own by the next one.
    """
    if storage.exists(f'{work}/{FILE}'):
        storage.rm_file(f'{work}/{FILE}')
    name = work.rpartition('/')[2].removesuffix(PART)
    # Where there are no folders but names with slashes, one without a file is not there.
    for file in storage.ls(work, detail=False) if storage.exists(work) else ():
        if is_of_chunk(file.rpartition('/')[2], name):
            storage.rm_file(file)
