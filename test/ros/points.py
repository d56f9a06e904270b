"""Depth images and clouds of a small camera, and a peer that takes points as Nav2's layer does."""
from __future__ import annotations

from typing import Any

import numpy as np
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField

from ros.harness import Peer, stamp_of

HEIGHT, WIDTH = 48, 64
# What the layer subscribes with: sensor data for masks and clouds.
SENSOR = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)
CALIBRATION = CameraInfo(height=HEIGHT, width=WIDTH,
                         k=[50.0, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0])
MILLIMETRES = np.full((HEIGHT, WIDTH), 2500, '<u2')


def depth_message(stamp_ns: int, values: np.ndarray = MILLIMETRES,
                  encoding: str = '16UC1') -> Image:
    msg = Image(height=HEIGHT, width=WIDTH, encoding=encoding, step=values.strides[0])
    msg.header.stamp = Time(nanoseconds=stamp_ns).to_msg()
    msg.data.frombytes(values.tobytes())
    return msg


def cloud_message(stamp_ns: int, xyz: np.ndarray) -> PointCloud2:
    height, width = xyz.shape[:2]
    msg = PointCloud2(height=height, width=width, point_step=12, row_step=12 * width, fields=[
        PointField(name=name, offset=4 * index, datatype=PointField.FLOAT32, count=1)
        for index, name in enumerate('xyz')])
    msg.header.stamp = Time(nanoseconds=stamp_ns).to_msg()
    msg.header.frame_id = 'depth_optical'
    msg.data.frombytes(xyz.astype('<f4').tobytes())
    return msg


class Layer:
    """Keeps masks, confidences and clouds of one stamp together, as the layer does."""

    def __init__(self, peer: Peer) -> None:
        self.masks = peer.collect(Image, '/tdnet/labels', SENSOR)
        self.confidences = peer.collect(Image, '/tdnet/confidence', SENSOR)
        self.clouds = peer.collect(PointCloud2, '/tdnet/points', SENSOR)

    def synced(self) -> list[tuple[Any, ...]]:
        tables = [{stamp_of(msg): msg for msg in list(messages)}
                  for messages in (self.masks, self.confidences, self.clouds)]
        return [tuple(table[stamp] for table in tables) for stamp in tables[0]
                if all(stamp in table for table in tables)]
