"""A topic that the node takes, and for how long nothing came there."""
from __future__ import annotations

from collections.abc import Callable
import math
import time
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from tdnet_ros.ros.subscribing import subscribe

# Sensor data: takes what reliable and best-effort cameras send, and only the newest of it.
INPUT_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT,
                       durability=DurabilityPolicy.VOLATILE)


class Presence:
    """For how long a topic has had a publisher; one thread asks."""

    def __init__(self) -> None:
        self._since_s: float | None = None

    def seconds(self, is_there: bool) -> float:
        """Since there has been one, if there is; of one that is not there, for ever."""
        if not is_there:
            self._since_s = None
            return math.inf
        now_s = time.monotonic()
        self._since_s = now_s if self._since_s is None else self._since_s
        return now_s - self._since_s


class Input:
    """One topic, with what diagnostics need to say why nothing comes."""

    def __init__(self, node: Node, what: str, name: str, kind: Any, qos: QoSProfile,
                 suffix: str = '', once: bool = False) -> None:
        """Take what comes in words, what the topic is remapped from and the type of messages.

        suffix: of the transport; it follows what `name` is remapped to. once: one message is
        enough, and kept as `last`.
        """
        self.what, self.name = what, name
        # To subscribe is to remap once more, so not by the name that it has then.
        self._asked = f'{node.resolve_topic_name(name)}{suffix}' if suffix else name
        self.topic = node.resolve_topic_name(self._asked)
        self.type_name = f'sensor_msgs/msg/{kind.__name__}'
        self.subscription: Any = None
        self.presence = Presence()
        self.last: Any = None
        self._node = node
        self._kind, self._qos = kind, qos
        self._once = once
        self._on_message: Callable[[Any], None] | None = None
        self._heard_s = time.monotonic()

    def open(self, on_message: Callable[[Any], None],
             on_lost: Callable[[int], None] | None = None) -> None:
        """Subscribe; `on_lost` gets how many messages the middleware just lost."""
        self._on_message = on_message
        self._heard_s = time.monotonic()
        self.subscription = subscribe(
            self._node, self._kind, self._asked, self._hear, self._qos, on_lost)

    def close(self) -> None:
        """Unsubscribe."""
        if self.subscription is not None:
            self._node.destroy_subscription(self.subscription)
            # The executor holds it until it waits again; what its messages lead to is large.
            self.subscription = self._on_message = None

    @property
    def silent_s(self) -> float:
        """For how long a message has been missing."""
        return 0.0 if self.last is not None else time.monotonic() - self._heard_s

    def _hear(self, msg: Any) -> None:
        self._heard_s = time.monotonic()
        if self._once:
            self.last = msg
        if self._on_message is not None:
            self._on_message(msg)
