"""The variable that points Fast DDS at a profile such as config/fastdds.xml."""
from __future__ import annotations

from collections.abc import Mapping
import os

OLD, NEW = 'FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'


def profile_variable(environ: Mapping[str, str] = os.environ) -> str:
    """Its name: up to Jazzy (the wheels) only the old one is read, later ROS warns of that."""
    is_old = (environ.get('ROS_DISTRO') or 'jazzy') in ('humble', 'iron', 'jazzy')
    return OLD if is_old else NEW


def given_profile(environ: Mapping[str, str] = os.environ) -> str:
    """The profile that the user chose; the old name counts everywhere."""
    return environ.get(profile_variable(environ)) or environ.get(OLD, '')
