"""Where ROS writes its log files."""
from __future__ import annotations

import os
from pathlib import Path
import sys
from tempfile import TemporaryFile, gettempdir


def find_log_folder() -> None:
    """Name a temporary folder for log files where the usual one cannot be written, and say so.

    rclpy.init would fail there; robots with a read-only root are such.
    """
    home = os.environ.get('ROS_HOME') or '~/.ros'
    usual = os.environ.get('ROS_LOG_DIR') or f'{home}/log'
    try:
        place = Path(usual).expanduser()
        place.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=place):
            return
    except (OSError, RuntimeError) as error:  # the latter if there is no home
        folder = Path(gettempdir(), f'ros_log_{os.getuid()}')
        print(f'cannot write into {usual} ({getattr(error, "strerror", error)}): log files go to '
              f'{folder}; ROS_LOG_DIR names another folder', file=sys.stderr)
        os.environ['ROS_LOG_DIR'] = str(folder)
