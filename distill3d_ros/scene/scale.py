"""The sources of a scene's metric scale, and the error of lengths that each leaves."""

from __future__ import annotations

from typing import Final, Literal

ScaleSource = Literal["depth", "camera_height", "several_views", "learned", ""]
"""``depth``: a depth camera. ``camera_height``: the known height of the camera above a floor that is in sight.
``several_views``: the poses of several cameras. ``learned``: the student alone. Empty: no scale, or none of the
student's, as in a simulated room's truth."""

EXPECTED_SCALE_ERROR: Final[dict[str, float]] = {
    "depth": 0.05,
    "camera_height": 0.25,
    "several_views": 0.25,
    "learned": 0.4,
}
"""Relative error of lengths to expect, for each source: about the mean error of depth that students have on real
pictures without one of their own rooms in training (docs/student.md); depth cameras' own errors are smaller."""
