"""Procedural large furniture and appliances from simple solids."""

from __future__ import annotations

import numpy as np

from distill3d_ros.worlds.furniture.procedural_small import Rng, any_color, grey, wood
from distill3d_ros.worlds.furniture.shapes import Shape
from distill3d_ros.worlds.materials import FloatArray


def _white_goods(rng: Rng) -> FloatArray:
    return (
        grey(rng, 0.75, 0.95)
        if rng.uniform() < 0.6
        else (grey(rng, 0.05, 0.6) if rng.uniform() < 0.7 else any_color(rng))
    )


def finish(rng: Rng) -> FloatArray:
    return wood(rng) if rng.uniform() < 0.6 else (grey(rng, 0.7, 0.97) if rng.uniform() < 0.5 else any_color(rng))


def _handle(s: Shape, x: float, y: float, low: float, high: float, color: FloatArray) -> None:
    s.tube([(x, y, low), (x, y + 0.035, low + 0.01), (x, y + 0.035, high - 0.01), (x, y, high)], 0.008, color)


def fridge(rng: Rng) -> tuple[Shape, str]:
    """One or two doors, or two side by side."""
    s, body = Shape(), _white_goods(rng)
    w, d, h = rng.uniform(0.5, 0.7), rng.uniform(0.52, 0.68), rng.uniform(0.85, 1.9)
    metal = grey(rng, 0.2, 0.8)
    s.box((-w / 2, -d / 2, 0.03), (w / 2, d / 2 - 0.05, h), body * 0.9)
    s.box((-w / 2 + 0.03, -d / 2, 0), (w / 2 - 0.03, d / 2 - 0.08, 0.04), (0.1, 0.1, 0.1))
    side_by_side = w > 0.62 and h > 1.4
    cut = 0.0 if side_by_side else h * float(rng.choice([0.3, 0.65, 0.7]))
    if side_by_side:
        for low, high, x in ((-w / 2, -0.003, -0.04), (0.003, w / 2, 0.04)):
            s.box((low, d / 2 - 0.05, 0.06), (high, d / 2, h), body)
            _handle(s, x, d / 2, h * 0.45, h * 0.75, metal)
    else:
        x = float(rng.choice([-1, 1])) * (w / 2 - 0.05)
        for low, high in ((0.06, cut - 0.004), (cut + 0.004, h)):
            s.box((-w / 2, d / 2 - 0.05, low), (w / 2, d / 2, high), body)
            middle = (low + high) / 2
            _handle(s, x, d / 2, middle - 0.12, middle + 0.12, metal)
    return s, ""


def oven(rng: Rng) -> tuple[Shape, str]:
    """A stove with hob, knobs and a glass door; or a microwave."""
    s, body = Shape(), _white_goods(rng)
    if rng.uniform() < 0.4:
        w, d, h = rng.uniform(0.4, 0.56), rng.uniform(0.3, 0.42), rng.uniform(0.23, 0.33)
        s.box((-w / 2, -d / 2, 0), (w / 2, d / 2, h), body)
        s.box((-w * 0.46, d / 2, h * 0.1), (w * 0.2, d / 2 + 0.006, h * 0.9), (0.07, 0.07, 0.08))
        s.box((w * 0.26, d / 2, h * 0.65), (w * 0.46, d / 2 + 0.004, h * 0.85), (0.1, 0.25, 0.2))
        for k in range(3):
            s.box((w * 0.3, d / 2, h * (0.15 + 0.15 * k)), (w * 0.42, d / 2 + 0.006, h * (0.23 + 0.15 * k)), body * 0.6)
        return s, "microwave"
    w, d, h = rng.uniform(0.5, 0.75), rng.uniform(0.55, 0.65), rng.uniform(0.82, 0.93)
    s.box((-w / 2, -d / 2, 0), (w / 2, d / 2, h), body)
    s.box((-w / 2 + 0.01, -d / 2 + 0.01, h), (w / 2 - 0.01, d / 2 - 0.01, h + 0.008), (0.05, 0.05, 0.06))
    for x in (-w / 4, w / 4):
        for y in (-d / 4, d / 5):
            r = rng.uniform(0.06, 0.1)
            s.turned(
                [(r, h + 0.008), (r, h + 0.016), (r * 0.6, h + 0.016)], grey(rng, 0.15, 0.4), center=(x, y), segments=14
            )
    s.box((-w * 0.42, d / 2, 0.18), (w * 0.42, d / 2 + 0.012, h - 0.2), body * 0.85)
    s.box((-w * 0.34, d / 2 + 0.012, 0.25), (w * 0.34, d / 2 + 0.014, h - 0.3), (0.06, 0.06, 0.07))
    bar = h - 0.23
    s.tube(
        [
            (-w * 0.38, d / 2, bar),
            (-w * 0.36, d / 2 + 0.05, bar),
            (w * 0.36, d / 2 + 0.05, bar),
            (w * 0.38, d / 2, bar),
        ],
        0.01,
        grey(rng, 0.3, 0.8),
    )
    for k in range(5):
        x = (k - 2) * w * 0.17
        s.box((x - 0.02, d / 2, h - 0.12), (x + 0.02, d / 2 + 0.03, h - 0.08), grey(rng, 0.05, 0.5))
    return s, ""


