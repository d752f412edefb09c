"""Procedural seats and tables: chairs, armchairs, sofas, tables, desks from simple solids."""

from __future__ import annotations

import numpy as np

from distill3d_ros.worlds.furniture.procedural_large import drawers, finish
from distill3d_ros.worlds.furniture.procedural_small import Rng, any_color, grey, wood
from distill3d_ros.worlds.furniture.shapes import Shape
from distill3d_ros.worlds.materials import FloatArray


def _frame_color(rng: Rng) -> FloatArray:
    return wood(rng) if rng.uniform() < 0.55 else (grey(rng, 0.05, 0.9) if rng.uniform() < 0.7 else any_color(rng))


def _backrest(s: Shape, rng: Rng, w: float, y: float, low: float, high: float, color: FloatArray) -> None:
    """At the back (y is its rear), leaning a little: a panel, slats, bars or a frame."""
    t, style = rng.uniform(0.018, 0.05), int(rng.integers(4))
    if style == 0:
        s.box((-w / 2, y, low + rng.uniform(0, 0.6) * (high - low)), (w / 2, y + t, high), color)
        if low + 0.02 < high:
            for x in (-w / 2, w / 2 - 0.03):
                s.box((x, y, low), (x + 0.03, y + t, high), color)
        return
    for x in (-w / 2, w / 2 - 0.03):
        s.box((x, y, low), (x + 0.03, y + 0.03, high), color)
    s.box((-w / 2, y, high - rng.uniform(0.04, 0.14)), (w / 2, y + 0.028, high), color)
    if style == 1:
        n = int(rng.integers(2, 5))
        for k in range(n):
            z = low + (k + 0.6) * (high - low) / (n + 0.8)
            s.box((-w / 2, y, z), (w / 2, y + 0.02, z + 0.04), color)
    elif style == 2:
        n = int(rng.integers(3, 8))
        for k in range(n):
            x = (k + 1) * w / (n + 1) - w / 2
            s.box((x - 0.011, y + 0.004, low), (x + 0.011, y + 0.022, high), color)
    else:
        s.box((-w * 0.2, y + 0.004, low), (w * 0.2, y + 0.02, high), color)


def chair(rng: Rng) -> tuple[Shape, str]:
    """A seat on four legs, on runners or on a star with castors; a back; arms now and then."""
    s, frame = Shape(), _frame_color(rng)
    seat = frame if rng.uniform() < 0.4 else any_color(rng)
    w, d, h = rng.uniform(0.37, 0.5), rng.uniform(0.37, 0.48), rng.uniform(0.42, 0.49)
    top, t = h + rng.uniform(0.3, 0.6), rng.uniform(0.02, 0.07)
    office = rng.uniform() < 0.3
    if rng.uniform() < 0.25:
        s.turned([(0, h - t), (w / 2, h - t), (w / 2, h - 0.01), (w * 0.45, h), (0, h)], seat, squash=d / w)
    else:
        s.box((-w / 2, -d / 2, h - t), (w / 2, d / 2, h), seat, taper=rng.uniform(0.9, 1.0))
    if office:
        s.turned([(0.03, 0.08), (0.025, h - t)], grey(rng, 0.05, 0.7), segments=10)
        for k in range(5):
            a, r = k * 2 * np.pi / 5 + 0.3, rng.uniform(0.26, 0.31)
            s.tube([(0, 0, 0.11), (r * np.cos(a), r * np.sin(a), 0.06)], 0.018, frame * 0.6)
            s.box(
                (r * np.cos(a) - 0.025, r * np.sin(a) - 0.025, 0),
                (r * np.cos(a) + 0.025, r * np.sin(a) + 0.025, 0.05),
                (0.08, 0.08, 0.08),
            )
        s.box((-0.03, -d / 2 - 0.03, h - 0.03), (0.03, -d / 2, h + 0.2), frame * 0.6)
        s.box((-w * 0.46, -d / 2 - 0.02, h + 0.1), (w * 0.46, -d / 2 + 0.03, top + 0.05), seat)
    else:
        style = rng.uniform()
        if style < 0.75:
            round_ = bool(rng.uniform() < 0.5)
            splay = rng.uniform(0, 0.25) if round_ else 0.0
            thick = rng.uniform(0.022, 0.045)
            s.legs((w / 2 - 0.03, d / 2 - 0.03), h - t, thick, frame, round_=round_, splay=splay)
            if rng.uniform() < 0.4:
                for x in (-w / 2 + 0.03, w / 2 - 0.03):
                    s.tube([(x, -d / 2 + 0.03, h * 0.45), (x, d / 2 - 0.03, h * 0.45)], 0.009, frame)
        else:
            for x in (-w / 2 + 0.02, w / 2 - 0.02):
                path = [(x, -d / 2, h - t), (x, d / 2, h - t), (x, d / 2, 0.012), (x, -d / 2, 0.012)]
                s.tube(path, 0.012, grey(rng, 0.2, 0.8))
        _backrest(s, rng, w * rng.uniform(0.85, 1.0), -d / 2 - 0.01, h - t, top, frame if rng.uniform() < 0.6 else seat)
    if rng.uniform() < (0.5 if office else 0.2):
        for x in (-w / 2 - 0.02, w / 2 + 0.02):
            z = h + rng.uniform(0.16, 0.24)
            s.tube([(x, d * 0.3, h - t), (x, d * 0.3, z), (x, -d * 0.45, z)], 0.014, frame)
    return s, "office" if office else ""


