"""The rule by which a frame's pose is believed.

A frame is not believed, and the reason is told, when

- ``not_localised``: it has no pose in the map;
- ``no_scale``: its scene is not metric;
- ``pose_too_unsure``: a standard deviation of position or rotation is above the setting;
- ``older_than_memory``: its stamp is not newer than the last frame's;
- ``tf_jumped``: the camera would have moved faster than ``largest_speed_m_s``, or turned faster than
  ``largest_turn_rad_s``, since the last frame, beyond 0.1 m, 0.1 rad and three standard deviations of the pose;
- ``settling_after_jump``: less than ``settle_s`` have passed since a jump. The new place is then believed: a
  relocalised robot is right afterwards, and a tf that goes on jumping is not believed at all.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from distill3d_ros.memory.observation import Observation
from distill3d_ros.memory.settings import MemorySettings
from distill3d_ros.scene.frame import FloatArray

Disbelief = Literal[
    "", "not_localised", "no_scale", "pose_too_unsure", "older_than_memory", "tf_jumped", "settling_after_jump"
]


class PoseGate:
    """Judges one frame after the other."""

    def __init__(self, settings: MemorySettings) -> None:
        self._settings = settings
        self._last: FloatArray | None = None
        self._last_ns: int | None = None
        self._jumped_ns: int | None = None

    def judge(self, observation: Observation) -> Disbelief:
        """Empty when the frame is believed."""
        pose, stamp = observation.world_from_camera, observation.scene.stamp_ns
        if pose is None:
            return "not_localised"
        if not observation.scene.is_metric:
            return "no_scale"
        position_sigma, rotation_sigma = _sigmas(observation.pose_covariance)
        s = self._settings
        if position_sigma > s.largest_position_sigma_m or rotation_sigma > s.largest_rotation_sigma_rad:
            return "pose_too_unsure"
        if self._last_ns is not None and stamp <= self._last_ns:
            return "older_than_memory"
        jumped = self._has_jumped(np.asarray(pose, float), stamp, position_sigma, rotation_sigma)
        self._last, self._last_ns = np.array(pose, float), stamp
        if jumped:
            self._jumped_ns = stamp
            return "tf_jumped"
        if self._jumped_ns is not None and stamp - self._jumped_ns < s.settle_s * 1e9:
            return "settling_after_jump"
        return ""

    def resume(self, stamp_ns: int) -> None:
        """After a restart: frames older than what is remembered are not believed."""
        self._last_ns = stamp_ns

    def _has_jumped(self, pose: FloatArray, stamp: int, position_sigma: float, rotation_sigma: float) -> bool:
        if self._last is None or self._last_ns is None:
            return False
        seconds = (stamp - self._last_ns) * 1e-9
        moved = float(np.linalg.norm(pose[:3, 3] - self._last[:3, 3]))
        cosine = (np.trace(self._last[:3, :3].T @ pose[:3, :3]) - 1) / 2
        turned = math.acos(float(np.clip(cosine, -1, 1)))
        s = self._settings
        return (
            moved > s.largest_speed_m_s * seconds + 0.1 + 3 * position_sigma
            or turned > s.largest_turn_rad_s * seconds + 0.1 + 3 * rotation_sigma
        )


def _sigmas(covariance: FloatArray | None) -> tuple[float, float]:
    if covariance is None:
        return 0.0, 0.0
    variances = np.diag(np.asarray(covariance, float))
    return math.sqrt(max(0.0, variances[:3].max())), math.sqrt(max(0.0, variances[3:].max()))
