"""Small samples without a renderer, for the tests of shards, generation and pictures."""

from __future__ import annotations

import numpy as np

from distill3d_ros.scene.frame import Frame, Intrinsics
from distill3d_ros.scene.geometry import level_rotation
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject
from distill3d_ros.training.data.sample import Sample

HEIGHT, WIDTH = 48, 64


def make_sample(key: str = "train-000000-00", *, split: str = "train", seed: int = 0) -> Sample:
    """Noise as picture and depth, a chair and a table as truth; the same arguments give the same sample."""
    rng = np.random.default_rng(seed)
    intrinsics = Intrinsics.from_fov(width=WIDTH, height=HEIGHT, horizontal_fov=1.1)
    pose = np.eye(4)
    pose[:3, :3] = [[1, 0, 0], [0, 0, 1], [0, -1, 0]]
    pose[:3, 3] = [1.0, 2.0, 1.2]
    ids = np.zeros((HEIGHT, WIDTH), np.uint16)
    ids[10:30, 10:30], ids[20:40, 40:60] = 1, 2
    boxes = [
        ("chair", Box3D(center=[-0.6, 0.7, 2.5], size=[0.5, 0.9, 0.5], yaw=2.6)),
        ("table", Box3D(center=[0.7, 0.8, 2.2], size=[1.2, 0.7, 0.8], yaw=0.2)),
    ]
    objects = tuple(
        SceneObject(id=i, label=label, box=box, visible_pixels=int((ids == i).sum()), has_front=label == "chair")
        for i, (label, box) in enumerate(boxes, start=1)
    )
    scene = Scene(
        objects=objects,
        intrinsics=intrinsics,
        level_from_optical=level_rotation(np.array([0.0, -1.0, 0.0])),
        depth=rng.uniform(0.5, 6.0, (HEIGHT, WIDTH)).astype(np.float32),
        contacts=frozenset({(1, 2)}),
        gaps={(1, 2): 0.0},
        supports={},
    )
    frame = Frame(
        image=rng.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8),
        intrinsics=intrinsics,
        up=np.array([0.0, -1.0, 0.0]),
        world_from_camera=pose,
    )
    room = key.rsplit("-", 1)[0]
    return Sample(key=key, frame=frame, scene=scene, ids=ids, room=room, room_type="office", split=split)
