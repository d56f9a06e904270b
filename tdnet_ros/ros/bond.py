"""The bond to a lifecycle manager, such as Nav2's: a heartbeat while the node is active."""
from __future__ import annotations

from uuid import uuid4

from rclpy.clock import Clock, ClockType  # type: ignore[attr-defined]
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.timer import Timer

try:
    from bond.msg import Status
except ImportError:
    Status = None

PERIOD_S = 0.25
TIMEOUT_S = 4.0
'''The manager takes the node for dead after so long; bond_core's default.'''


class Bond:
    """The node's end of a bond (bond_core, protocol of bondcpp) on the topic 'bond'.

    It only speaks: the manager ends the node, never the other way round. Where the package bond
    is not installed there is none.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._instance = ''
        self._publisher: Publisher | None = None
        self._timer: Timer | None = None

    def form(self) -> None:
        """Begin the heartbeat, as another instance than before."""
        if Status is None:
            return
        self._instance = str(uuid4())
        if self._publisher is None:  # it stays: the last message of one that goes may be lost
            self._publisher = self._node.create_publisher(Status, 'bond', 5)
        # By the node's clock it would cease while simulated time stands.
        self._timer = self._node.create_timer(PERIOD_S, lambda: self._beat(True),
                                              clock=Clock(clock_type=ClockType.STEADY_TIME))

    def end(self) -> None:
        """Tell the manager that the heartbeat ends on purpose, and end it."""
        if self._timer is None:
            return
        self._node.destroy_timer(self._timer)
        self._timer = None
        if self._node.context.ok():
            self._beat(False)

    def _beat(self, active: bool) -> None:
        assert self._publisher is not None
        status = Status(id=self._node.get_name(), instance_id=self._instance, active=active,
                        heartbeat_timeout=TIMEOUT_S, heartbeat_period=PERIOD_S)
        status.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(status)
