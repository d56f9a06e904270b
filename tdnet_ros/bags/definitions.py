"""Message definitions and type hashes, from the .msg files that interface packages install."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, TypesysError, get_types_from_msg, get_typestore

from tdnet_ros.bags.errors import BagError

SEPARATOR = '=' * 80


@dataclass(frozen=True)
class Definition:
    """What a bag stores about a type, so that it can be read without the package."""

    text: str  # the type's own .msg text, then that of every type it uses
    digest: str  # RIHS01 hash of the type


@cache
def definition(msgtype: str) -> Definition:
    """Read the definition of a type like 'sensor_msgs/msg/Image' from its installed package."""
    store = get_typestore(Stores.EMPTY)
    try:
        texts = dict(_closure(msgtype))
        for name, text in texts.items():
            store.register(get_types_from_msg(text, name))
    except TypesysError as error:
        raise BagError(f'the definition of {msgtype} cannot be read: {error}') from error
    own, *used = texts.items()
    parts = [own[1]] + [f'{SEPARATOR}\nMSG: {name.replace("/msg/", "/")}\n{text}'
                        for name, text in used]
    return Definition(text='\n'.join(parts), digest=store.hash_rihs01(msgtype))


def _closure(msgtype: str) -> Iterator[tuple[str, str]]:
    """The type and every type that it is made of, each once, as name and .msg text."""
    waiting, seen = [msgtype], {msgtype}
    while waiting:
        name = waiting.pop(0)
        text = _msg_file(name).read_text(encoding='utf-8')
        yield name, text
        for _, fields in get_types_from_msg(text, name).values():
            used = {part for _, description in fields for part in _names(description)}
            waiting += sorted(used - seen)
            seen |= used


def _names(description: Any) -> Iterator[str]:
    """Names of the message types in one field of rosbags' parse tree."""
    kind, detail = description
    if kind == Nodetype.NAME:
        yield detail
    elif kind in (Nodetype.ARRAY, Nodetype.SEQUENCE):
        yield from _names(detail[0])


def _msg_file(msgtype: str) -> Path:
    """The installed .msg file: share/PACKAGE/msg of the prefix that PACKAGE is imported from."""
    package, _, name = msgtype.split('/')
    spec = find_spec(package)
    for location in (spec.submodule_search_locations or []) if spec else []:
        for prefix in Path(location).parents:
            candidate = prefix / 'share' / package / 'msg' / f'{name}.msg'
            if candidate.exists():
                return candidate
    raise BagError(f'the definition of {msgtype} is not installed: expected {name}.msg in '
                   f'share/{package}/msg of a ROS 2 environment')
