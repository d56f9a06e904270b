"""A plain ROS node for the length of a command, and signals that ask the command to end."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
import os
from queue import SimpleQueue
import signal
import threading
from typing import Any

import rclpy
from rclpy.exceptions import InvalidTopicNameException
from rclpy.expand_topic_name import expand_topic_name
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import try_shutdown
from rclpy.validate_full_topic_name import validate_full_topic_name

from tdnet_ros.bags.errors import BagError
from tdnet_ros.ros.errors import one_line
from tdnet_ros.ros.log_folder import find_log_folder


@contextmanager
def ros_node(name: str) -> Iterator[Node]:
    """Bring up a node and shut ROS down after it; signals stay with the caller."""
    find_log_folder()
    try:
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # a ROS_DOMAIN_ID that is no number, for one
        raise BagError(f'ROS does not start: {one_line(error)}') from error
    try:
        node = rclpy.create_node(f'{name}_{os.getpid()}')
        try:
            yield node
        finally:
            node.destroy_node()
    finally:
        try_shutdown()


def stop_on_signals() -> threading.Event:
    """An event that SIGINT, SIGTERM and, unless nohup has it ignored, SIGHUP set.

    A thread sets it: a handler that does, and interrupts somebody's wait for the event between
    two of its steps, waits for ever for the lock of that wait.
    """
    stop, came = threading.Event(), SimpleQueue[None]()

    def wait() -> None:
        came.get()
        stop.set()

    threading.Thread(target=wait, name='signals', daemon=True).start()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: came.put(None))
    return stop


def check_topic(name: str) -> None:
    """Fail unless ROS accepts the name of a topic."""
    try:
        validate_full_topic_name(expand_topic_name(name, 'node', '/'))
    except (ValueError, InvalidTopicNameException) as error:
        raise BagError(f'{name!r} is no topic name: expected letters, digits and _ between '
                       'slashes, as in /camera/image_raw') from error


def message_class(msgtype: str) -> Any:
    """Import the Python class of a type like 'sensor_msgs/msg/Image'."""
    package, group, name = msgtype.split('/')
    try:
        return getattr(import_module(f'{package}.{group}'), name)
    except (ImportError, AttributeError) as error:
        raise BagError(f'{msgtype} is not installed: source the workspace that has {package}'
                       ) from error
