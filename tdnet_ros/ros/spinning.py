"""The node's process: start, spin whatever happens, end cleanly on a signal."""
from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
import gc
import os
import signal
import sys
import threading
from typing import Any

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.utilities import ok, try_shutdown

from tdnet_ros.ros.errors import ErrorLog, one_line, printable
from tdnet_ros.ros.log_folder import find_log_folder

SIGNALS = (signal.SIGINT, signal.SIGTERM)
GRACE_S = 3.0
'''The end waits so long for an image in work or a GPU that hangs; launch kills after ten.'''


def run(make_node: Callable[[], Any], args: list[str] | None = None) -> int:
    """Start a node and spin it until SIGINT or SIGTERM; returns the exit code."""
    node = executor = None
    try:
        # A signal's exception comes at any line from here on, even where another is handled.
        for number in SIGNALS:
            signal.signal(number, _interrupt_once)
        try:
            find_log_folder()
            rclpy.init(args=args)
        except (RuntimeError, OSError) as error:  # a ROS_DOMAIN_ID that is no number, for one
            print(f'ROS does not start: {one_line(error)}', file=sys.stderr)
            return 1
        try:
            node = make_node()
            executor = SingleThreadedExecutor()  # not once it is active: a signal in here shows
            executor.add_node(node)
            node.start()
            _spin(executor, ErrorLog(node))
        except ParameterException as error:  # use_sim_time is a text, for one
            print(f'the node does not start: {printable(str(error))}', file=sys.stderr)
            return 1
        except Exception:
            if ok():
                raise  # otherwise a signal ended rclpy under the node
    except KeyboardInterrupt:
        pass
    finally:
        _ignore_signals()
        deadline = threading.Timer(GRACE_S, _give_up, [int(sys.exc_info()[0] is not None)])
        deadline.daemon = True
        deadline.start()
        if node is not None:
            node.stop()
            node.destroy_node()
        try_shutdown()
    # The participant ends with the last reference to it; until then others see the node.
    node = executor = None
    gc.collect()
    deadline.cancel()
    return 0


def _spin(executor: SingleThreadedExecutor, errors: ErrorLog) -> None:
    while ok():
        try:
            executor.spin_once()
        except ExternalShutdownException:
            return
        except Exception as error:
            errors.report(f'callback failed: {one_line(error)}')


def _give_up(code: int) -> None:
    # The context has ended, and with it the log; maybe who read it, too, such as tee on Ctrl-C.
    with suppress(OSError):
        print(f'tdnet_node: ended after {GRACE_S:g} s without cleaning up: an image in work, the '
              'GPU or a busy machine took longer', file=sys.stderr, flush=True)
    os._exit(code)


def _interrupt_once(number: int, frame: Any) -> None:
    # A launch file and a terminal may both send the signal; the clean-up must not be broken off.
    _ignore_signals()
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
