"""Frames as the memory takes them: a scene, the camera's pose in the map and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from distill3d_ros.memory.settings import MemorySettings
from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.scene.geometry import footprint_overlap, transform_points
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject

MAP_FROM_LEVEL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""(3, 3) from a level frame (y down, z along the map's x) to the z-up map; remembered boxes stand in that level frame,
so that everything that is told of a scene's boxes can be told of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One perceived frame. ``scene`` has detections, stamp, intrinsics, and the depth that is evidence."""

    scene: Scene
    world_from_camera: FloatArray | None
    """(4, 4) pose of the optical frame in the z-up map, metres; None before the robot is localised."""
    pose_covariance: FloatArray | None = None
    """(6, 6) of x, y, z, and rotations about the map's x, y, z, as in geometry_msgs/PoseWithCovariance but about the
    camera: m^2, rad^2. None: exact."""

    def __post_init__(self) -> None:
        pose, covariance = self.world_from_camera, self.pose_covariance
        if pose is not None:
            if np.shape(pose) != (4, 4) or not np.isfinite(pose).all():
                raise ValueError(f"world_from_camera must be a finite (4, 4) pose, or None. Got {pose}")
            turn = np.asarray(pose)[:3, :3]
            if np.abs(turn @ turn.T - np.eye(3)).max() > 1e-3 or np.linalg.det(turn) < 0:
                raise ValueError(f"world_from_camera must be rigid: its rotation is not orthonormal. Got {pose}")
        if covariance is not None:
            c = np.asarray(covariance, float)
            if c.shape != (6, 6) or not np.isfinite(c).all() or np.linalg.eigvalsh((c + c.T) / 2).min() < -1e-9:
                raise ValueError(f"pose_covariance must be (6, 6), finite and positive semidefinite. Got {covariance}")

    @classmethod
    def with_sigmas(
        cls, scene: Scene, world_from_camera: FloatArray | None, *, position_m: float, rotation_rad: float
    ) -> Observation:
        """With one standard deviation for each axis of the position and of the rotation."""
        covariance = np.diag([position_m**2] * 3 + [rotation_rad**2] * 3)
        return cls(scene=scene, world_from_camera=world_from_camera, pose_covariance=covariance)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A detection in the map."""

    object_id: int
    """In its scene."""
    center: FloatArray
    """(3,) in the map, metres."""
    covariance: FloatArray
    """(3, 3) of the centre: the box's, long along the ray, and the pose's."""
    size: FloatArray
    """(3,) width, height, depth; metres."""
    yaw: float
    """As of ``Box3D``, in the map's level frame: the front points to (cos yaw, -sin yaw) in the map."""
    labels: Mapping[str, float]
    """Probabilities; what is missing to 1 is for every other label."""
    score: float
    has_front: bool
    distance: float
    """Metres from the camera."""
    direction: float
    """Radians: where the thing lies as seen from the camera, about the map's z."""
    is_cut: bool
    """Whether its visible part touches the picture's edge, so that size and centre are worse."""

    @property
    def box(self) -> Box3D:
        return level_box(self.center, self.size, self.yaw)


def level_box(center: FloatArray, size: FloatArray, yaw: float) -> Box3D:
    """The box in the map's level frame of a ``center`` (3,) in the map."""
    return Box3D(center=MAP_FROM_LEVEL.T @ np.asarray(center, float), size=size, yaw=yaw)


def sightings(observation: Observation, settings: MemorySettings) -> list[Sighting]:
    """The believed detections in the map; boxes of one name that share a third of the smaller one are one."""
    scene, pose = observation.scene, np.asarray(observation.world_from_camera, float)
    map_from_level = pose.copy()
    map_from_level[:3, :3] = pose[:3, :3] @ scene.level_from_optical.T
    objects = sorted((o for o in scene.objects if o.score >= settings.smallest_score), key=lambda o: -o.score)
    found: list[Sighting] = []
    for o in objects:
        sighting = _sighting(o, observation, map_from_level, settings)
        if not any(same_name(sighting.labels, f.labels) and shared_part(sighting.box, f.box) > 1 / 3 for f in found):
            found.append(sighting)
    return found


