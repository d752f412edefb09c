"""Batches of views as tensors: the student's inputs, and the targets of its perception."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distill3d_ros.scene.objects import Scene, SceneObject
from distill3d_ros.student.outputs import Perception
from distill3d_ros.student.student import Student
from distill3d_ros.training.config import StageConfig
from distill3d_ros.training.inputs.augmentation import View
from distill3d_ros.training.inputs.box_matching import assign_cells

NEAREST_CENTER = 0.2
"""Metres: the centre of a box nearer than this along the optical axis (a bed that the camera looks along may have its
centre beside or behind it) has no usable pixel and teaches only class, size and yaw."""
FARTHEST_TANGENT = 2.5
"""Likewise for centres too far outside of the image: largest |x / z| and |y / z|."""


@dataclass(kw_only=True, slots=True)
class PerceptionBatch:
    """B images of one size with up to M objects each."""

    keys: list[str]
    images: Tensor  # (B, 1, 3, H, W) in 0..1
    intrinsics: Tensor  # (B, 1, 4) fx, fy, cx, cy
    up: Tensor  # (B, 1, 3) true
    up_given: bool  # whether it is an input of the student
    depth: Tensor  # (B, H, W) metres, 0 unknown
    fov: Tensor  # (B, 2) true vertical and horizontal field of view, radians
    labels: Tensor  # (B, M)
    mask: Tensor  # (B, M) bool
    center: Tensor  # (B, M, 3) optical frame
    center_level: Tensor  # (B, M, 3)
    size: Tensor  # (B, M, 3)
    yaw: Tensor  # (B, M) level frame
    has_front: Tensor  # (B, M) bool
    located: Tensor  # (B, M) bool: the centre has a usable pixel and depth
    cells: Tensor  # (B, P) object that each patch is responsible for, or NOBODY or IGNORED

    def to(self, device: torch.device) -> PerceptionBatch:
        moved: dict[str, Any] = {
            f.name: v.to(device, non_blocking=True) if isinstance(v := getattr(self, f.name), Tensor) else v
            for f in fields(self)
        }
        return PerceptionBatch(**moved)


def perceive_batch(student: Student, batch: PerceptionBatch) -> Perception:
    """The student's perception of a batch; the true up is an input where the batch gives it, the true depth where the
    student takes depth."""
    depth = batch.depth[:, None] if student.takes_depth else None
    return student.perceive(batch.images, batch.intrinsics, batch.up if batch.up_given else None, depth=depth)


def perceive_views(student: Student, views: Sequence[View], *, up_given: bool = True) -> Perception:
    """The student's perception of views of one size, without targets; on the student's device."""
    stride = student.encoder.patch_embed.patch_size
    height, width = views[0].image.shape[:2]
    grid = (height // stride, width // stride)
    batch = perception_batch(views, {}, min_visible_pixels=0, grid=grid, up_given=up_given)
    return perceive_batch(student, batch.to(next(student.parameters()).device))


def split_visible(objects: Sequence[SceneObject], least: float) -> tuple[list[SceneObject], list[SceneObject]]:
    """Objects that show at least so many pixels, and the others."""
    enough = [o for o in objects if o.visible_pixels is None or o.visible_pixels >= least]
    return enough, [o for o in objects if o not in enough]


def perception_batch(
    views: Sequence[View],
    label_index: Mapping[str, int],
    *,
    min_visible_pixels: int,
    grid: tuple[int, int],
    up_given: bool = True,
) -> PerceptionBatch:
    """Stacks views of one size. ``min_visible_pixels`` is meant for 224 x 224 and is scaled to the views' size.

    Args:
        label_index: class name -> number of the student's class; objects of other classes are ignored.
        grid: rows and columns of the student's patches at this size.
    """
    height, width = views[0].image.shape[:2]
    least = min_visible_pixels * height * width / (224 * 224)
    chosen, cells = [], []
    for view in views:
        known = [o for o in view.scene.objects if o.label in label_index]
        enough, few = split_visible(known, least)
        few += [o for o in view.scene.objects if o.label not in label_index]
        chosen.append(enough)
        cells.append(assign_cells(view.ids, [o.id for o in enough], [o.id for o in few], grid=grid))
    m = max(1, max(len(objects) for objects in chosen))
    arrays = [_object_arrays(v.scene, o, m, label_index) for v, o in zip(views, chosen, strict=True)]
    stacked = {name: torch.from_numpy(np.stack([a[name] for a in arrays])) for name in arrays[0]}
    images = np.stack([v.image for v in views]).transpose(0, 3, 1, 2)
    k = [v.intrinsics for v in views]
    return PerceptionBatch(
        keys=[v.key for v in views],
        images=torch.from_numpy(np.ascontiguousarray(images)).float().div_(255)[:, None],
        intrinsics=torch.tensor([[[c.fx, c.fy, c.cx, c.cy]] for c in k], dtype=torch.float32),
        up=torch.from_numpy(np.stack([v.up for v in views]).astype(np.float32))[:, None],
        up_given=up_given,
        depth=torch.from_numpy(np.stack([v.depth for v in views])),
        fov=torch.tensor([[c.vertical_fov, c.horizontal_fov] for c in k], dtype=torch.float32),
        cells=torch.from_numpy(np.stack(cells)),
        **stacked,
    )


def training_batch(
    views: Sequence[View],
    config: StageConfig,
    label_index: Mapping[str, int],
    *,
    stride: int,
    rng: np.random.Generator,
) -> PerceptionBatch:
    """``perception_batch`` as a stage of training wants it; ``stride`` is the side of the student's patches, pixels."""
    height, width = views[0].image.shape[:2]
    return perception_batch(
        views,
        label_index,
        min_visible_pixels=config.min_visible_pixels,
        grid=(height // stride, width // stride),
        up_given=rng.random() >= config.augment.without_up,
    )


def _object_arrays(
    scene: Scene, objects: Sequence[SceneObject], max_objects: int, label_index: Mapping[str, int]
) -> dict[str, np.ndarray]:
    n = len(objects)
    arrays: dict[str, np.ndarray] = {
        "labels": np.zeros(max_objects, np.int64),
        "mask": np.zeros(max_objects, bool),
        "center": np.zeros((max_objects, 3), np.float32),
        "center_level": np.zeros((max_objects, 3), np.float32),
        "size": np.ones((max_objects, 3), np.float32),
        "yaw": np.zeros(max_objects, np.float32),
        "has_front": np.zeros(max_objects, bool),
        "located": np.zeros(max_objects, bool),
    }
    if n == 0:
        return arrays
    level = np.stack([o.box.center for o in objects])
    optical = level @ scene.level_from_optical  # (n, 3): the transpose turns level into optical coordinates
    arrays["labels"][:n] = [label_index[o.label] for o in objects]
    arrays["mask"][:n] = True
    arrays["center"][:n] = optical
    arrays["center_level"][:n] = level
    arrays["size"][:n] = np.stack([o.box.size for o in objects])
    arrays["yaw"][:n] = [o.box.yaw for o in objects]
    arrays["has_front"][:n] = [o.has_front for o in objects]
    z = np.maximum(optical[:, 2], 1e-6)
    arrays["located"][:n] = (optical[:, 2] > NEAREST_CENTER) & (np.abs(optical[:, :2]).max(1) / z < FARTHEST_TANGENT)
    return arrays
