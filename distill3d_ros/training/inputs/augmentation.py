"""Views of stored samples for the student: cut out, resized, mirrored, with other colours.

The geometry follows every change: intrinsics, depth, ids, boxes and the direction of gravity stay consistent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray, Intrinsics
from distill3d_ros.scene.geometry import level_rotation
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject
from distill3d_ros.student.preprocess import network_size
from distill3d_ros.training.augment_config import AugmentConfig
from distill3d_ros.training.data.sample import UNKNOWN_ID
from distill3d_ros.training.inputs.camera_effects import random_camera
from distill3d_ros.training.inputs.shown_objects import shown_scene


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """An image with its truth."""

    key: str
    image: NDArray[np.uint8]
    """(H, W, 3) RGB."""
    depth: FloatArray
    """(H, W) float32 metres; 0 where unknown."""
    ids: NDArray[np.uint16]
    """(H, W) object id a pixel, 0 for walls, floor and ceiling."""
    intrinsics: Intrinsics
    up: FloatArray
    """(3,) unit vector in the optical frame."""
    scene: Scene
    """Objects as this view shows them: those that it does not show are gone."""


def view_from_sample(sample: Any) -> View:
    """The sample as it is."""
    scene = sample.scene
    depth = np.nan_to_num(np.asarray(scene.depth, np.float32), nan=0.0, posinf=0.0)
    return View(
        key=sample.key,
        image=sample.frame.image,
        depth=depth,
        ids=sample.ids,
        intrinsics=sample.frame.intrinsics,
        up=-np.asarray(scene.level_from_optical)[1],
        scene=scene,
    )


def augment(view: View, config: AugmentConfig, size: tuple[int, int], rng: np.random.Generator) -> View:
    """A random cut-out of the view at ``size`` (height, width), perhaps turned or mirrored, as of another camera.

    What is switched off draws nothing from ``rng``.
    """
    angle = float(np.radians(rng.uniform(-config.rotate, config.rotate))) if config.rotate > 0 else 0.0
    if not view.scene.annotation.gravity:
        angle = 0.0  # boxes stand upright in a frame that would be turned
    view = random_cutout(view, size, config.zoom, rng, aspect=config.aspect, angle=angle)
    if rng.random() < config.flip:
        view = mirrored(view)
    return replace(view, image=random_camera(view.image, config, rng))


def augment_batch(
    samples: Iterable[Any], config: AugmentConfig, rng: np.random.Generator, *, real: AugmentConfig | None = None
) -> list[View]:
    """The views of a batch, each augmented for itself, all of one size that is drawn first.

    ``real``: the augmentation of pictures of real cameras, where it is another one.
    """
    size = config.sizes[int(rng.integers(len(config.sizes)))]
    views = []
    for sample in samples:
        view = view_from_sample(sample)
        own = config if real is None or view.scene.annotation.is_rendered else real
        views.append(augment(view, own, size, rng))
    return views


def random_cutout(
    view: View,
    size: tuple[int, int],
    zoom: tuple[float, float],
    rng: np.random.Generator,
    *,
    aspect: float = 0.0,
    angle: float = 0.0,
) -> View:
    """Cuts out a rectangle of the shape of ``size`` and resizes it; zoomed in by 1 / share of the side kept.

    Args:
        aspect: largest change of that shape, as a share.
        angle: as ``rotated`` turns the view before.
    """
    height, width = view.image.shape[:2]
    stretch = float(np.sqrt(1 + rng.uniform(0, aspect)) ** rng.choice((-1, 1))) if aspect > 0 else 1.0
    high, wide = size[0] * stretch, size[1] / stretch
    share = rng.uniform(*zoom) * min(height / high, width / wide)
    h, w = max(1, round(high * share)), max(1, round(wide * share))
    top, left = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
    return cutout(view, left=left, top=top, width=w, height=h, size=size, angle=angle)


def cutout(
    view: View, *, left: int, top: int, width: int, height: int, size: tuple[int, int], angle: float = 0.0
) -> View:
    """The rectangle of the view, turned as ``rotated`` does, resized to ``size`` (height, width)."""
    moved = _turn_of_pixels(view.intrinsics, angle) - [[0, 0, left], [0, 0, top]]
    scale = np.array([[size[1] / width], [size[0] / height]])
    into = moved * scale + [0, 0, 0.5] * (scale - 1)
    if angle:
        image = _warped(view.image, moved, (height, width), cv2.INTER_LINEAR, cv2.BORDER_REFLECT_101)
        depth = _warped(view.depth, into, size, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT)
        ids = _warped(view.ids, into, size, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT, UNKNOWN_ID)
    else:
        rows, columns = slice(top, top + height), slice(left, left + width)
        image, depth, ids = view.image[rows, columns], view.depth[rows, columns], view.ids[rows, columns]
        if (height, width) != size:
            r = np.minimum(((np.arange(size[0]) + 0.5) * height / size[0]).astype(int), height - 1)
            c = np.minimum(((np.arange(size[1]) + 0.5) * width / size[1]).astype(int), width - 1)
            depth, ids = depth[r[:, None], c], ids[r[:, None], c]
    intrinsics = view.intrinsics.cropped(left=left, top=top, width=width, height=height)
    if (height, width) != size:
        method = cv2.INTER_AREA if width > size[1] else cv2.INTER_LINEAR
        image = cv2.resize(image, (size[1], size[0]), interpolation=method).astype(np.uint8, copy=False)
        intrinsics = intrinsics.resized(width=size[1], height=size[0])
    scene, up = replace(view.scene, intrinsics=intrinsics), view.up
    if angle:
        turn = _turn_of_points(angle)
        scene, up = replace(scene, level_from_optical=scene.level_from_optical @ turn.T), turn @ up
    return replace(
        view,
        image=np.ascontiguousarray(image),
        depth=np.ascontiguousarray(depth),
        ids=np.ascontiguousarray(ids),
        intrinsics=intrinsics,
        up=up,
        scene=shown_scene(scene, ids, depth, into),
    )


def rotated(view: View, angle: float) -> View:
    """The view of the camera turned about its optical axis, things clockwise in the image by ``angle`` radians.

    What comes into the image at its corners is unknown: no depth, ``UNKNOWN_ID``, and the picture's own reflection.
    """
    height, width = view.image.shape[:2]
    return cutout(view, left=0, top=0, width=width, height=height, size=(height, width), angle=angle)


def _turn_of_points(angle: float) -> FloatArray:
    """(3, 3) optical coordinates before -> after."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def _turn_of_pixels(k: Intrinsics, angle: float) -> FloatArray:
    """(2, 3) pixel (u, v, 1) before -> after; the principal point stays."""
    turn = k.matrix @ _turn_of_points(angle) @ np.linalg.inv(k.matrix)
    return turn[:2]


