"""Files that are whole or not there, and errors that say which could not be written."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
import fcntl
import os
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def replacing(path: Path, sync: bool = False) -> Iterator[Path]:
    """A path to write to, which takes the place of `path` once it is whole, or on the disk."""
    part = path.with_name(f'.{path.name}.partial')
    try:
        with naming(path):
            yield part
            if sync:
                to_disk(part)
            part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink()


def locked(folder: Path) -> int:
    """Lock a folder until the handle is closed; BlockingIOError if another process has it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Let other processes that want to write into a folder, and ask with this, wait."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # of a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def to_disk(path: Path) -> None:
    """Return when a file that was written is on the disk: power may fail at any moment."""
    with path.open('rb') as file:
        os.fsync(file.fileno())


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an OSError say what cannot be written, and why; one that says so stays as it is."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(f'cannot write {path}: {error.strerror or error}') from error


def check_writable(path: Path | None) -> None:
    """Raise OSError unless a file can be written there, before work is spent on it."""
    if path is None or path.is_fifo():  # whose reader would see it end
        return
    there = path.exists()
    with naming(path):
        path.open('ab').close()
        if not there:
            path.resolve().unlink()


def check_folder(path: Path) -> None:
    """Raise OSError unless files can be written into a folder, which may have to be made."""
    with naming(path):
        there = next(folder for folder in (path, *path.parents)
                     if folder.exists() or folder.is_symlink())
        with TemporaryDirectory(dir=there):
            pass