def washing_machine(rng: Rng) -> tuple[Shape, str]:
    """A white box with a round door, a panel and a drawer."""
    s, body = Shape(), grey(rng, 0.75, 0.95) if rng.uniform() < 0.75 else _white_goods(rng)
    w, d, h = rng.uniform(0.56, 0.64), rng.uniform(0.45, 0.62), rng.uniform(0.8, 0.9)
    s.box((-w / 2, -d / 2, 0), (w / 2, d / 2, h), body)
    r, z, dark = rng.uniform(0.15, 0.21), h * rng.uniform(0.42, 0.5), grey(rng, 0.05, 0.35)
    frame = grey(rng, 0.3, 0.9)
    for radius, out, color in ((r, 0.02, frame), (r * 0.75, 0.035, dark)):
        a = np.arange(24) * 2 * np.pi / 24
        ring = np.stack([radius * np.cos(a), np.full(24, d / 2), z + radius * np.sin(a)], 1)
        disc = np.vstack([ring, ring + np.array([0, out, 0]), [[0, d / 2 + out, z]]])
        k = np.arange(24)
        n = (k + 1) % 24
        faces = np.vstack(
            [np.stack([k, n, n + 24], 1), np.stack([k, n + 24, k + 24], 1), np.stack([k + 24, n + 24, 0 * k + 48], 1)]
        )
        s.add(disc, faces, color)
    s.box((-w * 0.48, d / 2, h - 0.12), (w * 0.48, d / 2 + 0.006, h - 0.02), body * rng.uniform(0.5, 0.95))
    s.box((-w * 0.45, d / 2 + 0.006, h - 0.1), (-w * 0.15, d / 2 + 0.012, h - 0.04), body * 0.8)
    s.box((w * 0.05, d / 2, h - 0.095), (w * 0.13, d / 2 + 0.03, h - 0.045), frame)
    return s, ""


def radiator(rng: Rng) -> tuple[Shape, str]:
    """Ribs, or a panel."""
    s, color = Shape(), grey(rng, 0.7, 0.97) if rng.uniform() < 0.75 else any_color(rng)
    w, h, d = rng.uniform(0.45, 1.4), rng.uniform(0.4, 0.75), rng.uniform(0.06, 0.13)
    pitch = rng.uniform(0.045, 0.08)
    n = int(w / pitch)
    if rng.uniform() < 0.5:
        for k in range(n):
            x = (k + 0.5) * pitch - n * pitch / 2
            s.box((x - pitch * 0.36, -d / 2, 0), (x + pitch * 0.36, d / 2, h), color)
        s.box((-w / 2 + 0.02, -d / 5, h * 0.06), (w / 2 - 0.02, d / 5, h * 0.12), color)
        s.box((-w / 2 + 0.02, -d / 5, h * 0.88), (w / 2 - 0.02, d / 5, h * 0.94), color)
    else:
        s.box((-w / 2, -d / 2, 0), (w / 2, d / 2 - 0.012, h), color * 0.96)
        for k in range(n):
            x = (k + 0.5) * w / n - w / 2
            s.box((x - w / n * 0.3, d / 2 - 0.012, 0.04), (x + w / n * 0.3, d / 2, h - 0.04), color)
    s.tube([(w / 2 - 0.03, 0, 0.05), (w / 2 + 0.06, 0, 0.05)], 0.02, grey(rng, 0.6, 0.95))
    return s, ""


