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
    usual = Path(os.environ.get('ROS_LOG_DIR') or f'{home}/log').expanduser()
    try:
        usual.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=usual):
            return
    except OSError as error:
        folder = Path(gettempdir(), f'ros_log_{os.getuid()}')
        print(f'cannot write into {usual} ({error.strerror}): log files go to {folder}; '
              'ROS_LOG_DIR names another folder', file=sys.stderr)
        os.environ['ROS_LOG_DIR'] = str(folder)
