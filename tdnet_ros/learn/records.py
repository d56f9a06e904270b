"""Plain data, as YAML gives it, to records whose fields say type and range."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
import math
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

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


def read_record(kind: type[Record], content: Any, where: str) -> Record:
    """Build a dataclass from a mapping; ValueError says what came and what was expected."""
    if not isinstance(content, Mapping):
        raise ValueError(f'{where}: expected a mapping, not {content!r}')
    known: dict[str, Field[Any]] = {
        entry.name: entry for entry in fields(kind)}  # type: ignore[arg-type]
    unknown = [str(key) for key in content if key not in known]
    if unknown:
        raise ValueError(f'{where}: unknown {", ".join(unknown)}; expected {", ".join(known)}')
    missing = [name for name, entry in known.items() if name not in content
               and entry.default is MISSING and entry.default_factory is MISSING]
    if missing:
        raise ValueError(f'{where}: {", ".join(missing)} missing')
    hints = get_type_hints(kind, include_extras=True)
    return kind(**{name: _value(hints[name], value, where, name)
                   for name, value in content.items()})


def _value(hint: Any, value: Any, where: str, name: str) -> Any:
    if is_dataclass(hint):
        return read_record(hint, value, name)  # type: ignore[arg-type]
    if get_origin(hint) is tuple:
        return _tuple(get_args(hint), value, where, name)
    try:
        return _scalar(hint, value)
    except ValueError as error:
        raise ValueError(f'{where}: {name} is {value!r}, expected {error}') from None


def _tuple(hints: tuple[Any, ...], value: Any, where: str, name: str) -> Any:
    endless = hints[-1] is Ellipsis
    if not isinstance(value, (list, tuple)) or not (endless or len(value) == len(hints)):
        length = 'a list' if endless else f'a list of {len(hints)}'
        raise ValueError(f'{where}: {name} is {value!r}, expected {length}')
    return tuple(_value(hints[0] if endless else hints[index], item, where, f'{name} {index}')
                 for index, item in enumerate(value))


def _scalar(hint: Any, value: Any) -> Any:
    """Check one value; the ValueError says what is expected."""
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise ValueError(' or '.join(map(repr, get_args(hint))))
        return value
    kind, bounds = get_args(hint) if get_origin(hint) is Annotated else (hint, None)
    words = {int: 'a whole number', float: 'a number', bool: 'true or false', str: 'a text'}
    expected = words[kind] + (f' {bounds}' if bounds else '')
    if kind is float and isinstance(value, str):  # YAML reads 1e-3 as text
        try:
            value = float(value)
        except ValueError:
            raise ValueError(expected) from None
    fits = isinstance(value, (int, float) if kind is float else kind)
    if not fits or (isinstance(value, bool) and kind is not bool):
        raise ValueError(expected)
    if bounds and not bounds.low <= value <= bounds.high:
        raise ValueError(expected)
    return kind(value)
