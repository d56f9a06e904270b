"""A subscription that counts what the middleware lost on the way."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile

from tdnet_ros.ros.qos import naming_topic, overridable

try:
    from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks, UnsupportedEventTypeError

_OVERFLOW = 2**31 - 1
"""What Fast DDS adds to its counter of 32 bits, which wraps, for a gap of -1.

It sees one where a large message that came in part is replaced by the next large one after a
small one came; that loss has been reported with the small one.
"""


def lost_count(event: Any) -> int:
    """How many messages an event says were just lost, without what is `_OVERFLOW`."""
    return int(event.total_count_change) % 2**32 % _OVERFLOW


def when_lost(on_lost: Callable[[int], None]) -> Any:
    """Event callbacks of a subscription: `on_lost` gets how many messages were just lost."""
    return SubscriptionEventCallbacks(message_lost=lambda event: on_lost(lost_count(event)))


def subscribe(node: Node, kind: Any, topic: str, on_message: Callable[[Any], None],
              qos: QoSProfile, on_lost: Callable[[int], None] | None = None) -> Any:
    """Subscribe with overridable QoS; `on_lost` gets how many messages were just lost.

    Where the middleware does not tell, nothing is counted.
    """
    def create(**options: Any) -> Any:
        return node.create_subscription(
            kind, topic, on_message, **overridable(qos), **options)

    with naming_topic(node.resolve_topic_name(topic)):
        if on_lost is None:
            return create()
        try:
            return create(event_callbacks=when_lost(on_lost))
        except UnsupportedEventTypeError:
            return create()
