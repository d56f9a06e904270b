"""Lifecycle transitions that are asked for at the wrong time."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lifecycle_msgs.msg import Transition
from rclpy.lifecycle import LifecycleNode

from tdnet_ros.ros.errors import MAX_NAME, one_line, printable

NAMES = {Transition.TRANSITION_CONFIGURE: 'configure', Transition.TRANSITION_CLEANUP: 'clean up',
         Transition.TRANSITION_ACTIVATE: 'activate',
         Transition.TRANSITION_DEACTIVATE: 'deactivate',
         Transition.TRANSITION_UNCONFIGURED_SHUTDOWN: 'shut down',
         Transition.TRANSITION_INACTIVE_SHUTDOWN: 'shut down',
         Transition.TRANSITION_ACTIVE_SHUTDOWN: 'shut down'}


def refuse_impossible(node: LifecycleNode, phase: Callable[[], str]) -> None:
    """Answer a request for a transition that is not possible now, in the node's phase.

    Where rclpy does not do so by itself, such a request ends the process.
    """
    service = getattr(node, '_service_change_state', None)  # private: a later rclpy may lack it
    if service is None:
        return
    change_state = service.callback

    def guarded(request: Any, response: Any) -> Any:
        try:
            return change_state(request, response)
        except Exception as error:
            number, label = request.transition.id, printable(request.transition.label, MAX_NAME)
            what = label or NAMES.get(number, f'do transition {number}')
            node.get_logger().warning(f'cannot {what}: the node is {phase()}')
            node.get_logger().debug(one_line(error))
            response.success = False
            return response

    service.callback = guarded
