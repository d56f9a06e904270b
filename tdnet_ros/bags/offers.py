"""The QoS that is written of publishers of which no bag tells one."""
from __future__ import annotations

from rosbags import interfaces


def offer(depth: int, latched: bool) -> interfaces.Qos:
    """Reliable, as the node's publishers are; latched: later subscribers get the last messages."""
    never = interfaces.QosTime(*divmod(2 ** 63 - 1, 1_000_000_000))
    durability = interfaces.QosDurability
    return interfaces.Qos(
        history=interfaces.QosHistory.KEEP_LAST, depth=depth,
        reliability=interfaces.QosReliability.RELIABLE,
        durability=durability.TRANSIENT_LOCAL if latched else durability.VOLATILE,
        deadline=never, lifespan=never, liveliness=interfaces.QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=never, avoid_ros_namespace_conventions=False)
