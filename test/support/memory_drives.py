"""Drives through two rooms of boxes with a door between them, and what a memory made of them.

The depth is ray cast, detections are the boxes of which enough pixels are visible, with noise of places, sizes, labels,
missed ones and false ones; the pose that the memory is given has noise of its own.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from distill3d_ros.memory.map_memory import MapMemory, Update
from distill3d_ros.memory.observation import Observation
from distill3d_ros.scene.frame import FloatArray, Intrinsics
from distill3d_ros.scene.geometry import invert_pose, level_rotation, transform_points
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject

CAMERA = Intrinsics.from_fov(width=40, height=30, horizontal_fov=math.radians(80))
SIZES = {
    "sofa": (2.0, 0.8, 0.9), "table": (1.2, 0.75, 0.8), "chair": (0.5, 0.9, 0.5), "cabinet": (0.9, 1.2, 0.4),
    "bed": (1.6, 0.6, 2.0), "shelf": (0.9, 1.7, 0.35), "plant": (0.4, 1.0, 0.4), "box": (0.5, 0.4, 0.4),
    "trash can": (0.35, 0.5, 0.35), "fridge": (0.7, 1.6, 0.7), "bag": (0.4, 0.4, 0.25),
}  # fmt: skip
LIKE = {"sofa": "bed", "table": "cabinet", "chair": "table", "cabinet": "shelf", "bed": "sofa", "shelf": "cabinet",
        "plant": "bag", "box": "bag", "trash can": "box", "fridge": "cabinet", "bag": "box"}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Standard deviations and rates; the defaults are a perfect detector on a perfectly localised robot."""

    along: float = 0.0
    """Of a centre along its ray, relative to the distance."""
    across: float = 0.0
    size: float = 0.0
    """Of the logarithm of a side."""
    missed: float = 0.0
    mistaken: float = 0.0
    """Rate of labels that are those of a like thing."""
    false: float = 0.0
    """False boxes a frame."""
    tf_m: float = 0.0
    tf_rad: float = 0.0


NOISY = Noise(along=0.06, across=0.03, size=0.15, missed=0.3, mistaken=0.1, false=0.05, tf_m=0.03, tf_rad=0.01)


@dataclass(kw_only=True)
class TrueThing:
    id: int
    label: str
    center: FloatArray
    size: FloatArray
    yaw: float
    seen: int = 0
    """Frames in which it was detected at its present place."""


