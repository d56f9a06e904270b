"""Cyclone DDS loses images that its receive buffer has no room for, and does not tell."""
from __future__ import annotations

from collections.abc import Mapping
import os
from pathlib import Path

URI, FILE = 'CYCLONEDDS_URI', 'config/cyclonedds.xml'
REMEDY = f'sudo sysctl -w net.core.rmem_max={64 * 2**20}, and {URI}=file://.../{FILE}'
ASKED = 2**20
'''Bytes that Cyclone DDS asks the kernel for where it is not configured.'''
LARGE = 25 * 10**6
'''Bytes of a 4K image in colour.'''
LIMIT = Path('/proc/sys/net/core/rmem_max')


def is_used() -> bool:
    """Whether the messages of this process go through Cyclone DDS."""
    from rclpy.utilities import get_rmw_implementation_identifier  # the demo asks nothing of ROS
    return bool(get_rmw_implementation_identifier() == 'rmw_cyclonedds_cpp')


def receive_buffer(environ: Mapping[str, str] = os.environ) -> int | None:
    """Bytes of images that may wait for the node; None where that is not known.

    So it is with another middleware, and with a configuration of somebody's own.
    The kernel gives twice what it is asked for, up to its limit.
    """
    uri = environ.get(URI, '')
    is_ours = uri.endswith(FILE)
    if not is_used() or (uri and not is_ours):
        return None
    try:
        limit = int(LIMIT.read_text())
    except (OSError, ValueError):
        return None
    return 2 * (limit if is_ours else min(limit, ASKED))


def too_large(image_bytes: int) -> str:
    """Why images of this size do not all arrive; empty where they may."""
    room = receive_buffer()
    if room is None or image_bytes <= room:
        return ''
    return (f'images of {image_bytes / 1e6:.1f} MB come through Cyclone DDS, which has room for '
            f'{room / 1e6:.1f} MB and loses the rest without a word: {REMEDY}')


def may_lose_all() -> str:
    """Why perhaps none arrives of images whose size is not known; empty where 4K ones may."""
    room = receive_buffer()
    if room is None or room >= LARGE:
        return ''
    return f'Cyclone DDS loses those of more than {room / 1e6:.1f} MB without a word: {REMEDY}'