def _upholstered(rng: Rng, w: float, places: int) -> Shape:
    """A base, arms, a back and a cushion a place."""
    s, cloth = Shape(), any_color(rng) if rng.uniform() < 0.6 else grey(rng, 0.08, 0.95)
    cushion = cloth * rng.uniform(0.85, 1.15) if rng.uniform() < 0.7 else any_color(rng)
    d, seat, back = rng.uniform(0.7, 0.95), rng.uniform(0.36, 0.46), rng.uniform(0.7, 0.98)
    arm, lift = rng.uniform(0.07, 0.24), rng.uniform(0.02, 0.17)
    arm_top, thick = seat + rng.uniform(0.08, 0.28), rng.uniform(0.12, 0.26)
    s.box((-w / 2, -d / 2, lift), (w / 2, d / 2 - 0.02, seat - 0.12), cloth)
    if lift > 0.05:
        s.legs((w / 2 - 0.07, d / 2 - 0.08), lift, 0.05, finish(rng), round_=bool(rng.uniform() < 0.5))
    else:
        s.box((-w / 2 + 0.03, -d / 2 + 0.03, 0), (w / 2 - 0.03, d / 2 - 0.05, lift), (0.08, 0.08, 0.08))
    s.box((-w / 2, -d / 2, lift), (w / 2, -d / 2 + thick, back - 0.05), cloth)
    if rng.uniform() < 0.85:
        for low, high in ((-w / 2, -w / 2 + arm), (w / 2 - arm, w / 2)):
            s.box((low, -d / 2, lift), (high, d / 2, arm_top), cloth)
            if rng.uniform() < 0.3:
                y0, y1, x = -d / 2, d / 2, (low + high) / 2
                s.tube([(x, y0, arm_top), (x, y1, arm_top)], arm * 0.62, cloth, segments=10)
    inner = w - 2 * arm
    for k in range(places):
        x0, x1 = k * inner / places - inner / 2, (k + 1) * inner / places - inner / 2
        s.box((x0 + 0.006, -d / 2 + thick, seat - 0.13), (x1 - 0.006, d / 2, seat), cushion)
        front = -d / 2 + thick + rng.uniform(0.04, 0.14)
        rest = ((x0 + 0.012, -d / 2 + thick * 0.5, seat), (x1 - 0.012, front, back))
        s.box(*rest, cushion, taper=rng.uniform(0.95, 1.0))
    for _ in range(int(rng.integers(0, places + 1))):
        x = rng.uniform(-inner / 2 + 0.2, inner / 2 - 0.2) if inner > 0.5 else 0.0
        y = -d / 2 + thick + 0.12
        s.box((x - 0.2, y, seat), (x + 0.2, y + 0.1, seat + 0.36), any_color(rng), taper=rng.uniform(0.8, 1.0))
    return s