def _sighting(o: SceneObject, seen: Observation, map_from_level: FloatArray, settings: MemorySettings) -> Sighting:
    center = transform_points(map_from_level, o.box.center)
    ray = center - map_from_level[:3, 3]
    distance = float(np.linalg.norm(ray))
    cut = _is_cut(o, seen.scene)
    covariance = box_covariance(ray, seen.scene.scale_error, settings) * (4.0 if cut else 1.0)
    if seen.pose_covariance is not None:
        covariance = covariance + point_covariance(ray, np.asarray(seen.pose_covariance, float))
    front = MAP_FROM_LEVEL.T @ map_from_level[:3, :3] @ o.box.rotation[:, 2]
    return Sighting(
        object_id=o.id,
        center=center,
        covariance=covariance,
        size=o.box.size,
        yaw=math.atan2(front[0], front[2]),
        labels=label_probabilities(o),
        score=float(o.score),
        has_front=o.has_front,
        distance=distance,
        direction=math.atan2(ray[1], ray[0]),
        is_cut=cut,
    )


def box_covariance(ray: FloatArray, scale_error: float | None, settings: MemorySettings) -> FloatArray:
    """(3, 3) of a box centre at ``ray`` (3,) from the camera: an ellipsoid that grows along the ray."""
    distance = float(np.linalg.norm(ray))
    along = settings.range_base_m + max(settings.range_relative, scale_error or 0.0) * distance
    across = settings.across_base_m + settings.across_relative * distance
    unit = ray / distance if distance > 1e-6 else np.array([1.0, 0.0, 0.0])
    return across**2 * np.eye(3) + (along**2 - across**2) * np.outer(unit, unit)


def point_covariance(ray: FloatArray, pose_covariance: FloatArray) -> FloatArray:
    """(3, 3) that the pose's covariance (6, 6) gives a point at ``ray`` (3,) from the camera: J C J^T with
    J = [1, -[ray]x], the first order of a small rotation."""
    x, y, z = ray
    jacobian = np.hstack([np.eye(3), [[0, z, -y], [-z, 0, x], [y, -x, 0]]])
    return jacobian @ pose_covariance @ jacobian.T


def label_probabilities(o: SceneObject) -> dict[str, float]:
    """Of the labels that a detection names, at most 0.95 together: no detector is sure."""
    scores = {name: float(s) for name, s in (o.label_scores or {o.label: o.score}).items() if s > 0}
    total = sum(scores.values())
    most = 0.95 * min(1.0, total) / total if total > 0 else 0.0
    return {name: s * most for name, s in scores.items()}


def label_affinity(a: Mapping[str, float], b: Mapping[str, float], *, labels: int = 40) -> float:
    """Probability that two label histograms are of one label; the rest of each is spread over ``labels`` names."""
    rest_a, rest_b = max(0.0, 1 - sum(a.values())) / labels, max(0.0, 1 - sum(b.values())) / labels
    names = a.keys() | b.keys()
    named = sum((a.get(n, 0.0) + rest_a) * (b.get(n, 0.0) + rest_b) for n in names)
    return named + max(0, labels - len(names)) * rest_a * rest_b


def same_name(a: Mapping[str, float], b: Mapping[str, float]) -> bool:
    return bool(a) and bool(b) and max(a, key=lambda n: a[n]) == max(b, key=lambda n: b[n])


def shared_part(a: Box3D, b: Box3D) -> float:
    """Shared volume of two upright boxes over the smaller one's, 0..1."""
    height = min(a.bottom, b.bottom) - max(a.top, b.top)
    return 0.0 if height <= 0 else footprint_overlap(a, b) * height / min(a.volume, b.volume)


def _is_cut(o: SceneObject, scene: Scene) -> bool:
    if o.image_box is None:
        return False
    left, top, right, bottom = o.image_box
    k = scene.intrinsics
    return left < 1 or top < 1 or right > k.width - 2 or bottom > k.height - 2
