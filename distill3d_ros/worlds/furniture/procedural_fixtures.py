"""Procedural fixtures: doors, windows, washbasins and kitchen sinks from simple solids."""

from __future__ import annotations

import numpy as np

from distill3d_ros.worlds.furniture.procedural_large import doors, finish
from distill3d_ros.worlds.furniture.procedural_small import Rng, any_color, grey, wood
from distill3d_ros.worlds.furniture.shapes import Shape
from distill3d_ros.worlds.materials import FloatArray, hsv

LEAF_THICKNESS = 0.04
"""Of a door leaf without its handles, metres."""


def _frame(s: Shape, w: float, low: float, high: float, wide: float, y: float, color: FloatArray, sill: bool) -> None:
    """Two posts and a lintel, and a lower bar if wanted; ``y`` is how far they stand out."""
    for x in (-w / 2, w / 2 - wide):
        s.box((x, -y, low), (x + wide, y, high), color)
    s.box((-w / 2, -y, high - wide), (w / 2, y, high), color)
    if sill:
        s.box((-w / 2, -y, low), (w / 2, y, low + wide), color)


def _glass(rng: Rng) -> FloatArray:
    """Colour of a pane: bright sky, grey, or the dark outside."""
    return hsv(rng.uniform(0.5, 0.62), rng.uniform(0, 0.35), float(rng.choice([0.15, 0.5, 0.75, 0.95])))


def door(rng: Rng) -> tuple[Shape, str]:
    """A frame, one leaf or two with fields or panes, handles."""
    s = Shape()
    double = rng.uniform() < 0.2
    w, h = rng.uniform(1.3, 1.8) if double else rng.uniform(0.8, 1.05), rng.uniform(1.95, 2.12)
    leaf = (grey(rng, 0.8, 0.97), wood(rng), any_color(rng))[int(rng.choice(3, p=[0.4, 0.4, 0.2]))]
    frame = leaf if rng.uniform() < 0.5 else (grey(rng, 0.75, 0.97) if rng.uniform() < 0.6 else wood(rng))
    wide, metal = rng.uniform(0.05, 0.11), grey(rng, 0.15, 0.85)
    _frame(s, w, 0.0, h, wide, 0.085, frame, False)
    inner = w - 2 * wide
    n = 2 if double else 1
    rows, columns, style = int(rng.integers(1, 5)), int(rng.integers(1, 3)), int(rng.integers(4))
    hinge = int(rng.choice([-1, 1]))
    for k in range(n):
        x0, x1 = k * inner / n - inner / 2 + 0.003, (k + 1) * inner / n - inner / 2 - 0.003
        s.box((x0, -0.03, 0.005), (x1, 0.045, h - wide), leaf)
        start = 0.15 if style != 3 else h * 0.5
        for r in range(rows if style else 0):
            for c in range(columns):
                a, b = x0 + 0.1 + c * (x1 - x0 - 0.1) / columns, x0 + (c + 1) * (x1 - x0 - 0.1) / columns
                low = start + r * (h - wide - start) / rows
                high = start + (r + 1) * (h - wide - start) / rows - 0.1
                if b - a > 0.05 and high - low > 0.05:
                    pane = _glass(rng) if style >= 2 else leaf * 0.88
                    s.box((a, 0.045, low), (b, 0.052, high), pane)
        side = hinge if n == 1 else (1 if k == 0 else -1)
        x = (x1 - 0.07) if side > 0 else (x0 + 0.07)
        s.tube([(x, 0.045, 1.02), (x, 0.085, 1.02), (x - side * 0.11, 0.085, 1.02)], 0.011, metal)
        s.box((x - 0.02, 0.045, 0.94), (x + 0.02, 0.05, 1.1), metal)
    return s, ""


