"""Simulated time that stands, or is not that of the images: diagnostics say what to set."""
from __future__ import annotations

from collections.abc import Callable

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from ros.harness import (
    TINY,
    NodeProcess,
    Peer,
    image_message,
    latest_status,
    message_of,
    moving_square,
    wait_for,
)


def test_time_that_stands_is_named_and_silence_is_then_no_error(
        start: Callable[..., NodeProcess], peer: Peer) -> None:
    start(*TINY, '-p', 'use_sim_time:=true', '-r', '__node:=simulated',
          '-r', '/clock:=/sim/clock')
    diagnostics = peer.collect(DiagnosticArray, '/diagnostics')
    labels = peer.collect(Image, '/simulated/labels')

    def says(status: str, words: str) -> None:
        name = f'simulated: {status}'
        wait_for(lambda: words in message_of(diagnostics, name), f"'{words}' of {status}")

    says('device', 'use_sim_time is true and /sim/clock is silent: ')
    camera, clock = peer.sender(), peer.sender(Clock, '/sim/clock')
    # Again and again: the first may come before the node listens to us.
    wait_for(lambda: clock.publish(Clock(clock=Time(sec=104)))
             or 'stands' in message_of(diagnostics, 'simulated: image'), 'time that stands')
    says('image', 'simulated time stands at 104.0 s: the bag or the simulation is paused')
    assert latest_status(diagnostics, 'simulated: image')['level'] == DiagnosticStatus.WARN
    says('device', 'simulated time stands at 104.0 s: the bag')

    camera.publish(image_message(moving_square(1)[0], peer.now_ns()))
    wait_for(lambda: labels, 'labels')
    says('image', 'use_sim_time is true, but /clock has another time than the images: set it to '
                  'false with real cameras')
    peer.destroy(clock)
    says('device', '/sim/clock has no publisher; set use_sim_time to false with real cameras')
    clock = peer.sender(Clock, '/sim/clock')
    times = iter(range(105, 10_000))
    wait_for(lambda: clock.publish(Clock(clock=Time(sec=next(times))))
             or 'simulated time' not in message_of(diagnostics, 'simulated: device'), 'its end')
