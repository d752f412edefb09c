"""Views that say different things about what they show, for the tests of what may teach what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from distill3d_ros.scene.annotation import Annotation
from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject
from distill3d_ros.training.data.sample import UNKNOWN_ID
from distill3d_ros.training.inputs.augmentation import View

SIDE = 64
CAMERA = Intrinsics(fx=64.0, fy=64.0, cx=31.5, cy=31.5, width=SIDE, height=SIDE)
CHAIR, TABLE = (12, 20, 28, 44), (40, 24, 64, 40)
"""Left, top, right, bottom of the masks, pixels, the last not included; the picture's edge cuts the table off."""
BOX = Box3D(center=[0.1, 0.2, 2.2], size=[0.5, 0.8, 0.5], yaw=0.3)


def view(**known: Any) -> View:
    """A chair at 2 m and a table at 3 m before a wall at 4 m; the lowest rows are unknown. Level camera."""
    annotation = Annotation(**known)
    ids, depth = np.zeros((SIDE, SIDE), np.uint16), np.full((SIDE, SIDE), 4.0, np.float32)
    objects = []
    for number, (label, (left, top, right, bottom), z) in enumerate((("chair", CHAIR, 2.0), ("table", TABLE, 3.0)), 1):
        ids[top:bottom, left:right], depth[top:bottom, left:right] = number, z
        rectangle = (left - 0.5, top - 0.5, right - 0.5, bottom - 0.5)
        pixels = (right - left) * (bottom - top)
        objects.append(SceneObject(id=number, label=label, box=BOX, visible_pixels=pixels, image_box=rectangle))
    ids[56:] = UNKNOWN_ID
    if not annotation.masks:
        ids[:] = 0
    image = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
    scene = Scene(objects=tuple(objects), intrinsics=CAMERA, annotation=annotation)
    up = np.array([0.0, -1.0, 0.0])
    return View(key="a", image=image, depth=depth, ids=ids, intrinsics=CAMERA, up=up, scene=scene)


def label_index(labels: Sequence[str]) -> dict[str, int]:
    return {label: i for i, label in enumerate(labels)}
