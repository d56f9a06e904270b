"""Entry points of the commands; they name the extra where a package of it is missing."""
from __future__ import annotations

from importlib import import_module
import sys


def train() -> int:
    """Run tdnet_train."""
    return _run('train')


def evaluate() -> int:
    """Run tdnet_evaluate."""
    return _run('evaluate')


def _run(name: str) -> int:
    try:
        module = import_module(f'tdnet_ros.learn.{name}')
    except ModuleNotFoundError as error:
        if str(error.name).startswith('tdnet_ros'):
            raise
        print(f"tdnet_{name}: the package '{error.name}' is missing; in the clone of tdnet_ros: "
              "pip install '.[train]'", file=sys.stderr)
        return 1
    return int(module.main())
