"""Variants of a model for training rooms: other proportions, colours and materials.

A student overfits to a few dozen models a label, which it sees hundreds of times, instead of learning the category.
Test rooms keep the original designs.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from distill3d_ros.worlds.furniture.furniture_model import TEXTURE_SIZE, FurnitureModel
from distill3d_ros.worlds.furniture.palettes import LOUD_THINGS, thing_color
from distill3d_ros.worlds.materials import make_surface

FloatArray = npt.NDArray[np.float64]
PER_MODEL = 24
"""Variants of a model that rooms choose from."""

_TURNED = frozenset({"vase", "bottle", "cup", "bowl", "plant", "lamp", "stool", "trash can"})
"""Mostly bodies of revolution: they stay round."""
_STRETCH = 0.18
_BEND = 0.5
"""Largest share by which a part of an axis grows or shrinks against the rest."""


def variant(model: FurnitureModel, number: int) -> FurnitureModel:
    """The ``number``-th variant of a model: always the same, named ``<name>~<number>``.

    Legs, seats, backs and drawers change their share of the whole, smoothly and without folding; upright edges stay
    upright unless the body is turned. Parts of one colour get another one together, textures another hue or another
    material.
    """
    rng = np.random.default_rng([number, *model.name.encode()])
    vertices = _turned(model, rng) if model.label in _TURNED else _proportioned(model, rng)
    vertices *= rng.uniform(1 - _STRETCH, 1 + _STRETCH) * np.ones(3)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    vertices -= [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]]
    colors, textures = _painted(model, rng)
    grown = (high - low)[2] / max(float(model.size[2]), 1e-6)
    return replace(
        model,
        name=f"{model.name}~{number}",
        vertices=vertices.astype(np.float32),
        face_colors=colors,
        textures=textures,
        size=np.ptp(vertices.astype(np.float32).astype(float), axis=0),
        drop_top=None if model.drop_top is None else model.drop_top * grown,
    )


def _proportioned(model: FurnitureModel, rng: np.random.Generator) -> FloatArray:
    """(V, 3) with each axis stretched unevenly; left and right alike."""
    points, half = model.vertices.astype(float), np.maximum(model.size / 2, 1e-6)
    out = points.copy()
    u = np.clip(points[:, 0] / half[0], -1, 1)
    out[:, 0] = half[0] * (u + rng.uniform(-_BEND, _BEND) * np.sin(np.pi * u) / np.pi)
    for axis, middle in ((1, 0.0), (2, half[2])):
        t = np.clip((points[:, axis] - middle) / half[axis], -1, 1) / 2 + 0.5
        a, b = rng.uniform(-_BEND, _BEND, 2) * (1.0, 0.6)
        t = t + a * np.sin(np.pi * t) ** 2 / np.pi + b * np.sin(2 * np.pi * t) / (2 * np.pi)
        out[:, axis] = middle + half[axis] * (2 * t - 1)
    return out * rng.uniform(1 - _STRETCH, 1 + _STRETCH, 3)


def _turned(model: FurnitureModel, rng: np.random.Generator) -> FloatArray:
    """(V, 3) with the radius changed along the height, and the height of its parts."""
    out = model.vertices.astype(float)
    t = np.clip(out[:, 2] / max(float(model.size[2]), 1e-6), 0, 1)
    taper, belly, wave = rng.uniform(-0.25, 0.25), rng.uniform(-0.25, 0.3), rng.uniform(-0.12, 0.12)
    radius = 1 + taper * (2 * t - 1) + belly * np.sin(np.pi * t) + wave * np.sin(2 * np.pi * t)
    out[:, :2] *= radius[:, None] * rng.uniform(1 - _STRETCH, 1 + _STRETCH)
    t = t + rng.uniform(-_BEND, _BEND) * np.sin(np.pi * t) ** 2 / np.pi
    out[:, 2] = t * model.size[2] * rng.uniform(1 - 1.5 * _STRETCH, 1 + 1.5 * _STRETCH)
    return out


def _painted(model: FurnitureModel, rng: np.random.Generator) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Face colours and textures: about half of the parts of the model are changed."""
    colors, textures = model.face_colors.copy(), model.textures.copy()
    plain = model.face_layers < 0
    if plain.any():
        groups, member = np.unique(model.face_colors[plain], axis=0, return_inverse=True)
        fresh = groups.astype(float)
        for k in range(len(groups)):
            if rng.uniform() < 0.55:
                fresh[k] = thing_color(model.label, rng) * 255
        colors[plain] = np.round(fresh).astype(np.uint8)[member.reshape(-1)]
    for layer in range(len(textures)):
        draw = rng.uniform()
        if draw < 0.45:
            textures[layer] = _rehued(textures[layer], rng)
        elif draw < 0.7:
            kind = str(rng.choice(["plain", "planks", "carpet", "stripes"]))
            image = make_surface(kind, thing_color(model.label, rng), rng).image
            textures[layer] = cv2.resize(image, (TEXTURE_SIZE, TEXTURE_SIZE), interpolation=cv2.INTER_AREA)
        if draw < 0.7:
            colors[model.face_layers == layer] = np.round(textures[layer].reshape(-1, 3).mean(axis=0))
    return colors, textures


def _rehued(texture: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A texture with its pattern kept: hue turned, colours weaker or stronger, brighter or darker."""
    image = np.asarray(cv2.cvtColor(texture, cv2.COLOR_RGB2HSV), np.float32)
    loud = rng.uniform() < LOUD_THINGS
    turn = rng.uniform(0, 180) if loud else rng.uniform(-8, 8)
    image[..., 0] = (image[..., 0] + turn) % 180
    image[..., 1] *= rng.uniform(0.2, 1.5) if loud else rng.uniform(0.2, 1.0)
    image[..., 2] *= rng.uniform(0.5, 1.5)
    return np.asarray(cv2.cvtColor(np.clip(image, 0, 255).astype(np.uint8), cv2.COLOR_HSV2RGB), np.uint8)