def shelf(rng: Rng) -> tuple[Shape, str]:
    """Boards with or without a back and sides, some with books."""
    s, color = Shape(), finish(rng)
    w, d, h, t = rng.uniform(0.5, 1.3), rng.uniform(0.24, 0.4), rng.uniform(0.7, 2.0), rng.uniform(0.015, 0.035)
    rows = max(2, round(h / rng.uniform(0.28, 0.42)))
    if rng.uniform() < 0.75:
        for x in (-w / 2, w / 2 - t):
            s.box((x, -d / 2, 0), (x + t, d / 2, h), color)
        if rng.uniform() < 0.7:
            s.box((-w / 2, -d / 2, 0), (w / 2, -d / 2 + 0.008, h), color * rng.uniform(0.7, 1.0))
    else:
        s.legs((w / 2 - 0.02, d / 2 - 0.02), h, 0.035, grey(rng, 0.05, 0.6))
    full = rng.uniform(0, 0.9)
    for row in range(rows + 1):
        z = row * (h - t) / rows
        s.box((-w / 2, -d / 2, z), (w / 2, d / 2, z + t), color)
        if row == rows or rng.uniform() > full:
            continue
        x, stop, room = -w / 2 + t, rng.uniform(0.0, w / 2 - t), (h - t) / rows - t
        while x < stop:
            thick, tall = rng.uniform(0.02, 0.055), room * rng.uniform(0.55, 0.92)
            s.box((x, -d / 2 + 0.03, z + t), (x + thick, rng.uniform(0.0, d * 0.35), z + t + tall), any_color(rng))
            x += thick + 0.002
    if w > 0.9 and rng.uniform() < 0.5:
        s.box((-t / 2, -d / 2, 0), (t / 2, d / 2, h), color)
    return s, ""


def doors(s: Shape, rng: Rng, w: float, low: float, high: float, y: float, n: int, color: FloatArray) -> None:
    metal = grey(rng, 0.1, 0.85)
    for k in range(n):
        a, b = k * w / n - w / 2, (k + 1) * w / n - w / 2
        s.box((a + 0.004, y, low + 0.004), (b - 0.004, y + 0.018, high - 0.004), color)
        if rng.uniform() < 0.5:
            s.box((a + 0.07, y + 0.018, low + 0.08), (b - 0.07, y + 0.022, high - 0.08), color * 0.9)
        x = b - 0.05 if k % 2 == 0 else a + 0.05
        middle = (low + high) / 2
        _handle(s, x, y + 0.018, middle - 0.07, middle + 0.07, metal)


def drawers(s: Shape, rng: Rng, w: float, low: float, high: float, y: float, n: int, color: FloatArray) -> None:
    metal = grey(rng, 0.1, 0.85)
    for k in range(n):
        a, b = low + k * (high - low) / n, low + (k + 1) * (high - low) / n
        s.box((-w / 2 + 0.005, y, a + 0.004), (w / 2 - 0.005, y + 0.018, b - 0.004), color)
        s.box((-w * 0.12, y + 0.018, (a + b) / 2 - 0.008), (w * 0.12, y + 0.04, (a + b) / 2 + 0.008), metal)


def wardrobe(rng: Rng) -> tuple[Shape, str]:
    """Tall, with two to four doors, perhaps drawers below."""
    s, color = Shape(), finish(rng)
    n = int(rng.integers(2, 5))
    w, d, h = n * rng.uniform(0.4, 0.52), rng.uniform(0.5, 0.65), rng.uniform(1.75, 2.1)
    s.box((-w / 2, -d / 2, 0.04), (w / 2, d / 2 - 0.02, h), color)
    s.box((-w / 2 + 0.02, -d / 2, 0), (w / 2 - 0.02, d / 2 - 0.05, 0.05), color * 0.5)
    front = color if rng.uniform() < 0.6 else finish(rng)
    cut = 0.05
    if rng.uniform() < 0.4:
        cut = 0.45
        drawers(s, rng, w, 0.05, cut, d / 2 - 0.02, 2, front)
    doors(s, rng, w, cut, h - 0.01, d / 2 - 0.02, n, front)
    return s, ""