@dataclass(kw_only=True)
class Drive:
    """A world that changes, a robot in it, and tallies of what the memory said."""

    rng: np.random.Generator
    noise: Noise = field(default_factory=Noise)
    things: dict[int, TrueThing] = field(default_factory=dict)
    taken: list[tuple[TrueThing, int]] = field(default_factory=list)
    """With the frame's number at which it was taken."""
    stamp_ns: int = 1_000_000_000
    step_s: float = 0.5
    switches: int = 0
    thing_minutes: float = 0.0
    moved: set[int] = field(default_factory=set)
    """True things that were moved: until that is understood they have another id, which is counted apart."""
    moved_switches: int = 0
    _last_id: dict[int, int] = field(default_factory=dict)

    @classmethod
    def furnished(cls, seed: int, *, noise: Noise | None = None, count: int = 12) -> Drive:
        """Two rooms of 5 x 5 m, x in 0..5 and 5..10, with things that are at least 0.9 m apart."""
        drive = cls(rng=np.random.default_rng(seed), noise=noise or Noise())
        names = list(SIZES)
        while len(drive.things) < count:
            drive.add(str(drive.rng.choice(names)))
        return drive

    def add(self, label: str, place: tuple[float, float] | None = None) -> TrueThing:
        size = np.array(SIZES[label]) * self.rng.uniform(0.85, 1.15, 3)
        at = np.array(place if place is not None else self._free_place(size))
        number = max(list(self.things) + [t.id for t, _ in self.taken], default=0) + 1
        center = np.array([at[0], at[1], size[1] / 2])
        yaw = 0.0 if self.rng.random() < 0.5 else math.pi / 2
        self.things[number] = TrueThing(id=number, label=label, center=center, size=size, yaw=yaw)
        return self.things[number]

    def take(self, thing_id: int) -> TrueThing:
        thing = self.things.pop(thing_id)
        self.taken.append((thing, 0))
        return thing

    def move(self, thing_id: int, place: tuple[float, float] | None = None) -> None:
        thing = self.things[thing_id]
        at = self._free_place(thing.size, far_from=thing.center[:2]) if place is None else place
        thing.center = np.array([at[0], at[1], thing.center[2]])
        thing.seen = 0
        self.moved.add(thing_id)

    def tour(self, rounds: int = 1) -> Iterator[FloatArray]:
        """Poses of the camera: it turns once at each of four places of both rooms, through the door and back."""
        stops = [(1.2, 2.5), (2.5, 3.8), (3.8, 2.5), (5.0, 2.5), (6.2, 2.5), (7.5, 1.2), (8.8, 2.5), (7.5, 3.8)]
        path = (stops + stops[-2::-1]) * rounds
        for (ax, ay), (bx, by) in itertools.pairwise(path):
            for k in range(8):
                yield camera_pose(ax, ay, math.tau * k / 8)
            for k in range(1, 3):
                yield camera_pose(ax + (bx - ax) * k / 3, ay + (by - ay) * k / 3, math.atan2(by - ay, bx - ax))

    def frame(self, pose: FloatArray) -> tuple[Observation, dict[int, int]]:
        """What the memory is given at a true pose, and the truth: object id -> id of the true thing (0: false)."""
        depth, ids = self._render(pose)
        objects, truth = self._detect(pose, ids)
        scene = Scene(
            objects=tuple(objects),
            intrinsics=CAMERA,
            level_from_optical=level_rotation(pose[:3, :3].T @ np.array([0.0, 0.0, 1.0])),
            depth=depth,
            stamp_ns=self.stamp_ns,
        )
        self.stamp_ns += int(self.step_s * 1e9)
        given = self._with_tf_noise(pose)
        position, turn = max(self.noise.tf_m, 0.005), max(self.noise.tf_rad, 0.002)
        return Observation.with_sigmas(scene, given, position_m=position, rotation_rad=turn), truth

    def show(self, memory: MapMemory, pose: FloatArray) -> Update:
        """Lets the memory see one frame, and counts."""
        observation, truth = self.frame(pose)
        update = memory.observe(observation)
        self.thing_minutes += len(self.things) * self.step_s / 60
        for object_id, remembered in update.matched.items():
            true = truth[object_id]
            if true and memory.things.get(remembered) and memory.things[remembered].state == "present":
                switched = true in self._last_id and self._last_id[true] != remembered
                self.switches += switched and true not in self.moved
                self.moved_switches += switched and true in self.moved
                self._last_id[true] = remembered
        return update

    def drive(self, memory: MapMemory, rounds: int = 1) -> None:
        for pose in self.tour(rounds):
            self.show(memory, pose)

    def score(self, memory: MapMemory) -> Score:
        """Against the truth now: right is a thing of the same name within 0.5 m, each counted once."""
        there = memory.remembered()
        wanted = list(self.things.values())
        right, found = 0, set()
        for thing in there:
            near = [
                t for t in wanted
                if t.id not in found and t.label == thing.label and np.linalg.norm(t.center - thing.center) < 0.5
            ]  # fmt: skip
            if near:
                found.add(min(near, key=lambda t: float(np.linalg.norm(t.center - thing.center))).id)
                right += 1
        well_seen = [t for t in wanted if t.seen >= 5]
        stands = [any(t.label == k.label and np.linalg.norm(t.center - k.center) < 0.5 for k in wanted) for t in there]
        ghosts = sum(
            any(
                t.label == g.label and not ok and np.linalg.norm(t.center - g.center) < 0.5
                for t, ok in zip(there, stands, strict=True)
            )
            for g, _ in self.taken
        )
        return Score(
            precision=right / max(1, len(there)),
            recall=sum(t.id in found for t in well_seen) / max(1, len(well_seen)),
            switches_per_100_things_minute=100 * self.switches / max(1e-9, self.thing_minutes),
            ghosts=ghosts / max(1, len(self.taken)),
        )

    def _free_place(self, size: FloatArray, far_from: FloatArray | None = None) -> FloatArray:
        for _ in range(2000):
            room = int(self.rng.integers(2))
            at = np.array([room * 5 + self.rng.uniform(0.6, 4.4), self.rng.uniform(0.6, 4.4)])
            if far_from is not None and np.linalg.norm(at - far_from) < 1.0:
                continue
            radius = max(size[0], size[2]) / 2
            others = [np.linalg.norm(at - t.center[:2]) - max(t.size[0], t.size[2]) / 2 for t in self.things.values()]
            if not others or min(others) > radius + 0.1:
                return at
        raise RuntimeError("no free place is left in the rooms")

    def _render(self, pose: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(H, W) depth, and the ids of true things (-1: floor and walls)."""
        rays = CAMERA.rays().reshape(-1, 3).astype(float) @ pose[:3, :3].T
        origin = pose[:3, 3]
        best = np.where(rays[:, 2] < -1e-6, -origin[2] / np.minimum(rays[:, 2], -1e-6), 30.0)
        ids = np.full(len(rays), -1)
        walls = [((0, 2.5), (0.1, 5)), ((10, 2.5), (0.1, 5)), ((5, 0), (10, 0.1)), ((5, 5), (10, 0.1)),
                 ((5, 0.95), (0.1, 1.9)), ((5, 4.05), (0.1, 1.9))]  # fmt: skip
        boxes = [(np.array([*c, 1.25]), np.array([w[1], 2.5, w[0]]), 0.0, -1) for c, w in walls]
        boxes += [(t.center, t.size, t.yaw, t.id) for t in self.things.values()]
        for center, size, yaw, number in boxes:
            hit = _ray_box(origin, rays, center, size, yaw)
            closer = hit < best
            best, ids = np.where(closer, hit, best), np.where(closer, number, ids)
        shape = (CAMERA.height, CAMERA.width)
        return best.reshape(shape), ids.reshape(shape)

    def _detect(self, pose: FloatArray, ids: FloatArray) -> tuple[list[SceneObject], dict[int, int]]:
        level = np.eye(4)
        level[:3, :3] = level_rotation(pose[:3, :3].T @ np.array([0.0, 0.0, 1.0]))
        level_from_map = level @ invert_pose(pose)
        objects, truth = [], {}
        for thing in list(self.things.values()):
            at = transform_points(level_from_map, thing.center)
            distance = float(np.linalg.norm(at))
            if (ids == thing.id).sum() < 8 or distance > 5 or self.rng.random() < self.noise.missed:
                continue
            thing.seen += 1
            objects.append(self._object(len(objects) + 1, thing, at, distance, level_from_map))
            truth[objects[-1].id] = thing.id
        if self.rng.random() < self.noise.false:
            at = np.array([self.rng.uniform(-1, 1), 0.6, self.rng.uniform(1, 4)])
            name = str(self.rng.choice(list(SIZES)))
            box = Box3D(center=at, size=np.array(SIZES[name]), yaw=0.0)
            objects.append(SceneObject(id=len(objects) + 1, label=name, box=box, score=0.5))
            truth[objects[-1].id] = 0
        return objects, truth

    def _object(
        self, number: int, thing: TrueThing, at: FloatArray, distance: float, level_from_map: FloatArray
    ) -> SceneObject:
        n, rng = self.noise, self.rng
        at = at * (1 + rng.normal(0, n.along)) + rng.normal(0, n.across, 3)
        heading = level_from_map[:3, :3] @ np.array([math.cos(thing.yaw), -math.sin(thing.yaw), 0.0])
        label = LIKE[thing.label] if rng.random() < n.mistaken else thing.label
        other = LIKE[label] if label == thing.label else thing.label
        sure = 1.0 if n.mistaken == 0 else 0.6
        return SceneObject(
            id=number,
            label=label,
            box=Box3D(
                center=at, size=thing.size * np.exp(rng.normal(0, n.size, 3)), yaw=math.atan2(heading[0], heading[2])
            ),
            score=0.95 if n.mistaken == 0 else float(rng.uniform(0.4, 0.9)),
            label_scores={label: 1.0} if sure == 1.0 else {label: sure, other: 0.25},
        )

    def _with_tf_noise(self, pose: FloatArray) -> FloatArray:
        given = pose.copy()
        given[:3, 3] += self.rng.normal(0, 1, 3) * self.noise.tf_m * [1, 1, 0.2]
        angle = self.rng.normal(0, 1) * self.noise.tf_rad
        given[:3, :3] = about_z(angle) @ given[:3, :3]
        return given


@dataclass(frozen=True, kw_only=True)
class Score:
    precision: float
    recall: float
    """Of the things that were detected at least 5 times where they stand."""
    switches_per_100_things_minute: float
    """Of things that stood still."""
    ghosts: float
    """Share of the things taken away that are still taken to be there."""


def about_z(angle: float) -> FloatArray:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def camera_pose(x: float, y: float, heading: float, *, height: float = 1.1, tilt: float = 0.2) -> FloatArray:
    """(4, 4) optical pose at (x, y) in the map, looking along ``heading`` and ``tilt`` radians down."""
    c, s = math.cos(tilt), math.sin(tilt)
    forward, right = np.array([c, 0.0, -s]), np.array([0.0, -1.0, 0.0])
    pose = np.eye(4)
    pose[:3, :3] = about_z(heading) @ np.stack([right, np.cross(forward, right), forward], 1)
    pose[:3, 3] = x, y, height
    return pose


def _ray_box(origin: FloatArray, rays: FloatArray, center: FloatArray, size: FloatArray, yaw: float) -> FloatArray:
    """Depths (optical z, since rays have z = 1) at which rays enter an upright box; infinite where they do not."""
    # Own axes in the map: x width, y up, z front, for yaw about -z of the map.
    front = np.array([math.cos(yaw), -math.sin(yaw), 0.0])
    across = np.array([-math.sin(yaw), -math.cos(yaw), 0.0])
    axes = np.stack([across, [0.0, 0.0, 1.0], front])
    o, d = axes @ (origin - center), rays @ axes.T
    d = np.where(np.abs(d) < 1e-9, 1e-9, d)
    t1, t2 = (-size / 2 - o) / d, (size / 2 - o) / d
    enter, leave = np.minimum(t1, t2).max(1), np.maximum(t1, t2).min(1)
    return np.where((enter < leave) & (leave > 0) & (enter > 0), enter, np.inf)
