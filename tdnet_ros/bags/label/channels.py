"""The topics of a labelled bag: their types, and the definitions that go into the file."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from rosbags.interfaces import Qos
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore

from tdnet_ros.bags.definitions import SEPARATOR, definition
from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.files.bag import Bag
from tdnet_ros.bags.files.paths import ROS1
from tdnet_ros.bags.files.storage import ros1_types
from tdnet_ros.bags.label.wire import LABEL_INFO, types
from tdnet_ros.bags.offers import offer
from tdnet_ros.ros.errors import one_line

_IDL = f'{SEPARATOR}\nIDL: '


class Channel(NamedTuple):
    """A topic that is written: its type, definition, hash and QoS."""

    msgtype: str
    definition: str
    digest: str
    offers: tuple[Qos, ...] = ()


def output_channels(kinds: Mapping[str, str]) -> dict[str, Channel]:
    """Channels of what labelling makes, from message types by topic; QoS as the node's."""
    labels, latched = offer(depth=2, latched=False), offer(depth=1, latched=True)
    return {topic: Channel(msgtype, *_generated(types(), msgtype),
                           (latched if msgtype == LABEL_INFO else labels,))
            for topic, msgtype in kinds.items()}


def copied_channels(bag: Bag, written: Mapping[str, Channel],
                    report: Callable[[str], None]) -> dict[str, Channel]:
    """Channels of the bag's own topics, but for those that are written anew.

    `report` is told of each topic that is left out, because the definition of its messages
    is neither in the bag nor installed, or they are events of a service, which have none.
    """
    ros1 = bag.files[0].kind == ROS1
    channels = {}
    for name, topic in bag.topics.items():
        if name not in written and topic.count:
            try:
                channels[name] = Channel(topic.msgtype, *_definition(bag, name, ros1),
                                         topic.offers)
            except BagError as error:
                report(f'{bag.path}: {name} is not copied: {error}')
    return channels


def _definition(bag: Bag, name: str, ros1: bool) -> tuple[str, str]:
    """Definition and hash of a topic's messages."""
    topic = bag.topics[name]
    if topic.msgtype.endswith('_Event') and '/srv/' in topic.msgtype:
        raise BagError('events of a service have no definition')
    try:
        if ros1:
            return _generated(ros1_types(tuple(
                (item.msgtype, item.definition) for item in bag.topics.values())), topic.msgtype)
        if topic.definition:
            return topic.definition, _digest(topic.msgtype, topic.definition)
        if topic.msgtype in types().fielddefs:
            return _generated(types(), topic.msgtype)
    except Exception as error:  # parsers of foreign text raise nearly anything
        raise BagError(f'the definition of {topic.msgtype} in the bag cannot be read: '
                       f'{one_line(error)}') from error
    try:
        known = definition(topic.msgtype)
    except BagError as error:
        raise BagError(f'the bag has no definition of {topic.msgtype}, and {error}') from error
    return known.text, known.digest


def _generated(store: Any, msgtype: str) -> tuple[str, str]:
    return store.generate_msgdef(msgtype, ros_version=2)[0], store.hash_rihs01(msgtype)


def _digest(msgtype: str, text: str) -> str:
    store: Any = get_typestore(Stores.EMPTY)
    if text.startswith(_IDL):
        for part in text.split(f'{SEPARATOR}\n')[1:]:
            store.register(get_types_from_idl(part.partition('\n')[2]))
    else:
        store.register(get_types_from_msg(text, msgtype))
    return str(store.hash_rihs01(msgtype))
