"""QoS of recorded topics: what to ask of their publishers, and what to write into the bag."""
from __future__ import annotations

from collections.abc import Sequence

from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)


def request(offers: Sequence[QoSProfile], depth: int) -> QoSProfile:
    """The strongest profile that every one of the offers can serve."""
    reliable = all(offer.reliability == ReliabilityPolicy.RELIABLE for offer in offers)
    latched = all(offer.durability == DurabilityPolicy.TRANSIENT_LOCAL for offer in offers)
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=(DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE))


def as_recorded(offer: QoSProfile) -> Qos:
    """An offered profile in the form in which a bag keeps it."""
    return Qos(history=QosHistory(int(offer.history)), depth=offer.depth,
               reliability=QosReliability(int(offer.reliability)),
               durability=QosDurability(int(offer.durability)),
               deadline=_time(offer.deadline), lifespan=_time(offer.lifespan),
               liveliness=QosLiveliness(int(offer.liveliness)),
               liveliness_lease_duration=_time(offer.liveliness_lease_duration),
               avoid_ros_namespace_conventions=offer.avoid_ros_namespace_conventions)


def _time(duration: Duration) -> QosTime:
    return QosTime(*divmod(duration.nanoseconds, 1_000_000_000))
