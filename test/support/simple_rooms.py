"""Small rooms of boxes and balls, made without any furniture pack, for the tests of the worlds."""

from __future__ import annotations

import math

import numpy as np
import trimesh
from numpy.typing import ArrayLike

from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.worlds.camera_pose import CameraPose
from distill3d_ros.worlds.cameras import pose_along
from distill3d_ros.worlds.furniture.furniture_model import FurnitureModel
from distill3d_ros.worlds.materials import Light, Surface
from distill3d_ros.worlds.room import PlacedObject, Room


def look_at(intrinsics: Intrinsics, *, eye: ArrayLike, target: ArrayLike, roll: float = 0.0) -> CameraPose:
    """A camera at ``eye`` (3,) pointed at ``target`` (3,); ``roll`` about its optical axis, radians."""
    x, y, z = np.asarray(target, float) - np.asarray(eye, float)
    yaw, pitch = math.atan2(y, x), math.atan2(z, math.hypot(x, y))
    return pose_along(intrinsics, eye=np.asarray(eye, float), yaw=yaw, pitch=pitch, roll=roll)


def model_from_mesh(mesh: trimesh.Trimesh, name: str, label: str, color: tuple[int, int, int]) -> FurnitureModel:
    """A model of one colour, its base centre at the origin."""
    low, high = mesh.bounds
    vertices = mesh.vertices - [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]]
    faces = np.asarray(mesh.faces, np.int32)
    return FurnitureModel(
        name=name,
        label=label,
        vertices=vertices.astype(np.float32),
        faces=faces,
        face_colors=np.tile(np.array(color, np.uint8), (len(faces), 1)),
        face_layers=np.full(len(faces), -1, np.int16),
        face_uvs=np.zeros((len(faces), 3, 2), np.float32),
        textures=np.zeros((0, 128, 128, 3), np.uint8),
        size=high - low,
        has_front=label == "chair",
        drop_top=float(high[2] - low[2]),
        mount="floor",
        elevation=0.0,
        split="train",
        family=name,
    )


def box_model(name: str, label: str, size: tuple[float, float, float], color: tuple[int, int, int]) -> FurnitureModel:
    return model_from_mesh(trimesh.creation.box(size), name, label, color)


def ball_model(name: str, label: str, radius: float, color: tuple[int, int, int]) -> FurnitureModel:
    return model_from_mesh(trimesh.creation.icosphere(subdivisions=3, radius=radius), name, label, color)


def place(
    number: int,
    model: FurnitureModel,
    at: tuple[float, float, float],
    *,
    yaw: float = 0.0,
    support: int | None = None,
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> PlacedObject:
    c, s = np.cos(yaw), np.sin(yaw)
    rotation = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    at_, scale_ = np.array(at), np.array(scale)
    return PlacedObject(id=number, model=model, position=at_, rotation=rotation, yaw=yaw, scale=scale_, support=support)


def simple_room() -> Room:
    """A table with a cup and a vase, a box that touches a cabinet, a chair far from them, a ball; 5 x 4 x 2.6 m."""
    table = box_model("table", "table", (1.2, 0.7, 0.75), (150, 100, 60))
    chair = box_model("chair", "chair", (0.45, 0.5, 0.9), (60, 80, 160))
    cabinet = box_model("cabinet", "cabinet", (0.8, 0.4, 1.1), (200, 200, 190))
    crate = box_model("crate", "box", (0.4, 0.3, 0.35), (170, 140, 90))
    cup = ball_model("cup", "cup", 0.06, (210, 60, 50))
    vase = ball_model("vase", "vase", 0.12, (70, 160, 90))
    objects = [
        place(1, table, (2.5, 2.2, 0.0), yaw=0.4),
        place(2, cup, (2.3, 2.1, 0.75), support=1),
        place(3, vase, (2.75, 2.3, 0.75), support=1),
        place(4, cabinet, (3.6, 3.8, 0.0), yaw=np.pi),
        place(5, crate, (3.0, 3.75, 0.0), yaw=0.0),
        place(6, chair, (1.2, 1.2, 0.0), yaw=2.5),
    ]
    rng = np.random.default_rng(0)
    surfaces = {}
    for part in ("floor", "ceiling", "wall_0", "wall_1", "wall_2", "wall_3"):
        shade = 150 if part == "floor" else 215
        image = np.clip(shade + rng.normal(0, 6, (256, 256, 3)), 0, 255).astype(np.uint8)
        if part == "floor":
            image[::64] = 90
            image[:, ::128] = 90
        surfaces[part] = Surface(kind="plain", image=image, tile=1.0, gloss=0.3 if part == "floor" else 0.0)
    return Room(
        type="living room",
        seed=0,
        split="train",
        size=np.array([5.0, 4.0, 2.6]),
        objects=objects,
        surfaces=surfaces,
        lights=[Light(position=np.array([2.2, 1.6, 2.45]), color=np.array([1.05, 1.0, 0.95]), intensity=0.7)],
        ambient=np.array([0.3, 0.3, 0.32]),
    )


def simple_camera(*, width: int = 224, height: int = 224, fov: float = 1.2) -> CameraPose:
    """Looks at the table from a corner, with its principal point off the centre."""
    k = Intrinsics.from_fov(width=width, height=height, horizontal_fov=fov)
    k = Intrinsics(fx=k.fx, fy=k.fy * 1.03, cx=k.cx + 3.3, cy=k.cy - 2.6, width=width, height=height)
    return look_at(k, eye=(0.5, 0.5, 1.3), target=(2.8, 2.7, 0.7), roll=0.03)
