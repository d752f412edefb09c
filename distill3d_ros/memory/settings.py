"""Settings of the memory: noise of boxes, gates, thresholds of change, bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

CHI2_3DOF_999 = 16.27
"""99.9 % quantile of the chi-squared distribution with three degrees of freedom."""
CHI2_3DOF_95 = 7.81


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySettings:
    """Metres, radians, seconds, and natural log-odds of existence."""

    range_base_m: float = 0.04
    range_relative: float = 0.06
    """Standard deviation of a box centre along the ray: base + relative * distance. A larger ``Scene.scale_error``
    takes the place of the relative part."""
    across_base_m: float = 0.03
    across_relative: float = 0.02
    """The same across the ray."""
    smallest_sigma_m: float = 0.03
    """No remembered place is taken to be surer than this."""
    drift_m_per_sqrt_minute: float = 0.01
    largest_drift_m: float = 0.15
    """What the standard deviation of an unseen thing's place grows by."""
    gate: float = CHI2_3DOF_999
    """Largest squared Mahalanobis distance of a match, label and size costs included."""
    size_log_sigma: float = 0.35
    """Of the logarithm of a side's length."""
    smallest_score: float = 0.2
    """Detections below are not believed."""
    seen_gain: float = 0.85
    seen_through_loss: float = 1.1
    missed_loss: float = 0.3
    """What a frame adds to, or takes from, the log-odds of existence (module ``existence``)."""
    present_at: float = 1.5
    gone_at: float = -1.5
    largest_log_odds: float = 3.0
    sightings_to_confirm: int = 3
    behind_share: float = 0.6
    """Share of the rays through a box that must go through it (module ``existence``)."""
    behind_margin_m: float = 0.08
    behind_relative: float = 0.05
    """Error of a depth: base + relative * distance."""
    farthest_evidence_m: float = 5.0
    """Depth of things farther away is no evidence against them."""
    moved_m: float = 0.3
    """A thing that is found farther from its place than this, and than the gate allows, has moved."""
    moved_reach_m: float = 6.0
    moved_within_s: float = 3600.0
    """A thing gone here and a like one new there are one that moved when they are no farther apart in place, and the
    new one appeared no longer than this after the old one was last seen."""
    largest_speed_m_s: float = 2.0
    largest_turn_rad_s: float = 3.5
    settle_s: float = 1.0
    """After a jump of tf frames are not believed for this long."""
    largest_position_sigma_m: float = 0.5
    largest_rotation_sigma_rad: float = 0.2
    most_things: int = 1000
    """Of a map. Above it things are forgotten: gone ones first, then those with the least confidence."""
    most_events: int = 10_000
    keep_gone_s: float = 30 * 86400.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "gone_at" and not (math.isfinite(value) and value > 0):
                raise ValueError(f"memory setting {field.name} must be a positive number. Got {value}")
        if not self.gone_at < 0 < self.present_at < self.largest_log_odds:
            raise ValueError(
                "memory settings must have gone_at < 0 < present_at < largest_log_odds. "
                f"Got gone_at {self.gone_at}, present_at {self.present_at}, largest_log_odds {self.largest_log_odds}"
            )