def armchair(rng: Rng) -> tuple[Shape, str]:
    """Upholstered for one; or a frame of wood with two cushions."""
    if rng.uniform() < 0.65:
        return _upholstered(rng, rng.uniform(0.7, 1.05), 1), ""
    s, frame, cloth = Shape(), _frame_color(rng), any_color(rng)
    w, d, h, back = rng.uniform(0.6, 0.75), rng.uniform(0.65, 0.8), rng.uniform(0.36, 0.43), rng.uniform(0.75, 1.0)
    for x in (-w / 2, w / 2 - 0.05):
        z = h + rng.uniform(0.16, 0.24)
        s.box((x, -d / 2, z - 0.03), (x + 0.05, d / 2, z), frame)
        for y in (-d / 2, d / 2 - 0.05):
            s.box((x, y, 0), (x + 0.05, y + 0.05, z), frame)
    s.box((-w / 2, -d / 2, h - 0.16), (w / 2, d / 2 - 0.02, h - 0.11), frame)
    s.box((-w / 2 + 0.055, -d / 2 + 0.08, h - 0.11), (w / 2 - 0.055, d / 2, h), cloth)
    slope = rng.uniform(0.06, 0.2)
    for x in (-w / 2 + 0.055, w / 2 - 0.095):
        s.tube([(x + 0.02, -d / 2 + 0.12, h - 0.1), (x + 0.02, -d / 2 + 0.12 - slope, back)], 0.02, frame)
    s.box((-w / 2 + 0.06, -d / 2 + 0.02, h), (w / 2 - 0.06, -d / 2 + 0.15, back - 0.03), cloth)
    return s, ""


def sofa(rng: Rng) -> tuple[Shape, str]:
    """Upholstered, for two or three."""
    places = int(rng.integers(2, 4))
    return _upholstered(rng, places * rng.uniform(0.58, 0.76) + 0.2, places), ""


def table(rng: Rng) -> tuple[Shape, str]:
    """Low, for coffee, or to eat at; on legs, trestles, a column or panels."""
    s, low = Shape(), rng.uniform() < 0.35
    top, under = finish(rng), _frame_color(rng)
    h = rng.uniform(0.35, 0.52) if low else rng.uniform(0.7, 0.8)
    t, style = rng.uniform(0.015, 0.06), rng.uniform()
    if rng.uniform() < 0.3:
        r = rng.uniform(0.3, 0.45) if low else rng.uniform(0.35, 0.6)
        w = d = 2 * r * 0.72
        s.turned([(0, h - t), (r, h - t), (r, h), (0, h)], top, squash=float(rng.choice([1.0, rng.uniform(0.7, 1)])))
        style *= 0.8
    else:
        w = rng.uniform(0.7, 1.3) if low else rng.uniform(0.8, 1.9)
        d = rng.uniform(0.45, 0.75) if low else rng.uniform(0.65, 1.0)
        s.box((-w / 2, -d / 2, h - t), (w / 2, d / 2, h), top)
    if style < 0.55:
        round_ = bool(rng.uniform() < 0.5)
        inset = rng.uniform(0.02, 0.12)
        s.legs(
            (w / 2 - inset, d / 2 - inset), h - t, rng.uniform(0.03, 0.09), under, round_=round_,
            splay=rng.uniform(0, 0.15) if round_ else 0.0,
        )  # fmt: skip
        if rng.uniform() < 0.5:
            for side in (-1, 1):
                y, x = side * (d / 2 - inset), side * (w / 2 - inset)
                s.box((-w / 2 + inset, y - 0.01, h - t - 0.09), (w / 2 - inset, y + 0.01, h - t), under)
                s.box((x - 0.01, -d / 2 + inset, h - t - 0.09), (x + 0.01, d / 2 - inset, h - t), under)
        if low and rng.uniform() < 0.4:
            s.box((-w / 2 + inset, -d / 2 + inset, h * 0.3), (w / 2 - inset, d / 2 - inset, h * 0.3 + 0.02), top)
    elif style < 0.8:
        foot, post = rng.uniform(0.2, 0.35), rng.uniform(0.025, 0.09)
        s.turned([(0, 0), (foot, 0), (foot * 0.9, 0.03), (post, 0.06), (post, h - t)], under)
    elif style < 0.9:
        for x in (-w / 2 + 0.1, w / 2 - 0.14):
            s.box((x, -d / 2 + 0.05, 0), (x + 0.04, d / 2 - 0.05, h - t), under)
        s.box((-w / 2 + 0.1, -0.02, h * 0.4), (w / 2 - 0.1, 0.02, h * 0.4 + 0.1), under)
    else:
        for x in (-w * 0.36, w * 0.36):
            for y in (-1, 1):
                s.tube([(x, y * d * 0.42, 0), (x, y * d * 0.12, h - t)], 0.022, under)
            s.tube([(x, -d * 0.3, h * 0.35), (x, d * 0.3, h * 0.35)], 0.015, under)
    return s, "coffee" if low else ""


