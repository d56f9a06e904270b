"""What the readers of all formats yield and report."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from rosbags.interfaces import Qos

NEVER = 2 ** 63 - 1
'''A time in ns that no message has.'''

Report = Callable[[str], None]
'''Takes what is damaged, and where.'''


class Scanned(NamedTuple):
    """One message as it lies in the file."""

    topic: str
    msgtype: str
    '''As ROS 2 spells it.'''
    definition: str
    '''The text of its .msg definition; empty where the file has none.'''
    logged_ns: int
    data: bytes
    '''As the format's ROS serializes it.'''
    offers: tuple[Qos, ...] = ()
    '''What the topic's publishers offered, where the file tells it.'''


@dataclass
class Topic:
    """One topic of a bag."""

    msgtype: str
    count: int
    definition: str = ''
    '''The .msg text that the bag has of its type, if it has one.'''
    offers: tuple[Qos, ...] = ()
    '''QoS of its publishers.'''
