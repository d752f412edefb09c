"""Colour palettes of homes for training rooms: pale walls, wood, grey and beige textiles, some saturated colours."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from distill3d_ros.worlds.materials import SurfaceColors, hsv

FloatArray = npt.NDArray[np.float64]

LOUD_ROOMS = 0.3
"""Share of the training rooms whose walls and floor have any colour."""
LOUD_THINGS = 0.25
"""Share of the repainted parts of things that have any colour; of small things ``LOUD_SMALL``."""
LOUD_SMALL = 0.35

_WOODEN = frozenset({"table", "desk", "cabinet", "wardrobe", "shelf", "chair", "stool", "bed", "door"})
_WOVEN = frozenset({"sofa", "armchair", "bag"})
_WHITE = frozenset({"toilet", "bathtub", "sink", "washing machine", "radiator", "fridge", "window", "oven"})
_SMALL = frozenset({"cup", "bowl", "vase", "bottle", "box", "plant", "lamp", ""})


def any_color(rng: np.random.Generator) -> FloatArray:
    """(3,) sRGB 0..1: any hue, often strong."""
    return hsv(rng.uniform(), rng.beta(1.3, 1.5), rng.uniform(0.12, 0.95))


def wood(rng: np.random.Generator) -> FloatArray:
    """(3,) sRGB 0..1: from bleached oak to wenge."""
    return hsv(rng.uniform(0.055, 0.105), rng.uniform(0.2, 0.65), rng.uniform(0.2, 0.88))


def grey(rng: np.random.Generator, low: float, high: float) -> FloatArray:
    """(3,) sRGB 0..1, a little warm or cold."""
    return hsv(float(rng.choice([0.08, 0.6])), rng.uniform(0.0, 0.06), rng.uniform(low, high))


def muted(rng: np.random.Generator) -> FloatArray:
    """(3,) sRGB 0..1: any hue, weak."""
    return hsv(rng.uniform(), rng.uniform(0.08, 0.4), rng.uniform(0.25, 0.85))


def beige(rng: np.random.Generator) -> FloatArray:
    """(3,) sRGB 0..1: sand, cream, brown."""
    return hsv(rng.uniform(0.06, 0.13), rng.uniform(0.08, 0.35), rng.uniform(0.45, 0.93))


def wall_color(rng: np.random.Generator) -> FloatArray:
    """(3,) sRGB 0..1: mostly white, cream or grey."""
    draw = rng.uniform()
    if draw < 0.45:
        return hsv(rng.uniform(0.05, 0.17), rng.uniform(0.0, 0.1), rng.uniform(0.82, 0.98))
    if draw < 0.7:
        return hsv(rng.uniform(0.06, 0.13), rng.uniform(0.08, 0.25), rng.uniform(0.65, 0.92))
    if draw < 0.85:
        return grey(rng, 0.45, 0.85)
    return hsv(rng.uniform(), rng.uniform(0.08, 0.28), rng.uniform(0.55, 0.92))


def floor_color(kind: str, rng: np.random.Generator) -> FloatArray:
    """(3,) sRGB 0..1 of a floor of a surface kind: wood, stone, or a weak colour."""
    if kind == "planks":
        return wood(rng)
    draw = rng.uniform()
    if draw < 0.4:
        return grey(rng, 0.25, 0.9)
    return beige(rng) if draw < 0.8 else muted(rng)


def surface_colors(rng: np.random.Generator) -> SurfaceColors:
    """Of one room: quiet ones, or now and then any."""
    if rng.uniform() < LOUD_ROOMS:
        return SurfaceColors()
    return SurfaceColors(wall=wall_color, accent=muted, floor=floor_color)


def thing_color(label: str, rng: np.random.Generator) -> FloatArray:
    """(3,) sRGB 0..1 of a part of a thing with this label ("" is clutter)."""
    if rng.uniform() < (LOUD_SMALL if label in _SMALL else LOUD_THINGS):
        return any_color(rng)
    draw = rng.uniform()
    if label in _WHITE:
        return grey(rng, 0.78, 0.97) if draw < 0.7 else grey(rng, 0.08, 0.7)
    if label in _WOODEN:
        if draw < 0.55:
            return wood(rng)
        return grey(rng, 0.75, 0.97) if draw < 0.75 else (grey(rng, 0.05, 0.5) if draw < 0.88 else muted(rng))
    if label in _WOVEN:
        if draw < 0.7:
            return grey(rng, 0.12, 0.85) if draw < 0.4 else beige(rng)
        return muted(rng)
    if draw < 0.6:
        return grey(rng, 0.04, 0.97) if draw < 0.4 else beige(rng)
    return muted(rng)


def weaker(colors: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """(N, 3) sRGB with the strong ones among them brought nearer to grey; equal colours stay equal.

    Wood keeps its colour, and of the others the share ``LOUD_THINGS``.
    """
    groups, member = np.unique(colors, axis=0, return_inverse=True)
    fresh = groups.astype(float)
    for k, color in enumerate(fresh):
        high, low = color.max(), color.min()
        is_wooden = color[0] >= color[1] >= color[2] and high - low < 0.7 * high
        share = rng.uniform(0.1, 0.45)
        if high - low > 0.25 * high and not is_wooden and rng.uniform() >= LOUD_THINGS:
            fresh[k] = color @ [0.3, 0.59, 0.11] * (1 - share) + share * color
    return np.round(fresh).astype(np.uint8)[member.reshape(-1)]
