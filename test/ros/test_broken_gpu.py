"""A GPU that fails for good is named in diagnostics, and the node can be taken down in order."""
from __future__ import annotations

from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition

from ros.harness import TINY, NodeProcess, Peer, latest_status, wait_for

PROGRAM = '''
from tdnet_ros.ros import device, segmentation_node
def fail(*_):
    raise RuntimeError('CUDA error: an illegal memory access was encountered\\nCompile with ...')
device.memory_of = segmentation_node.release_memory = fail
'''
WORDS = ('CUDA error: an illegal memory access was encountered: this process cannot use the GPU '
         'any more, restart the node')


def test_diagnostics_go_on_and_it_can_be_cleaned_up(
        start: Callable[..., NodeProcess], peer: Peer) -> None:
    process = start(*TINY, '-r', '__node:=broken', patch=PROGRAM)
    diagnostics = peer.collect(DiagnosticArray, '/diagnostics')
    status = wait_for(lambda: latest_status(diagnostics, 'broken: device'), 'device status')
    assert status['level'] == DiagnosticStatus.ERROR
    assert status['message'].startswith(WORDS)
    assert 'NO TRAINED WEIGHTS' in status['message']
    assert status['model'] == 'td2-tiny'
    assert latest_status(diagnostics, 'broken: image')['topic'] == '/image'
    for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP):
        assert peer.change_state(transition, '/broken')
    assert peer.state('/broken') == 'unconfigured'
    assert f'memory of the device is not freed: {WORDS}' in process.log
    assert process.end() == 0