def door_leaf(rng: Rng) -> tuple[Shape, str]:
    """The moving part of a door, alike from both sides, hung at its -x side: fields, panes or neither, handles."""
    s = Shape()
    w, h, half = rng.uniform(0.75, 0.95), rng.uniform(1.95, 2.08), LEAF_THICKNESS / 2
    leaf = (grey(rng, 0.8, 0.97), wood(rng), any_color(rng))[int(rng.choice(3, p=[0.4, 0.4, 0.2]))]
    metal, style = grey(rng, 0.15, 0.85), int(rng.integers(4))
    s.box((-w / 2, -half, 0.0), (w / 2, half, h), leaf)
    rows, columns, start = int(rng.integers(1, 5)), int(rng.integers(1, 3)), 0.15 if style != 3 else h * 0.5
    across, up = (w - 0.1) / columns, (h - start) / rows
    for r in range(rows if style else 0):
        for c in range(columns):
            a, low = 0.1 - w / 2 + c * across, start + r * up
            pane = _glass(rng) if style >= 2 else leaf * 0.88
            s.box((a, -half - 0.005, low), (a + across - 0.1, half + 0.005, low + up - 0.1), pane)
    x, z = w / 2 - 0.07, rng.uniform(0.98, 1.06)
    for side in (-1, 1):
        y = side * half
        s.tube([(x, y, z), (x, y + 0.045 * side, z), (x - 0.11, y + 0.045 * side, z)], 0.011, metal)
        s.box((x - 0.02, min(y, y + 0.006 * side), z - 0.08), (x + 0.02, max(y, y + 0.006 * side), z + 0.08), metal)
    return s, "leaf"


def window(rng: Rng) -> tuple[Shape, str]:
    """One to three casements with or without bars, sometimes a sill, in front of sky or dark."""
    s = Shape()
    n = int(rng.choice([1, 2, 2, 3]))
    w, h = n * rng.uniform(0.45, 0.7), rng.uniform(1.0, 1.5)
    color = grey(rng, 0.8, 0.97) if rng.uniform() < 0.65 else (wood(rng) if rng.uniform() < 0.7 else any_color(rng))
    wide, pane = rng.uniform(0.04, 0.08), _glass(rng)
    _frame(s, w, 0.0, h, wide, 0.085, color, True)
    inner, sash = w - 2 * wide, rng.uniform(0.03, 0.07)
    rows, columns = int(rng.choice([1, 1, 2, 3])), int(rng.choice([1, 1, 2]))
    for k in range(n):
        x0, x1 = k * inner / n - inner / 2, (k + 1) * inner / n - inner / 2
        low, high = wide, h - wide
        s.box((x0, -0.02, low), (x1, 0.02, high), pane)
        for a, b in ((x0, x0 + sash), (x1 - sash, x1)):
            s.box((a, -0.05, low), (b, 0.06, high), color)
        for a, b in ((low, low + sash), (high - sash, high)):
            s.box((x0, -0.05, a), (x1, 0.06, b), color)
        for r in range(1, rows):
            z = low + r * (high - low) / rows
            s.box((x0, -0.03, z - 0.012), (x1, 0.04, z + 0.012), color)
        for c in range(1, columns):
            x = x0 + c * (x1 - x0) / columns
            s.box((x - 0.012, -0.03, low), (x + 0.012, 0.04, high), color)
    x = float(rng.uniform(-0.3, 0.3)) * inner / n
    s.box((x - 0.012, 0.06, h * 0.45), (x + 0.012, 0.08, h * 0.55), grey(rng, 0.3, 0.9))
    if rng.uniform() < 0.5:
        s.box((-w / 2 - 0.04, -0.085, -0.03), (w / 2 + 0.04, 0.085, 0.0), color)
    return s, ""


