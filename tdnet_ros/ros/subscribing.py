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

_OVERFLOW = 2**31 - 1


def lost_count(event: Any) -> int:
    """How many messages an event says were just lost.

    Fast DDS adds `_OVERFLOW` for a large message that came in part, when the next large one
    replaces it after a small one came: a gap of -1, which it takes for endless. That loss has
    been reported with the small one. Its counters have 32 bits and wrap.
    """
    count = int(event.total_count_change) % 2**32
    return count - _OVERFLOW if count >= _OVERFLOW else count


def subscribe(node: Node, kind: Any, topic: str, on_message: Callable[[Any], None],
              on_lost: Callable[[int], None], qos: QoSProfile) -> Any:
    """Subscribe with overridable QoS; `on_lost` gets how many messages were just lost.

    Where the middleware does not tell, nothing is counted.
    """
    def count(event: Any) -> None:
        on_lost(lost_count(event))

    def create(**options: Any) -> Any:
        return node.create_subscription(
            kind, topic, on_message, **overridable(qos), **options)

    with naming(topic):
        try:
            return create(event_callbacks=SubscriptionEventCallbacks(message_lost=count))
        except UnsupportedEventTypeError:
            return create()