def desk(rng: Rng) -> tuple[Shape, str]:
    """A top with drawers at one or both sides, a panel at the back; a shelf above it now and then."""
    s, top = Shape(), finish(rng)
    body = top if rng.uniform() < 0.5 else finish(rng)
    w, d, h, t = rng.uniform(0.95, 1.7), rng.uniform(0.5, 0.8), rng.uniform(0.7, 0.78), rng.uniform(0.018, 0.045)
    s.box((-w / 2, -d / 2, h - t), (w / 2, d / 2, h), top)
    sides, wide = int(rng.integers(0, 4)), rng.uniform(0.28, 0.42)
    for flag, sign in ((1, -1), (2, 1)):
        x0, x1 = sorted((sign * (w / 2 - 0.01), sign * (w / 2 - wide)))
        if sides & flag:
            lift = rng.choice([0.0, 0.0, 0.12, h * 0.45])
            s.box((x0, -d / 2 + 0.02, lift), (x1, d / 2 - 0.04, h - t), body)
            fronts = Shape()
            drawers(fronts, rng, x1 - x0, lift + 0.02, h - t - 0.01, d / 2 - 0.04, int(rng.integers(2, 5)), body * 0.93)
            points, faces, colors = fronts.parts()
            s.add(points + np.array([(x0 + x1) / 2, 0, 0]), faces, colors)
        if not sides & flag or lift > 0.05:
            if rng.uniform() < 0.5:
                a, b = sorted((sign * (w / 2 - 0.03), sign * (w / 2 - 0.005)))
                s.box((a, -d / 2 + 0.02, 0), (b, d / 2 - 0.03, h - t), body)
            else:
                for y in (-d / 2 + 0.05, d / 2 - 0.06):
                    x, leg = sign * (w / 2 - 0.05), rng.uniform(0.015, 0.03)
                    s.box((x - leg, y - leg, 0), (x + leg, y + leg, h - t), body * 0.8)
    if rng.uniform() < 0.6:
        s.box((-w / 2 + 0.02, -d / 2 + 0.02, h * rng.uniform(0.2, 0.6)), (w / 2 - 0.02, -d / 2 + 0.04, h - t), body)
    if rng.uniform() < 0.15:
        up = rng.uniform(0.25, 0.6)
        for x in (-w / 2, w / 2 - 0.02):
            s.box((x, -d / 2, h), (x + 0.02, -d / 2 + 0.24, h + up), body)
        s.box((-w / 2, -d / 2, h + up - 0.02), (w / 2, -d / 2 + 0.24, h + up), body)
        return s, "hutch"
    return s, ""
