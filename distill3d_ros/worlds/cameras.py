"""Random camera poses in a room, and the selection of informative views."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray, Intrinsics
from distill3d_ros.worlds.camera_pose import CameraPose
from distill3d_ros.worlds.room import PlacedObject, Room

if TYPE_CHECKING:
    from distill3d_ros.worlds.rendering.interface import RoomRenderer


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraRange:
    """The cameras that ``sample_cameras`` draws from and the views that it keeps."""

    horizontal_fov: tuple[float, float] = (35.0, 95.0)
    """Degrees. Metric scale on real cameras depends on it: training must cover the lenses in use."""
    height: tuple[float, float] = (0.3, 1.6)
    """Metres above the floor."""
    pitch: tuple[float, float] = (-25.0, 8.0)
    """Degrees, up is positive; a camera more than 1 m above the floor may be pitched down by 20 more."""
    roll: float = 3.0
    """Largest roll either way, degrees."""
    tabletop: float = 0.2
    """Share of views from 0.4 to 1 m of a table top with things on it, where a room has one."""
    principal_point: float = 0.015
    """Largest offset of the principal point from the centre, in image widths."""
    clearance: float = 0.12
    """Metres between the camera and any furniture's box."""
    min_objects: int = 3
    """A view is kept if it shows at least this many named objects ..."""
    min_share: float = 0.004
    """... each with at least this share of the pixels, ..."""
    max_share: float = 0.55
    """... none with more than this share, ..."""
    median_depth: tuple[float, float] = (0.5, 5.0)
    """... its median depth, metres, is in this range, ..."""
    max_background: float = 0.85
    """... and at most this share shows bare walls, floor and ceiling."""

    def __post_init__(self) -> None:
        low, high = self.horizontal_fov
        if not 5.0 <= low <= high <= 150.0:
            raise ValueError(f"horizontal_fov must be (low, high) within 5 to 150 degrees. Got {self.horizontal_fov}")
        low, high = self.height
        if not 0.0 < low <= high:
            raise ValueError(f"height must be (low, high) in metres, both above 0. Got {self.height}")
        if not 0.0 <= self.tabletop <= 1.0:
            raise ValueError(f"tabletop is a share between 0 and 1. Got {self.tabletop}")


LOOK_THROUGH = 0.25
"""Of the cameras in a room with a second one, the share pointed through the opening at a thing in it."""

HAND_HELD = CameraRange(height=(0.5, 1.8), pitch=(-40.0, 15.0), roll=20.0, tabletop=0.4)
"""Cameras as people hold them, and those on arms and drones."""

LOW = CameraRange(
    height=(0.08, 0.3), pitch=(-15.0, 20.0), tabletop=0.0, min_objects=2, max_share=0.75, median_depth=(0.3, 5.0)
)
"""Cameras of small robots, near the floor. Without them in training, sizes there are estimated twice too large."""


def pose_along(intrinsics: Intrinsics, *, eye: FloatArray, yaw: float, pitch: float, roll: float = 0.0) -> CameraPose:
    """A camera at ``eye`` that looks along ``yaw`` (about world z from +x) and ``pitch`` (up is positive), radians."""
    forward = np.array([math.cos(pitch) * math.cos(yaw), math.cos(pitch) * math.sin(yaw), math.sin(pitch)])
    right = np.array([math.sin(yaw), -math.cos(yaw), 0.0])
    down = np.cross(forward, right)
    c, s = math.cos(roll), math.sin(roll)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([c * right + s * down, c * down - s * right, forward], axis=1)
    pose[:3, 3] = eye
    return CameraPose(intrinsics=intrinsics, world_from_optical=pose)


