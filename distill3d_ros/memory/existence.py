"""Evidence that a remembered thing is there no more, from the depth of the present frame.

Up to 6 x 6 pixels of the box's picture are looked at, the box made 15 % smaller. Along each ray the depth is compared
with where the ray enters the box and where it leaves it. It goes *through* when it ends behind 70 % of its way inside
(what stands on the floor is left through its bottom, where the floor is) and farther behind the entry than the depth's
error; it is *stopped before* when it ends in front of the entry by more than that.

- at least ``behind_share`` of the rays go through: the thing was *seen through*;
- fewer than 40 % are stopped before, and it was not detected though it is as near as it usually was: it was *missed*;
- it is farther than ``farthest_evidence_m``, less than 70 % of the samples are in the picture, fewer than half of them
  have a depth, its place is not known better than it is wide, or something stands in front of it: *nothing* is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.memory.observation import MAP_FROM_LEVEL, Observation
from distill3d_ros.memory.settings import MemorySettings
from distill3d_ros.memory.thing import Thing
from distill3d_ros.scene.frame import FloatArray, Intrinsics
from distill3d_ros.scene.geometry import invert_pose, project

Evidence = Literal["nothing", "seen_through", "missed"]
_SAMPLES = 6
_SHRUNK = 0.85
_INSIDE = 0.7
_CORNERS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])


def evidence(things: Sequence[Thing], observation: Observation, settings: MemorySettings) -> list[Evidence]:
    """For each thing, none of which was matched in this frame. N things, K of them in reach, S samples of each."""
    found: list[Evidence] = ["nothing"] * len(things)
    depth = observation.scene.depth
    if depth is None or not things:
        return found
    center, axes = optical_boxes(things, observation)  # (N, 3), (N, 3, 3)
    size = _SHRUNK * np.stack([t.size for t in things])
    corners = center[:, None] + (_CORNERS * size[:, None]) @ axes.transpose(0, 2, 1)  # (N, 8, 3)
    nearest = corners[..., 2].min(1)
    sigma = np.sqrt(
        np.trace(np.stack([t.covariance for t in things]), axis1=1, axis2=2) / 3 + _pose_variance(observation, nearest)
    )
    known = sigma <= size.max(1) / 2 + 0.05
    reach = np.flatnonzero((nearest > 0.2) & (nearest < settings.farthest_evidence_m) & known)
    if not len(reach):
        return found
    intrinsics = observation.scene.intrinsics
    uv, _ = project(corners[reach], intrinsics)
    grid, pixels, inside = _sampled_pixels(uv, intrinsics)  # (K, S, 2), (K, S, 2), (K, S)
    rays = np.concatenate(
        [(grid - (intrinsics.cx, intrinsics.cy)) / (intrinsics.fx, intrinsics.fy), np.ones((*inside.shape, 1))], -1
    )
    enter, leave = _ways_inside(rays, center[reach], axes[reach], size[reach])
    hit = enter < leave
    values = np.where(inside, depth[pixels[..., 1], pixels[..., 0]], np.nan)
    measured = hit & np.isfinite(values) & (values > 0)
    margin = settings.behind_margin_m + settings.behind_relative * nearest[reach] + sigma[reach]
    through = measured & (values > enter + np.maximum(margin[:, None], _INSIDE * (leave - enter)))
    before = measured & (values < enter - margin[:, None])
    hits, seen, count = hit.sum(1), (hit & inside).sum(1), measured.sum(1)
    enough = (count >= 4) & (seen >= 0.7 * hits) & (count >= 0.5 * seen)
    through_share, before_share = through.sum(1) / np.maximum(count, 1), before.sum(1) / np.maximum(count, 1)
    for k in np.flatnonzero(enough).tolist():
        i = int(reach[k])
        if through_share[k] >= settings.behind_share:
            found[i] = "seen_through"
        elif before_share[k] < 0.4 and nearest[i] <= 1.25 * things[i].usual_distance:
            found[i] = "missed"
    return found


def optical_boxes(things: Sequence[Thing], observation: Observation) -> tuple[FloatArray, FloatArray]:
    """Centres (N, 3) and own axes (N, 3, 3), as columns, of the boxes in the camera's optical frame."""
    camera_from_map = invert_pose(np.asarray(observation.world_from_camera, float))
    centers = np.stack([t.center for t in things])
    yaw = np.array([t.yaw for t in things])
    axes = np.zeros((len(things), 3, 3))  # Box3D.rotation: columns in the map's level frame
    axes[:, 0, 0] = axes[:, 2, 2] = np.cos(yaw)
    axes[:, 0, 2], axes[:, 2, 0], axes[:, 1, 1] = np.sin(yaw), -np.sin(yaw), 1.0
    turn = camera_from_map[:3, :3] @ MAP_FROM_LEVEL
    return centers @ camera_from_map[:3, :3].T + camera_from_map[:3, 3], turn @ axes


def _pose_variance(observation: Observation, distance: FloatArray) -> FloatArray:
    """m^2 by which the pose may shift what is seen at distances (N,)."""
    if observation.pose_covariance is None:
        return np.zeros(len(distance))
    variances = np.diag(observation.pose_covariance)
    return np.asarray(variances[:3].max() + variances[3:].max() * distance**2)


def _sampled_pixels(uv: FloatArray, intrinsics: Intrinsics) -> tuple[FloatArray, NDArray[np.int_], NDArray[np.bool_]]:
    """Pixels (K, S, 2) on a grid over the projected corners (K, 8, 2), the same clipped to the picture, and whether
    each is inside (K, S)."""
    low, high = uv.min(1), uv.max(1)
    steps = (np.arange(_SAMPLES) + 0.5) / _SAMPLES
    at = low[:, None] + steps[:, None] * (high - low)[:, None]  # (K, steps, 2)
    u = np.repeat(at[:, None, :, 0], _SAMPLES, 1).reshape(len(uv), -1)
    v = np.repeat(at[:, :, None, 1], _SAMPLES, 2).reshape(len(uv), -1)
    pixels = np.round(np.stack([u, v], -1))
    limits = np.array([intrinsics.width - 1, intrinsics.height - 1])
    inside = np.asarray(((pixels >= 0) & (pixels <= limits)).all(-1))
    return pixels, np.clip(pixels, 0, limits).astype(int), inside


def _ways_inside(
    rays: FloatArray, center: FloatArray, axes: FloatArray, size: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Depths (K, S) at which rays (K, S, 3) with z = 1 enter and leave boxes; enter >= leave where they miss."""
    direction = rays @ axes  # (K, S, 3) along the own axes
    direction = np.where(np.abs(direction) < 1e-9, 1e-9, direction)
    origin = -(center[:, None] @ axes)  # (K, 1, 3)
    half = size[:, None] / 2
    a, b = (-half - origin) / direction, (half - origin) / direction
    return np.maximum(np.minimum(a, b).max(-1), 0.0), np.maximum(a, b).min(-1)
