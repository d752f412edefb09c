"""Shading of a room's surfaces in numpy: as ``shaders.COLOUR_FRAGMENT``, with simpler texture filtering."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.worlds.materials import Light
from distill3d_ros.worlds.rendering.lamps import SHADOW_STRENGTH

Pixels = NDArray[np.float32]


def texture_colours(texels: NDArray[np.uint8], first: NDArray[np.int64], size: NDArray[np.int64], uv: Pixels) -> Pixels:
    """(P, 3) sRGB 0..1 of repeating textures, linear between the four nearest texels.

    Args:
        texels: (N, 3) of all textures.
        first: (P,) where a pixel's texture begins.
        size: (P, 2) its height and width.
        uv: (P, 3) coordinates and layer; v = 0 is the outer edge of the first row.
    """
    height, width = size.T
    x, y = uv[:, 0] * width - 0.5, uv[:, 1] * height - 0.5
    left, top = np.floor(x), np.floor(y)
    across, down = (x - left)[:, None].astype(np.float32), (y - top)[:, None].astype(np.float32)
    columns = [(left.astype(np.int64) + step) % width for step in (0, 1)]
    start = first + np.round(uv[:, 2]).astype(np.int64) * (height * width)
    rows = [start + (top.astype(np.int64) + step) % height * width for step in (0, 1)]
    upper, lower = (
        (1 - across) * texels[row + columns[0]] + across * texels[row + columns[1]] for row in rows
    )  # (P, 3) each
    return np.asarray(((1 - down) * upper + down * lower) / 255.0, np.float32)


def shade(
    positions: FloatArray,
    normals: Pixels,
    albedo: Pixels,
    gloss: Pixels,
    lit: Pixels,
    *,
    eye: FloatArray,
    lights: Sequence[Light],
    ambient: FloatArray,
) -> Pixels:
    """(P, 3) display values 0..1 of surface points.

    Args:
        positions: (P, 3) world, metres.
        normals: (P, 3) world, as ``facing`` gives them.
        albedo: (P, 3) display values 0..1.
        gloss: (P, 2) strength and exponent of highlights.
        lit: (P, L) 0 where a point lies in the shadow of a light, 1 where it does not.
        eye: (3,) position of the camera in the world.
        ambient: (3,) linear RGB of the light from everywhere.
    """
    n, points = normals, positions.astype(np.float32)
    to_eye = _unit(np.asarray(eye, np.float32) - points)
    sky, ground = (np.asarray(ambient, np.float32) * np.float32(share) for share in (1.15, 0.85))
    up = n[:, 2:] * 0.5 + 0.5
    diffuse = ground * (1 - up) + sky * up
    shine = np.zeros_like(diffuse)
    for number, light in enumerate(lights):
        d = np.asarray(light.position, np.float32) - points
        square = (d * d).sum(axis=1)
        to_light = d / np.sqrt(square)[:, None]
        power = np.maximum((n * to_light).sum(axis=1), 0) * (2.5 / (1.0 + 0.375 * square))
        power = power * (1 - np.float32(SHADOW_STRENGTH) * (1 - lit[:, number]))
        colour = (np.asarray(light.color) * light.intensity).astype(np.float32)
        diffuse += power[:, None] * colour
        halfway = np.maximum((n * _unit(to_light + to_eye)).sum(axis=1), 0)
        shine += (gloss[:, 0] * halfway ** gloss[:, 1] * power)[:, None] * colour
    light_of = np.minimum(albedo, 1) ** 2 * diffuse + shine
    light_of = light_of * (1 + light_of * 0.12) / (1 + light_of * 0.55)  # soft shoulder for highlights
    return np.sqrt(np.clip(light_of, 0, 1))


def facing(normals: Pixels, positions: FloatArray, eye: FloatArray) -> Pixels:
    """Unit normals (P, 3), turned to the side from which ``eye`` (3,) sees the surface: windings are not reliable."""
    n = _unit(normals)
    away = (n * (np.asarray(eye) - positions)).sum(axis=1) < 0
    return np.where(away[:, None], -n, n)


def _unit(vectors: Pixels) -> Pixels:
    length = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    return np.asarray(vectors / np.maximum(length, 1e-12), np.float32)
