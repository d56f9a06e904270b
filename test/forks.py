"""Processes that fork from one which has imported already what takes seconds."""
import multiprocessing
import os
import tempfile

FORKS = multiprocessing.get_context('forkserver')
_imported: list[str] = []


def preload(*modules: str) -> None:
    """Name modules for the process that is forked: one for all tests, with those of all."""
    _imported.extend(modules)
    FORKS.set_forkserver_preload(_imported)


def set_environment(environment: dict[str, str]) -> None:
    """Give a forked process the environment that a new one would have."""
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # found by the old TMPDIR, maybe