def _basin(s: Shape, x: float, y: float, z: float, w: float, d: float, color: FloatArray) -> None:
    """A hollow set into a top at height ``z``, drawn as a rim and a darker bowl."""
    a = np.linspace(0, 2 * np.pi, 25)[:-1]
    k = np.arange(24)
    n = (k + 1) % 24
    rims = [(0.5, 0.02), (0.43, 0.02), (0.3, -0.06)]
    rings = [np.stack([x + w * r * np.cos(a), y + d * r * np.sin(a), np.full(24, z + up)], 1) for r, up in rims]
    points = np.vstack([*rings, [[x, y, z - 0.07]]])
    faces = [np.stack([k + o, n + o, n + o + 24], 1) for o in (0, 24)]
    faces += [np.stack([k + o, n + o + 24, k + o + 24], 1) for o in (0, 24)]
    s.add(points, np.vstack([*faces, np.stack([k + 48, n + 48, 0 * k + 72], 1)]), color)


def _tap(s: Shape, x: float, y: float, z: float, rng: Rng) -> None:
    metal, up, out = grey(rng, 0.45, 0.9), rng.uniform(0.08, 0.28), rng.uniform(0.09, 0.16)
    s.tube([(x, y, z), (x, y, z + up), (x, y + out, z + up), (x, y + out, z + up - 0.03)], 0.012, metal, segments=8)
    s.box((x - 0.05, y - 0.012, z), (x + 0.05, y + 0.012, z + 0.04), metal)


def sink(rng: Rng) -> tuple[Shape, str]:
    """On a column, on the wall, in a bathroom cabinet, or in a kitchen unit."""
    s, white, style = Shape(), grey(rng, 0.82, 0.97), int(rng.integers(4))
    if style < 2:
        w, d, top = rng.uniform(0.45, 0.65), rng.uniform(0.36, 0.5), rng.uniform(0.8, 0.9)
        rim = [(0.2 * w, top - 0.2), (0.42 * w, top - 0.12), (w / 2, top)]
        inside = [(w / 2 - 0.03, top), (0.36 * w, top - 0.09), (0, top - 0.12)]
        s.turned([(0, top - 0.2), *rim, *inside], white, squash=d / w)
        s.box((-w * 0.42, -d / 2 - 0.04, top - 0.12), (w * 0.42, -d * 0.36, top + 0.01), white)
        _tap(s, 0.0, -d * 0.42, top, rng)
        if style == 0:
            s.turned([(0, 0), (0.11, 0), (0.075, 0.08), (0.07, top - 0.25), (0.12, top - 0.18)], white, squash=0.9)
        else:
            s.tube([(0, -0.02, top - 0.2), (0, -0.02, top - 0.42), (0, -d / 2, top - 0.42)], 0.018, grey(rng, 0.5, 0.9))
            s.box((-w * 0.3, -d / 2 - 0.04, 0.0), (w * 0.3, -d / 2 - 0.03, top - 0.1), white)
        return s, ""
    kitchen = style == 3
    w, d, top = rng.uniform(0.6, 1.1), rng.uniform(0.45, 0.62), rng.uniform(0.8, 0.92)
    body, board = finish(rng), finish(rng) if rng.uniform() < 0.6 else grey(rng, 0.15, 0.95)
    s.box((-w / 2, -d / 2, 0.07), (w / 2, d / 2 - 0.03, top - 0.04), body)
    s.box((-w / 2 + 0.02, -d / 2, 0), (w / 2 - 0.02, d / 2 - 0.08, 0.08), (0.12, 0.12, 0.12))
    s.box((-w / 2 - 0.005, -d / 2, top - 0.04), (w / 2 + 0.005, d / 2, top), board)
    doors(s, rng, w, 0.09, top - 0.05, d / 2 - 0.03, int(rng.integers(1, 3)), body * rng.uniform(0.85, 1.1))
    bowl = grey(rng, 0.45, 0.8) if kitchen else white
    x = float(rng.choice([-0.2, 0.0, 0.2])) * w if kitchen else 0.0
    _basin(s, x, 0.02, top, min(0.5, w * 0.6), d * 0.62, bowl)
    _tap(s, x, -d * 0.38, top, rng)
    return s, "kitchen" if kitchen else ""
