"""The heartbeat that a lifecycle manager listens to."""
from __future__ import annotations

from collections.abc import Callable
import time

from lifecycle_msgs.msg import Transition
import pytest

from ros.harness import TINY, NodeProcess, Peer, wait_for
from tdnet_ros.ros.bond import PERIOD_S, TIMEOUT_S

NO_BOND = 'from tdnet_ros.ros import bond; bond.Status = None'


def test_it_beats_from_activation_to_deactivation_while_simulated_time_stands(
        start: Callable[..., NodeProcess], peer: Peer) -> None:
    messages = pytest.importorskip('bond.msg', reason='bond is not built')
    # A bond has the name of the node without its namespace, which is that of the topic.
    beats = peer.collect(messages.Status, '/robot/bond')
    process = start(*TINY, '-p', 'autostart:=false', '-p', 'use_sim_time:=true',
                    '-r', '__ns:=/robot', '-r', '__node:=bonded', ready='')
    assert peer.change_state(Transition.TRANSITION_CONFIGURE, '/robot/bonded')
    assert not beats
    instances = set()
    for _ in range(2):
        assert peer.change_state(Transition.TRANSITION_ACTIVATE, '/robot/bonded')
        wait_for(lambda: len(beats) >= 3, 'heartbeat')
        assert {(beat.id, beat.active, beat.heartbeat_period) for beat in beats} == {
            ('bonded', True, PERIOD_S)}
        instance, = {beat.instance_id for beat in beats}
        instances.add(instance)
        assert peer.change_state(Transition.TRANSITION_DEACTIVATE, '/robot/bonded')
        wait_for(lambda: not beats[-1].active, 'end of the heartbeat')
        assert beats[-1].instance_id == instance
        beats.clear()
        time.sleep(2 * PERIOD_S)
        assert not beats
    assert len(instances) == 2
    assert PERIOD_S < TIMEOUT_S / 4
    assert process.end() == 0


def test_without_the_package_bond_there_is_no_heartbeat(start: Callable[..., NodeProcess],
                                                        peer: Peer) -> None:
    process = start(*TINY, '-r', '__node:=unbonded', patch=NO_BOND)
    assert peer.state('/unbonded') == 'active'
    assert '/bond' not in dict(peer.node.get_topic_names_and_types())
    assert process.end() == 0