def sample_cameras(
    room: Room,
    rng: np.random.Generator,
    n: int,
    *,
    renderer: RoomRenderer,
    size: tuple[int, int] = (224, 224),
    ranges: CameraRange | None = None,
    attempts: int = 30,
) -> list[CameraPose]:
    """Up to ``n`` cameras with worthwhile views of ``room``, which must be the renderer's room.

    ``size``: (width, height) of the images. The lens is drawn first and then tried from up to ``attempts`` places,
    so that rejecting views does not favour wide lenses; a room where none will do gives fewer than ``n``.
    """
    if renderer.room is not room:
        raise ValueError("sample_cameras needs the renderer to hold the same room; call renderer.set_room(room) first")
    ranges = ranges or CameraRange()
    poses = _PoseSampler(room, ranges)
    cameras: list[CameraPose] = []
    for _ in range(2 * n):
        if len(cameras) == n:
            break
        intrinsics = sample_lens(rng, ranges, size)
        sample = poses.anywhere
        if poses.tabletops and rng.random() < ranges.tabletop:
            sample = poses.near_tabletop
        elif len(poses.beyond) and rng.random() < LOOK_THROUGH:
            sample = poses.through_opening
        for _ in range(attempts):
            camera = sample(intrinsics, rng)
            if camera is not None and is_good_view(camera, room, renderer, ranges):
                cameras.append(camera)
                break
    return cameras


def is_good_view(camera: CameraPose, room: Room, renderer: RoomRenderer, ranges: CameraRange | None = None) -> bool:
    """Whether a view shows enough objects at useful distances, from a small depth and id image."""
    ranges = ranges or CameraRange()
    width = 56
    height = max(8, round(width * camera.intrinsics.height / camera.intrinsics.width))
    small = CameraPose(
        intrinsics=camera.intrinsics.resized(width=width, height=height), world_from_optical=camera.world_from_optical
    )
    depth, ids = renderer.measure(small)
    if not ranges.median_depth[0] <= float(np.median(depth)) <= ranges.median_depth[1]:
        return False
    share = np.bincount(ids.reshape(-1), minlength=1 + max(o.id for o in room.objects)) / ids.size
    if share[0] > ranges.max_background or share[1:].max() > ranges.max_share:
        return False
    return sum(share[o.id] >= ranges.min_share for o in room.labelled()) >= ranges.min_objects


