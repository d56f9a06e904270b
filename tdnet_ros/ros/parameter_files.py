"""Parameter files of which nothing is for the node."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
import re
from typing import Any

import yaml

from tdnet_ros.ros.errors import printable


def given_files(arguments: Sequence[str]) -> list[str]:
    """The parameter files that a command line names."""
    return [file for word, file in pairwise(arguments) if word == '--params-file']


def unused_files(files: Sequence[str], node: str) -> list[str]:
    """One line for each file whose sections are all for nodes of other full names."""
    lines = []
    for file in files:
        sections: list[str] = []
        with suppress(OSError, ValueError, yaml.YAMLError):  # where it cannot be read, rcl says so
            sections += _sections(yaml.safe_load(Path(file).read_text()))
        if sections and not any(_is_for(section, node) for section in sections):
            lines.append(f'no parameters in {file} are for {node}, only for '
                         + printable(', '.join(sections), 100))
    return lines


def _sections(content: Any, name: str = '') -> Iterator[str]:
    """The full names, with wildcards, that have parameters; namespaces may be nested."""
    for key, inner in content.items() if isinstance(content, dict) else ():
        if key == 'ros__parameters':
            yield name
        else:
            yield from _sections(inner, f'{name}/{str(key).strip("/")}')


def _is_for(section: str, node: str) -> bool:
    """Whether a name with wildcards fits: * is one part of a name, ** any number."""
    parts = {'**': r'(/\w+)*', '*': r'/\w+'}
    pattern = ''.join(parts.get(part, f'/{re.escape(part)}') for part in section.split('/')[1:])
    return bool(re.fullmatch(pattern, node))