def cabinet(rng: Rng) -> tuple[Shape, str]:
    """A chest of drawers, a sideboard or a nightstand."""
    s, color = Shape(), finish(rng)
    style = int(rng.integers(3))
    w = (rng.uniform(0.38, 0.55), rng.uniform(0.6, 1.1), rng.uniform(1.1, 1.7))[style]
    d, h = rng.uniform(0.34, 0.5), (rng.uniform(0.4, 0.6), rng.uniform(0.7, 1.1), rng.uniform(0.45, 0.85))[style]
    lift = rng.uniform(0.03, 0.18)
    s.box((-w / 2, -d / 2, lift), (w / 2, d / 2 - 0.02, h - 0.02), color)
    s.box(
        (-w / 2 - 0.01, -d / 2, h - 0.02),
        (w / 2 + 0.01, d / 2 + 0.01, h),
        color if rng.uniform() < 0.6 else finish(rng),
    )
    s.legs((w / 2 - 0.04, d / 2 - 0.06), lift, 0.04, color * 0.7)
    front = color * 0.95 if rng.uniform() < 0.6 else finish(rng)
    if style == 2:
        doors(s, rng, w, lift + 0.01, h - 0.03, d / 2 - 0.02, int(rng.integers(2, 5)), front)
    else:
        drawers(s, rng, w, lift + 0.01, h - 0.03, d / 2 - 0.02, int(rng.integers(2, 5)), front)
    return s, ("nightstand", "", "television")[style]


def stool(rng: Rng) -> tuple[Shape, str]:
    """A round or square seat on legs or on a column; low or high."""
    s, high = Shape(), rng.uniform() < 0.4
    h, r = rng.uniform(0.6, 0.8) if high else rng.uniform(0.38, 0.5), rng.uniform(0.14, 0.2)
    seat, frame = (
        any_color(rng) if rng.uniform() < 0.5 else wood(rng),
        wood(rng) if rng.uniform() < 0.5 else grey(rng, 0.05, 0.8),
    )
    if rng.uniform() < 0.65:
        s.turned([(0, h - 0.05), (r, h - 0.05), (r, h - 0.01), (r * 0.9, h), (0, h)], seat)
    else:
        s.box((-r, -r, h - 0.05), (r, r, h), seat)
    if rng.uniform() < 0.7:
        s.legs((r * 0.65, r * 0.65), h - 0.05, 0.03, frame, round_=True, splay=rng.uniform(0, 0.4))
        if high:
            s.turned([(r * 0.75, h * 0.35), (r * 0.75, h * 0.35 + 0.02)], frame, segments=16)
    else:
        s.turned([(0, 0), (r * 1.05, 0), (r, 0.02), (0.025, 0.05), (0.025, h - 0.05)], frame)
    return s, "bar" if high else ""


def toilet(rng: Rng) -> tuple[Shape, str]:
    """Bowl, seat, lid and tank."""
    s, white = Shape(), grey(rng, 0.8, 0.97)
    r, h, d = rng.uniform(0.17, 0.2), rng.uniform(0.38, 0.44), rng.uniform(1.2, 1.45)
    s.turned([(0, 0), (r * 0.65, 0), (r * 0.55, h * 0.4), (r * 0.95, h * 0.85), (r, h)], white, squash=d)
    lid = white if rng.uniform() < 0.6 else any_color(rng)
    s.turned([(r * 1.03, h), (r * 1.03, h + 0.03), (r * 0.9, h + 0.045), (0, h + 0.045)], lid, squash=d)
    back, wide, top = -r * d, rng.uniform(0.34, 0.42), rng.uniform(0.72, 0.86)
    s.box((-wide / 2, back - 0.12, h - 0.05), (wide / 2, back + 0.07, top), white)
    s.box((-wide / 2 - 0.01, back - 0.13, top), (wide / 2 + 0.01, back + 0.08, top + 0.03), white)
    s.box((-0.03, back - 0.05, top + 0.03), (0.03, back, top + 0.04), grey(rng, 0.4, 0.8))
    s.box((-r * 0.5, back, 0), (r * 0.5, 0, h * 0.7), white)
    return s, ""


