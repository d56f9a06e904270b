"""Lifecycle transitions that are asked for at the wrong time."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.lifecycle import LifecycleNode

from tdnet_ros.ros.errors import one_line


def refuse_impossible(node: LifecycleNode, phase: Callable[[], str]) -> None:
    """Answer a request for a transition that is not possible now, in the node's phase.

    Where rclpy does not do so by itself, such a request ends the process.
    """
    change_state = node._service_change_state.callback

    def guarded(request: Any, response: Any) -> Any:
        try:
            return change_state(request, response)
        except Exception as error:
            node.get_logger().warning(f'transition {request.transition.id} '
                                      f'{request.transition.label} from {phase()}: '
                                      f'{one_line(error)}')
            response.success = False
            return response

    node._service_change_state.callback = guarded