class _PoseSampler:
    """Draws camera poses in one room."""

    def __init__(self, room: Room, ranges: CameraRange) -> None:
        self.ranges = ranges
        self.room = room
        self.size = np.asarray(room.size, float)
        named = [o for o in room.labelled() if o.box.center[2] < 2.0]
        self.named = [o for o in named if room.space_of(o.box.center) == 0]
        self.beyond = np.array([o.box.center for o in named if room.space_of(o.box.center) == 1]).reshape(-1, 3)
        boxes = [o.box for o in room.objects]
        self.centers = np.stack([b.center for b in boxes])  # (N, 3)
        self.half = np.stack([b.size for b in boxes]) / 2
        self.yaw = np.array([b.yaw for b in boxes])
        self.target_centers = np.stack([o.box.center for o in self.named]) if self.named else np.zeros((0, 3))
        self.tabletops = _tabletops(room)

    def is_free(self, point: FloatArray) -> bool:
        """Inside the room and outside every box, with clearance."""
        margin = self.ranges.clearance
        if (point[:2] < margin).any() or (point[:2] > self.size[:2] - margin).any() or point[2] > self.size[2] - margin:
            return False
        offset = point - self.centers
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        own = np.stack([c * offset[:, 0] + s * offset[:, 1], c * offset[:, 1] - s * offset[:, 0], offset[:, 2]], axis=1)
        return not (np.abs(own) < self.half + margin).all(axis=1).any()

    def anywhere(self, intrinsics: Intrinsics, rng: np.random.Generator) -> CameraPose | None:
        """From the floor's free space towards some piece of furniture."""
        if not self.named:
            return None
        height = rng.uniform(*self.ranges.height)
        eye = np.append(rng.uniform(0.1, self.size[:2] - 0.1), height)
        target = self.target_centers[rng.integers(len(self.named))]
        distance = float(np.linalg.norm(target[:2] - eye[:2]))
        if not 0.7 <= distance <= 6.0 or not self.is_free(eye):
            return None
        return self._aim(intrinsics, eye, target, rng, low=self.ranges.pitch[0] - (20.0 if height > 1.0 else 0.0))

    def near_tabletop(self, intrinsics: Intrinsics, rng: np.random.Generator) -> CameraPose | None:
        """From 0.4 to 1 m of the things on a table, slightly above them."""
        things = self.tabletops[rng.integers(len(self.tabletops))]
        target = things[rng.integers(len(things))].box.center
        distance, azimuth = rng.uniform(0.4, 1.0), rng.uniform(-math.pi, math.pi)
        rise = math.radians(rng.uniform(10.0, 50.0))
        flat = distance * math.cos(rise)
        offset = (flat * math.cos(azimuth), flat * math.sin(azimuth), distance * math.sin(rise))
        eye = target + np.array(offset)
        if not self.ranges.height[0] <= eye[2] <= self.ranges.height[1] or not self.is_free(eye):
            return None
        return self._aim(intrinsics, eye, target, rng, low=-60.0)

    def through_opening(self, intrinsics: Intrinsics, rng: np.random.Generator) -> CameraPose | None:
        """From a place in the room itself towards a thing in the second one."""
        assert self.room.second is not None
        opening = self.room.second.opening
        target = self.beyond[rng.integers(len(self.beyond))]
        between = opening.to_world([rng.uniform(opening.low, opening.high), 0.0, 0.0])
        way = (between - target)[:2]
        eye = np.append(
            between[:2] + rng.uniform(0.3, 3.5) * way / np.linalg.norm(way), rng.uniform(*self.ranges.height)
        )
        distance = float(np.linalg.norm(target[:2] - eye[:2]))
        if not 0.7 <= distance <= 6.0 or not self.is_free(eye) or not self.room.in_sight(eye, target)[0]:
            return None
        return self._aim(intrinsics, eye, target, rng, low=self.ranges.pitch[0])

    def _visible_beyond(self, eye: FloatArray) -> FloatArray:
        """(N, 3) centres of the named things in the second room that no wall hides."""
        return np.asarray(self.beyond[self.room.in_sight(eye, self.beyond)])

    def _aim(
        self, intrinsics: Intrinsics, eye: FloatArray, target: FloatArray, rng: np.random.Generator, *, low: float
    ) -> CameraPose | None:
        """Towards the target, missing it by a third of the field of view; None if too few names may be in view."""
        offset = target - eye
        yaw = math.atan2(offset[1], offset[0]) + rng.uniform(-0.33, 0.33) * intrinsics.horizontal_fov
        pitch = math.atan2(offset[2], math.hypot(offset[0], offset[1]))
        pitch += rng.uniform(-0.2, 0.25) * intrinsics.vertical_fov
        low, high = math.radians(low), math.radians(self.ranges.pitch[1])
        if not low <= pitch <= high:  # spread what is cut off, or every tenth camera would look up by the limit
            pitch = float(np.clip(pitch, low, high)) + math.copysign(rng.uniform(0.0, 0.15), -pitch)
            pitch = min(max(pitch, low), high)
        roll = math.radians(rng.uniform(-self.ranges.roll, self.ranges.roll))
        camera = pose_along(intrinsics, eye=eye, yaw=yaw, pitch=pitch, roll=roll)
        # Cheaper than rendering: the number of named things with their centre near the field of view.
        centers = np.concatenate([self.target_centers, self._visible_beyond(eye)])
        optical = (centers - eye) @ camera.world_from_optical[:3, :3]
        reach_x = 1.2 * math.tan(intrinsics.horizontal_fov / 2)
        reach_y = 1.2 * math.tan(intrinsics.vertical_fov / 2)
        ahead = optical[:, 2]
        inside = (np.abs(optical[:, 0]) < reach_x * ahead + 0.3) & (np.abs(optical[:, 1]) < reach_y * ahead + 0.3)
        inside &= ahead > 0.2
        return camera if inside.sum() >= self.ranges.min_objects else None


def _tabletops(room: Room) -> list[list[PlacedObject]]:
    """The named things on each support in the room itself that carries at least two."""
    things: dict[int, list[PlacedObject]] = {}
    for placed in room.labelled():
        if placed.support is not None and room.space_of(placed.position) == 0:
            things.setdefault(placed.support, []).append(placed)
    return [group for group in things.values() if len(group) >= 2]


def sample_lens(rng: np.random.Generator, ranges: CameraRange, size: tuple[int, int]) -> Intrinsics:
    """A lens for images of ``size`` (width, height)."""
    fov = math.radians(rng.uniform(*ranges.horizontal_fov))
    k = Intrinsics.from_fov(width=size[0], height=size[1], horizontal_fov=fov)
    shift: NDArray[np.floating] = rng.uniform(-1.0, 1.0, 2) * ranges.principal_point * size[0]
    return Intrinsics(fx=k.fx, fy=k.fy, cx=k.cx + shift[0], cy=k.cy + shift[1], width=k.width, height=k.height)
