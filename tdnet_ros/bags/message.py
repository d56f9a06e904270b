"""Messages of bags as bytes, and the types that matter here."""
from __future__ import annotations

import struct
from typing import NamedTuple

from tdnet_ros.bags.unread import Unread

RAW_IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
IMAGE_TYPES = frozenset({RAW_IMAGE, COMPRESSED_IMAGE})
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
HEADER_BYTES = 12
'''A message with a stamp is no shorter.'''


class Message(NamedTuple):
    """One message of a bag."""

    topic: str
    logged_ns: int
    cdr: bytes


def has_header(message: Message, unread: Unread) -> bool:
    """Whether a message is long enough for a header; one that is not is noted."""
    if len(message.cdr) >= HEADER_BYTES:
        return True
    unread.note(message.topic, message.logged_ns,
                f'{len(message.cdr)} bytes are too few for a header')
    return False


def header_stamp_ns(cdr: bytes) -> int:
    """Stamp of a serialized message that begins with a std_msgs/Header."""
    order = '<' if cdr[1] & 1 else '>'
    seconds, nanoseconds = struct.unpack_from(f'{order}iI', cdr, 4)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)
