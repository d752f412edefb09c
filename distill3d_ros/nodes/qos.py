"""Quality of service of the topics of both nodes."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy


def sensor_qos(reliability: str, depth: int = 1) -> QoSProfile:
    """Newest only; ``reliability`` is 'best_effort' or 'reliable'."""
    kind = ReliabilityPolicy.RELIABLE if reliability == "reliable" else ReliabilityPolicy.BEST_EFFORT
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=kind, durability=DurabilityPolicy.VOLATILE
    )


def output_qos(depth: int = 1) -> QoSProfile:
    """Reliable, since that serves every subscriber; a depth of 1 keeps a slow one from holding old frames."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=ReliabilityPolicy.RELIABLE)


def latched_qos(depth: int = 1) -> QoSProfile:
    """Also what was published before, by those who keep it."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )
