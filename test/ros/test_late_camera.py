"""A camera that comes after the node: what is said while it is away, comes, and is there."""
from __future__ import annotations

from collections.abc import Callable
import re

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter

from ros.harness import (
    TINY,
    NodeProcess,
    Peer,
    image_message,
    latest_status,
    moving_square,
    wait_for,
)


def test_a_camera_that_has_just_come_is_not_accused(
        start: Callable[..., NodeProcess], peer: Peer) -> None:
    process = start(*TINY, '-p', 'no_image_timeout_s:=0.5')
    diagnostics = peer.collect(DiagnosticArray, '/diagnostics')
    wait_for(lambda: float(latest_status(diagnostics, 'tdnet: image').get(
        'since last image (s)', 0)) > 2.5, 'a long silence')
    process.wait_for_log('no publisher on /image')
    sender = peer.sender()
    found: list[str] = []

    def is_accused() -> bool:
        status = latest_status(diagnostics, 'tdnet: image')
        found[:] = re.findall(r'no image on /image for (.*) s, although /peer', status['message'])
        found.append(status['since last image (s)'])
        return len(found) > 1

    wait_for(is_accused, 'the silence of the publisher')
    assert float(found[0]) < float(found[1]) - 2, 'it counts from when the publisher came'
    good = '/image: labels images of 64 x 48'
    assert good not in process.log
    # From here on no pause is a silence, however busy the machine is.
    patience = Parameter('no_image_timeout_s', value=60.0).to_parameter_msg()
    peer.call(SetParameters, '/tdnet/set_parameters', SetParameters.Request(parameters=[patience]))
    for number, rgb in enumerate(moving_square(3)):
        sender.publish(image_message(rgb, peer.now_ns()))
        wait_for(lambda wanted=number + 1: latest_status(diagnostics, 'tdnet: image')[
            'frames processed'] == str(wanted), 'its labels')
    assert process.log.count(good) == 1