def _warped(
    array: NDArray[Any], moved: FloatArray, size: tuple[int, int], method: int, border: int, value: int = 0
) -> NDArray[Any]:
    return np.asarray(cv2.warpAffine(array, moved, size[::-1], flags=method, borderMode=border, borderValue=value))


def resize_uncropped(view: View, *, area: int, multiple: int) -> View:
    """All of the view, at the size at which a student of this ``image_area`` looks at it."""
    height, width = view.image.shape[:2]
    columns, rows = network_size(width, height, area=area, multiple=multiple)
    return resize_to(view, (rows, columns))


def resize_to(view: View, size: tuple[int, int]) -> View:
    """All of the view at ``size`` (height, width)."""
    height, width = view.image.shape[:2]
    if (height, width) == size:
        return view
    return cutout(view, left=0, top=0, width=width, height=height, size=size)


def mirrored(view: View) -> View:
    """The view as in a mirror: left and right change places, in the image and in the geometry."""
    k = view.intrinsics
    intrinsics = replace(k, cx=k.width - 1 - k.cx)
    up = view.up * np.array([-1.0, 1.0, 1.0])
    scene = mirrored_scene(view.scene, intrinsics)
    return replace(
        view,
        image=np.ascontiguousarray(view.image[:, ::-1]),
        depth=np.ascontiguousarray(view.depth[:, ::-1]),
        ids=np.ascontiguousarray(view.ids[:, ::-1]),
        intrinsics=intrinsics,
        up=up,
        scene=replace(scene, level_from_optical=level_rotation(up)),
    )


def mirrored_scene(scene: Scene, intrinsics: Intrinsics | None = None) -> Scene:
    """The scene with x turned round; contacts, gaps and supports are what they were.

    The level frame's x axis is turned round with the optical one, so boxes change in x and in the sign of yaw only.
    """
    k = scene.intrinsics
    flip = np.diag([-1.0, 1.0, 1.0])
    return replace(
        scene,
        objects=tuple(_mirrored_object(o, k.width) for o in scene.objects),
        intrinsics=intrinsics or replace(k, cx=k.width - 1 - k.cx),
        level_from_optical=flip @ scene.level_from_optical @ flip,
        depth=None if scene.depth is None else np.ascontiguousarray(np.asarray(scene.depth)[:, ::-1]),
        depth_confidence=None,
        features=None,
    )


def _mirrored_object(o: SceneObject, width: int) -> SceneObject:
    box = Box3D(center=o.box.center * np.array([-1.0, 1.0, 1.0]), size=o.box.size, yaw=-o.box.yaw)
    rectangle = o.image_box
    if rectangle is not None:
        left, top, right, bottom = rectangle
        rectangle = (width - 1 - right, top, width - 1 - left, bottom)
    return replace(o, box=box, image_box=rectangle)
