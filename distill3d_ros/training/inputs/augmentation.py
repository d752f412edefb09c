"""Views of stored samples for the student: cut out, resized, mirrored, with other colours.

The geometry follows every change: intrinsics, depth, ids, boxes and the direction of gravity stay consistent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray, Intrinsics
from distill3d_ros.scene.geometry import level_rotation
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject
from distill3d_ros.student.preprocess import network_size
from distill3d_ros.training.config import AugmentConfig


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
    """A random cut-out of the view at ``size`` (height, width), perhaps mirrored, with other colours."""
    view = random_cutout(view, size, config.zoom, rng)
    if rng.random() < config.flip:
        view = mirrored(view)
    return replace(view, image=jitter_color(view.image, config.color, config.noise, rng))


def augment_batch(samples: Iterable[Any], config: AugmentConfig, rng: np.random.Generator) -> list[View]:
    """The views of a batch, each augmented for itself, all of one size that is drawn first."""
    size = config.sizes[int(rng.integers(len(config.sizes)))]
    return [augment(view_from_sample(sample), config, size, rng) for sample in samples]


def random_cutout(view: View, size: tuple[int, int], zoom: tuple[float, float], rng: np.random.Generator) -> View:
    """Cuts out a rectangle of the shape of ``size`` and resizes it; zoomed in by 1 / share of the side kept."""
    height, width = view.image.shape[:2]
    share = rng.uniform(*zoom) * min(height / size[0], width / size[1])
    h, w = max(1, round(size[0] * share)), max(1, round(size[1] * share))
    top, left = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
    return cutout(view, left=left, top=top, width=w, height=h, size=size)


def cutout(view: View, *, left: int, top: int, width: int, height: int, size: tuple[int, int]) -> View:
    """The rectangle, resized to ``size`` (height, width)."""
    rows, columns = slice(top, top + height), slice(left, left + width)
    image, depth, ids = view.image[rows, columns], view.depth[rows, columns], view.ids[rows, columns]
    if (height, width) != size:
        target = (size[1], size[0])
        shrinks = width > size[1]
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        image = cv2.resize(image, target, interpolation=method).astype(np.uint8, copy=False)
        r = np.minimum(((np.arange(size[0]) + 0.5) * height / size[0]).astype(int), height - 1)
        c = np.minimum(((np.arange(size[1]) + 0.5) * width / size[1]).astype(int), width - 1)
        depth, ids = depth[r[:, None], c], ids[r[:, None], c]
    intrinsics = view.intrinsics.cropped(left=left, top=top, width=width, height=height)
    if (height, width) != size:
        intrinsics = intrinsics.resized(width=size[1], height=size[0])
    return replace(
        view,
        image=np.ascontiguousarray(image),
        depth=np.ascontiguousarray(depth),
        ids=np.ascontiguousarray(ids),
        intrinsics=intrinsics,
        scene=_still_visible(view.scene, ids, intrinsics),
    )


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


def jitter_color(
    image: NDArray[np.uint8], strength: float, noise: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Other exposure, white balance, contrast and saturation, and some pixel noise."""
    if strength > 0:
        gain = np.exp(rng.normal(0, strength / 2)) * np.exp(rng.normal(0, strength / 6, 3))
        gamma = np.exp(rng.normal(0, strength / 2))
        x = np.linspace(0, 1, 256)[:, None]
        table = np.clip(x**gamma * gain * 255, 0, 255).astype(np.uint8)
        image = cv2.LUT(image, np.ascontiguousarray(table[None])).astype(np.uint8, copy=False)
        saturation = np.exp(rng.normal(0, strength))
        gray = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        image = cv2.addWeighted(image, float(saturation), gray, float(1 - saturation), 0).astype(np.uint8, copy=False)
    if noise > 0:
        sigma = rng.uniform(0, noise) * 255
        # The same small block of noise at a random offset costs a tenth of fresh noise and looks no different.
        offset = int(rng.integers(0, 2**20))
        block = _noise(image.size + 2**20)[offset : offset + image.size].reshape(image.shape)
        image = np.clip(image.astype(np.float32) + block * np.float32(sigma), 0, 255).astype(np.uint8)
    return image


@lru_cache(maxsize=2)
def _noise(n: int) -> FloatArray:
    return np.random.default_rng(0).standard_normal(n, dtype=np.float32)


def _still_visible(scene: Scene, ids: NDArray[np.uint16], intrinsics: Intrinsics) -> Scene:
    counts: Mapping[int, int] = dict(zip(*(a.tolist() for a in np.unique(ids, return_counts=True)), strict=True))
    objects = []
    for o in scene.objects:
        pixels = counts.get(o.id, 0)
        if pixels:
            v, u = np.nonzero(ids == o.id)
            rectangle = (float(u.min()), float(v.min()), float(u.max()), float(v.max()))
            objects.append(replace(o, visible_pixels=int(pixels), image_box=rectangle))
    return replace(scene, objects=tuple(objects), intrinsics=intrinsics, depth=None, depth_confidence=None)
