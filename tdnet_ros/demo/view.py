"""A live window on the overlay, in a process of its own: python -m tdnet_ros.demo.view TOPIC."""
from __future__ import annotations

import os
import re
import sys
from typing import Any

import cv2
import rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from tdnet_ros.bags.session import ros_node, stop_on_signals
from tdnet_ros.ros.decoding import image_to_rgb

TITLE = 'tdnet overlay (q closes)'
SIZE = 960, 540


def missing_display() -> str:
    """Why no window can be opened; empty where one can."""
    if re.search(r'GUI:\s+NONE', cv2.getBuildInformation()):
        return ('this OpenCV is built without windows (opencv-python-headless): install '
                'opencv-python, libgl1 and libglib2.0-0')
    if not (os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')):
        return 'there is no display (DISPLAY is not set): leave --view out, or log in with ssh -X'
    return ''


def show(topic: str) -> None:
    """Show the images of a topic until the window is closed or a signal comes."""
    stop = stop_on_signals()
    newest: list[Any] = []
    with ros_node('tdnet_view') as node:
        node.create_subscription(Image, topic, newest.append, qos_profile_sensor_data)
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        cv2.resizeWindow(TITLE, *SIZE)
        while not stop.is_set() and cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) > 0:
            rclpy.spin_once(node, timeout_sec=0.02)
            if newest:
                cv2.imshow(TITLE, cv2.cvtColor(image_to_rgb(newest[-1]), cv2.COLOR_RGB2BGR))
                newest.clear()
            if cv2.waitKey(1) & 0xff == ord('q'):
                break


if __name__ == '__main__':
    show(sys.argv[1])
