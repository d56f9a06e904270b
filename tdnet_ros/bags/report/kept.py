"""Summaries that are kept in the bags that `tdnet_bag label` wrote, so that each is read once."""
from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
import hashlib
import json
from pathlib import Path
from typing import Any

from tdnet_ros.bags.label_record import FILE as RECORD
from tdnet_ros.bags.label_record import LabelRecord, write_json
from tdnet_ros.bags.progress import Update
from tdnet_ros.bags.report.collect import VERSION, summarize_bag

FILE = 'tdnet_report.json'


def kept_summary(path: Path, truth: Sequence[str], update: Update) -> dict[str, Any]:
    """Take the summary of a bag from the last report, or make it and keep it if it was labelled.

    A bag that somebody else wrote is left as it is. BagError says why a bag cannot be read.
    """
    key = _key(path, truth)
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads((path / FILE).read_text(encoding='utf-8'))
        if key and kept['key'] == key:
            return {**kept['summary'], 'path': str(path), 'name': path.resolve().name}
    summary = summarize_bag(path, truth, update)
    if key:
        with suppress(OSError):  # it can be made again
            write_json(path / FILE, {'key': key, 'summary': summary})
    return summary


def _key(path: Path, truth: Sequence[str]) -> str:
    """What tells a labelled bag from any other state of it; empty for other bags."""
    if not (path / RECORD).exists():
        return ''
    source = Path(LabelRecord.read(path).input)
    known = json.dumps([VERSION, _sizes(path), _sizes(source), list(truth)]).encode()
    return hashlib.sha256(known + (path / RECORD).read_bytes()).hexdigest()


def _sizes(bag: Path) -> list[tuple[str, int]]:
    """The files of a bag but for reports on it; none where it cannot be read."""
    try:
        files = bag.iterdir() if bag.is_dir() else [bag]
        return sorted((file.name, file.stat().st_size) for file in files
                      if file.suffix not in ('.html', '.json'))
    except OSError:
        return []
