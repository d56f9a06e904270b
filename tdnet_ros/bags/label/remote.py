"""Bags at URLs that fsspec knows, such as s3://bucket/drive: fetched, labelled, sent."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
import re
from tempfile import TemporaryDirectory
import threading
from typing import Any

from fsspec.core import url_to_fs

from tdnet_ros.bags.label.chunk import Labeller
from tdnet_ros.bags.label.location import bag_name, is_url
from tdnet_ros.bags.label.output import PART
from tdnet_ros.bags.label.run import Outcome, label_bag
from tdnet_ros.bags.label_record import FILE
from tdnet_ros.ros.errors import one_line


def label_location(bag: str, folder: str, labeller: Labeller, stop: threading.Event) -> Outcome:
    """Label one bag into a folder, where each is a path or a URL."""
    if not is_url(bag) and not is_url(folder):
        return label_bag(Path(bag), Path(folder), labeller, stop)
    try:
        with TemporaryDirectory(prefix='tdnet_bag_') as temporary:
            source = fetched(bag, Path(temporary, 'in')) if is_url(bag) else Path(bag)
            target = Path(temporary, 'out') if is_url(folder) else Path(folder)
            if is_url(folder):
                _fetch_earlier(f'{folder}/{bag_name(bag)}', target / bag_name(bag))
            outcome = _named(label_bag(source, target, labeller, stop), source, bag)
            if is_url(folder):
                outcome = _sent(outcome, f'{folder}/{bag_name(bag)}')
            return outcome
    except Exception as error:  # storages fail in ways of their own
        return Outcome(bag, folder, error=f'{bag}: {one_line(error)}')


def fetched(url: str, folder: Path) -> Path:
    """A copy of a bag's file or directory."""
    storage, path = url_to_fs(url)
    local = folder / path.rstrip('/').rpartition('/')[2]
    if storage.isfile(path):
        folder.mkdir(parents=True)
        storage.get_file(path, str(local))
    elif storage.exists(path):
        _fetch_all(storage, path, local)
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
    elif storage.exists(f'{path}{PART}/{FILE}'):
        _fetch_all(storage, f'{path}{PART}', local.with_name(f'{local.name}{PART}'))


def _named(outcome: Outcome, source: Path, bag: str) -> Outcome:
    """The outcome, and its record, with the bag's own name in place of the copy's."""
    def name(text: str) -> str:
        return text.replace(str(source), bag)

    record = outcome.record
    if record is not None and not outcome.skipped:
        record.input, record.problems = bag, [name(problem) for problem in record.problems]
        record.write(Path(outcome.output))
    return replace(outcome, bag=bag, error=name(outcome.error))


def _sent(outcome: Outcome, url: str) -> Outcome:
    """Send the output; its record last, for a directory without one is not whole."""
    local = Path(outcome.output)
    target = url + (PART if local.suffix == PART else '')
    if local.exists() and not outcome.skipped:
        storage, path = url_to_fs(target)
        storage.makedirs(path, exist_ok=True)
        if local.suffix == PART:
            _remove_earlier(storage, path)
        for file in sorted(local.iterdir(), key=lambda file: file.name == FILE):
            storage.put_file(str(file), f'{path}/{file.name}')
        part = f'{url_to_fs(url)[1]}{PART}'
        if local.suffix != PART and storage.exists(part):
            storage.rm(part, recursive=True)
    return replace(outcome, output=target)


def _remove_earlier(storage: Any, path: str) -> None:
    """Remove the work that an earlier run sent: its record first, which would vouch for the rest.

    Chunks that this run does not have would else be taken for its own by the next one.
    """
    if storage.exists(f'{path}/{FILE}'):
        storage.rm_file(f'{path}/{FILE}')
    name = path.rpartition('/')[2].removesuffix(PART)
    chunk = re.compile(rf'{re.escape(name)}_\d+\.(mcap|json)')
    for file in storage.ls(path, detail=False):
        if chunk.fullmatch(file.rpartition('/')[2]):
            storage.rm_file(file)
