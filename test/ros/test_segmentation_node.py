"""The node over DDS: what goes in comes out labelled, stamps untouched."""
from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sensor_msgs.msg import Image

from ros.harness import NodeProcess, Peer, image_message, moving_square, pixels, wait_for
from tdnet_ros.stream import Frame, VideoSegmenter

FRAME_NS = 66_666_667


@pytest.fixture(scope='module')
def node(start: Callable[..., NodeProcess]) -> NodeProcess:
    process = start('-p', 'model:=td2-tiny', '-p', 'scene_cut:=false')
    process.wait_for_log('active: labels /image')
    return process


def test_k_frames_in_k_labelled_frames_out(node: NodeProcess, peer: Peer) -> None:
    labelled = peer.collect(Image, '/tdnet/labels')
    send = peer.sender()
    wait_for(lambda: peer.node.count_publishers('/tdnet/labels'), 'labels topic')
    clip, start_ns = moving_square(7), peer.now_ns()
    for index, rgb in enumerate(clip):
        send.publish(image_message(rgb, start_ns + index * FRAME_NS))
        wait_for(lambda count=index + 1: len(labelled) == count, f'label image {index}')

    segmenter = VideoSegmenter.load('td2-tiny', 'cpu')
    memory = segmenter.new_memory()
    memory.scene_cut = False
    for index, (rgb, msg) in enumerate(zip(clip, labelled)):
        frame = Frame(rgb, start_ns + index * FRAME_NS)
        np.testing.assert_array_equal(pixels(msg), segmenter.step(frame, memory).labels)
        assert (msg.encoding, msg.step, msg.header.frame_id) == ('mono8', 64, 'camera_optical')
        assert msg.header.stamp.sec * 10**9 + msg.header.stamp.nanosec == frame.stamp_ns
