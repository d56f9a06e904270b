"""Settings of the processes that the demo starts: a ROS domain of their own, room for images."""
from __future__ import annotations

from collections.abc import MutableMapping
import os
from pathlib import Path
import shutil
import socket

from tdnet_ros.ros import cyclonedds
from tdnet_ros.ros.fastdds import given_profile, profile_variable

SHARED_MEMORY = Path('/dev/shm')
# The profile asks for 64 MiB of shared memory in each of some five processes.
SHARED_MEMORY_BYTES = 512 * 2**20
# Domains above 101 have ports in the range that Linux gives to anybody.
LAST_DOMAIN = 101


def prepare(environ: MutableMapping[str, str]) -> None:
    """Set what the user has not set."""
    environ.setdefault('OPENCV_LOG_LEVEL', 'SILENT')
    environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')
    if 'ROS_DOMAIN_ID' not in environ:
        environ['ROS_DOMAIN_ID'] = str(free_domain())
    config = _config()
    if config is None:
        return
    environ[cyclonedds.URI] = (environ.get(cyclonedds.URI)
                               or f'file://{config.parent / cyclonedds.FILE}')
    if SHARED_MEMORY.is_dir() and (
            shutil.disk_usage(SHARED_MEMORY).free >= SHARED_MEMORY_BYTES):
        environ[profile_variable(environ)] = (given_profile(environ)
                                              or str(config / 'fastdds.xml'))


def free_domain() -> int:
    """Find a ROS domain that nobody on this machine takes part in."""
    start = os.getpid()
    for offset in range(LAST_DOMAIN):
        domain = 1 + (start + offset) % LAST_DOMAIN
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(('', 7410 + 250 * domain))  # the port of the first participant
                return domain
            except OSError:
                continue
    return 1 + start % LAST_DOMAIN


def _config() -> Path | None:
    """The folder config of the checkout, or of the prefix that the package is installed in."""
    for folder in Path(__file__).resolve().parents[1:]:
        for candidate in (folder / 'config', folder / 'share' / 'tdnet_ros' / 'config'):
            if (candidate / 'fastdds.xml').exists():
                return candidate
    return None
