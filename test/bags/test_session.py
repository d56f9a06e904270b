"""Signals that ask a command to end."""
from __future__ import annotations

import subprocess
import sys

WAITING = '''
import os, signal, threading
from tdnet_ros.bags.session import stop_on_signals
for number in 20 * (signal.SIGINT, signal.SIGTERM):
    stop = stop_on_signals()
    threading.Timer(0.01, os.kill, (os.getpid(), number)).start()
    while not stop.is_set():
        stop.wait(0)
'''


def test_a_signal_may_come_at_any_moment_of_a_wait() -> None:
    subprocess.run([sys.executable, '-c', WAITING], timeout=60, check=True)
