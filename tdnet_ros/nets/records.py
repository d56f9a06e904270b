"""YAML files, and records of what is in them whose fields say type and range."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, fields, is_dataclass
import math
from pathlib import Path
from reprlib import repr
from types import UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import yaml

Record = TypeVar('Record')


class Range(NamedTuple):
    """Bounds of a number, both included."""

    low: float
    high: float = math.inf

    def __str__(self) -> str:
        end = f'from {self.low:.10g} to {self.high:.10g}'
        return end if math.isfinite(self.high) else f'of at least {self.low:g}'


Count = Annotated[int, Range(1)]
Natural = Annotated[int, Range(0)]
Amount = Annotated[float, Range(0)]
Share = Annotated[float, Range(0, 1)]
SIDES = Range(32, 8192)
Side = Annotated[int, SIDES]
"""Of an image that a network takes, in pixels."""

_EXPECTED = {int: 'a whole number', float: 'a number', bool: 'true or false', str: 'a text',
             Path: 'the name of a file', Mapping: 'a mapping'}


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a key that a mapping has twice; usually the last one counts, in silence."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)  # before what it merges is added to it
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise ValueError(f'line {key.start_mark.line + 1}: {key.value} is there twice')
                seen.add((key.tag, key.value))
        return node


def read_yaml(path: Path) -> Any:
    """Read a YAML file; ValueError says in one line what is wrong with it."""
    try:
        return yaml.load(path.read_text(encoding='utf-8'), _UniqueKeys)  # a safe loader
    except yaml.MarkedYAMLError as error:
        line = f'line {error.problem_mark.line + 1}: ' if error.problem_mark else ''
        raise ValueError(f'{line}{error.problem}') from error
    except yaml.YAMLError as error:
        raise ValueError(' '.join(str(error).split())) from error
    except UnicodeDecodeError as error:
        raise ValueError(f'it is no text ({error.reason} at byte {error.start})') from error
    except RecursionError:
        raise ValueError('it is nested too deeply') from None
    except (AttributeError, LookupError) as error:  # of PyYAML's constructors, as for !!int ""
        raise ValueError('a value is not of the kind that its tag says') from error


def plain(record: Any) -> dict[str, Any]:
    """Turn a dataclass to plain data, for YAML and checkpoints."""
    content: dict[str, Any] = _plain(asdict(record))
    return content


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def read_record(kind: type[Record], content: Any, where: str) -> Record:
    """Build a dataclass from a mapping; ValueError says what came and what was expected.

    A key without a value is as good as none where the field has a default.
    """
    if not isinstance(content, Mapping):
        raise ValueError(f'{where}: expected a mapping, not {repr(content)}')
    known: dict[str, Field[Any]] = {
        entry.name: entry for entry in fields(kind)}  # type: ignore[arg-type]
    unknown = [str(key) for key in content if key not in known]
    if unknown:
        raise ValueError(f'{where}: unknown {", ".join(unknown)}; expected {", ".join(known)}')
    required = [name for name, entry in known.items()
                if entry.default is MISSING and entry.default_factory is MISSING]
    missing = [name for name in required if name not in content]
    if missing:
        raise ValueError(f'{where}: {", ".join(missing)} missing')
    hints = get_type_hints(kind, include_extras=True)
    values = {name: read_value(hints[name], value, where, name)
              for name, value in content.items()
              if value is not None or name in required or _may_be_none(hints[name])}
    try:
        return kind(**values)
    except ValueError as error:
        raise ValueError(f'{where}: {error}') from error


def read_value(hint: Any, value: Any, where: str, name: str) -> Any:
    """Check one value against a type hint; ValueError says what came and what was expected."""
    if _may_be_none(hint):
        if value is None:
            return None
        hint, _ = get_args(hint)
    if is_dataclass(hint):
        return read_record(hint, value, f'{where}: {name}')  # type: ignore[arg-type]
    if get_origin(hint) is tuple:
        return _tuple(get_args(hint), value, where, name)
    try:
        return _scalar(hint, value)
    except ValueError as error:
        raise ValueError(f'{where}: {name} is {repr(value)}, expected {error}') from None


def _may_be_none(hint: Any) -> bool:
    return get_origin(hint) in (Union, UnionType)


def _tuple(hints: tuple[Any, ...], value: Any, where: str, name: str) -> Any:
    endless = hints[-1] is Ellipsis
    if not isinstance(value, (list, tuple)) or not (endless or len(value) == len(hints)):
        length = 'a list' if endless else f'a list of {len(hints)}'
        raise ValueError(f'{where}: {name} is {repr(value)}, expected {length}')
    return tuple(read_value(hints[0] if endless else hints[index], item, where, f'{name} {index}')
                 for index, item in enumerate(value))


def _scalar(hint: Any, value: Any) -> Any:
    """Check one value; the ValueError says what is expected."""
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise ValueError(' or '.join(map(repr, get_args(hint))))
        return value
    kind, bounds = get_args(hint) if get_origin(hint) is Annotated else (hint, None)
    kind = get_origin(kind) or kind
    expected = _EXPECTED[kind] + (f' {bounds}' if bounds else '')
    if kind is float and isinstance(value, (int, str)) and not isinstance(value, bool):
        try:
            value = float(value)  # YAML reads 1e-3 as text
        except (ValueError, OverflowError):
            raise ValueError(expected) from None
    fits = isinstance(value, str if kind is Path else kind)
    if not fits or (isinstance(value, bool) and kind is not bool):
        raise ValueError(expected)
    if (kind is float and not math.isfinite(value)) or (
            bounds and not bounds.low <= value <= bounds.high):
        raise ValueError(expected)
    return value if kind is Mapping else kind(value)
