"""Cameras and frames of two labelled bags that belong together."""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.labelled import LabelCamera, LabelledBag
from tdnet_ros.bags.message import Message, header_stamp_ns

Topics = tuple[str, str]


class Key(NamedTuple):
    """What a frame is matched by: its stamp, and how many frames before it had the same one."""

    stamp_ns: int
    repeat: int


def match_cameras(first: LabelledBag, second: LabelledBag,
                  topics: Topics | None) -> list[tuple[LabelCamera, LabelCamera]]:
    """Pair the cameras of the same name, or the only one of each; or the label topics given."""
    if topics:
        return [(first.label_topic(topics[0]), second.label_topic(topics[1]))]
    for bag in (first, second):
        if not bag.cameras:
            raise BagError(
                f'{bag.path} has no label topic (a name that ends with /labels or '
                f'/labels/compressed): name one of each with --topics; its topics: '
                f'{", ".join(sorted(bag.topics))}')
    if len(first.cameras) == len(second.cameras) == 1:
        return [(first.cameras[0], second.cameras[0])]
    others = {camera.name: camera for camera in second.cameras}
    pairs = [(camera, others[camera.name]) for camera in first.cameras if camera.name in others]
    if not pairs:
        raise BagError(f'no camera is in both bags: {_names(first)}; {_names(second)}; name one '
                       'label topic of each with --topics')
    return pairs


def _names(bag: LabelledBag) -> str:
    return f'{bag.path} has {", ".join(camera.labels for camera in bag.cameras)}'


def frame_keys(bag: LabelledBag, topic: str) -> dict[Key, int]:
    """The frames of a topic in bag order, with their log times in ns."""
    return {key: message.logged_ns for key, message in _keyed(bag, topic)}


def matched_frames(first: LabelledBag, first_topic: str, second: LabelledBag, second_topic: str,
                   common: Mapping[Key, int]) -> Iterator[tuple[Key, Message, Message]]:
    """The frames that both have, in the first's order; BagError if a bag has lost one meanwhile.

    Frames of the second wait, still serialized, only where its order is another.
    """
    left = len(common)
    others = (item for item in _keyed(second, second_topic) if item[0] in common)
    waiting: dict[Key, Message] = {}
    for key, message in _keyed(first, first_topic):
        if key in common:
            while key not in waiting:
                other = next(others, None)
                if other is None:
                    raise _changed(second)
                waiting.update([other])
            left -= 1
            yield key, message, waiting.pop(key)
    if left:
        raise _changed(first)


def _changed(bag: LabelledBag) -> BagError:
    return BagError(f'{bag.path} has changed while it was read: frames of it are gone')


def _keyed(bag: LabelledBag, topic: str) -> Iterator[tuple[Key, Message]]:
    seen: Counter[int] = Counter()
    for message in bag.messages({topic}):
        stamp_ns = header_stamp_ns(message.cdr)
        yield Key(stamp_ns, seen[stamp_ns]), message
        seen[stamp_ns] += 1
