"""A subscription that counts what the middleware lost on the way."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile

from tdnet_ros.ros.qos import naming, overridable

try:
    from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks, UnsupportedEventTypeError


def subscribe(node: Node, kind: Any, topic: str, on_message: Callable[[Any], None],
              on_lost: Callable[[int], None], qos: QoSProfile) -> Any:
    """Subscribe with overridable QoS; `on_lost` gets how many messages were just lost.

    Where the middleware does not tell, nothing is counted.
    """
    def count(event: Any) -> None:
        on_lost(event.total_count_change)

    def create(**options: Any) -> Any:
        return node.create_subscription(
            kind, topic, on_message, **overridable(qos), **options)

    with naming(topic):
        try:
            return create(event_callbacks=SubscriptionEventCallbacks(message_lost=count))
        except UnsupportedEventTypeError:
            return create()
