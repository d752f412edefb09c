"""Random scenes of plain boxes for the tests of the scene package: seeded, with things that stand on things."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
from hypothesis import settings

from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.scene.geometry import box_gaps
from distill3d_ros.scene.labels import LABELS
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject, pair

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

OPTICAL_FROM_BODY = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
"""(3, 3): turns REP 103 body coordinates (x forward, y left, z up) into optical ones (x right, y down, z forward)."""
CAMERA = Intrinsics.from_fov(width=224, height=224, horizontal_fov=1.2)
FLOOR = 1.0
"""y of the floor in the level frame: the camera is a metre up."""
SMALL = ("cup", "bowl", "bottle", "vase", "computer", "box", "plant", "lamp", "bag")
CARRIERS = ("table", "desk", "cabinet", "bed", "shelf", "stool")


def box(x: float, y: float, z: float, size: tuple[float, float, float] = (0.4, 0.4, 0.4), yaw: float = 0.0) -> Box3D:
    """``y`` is that of the centre."""
    return Box3D(center=np.array([x, y, z]), size=np.array(size), yaw=yaw)


def box_contains(box: Box3D, points: np.ndarray, *, margin: float = 0.0) -> np.ndarray:
    """Which of the points (..., 3) lie in the box grown by ``margin`` on every side: (...) bool."""
    own = (np.asarray(points) - box.center) @ box.rotation
    return np.asarray((np.abs(own) <= box.size / 2 + margin).all(axis=-1))


def thing(number: int, label: str, where: Box3D, *, pixels: int | None = 1000, score: float = 1.0) -> SceneObject:
    return SceneObject(id=number, label=label, box=where, visible_pixels=pixels, score=score)


def scene_of(*objects: SceneObject) -> Scene:
    return Scene(objects=objects, intrinsics=CAMERA)


def typical_size(label: str) -> np.ndarray:
    rng = np.random.default_rng(zlib.crc32(label.encode()))
    return rng.uniform(0.08, 0.35, 3) if label in SMALL else rng.uniform(0.4, 1.6, 3)


def random_scene(
    rng: np.random.Generator,
    count: int,
    *,
    labels: tuple[str, ...] | None = None,
    meshes: bool = True,
    clear: bool = True,
) -> Scene:
    """``count`` boxes of typical sizes; small things often stand on others. ``clear``: all show enough pixels."""
    names = tuple(LABELS) if labels is None else labels
    chosen = [names[int(i)] for i in rng.permutation(len(names))[:count]]
    chosen.sort(key=lambda label: label in SMALL)
    objects: list[SceneObject] = []
    supports: dict[int, int] = {}
    for number, label in enumerate(chosen, start=1):
        size = typical_size(label) * np.exp(rng.normal(0, 0.2, 3))
        center = np.array([rng.uniform(-2.5, 2.5), FLOOR - size[1] / 2, rng.uniform(1.0, 6.0)])
        carriers = [o for o in objects if o.label in CARRIERS]
        if label in SMALL and carriers and rng.random() < 0.6:
            carrier = carriers[int(rng.integers(len(carriers)))]
            shift = carrier.box.rotation @ (rng.uniform(-0.3, 0.3, 3) * carrier.box.size)
            center[[0, 2]] = (carrier.box.center + shift)[[0, 2]]
            center[1] = carrier.box.top - size[1] / 2
            supports[number] = carrier.id
        elif objects and rng.random() < 0.25:  # pushed up to something
            neighbour = objects[int(rng.integers(len(objects)))].box
            center[[0, 2]] = neighbour.center[[0, 2]] + (neighbour.size[0] + size[0]) / 2 * np.array([1.0, 0.0])
        pixels = 2000 if clear else int(rng.choice([10, 60, 150, 400, 3000], p=[0.1, 0.1, 0.1, 0.2, 0.5]))
        turned = Box3D(center=center, size=size, yaw=float(rng.uniform(-np.pi, np.pi)))
        objects.append(SceneObject(id=number, label=label, box=turned, visible_pixels=pixels))
    scene = Scene(objects=tuple(objects), intrinsics=CAMERA)
    return with_mesh_truth(scene, supports) if meshes else scene


def with_mesh_truth(scene: Scene, supports: dict[int, int]) -> Scene:
    """Contacts and gaps as if the boxes were the meshes."""
    distances = box_gaps([o.box for o in scene.objects])
    ids = [o.id for o in scene.objects]
    gaps = {pair(ids[i], ids[j]): float(distances[i, j]) for i in range(len(ids)) for j in range(i + 1, len(ids))}
    contacts = {key for key, metres in gaps.items() if metres < 0.004} | {pair(a, b) for a, b in supports.items()}
    return replace(scene, gaps=gaps, contacts=frozenset(contacts), supports=supports)


def mirrored(scene: Scene) -> Scene:
    """The scene with left and right exchanged."""
    flip = np.array([-1.0, 1.0, 1.0])
    return replace(
        scene,
        objects=tuple(
            replace(o, box=replace(o.box, center=o.box.center * flip, yaw=-o.box.yaw)) for o in scene.objects
        ),
    )


def turned(scene: Scene, angle: float) -> Scene:
    """The scene turned about the camera's vertical."""
    c, s = np.cos(angle), np.sin(angle)
    rotation = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return replace(
        scene,
        objects=tuple(
            replace(o, box=replace(o.box, center=rotation @ o.box.center, yaw=o.box.yaw + angle)) for o in scene.objects
        ),
    )


def without_mesh_truth(scene: Scene) -> Scene:
    """The same scene as a detector could at best know it: boxes and labels, no contacts, gaps or supports."""
    return replace(scene, contacts=None, gaps=None, supports=None)
