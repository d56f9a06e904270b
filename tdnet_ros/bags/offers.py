"""The QoS that is written of publishers of which no bag tells one."""
from __future__ import annotations

from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)


def offer(depth: int, latched: bool) -> Qos:
    """Reliable, as the node's publishers are; latched: later subscribers get the last messages."""
    never = QosTime(*divmod(2 ** 63 - 1, 1_000_000_000))
    return Qos(
        history=QosHistory.KEEP_LAST, depth=depth,
        reliability=QosReliability.RELIABLE,
        durability=QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        deadline=never, lifespan=never, liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=never, avoid_ros_namespace_conventions=False)
