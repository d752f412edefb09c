"""Batches of views as tensors: the student's inputs, and the targets of its perception."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distill3d_ros.scene.objects import SceneObject
from distill3d_ros.student.outputs import IGNORE, Perception
from distill3d_ros.student.student import Student
from distill3d_ros.training.config import StageConfig
from distill3d_ros.training.inputs.augmentation import View
from distill3d_ros.training.inputs.box_matching import IGNORED, NOBODY, assign_cells
from distill3d_ros.training.inputs.known_classes import (
    class_image,
    finer_classes,
    judged_classes,
    semantic_targets,
    shown_classes,
)
from distill3d_ros.training.inputs.visible_surfaces import rectangles_as_ids, visible_surfaces

NEAREST_CENTER = 0.2
"""Metres: the centre of a box nearer than this along the optical axis (a bed that the camera looks along may have its
centre beside or behind it) has no usable pixel and teaches only class, size and yaw."""
FARTHEST_TANGENT = 2.5
"""Likewise for centres too far outside of the image: largest |x / z| and |y / z|."""


@dataclass(kw_only=True, slots=True)
class PerceptionBatch:
    """B images of one size with up to M objects each, and what is known about each of them.

    Boxes of objects that are not ``amodal`` are unknown: they have a rectangle, a nearest and a farthest depth. Their
    ``center`` is about where they are and their ``size`` about what is visible of them, for matching alone.
    """

    keys: list[str]
    images: Tensor  # (B, 1, 3, H, W) in 0..1
    intrinsics: Tensor  # (B, 1, 4) fx, fy, cx, cy
    up: Tensor  # (B, 1, 3) true
    up_given: bool  # whether it is an input of the student; never unless it is known of all images
    gravity: Tensor  # (B,) bool: whether the true up is known
    depth: Tensor  # (B, H, W) metres, 0 unknown
    relative_depth: Tensor  # (B, H, W) as ``losses.relative_depth`` takes it, 0 unknown
    fov: Tensor  # (B, 2) true vertical and horizontal field of view, radians
    labels: Tensor  # (B, M)
    mask: Tensor  # (B, M) bool
    center: Tensor  # (B, M, 3) optical frame
    center_level: Tensor  # (B, M, 3)
    size: Tensor  # (B, M, 3)
    yaw: Tensor  # (B, M) level frame
    has_front: Tensor  # (B, M) bool
    located: Tensor  # (B, M) bool: the centre has a usable pixel and depth
    amodal: Tensor  # (B, M) bool: the box encloses the whole object
    rectangle: Tensor  # (B, M, 4) of visible objects: left, top, right, bottom edges, pixels
    free: Tensor  # (B, M, 4) bool: whether the object ends at that side of its rectangle
    near: Tensor  # (B, M) metres: nearest visible surface along the optical axis; 0 unknown
    far: Tensor  # (B, M) metres: farthest
    ranged: Tensor  # (B, M) bool: the distance is known; if not, the centre is a point on its ray
    cells: Tensor  # (B, P) object that each patch is responsible for, or NOBODY or IGNORED
    shown: Tensor  # (B, P) class that each patch mostly shows, C for anything else, IGNORE where mostly unknown
    judged: Tensor  # (B, C) bool: classes that are absent where nothing is marked
    finer: Tensor  # (B, C, C) bool: [marked class, class that its things may be as well]
    semantics: Tensor  # (B, H/8, W/8) class, C for no category, IGNORE where unknown

    def to(self, device: torch.device) -> PerceptionBatch:
        moved: dict[str, Any] = {
            f.name: v.to(device, non_blocking=True) if isinstance(v := getattr(self, f.name), Tensor) else v
            for f in fields(self)
        }
        return PerceptionBatch(**moved)


def perceive_batch(student: Student, batch: PerceptionBatch, *, semantics: bool = False) -> Perception:
    """The student's perception of a batch; the true up is an input where the batch gives it, the true depth where the
    student takes depth. ``semantics``: also the segmentation of a student that has its head."""
    depth, up = batch.depth[:, None] if student.takes_depth else None, batch.up if batch.up_given else None
    return student.perceive(batch.images, batch.intrinsics, up, depth=depth, semantics=semantics)


def perceive_views(
    student: Student, views: Sequence[View], *, up_given: bool = True, semantics: bool = False
) -> Perception:
    """The student's perception of views of one size, without targets; on the student's device."""
    stride = student.encoder.patch_embed.patch_size
    height, width = views[0].image.shape[:2]
    grid = (height // stride, width // stride)
    batch = perception_batch(views, {}, min_visible_pixels=0, grid=grid, up_given=up_given)
    return perceive_batch(student, batch.to(next(student.parameters()).device), semantics=semantics)


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
    chosen, arrays = [], []
    for view in views:
        objects = [] if view.scene.annotation.boxes == "none" else view.scene.objects
        enough, few = split_visible([o for o in objects if o.label in label_index], least)
        few += [o for o in objects if o.label not in label_index]
        chosen.append(enough)
        arrays.append(_image_arrays(view, enough, few, label_index, grid))
    m = max(1, max(len(objects) for objects in chosen))
    for view, objects, of_image in zip(views, chosen, arrays, strict=True):
        of_image |= _object_arrays(view, objects, m, label_index)
    stacked = {name: torch.from_numpy(np.stack([a[name] for a in arrays])) for name in arrays[0]}
    images = np.stack([v.image for v in views]).transpose(0, 3, 1, 2)
    k = [v.intrinsics for v in views]
    return PerceptionBatch(
        keys=[v.key for v in views],
        images=torch.from_numpy(np.ascontiguousarray(images)).float().div_(255)[:, None],
        intrinsics=torch.tensor([[[c.fx, c.fy, c.cx, c.cy]] for c in k], dtype=torch.float32),
        up=torch.from_numpy(np.stack([v.up for v in views]).astype(np.float32))[:, None],
        up_given=up_given and all(v.scene.annotation.gravity for v in views),
        fov=torch.tensor([[c.vertical_fov, c.horizontal_fov] for c in k], dtype=torch.float32),
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


def _image_arrays(
    view: View,
    objects: Sequence[SceneObject],
    few: Sequence[SceneObject],
    label_index: Mapping[str, int],
    grid: tuple[int, int],
) -> dict[str, np.ndarray]:
    """What is known of the pixels and classes of one image; ``few`` are marked objects that are no targets."""
    annotation, count = view.scene.annotation, len(label_index)
    every = [*objects, *few]
    ids = view.ids if annotation.masks else rectangles_as_ids(view.ids.shape, every)
    classes = class_image(ids, every, annotation, label_index)
    shown = shown_classes(classes, count, grid)
    cells = assign_cells(ids, [o.id for o in objects], [o.id for o in few], grid=grid)
    cells[(shown == IGNORE) & (cells == NOBODY)] = IGNORED
    if not annotation.masks:  # the middle of a rectangle mostly shows its object; not every pixel of it does
        classes = class_image(rectangles_as_ids(ids.shape, every, cores=False), every, annotation, label_index)
    return {
        "gravity": np.asarray(annotation.gravity),
        "depth": view.depth if annotation.depth_in_metres else np.zeros_like(view.depth),
        "relative_depth": view.depth if annotation.depth == "relative" else np.zeros_like(view.depth),
        "cells": cells,
        "shown": shown,
        "judged": judged_classes(annotation, label_index),
        "finer": finer_classes(annotation, label_index),
        "semantics": semantic_targets(classes),
    }


def _object_arrays(
    view: View, objects: Sequence[SceneObject], max_objects: int, label_index: Mapping[str, int]
) -> dict[str, np.ndarray]:
    n, scene = len(objects), view.scene
    arrays: dict[str, np.ndarray] = {
        "labels": np.zeros(max_objects, np.int64),
        "mask": np.zeros(max_objects, bool),
        "center": np.zeros((max_objects, 3), np.float32),
        "center_level": np.zeros((max_objects, 3), np.float32),
        "size": np.ones((max_objects, 3), np.float32),
        "yaw": np.zeros(max_objects, np.float32),
        "has_front": np.zeros(max_objects, bool),
        "located": np.zeros(max_objects, bool),
        "amodal": np.ones(max_objects, bool),
        "rectangle": np.zeros((max_objects, 4), np.float32),
        "free": np.zeros((max_objects, 4), bool),
        "near": np.zeros(max_objects, np.float32),
        "far": np.zeros(max_objects, np.float32),
        "ranged": np.ones(max_objects, bool),
    }
    if n == 0:
        return arrays
    arrays["labels"][:n] = [label_index[o.label] for o in objects]
    arrays["mask"][:n] = True
    if scene.annotation.boxes == "visible":
        for name, values in _visible_arrays(view, objects).items():
            arrays[name][:n] = values
        return arrays
    level = np.stack([o.box.center for o in objects])
    optical = level @ scene.level_from_optical  # (n, 3): the transpose turns level into optical coordinates
    arrays["center"][:n] = optical
    arrays["center_level"][:n] = level
    arrays["size"][:n] = np.stack([o.box.size for o in objects])
    arrays["yaw"][:n] = [o.box.yaw for o in objects]
    arrays["has_front"][:n] = [o.has_front for o in objects]
    z = np.maximum(optical[:, 2], 1e-6)
    arrays["located"][:n] = (optical[:, 2] > NEAREST_CENTER) & (np.abs(optical[:, :2]).max(1) / z < FARTHEST_TANGENT)
    return arrays


def _visible_arrays(view: View, objects: Sequence[SceneObject]) -> dict[str, np.ndarray]:
    """Objects of which only what is visible is known, as this view shows them.

    The centre of a box lies about as far as the farthest of what is visible of its object (measured on rendered rooms).
    """
    annotation, k = view.scene.annotation, view.intrinsics
    depth = view.depth if annotation.depth_in_metres else np.zeros_like(view.depth)
    found = visible_surfaces(view.ids, depth, objects, annotation)
    middle = (found.rectangle[:, :2] + found.rectangle[:, 2:]) / 2
    rays = (middle - np.array([k.cx, k.cy])) / np.array([k.fx, k.fy])
    z = np.where(found.far > 0, found.far, 1.0)
    center = np.concatenate([rays, np.ones((len(rays), 1))], 1) * z[:, None]  # (n, 3) optical; z 1 where unknown
    extent = (found.rectangle[:, 2:] - found.rectangle[:, :2]) / np.array([k.fx, k.fy]) * z[:, None]
    thickness = np.maximum(found.far - found.near, extent.min(1))
    return {
        "center": center,
        "center_level": center @ view.scene.level_from_optical.T,
        "size": np.concatenate([extent, thickness[:, None]], 1),
        "located": found.far > 0,
        "amodal": np.zeros(len(objects), bool),
        "rectangle": found.rectangle,
        "free": found.free,
        "near": found.near,
        "far": found.far,
        "ranged": found.far > 0,
    }
