"""The one table of thresholds behind every spatial word, with the margin bands in which nothing is asked."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Limits from which each relation holds, and up to which it does not; no question in between. Metres by default."""

    min_visible_fraction: float = 0.004
    """Share of the image's pixels that an object must have to be asked about."""
    glimpse_fraction: float = 0.0005
    """Share from which an object counts as seen at all: it makes "the chair" ambiguous and "no chair" wrong."""
    near_gap: float = 0.5
    """Gap up to which two things are near each other."""
    far_gap: float = 1.1
    """Gap from which they are not."""
    apart_gap: float = 0.08
    """Gap between meshes from which two things clearly do not touch; meshes that touch always do."""
    touch_box_gap: tuple[float, float] = (0.02, 0.26)
    """Gap between boxes, where only they are known: touching, not touching. The middle is where boxes with errors like
    a detector's (5 to 10 % of the distance) decide best."""
    support_overlap: tuple[float, float] = (0.1, 0.3)
    """Share of a thing's footprint above its carrier: at most this is not on it, at least that is."""
    support_lift: tuple[float, float] = (0.05, 0.4)
    """Height of its bottom above the carrier's top: up to this is on it (a bed's box includes its headboard, so being
    lower is fine), from that on it hovers."""
    support_sink: tuple[float, float] = (0.1, 0.3)
    """Height of its bottom above the carrier's bottom as a share of the carrier's height: at most this stands on the
    floor, at least that is on the carrier."""
    under_overlap: tuple[float, float] = (0.05, 0.2)
    """Share of the smaller footprint that both have in common: not under, under."""
    under_drop: tuple[float, float] = (0.02, 0.15)
    """How much lower the top must be: not under, under."""
    above_clearance: tuple[float, float] = (0.2, 0.8)
    """Height of a thing's bottom over the other's middle, in units of the other's half height: not above, above."""
    above_center: tuple[float, float] = (0.03, 0.15)
    """Height of its centre over the other's: not above, above."""
    side_offset: float = 0.15
    """Distance to the side from which left and right are clear."""
    side_offset_of_size: float = 0.25
    """The same as a share of the mean extent to the side of the two things."""
    side_bearing: float = math.radians(5.0)
    """Angle at the camera between the two from which left and right are clear, radians."""
    depth_offset: float = 0.25
    """Difference in distance from which in front and behind are clear."""
    depth_offset_of_size: float = 0.25
    """The same as a share of the mean extent in viewing direction."""
    depth_offset_of_distance: float = 0.10
    """The same as a share of the mean distance."""
    own_side_bearing: float = math.radians(6.0)
    """Angle off the viewing direction from which a thing is on the camera's left or right, radians."""
    volume_ratio: float = 1.5
    """Ratio of the boxes' volumes from which one is larger."""
    height_ratio: float = 1.2
    """Ratio of heights from which one is taller."""
    width_ratio: float = 1.2
    """Ratio of widths from which one is wider. A thing's width is the longer of its horizontal sides."""
    closer_gap: float = 0.25
    """Difference in gaps from which one of two things is closer to a third."""
    closer_gap_share: float = 0.2
    """The same as a share of the mean gap."""
    nearer_distance: float = 0.25
    """Difference in distance from the camera from which one is nearer to it."""
    nearer_distance_share: float = 0.12
    """The same as a share of the mean distance."""
    measured_gap: float = 0.25
    """Smallest gap that is asked for in metres; smaller ones are a matter of contact."""
    measured_distance: float = 0.25
    """Smallest distance from the camera that is asked for in metres."""
    hidden_share: float = 1.2
    """Of things of which only the visible surface is known: ratio of the largest to the least that metres may be, with
    whatever is hidden, up to which they are asked for."""
    cut_margin: float = 0.008
    """Share of the image's width within which a thing touches the picture's edge, or another in the picture."""
    apart_share: float = 0.02
    """Share of the image's width by which the rectangles of things of a name are apart, so that masks count them."""
    metres_tolerance: float = 0.25
    """Relative error up to which an answer in metres is right."""


THRESHOLDS = Thresholds()
"""The table that data, training, rules and evaluation share."""