def bathtub(rng: Rng) -> tuple[Shape, str]:
    """Box-shaped with a hollow, or free-standing and oval."""
    s, white = Shape(), grey(rng, 0.8, 0.97)
    w, d, h = rng.uniform(1.4, 1.8), rng.uniform(0.68, 0.85), rng.uniform(0.5, 0.62)
    if rng.uniform() < 0.5:
        outer = [(w * 0.33, 0), (w * 0.42, h * 0.3), (w / 2, h)]
        inner = [(w / 2 - 0.04, h), (w * 0.38, h * 0.35), (w * 0.28, 0.08), (0, 0.08)]
        s.turned([(0, 0), *outer, *inner], white if rng.uniform() < 0.7 else any_color(rng), squash=d / w, segments=32)
    else:
        panel = white if rng.uniform() < 0.6 else any_color(rng)
        for side in (-1, 1):
            y, x = side * (d / 2 - 0.01), side * (w / 2 - 0.01)
            s.box((-w / 2, y - 0.01, 0), (w / 2, y + 0.01, h), panel)
            s.box((x - 0.01, -d / 2, 0), (x + 0.01, d / 2, h), panel)
        a = np.linspace(0, 2 * np.pi, 33)[:-1]
        c, q = np.cos(a), np.sin(a)
        square = np.maximum(np.abs(c), np.abs(q))
        rim = np.stack([c / square * w / 2, q / square * d / 2, np.full(32, h)], 1)
        edge = np.stack([c * w * 0.44, q * d * 0.4, np.full(32, h)], 1)
        floor = np.stack([c * w * 0.34, q * d * 0.28, np.full(32, 0.12)], 1)
        points = np.vstack([rim, edge, floor, [[0, 0, 0.12]]])
        k = np.arange(32)
        n = (k + 1) % 32
        rings = [np.stack([k + o, n + o, n + o + 32], 1) for o in (0, 32)] + [
            np.stack([k + o, n + o + 32, k + o + 32], 1) for o in (0, 32)
        ]
        s.add(points, np.vstack([*rings, np.stack([k + 64, n + 64, 0 * k + 96], 1)]), white)
    end, metal = -w * 0.43, grey(rng, 0.5, 0.9)
    s.tube([(end, 0, h), (end, 0, h + 0.12), (end + 0.12, 0, h + 0.13), (end + 0.13, 0, h + 0.09)], 0.014, metal)
    return s, ""


def bed(rng: Rng) -> tuple[Shape, str]:
    """Frame, mattress, cover, pillows, headboard (at the back)."""
    s, frame = Shape(), finish(rng)
    w, d, h = float(rng.choice([0.9, 1.2, 1.4, 1.6])), rng.uniform(1.9, 2.1), rng.uniform(0.2, 0.4)
    thick, cover = rng.uniform(0.14, 0.26), any_color(rng)
    s.box((-w / 2 - 0.03, -d / 2, h * 0.4), (w / 2 + 0.03, d / 2 + 0.03, h), frame)
    s.legs((w / 2 - 0.03, d / 2 - 0.05), h * 0.4, 0.07, frame * 0.8)
    s.box((-w / 2, -d / 2 + 0.03, h), (w / 2, d / 2, h + thick), grey(rng, 0.8, 0.97))
    stop = rng.uniform(-0.25, -0.1) * d
    s.box((-w / 2 - 0.02, stop, h + thick * 0.2), (w / 2 + 0.02, d / 2 + 0.02, h + thick + 0.03), cover)
    n = 1 if w < 1.3 else 2
    for k in range(n):
        x = (k + 0.5) * w / n - w / 2
        s.box(
            (x - w / n * 0.4, -d / 2 + 0.08, h + thick),
            (x + w / n * 0.4, -d / 2 + 0.45, h + thick + 0.1),
            grey(rng, 0.6, 0.97),
            taper=1.1,
        )
    if rng.uniform() < 0.85:
        s.box((-w / 2 - 0.04, -d / 2 - 0.05, 0), (w / 2 + 0.04, -d / 2, h + thick + rng.uniform(0.2, 0.6)), frame)
    return s, "" if w > 1.0 else "small"
