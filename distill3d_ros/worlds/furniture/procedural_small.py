"""Procedural small things from simple solids: boxes, vessels, bags, bins, screens, lamps, plants."""

from __future__ import annotations

import numpy as np

from distill3d_ros.worlds.furniture.shapes import Shape
from distill3d_ros.worlds.materials import FloatArray, hsv

Rng = np.random.Generator


def any_color(rng: Rng) -> FloatArray:
    return hsv(rng.uniform(), rng.beta(1.3, 1.5), rng.uniform(0.15, 0.95))


def grey(rng: Rng, low: float = 0.1, high: float = 0.95) -> FloatArray:
    return np.full(3, rng.uniform(low, high))


def wood(rng: Rng) -> FloatArray:
    return hsv(rng.uniform(0.04, 0.11), rng.uniform(0.2, 0.7), rng.uniform(0.2, 0.9))


def box(rng: Rng) -> tuple[Shape, str]:
    """Cardboard, closed or open; a crate of slats; a storage box with a lid."""
    s, style = Shape(), int(rng.integers(4))
    w, d, h = rng.uniform(0.2, 0.6), rng.uniform(0.18, 0.45), rng.uniform(0.12, 0.45)
    card = hsv(rng.uniform(0.06, 0.1), rng.uniform(0.3, 0.55), rng.uniform(0.5, 0.85)) if style < 2 else any_color(rng)
    if style == 0:
        s.box((-w / 2, -d / 2, 0), (w / 2, d / 2, h), card)
        s.box((-w / 2, -0.025, h), (w / 2, 0.025, h + 0.001), card * 1.25)
    elif style == 1:
        _tray(s, w, d, h, 0.006, card)
        for side in (-1, 1):
            top = np.array([(-w / 2, side * d / 2, h), (w / 2, side * d / 2, h)])
            out = top + np.array([0.0, side * d * rng.uniform(0.1, 0.35), rng.uniform(-0.6, 0.7) * d / 3])
            s.add(np.vstack([top, out]), np.array([[0, 1, 3], [0, 3, 2]]), card * 0.9)
    elif style == 2:
        color, n = wood(rng), int(rng.integers(3, 6))
        for k in range(n):
            z = k * h / n
            _ring(s, w, d, z + 0.01, z + h / n - 0.01, 0.012, color * rng.uniform(0.9, 1.1))
        s.box((-w / 2, -d / 2, 0), (w / 2, d / 2, 0.012), color)
        s.legs((w / 2 - 0.02, d / 2 - 0.02), h, 0.03, color * 0.8)
    else:
        s.box((-w / 2, -d / 2, 0), (w / 2, d / 2, h * 0.85), card, taper=rng.uniform(0.85, 1.0))
        s.box((-w / 2 - 0.01, -d / 2 - 0.01, h * 0.85), (w / 2 + 0.01, d / 2 + 0.01, h), any_color(rng))
    return s, ""


def _ring(s: Shape, w: float, d: float, low: float, high: float, t: float, color: FloatArray) -> None:
    for side in (-1, 1):
        y, x = side * (d - t) / 2, side * (w - t) / 2
        s.box((-w / 2, y - t / 2, low), (w / 2, y + t / 2, high), color)
        s.box((x - t / 2, -d / 2, low), (x + t / 2, d / 2, high), color)


def _tray(s: Shape, w: float, d: float, h: float, t: float, color: FloatArray) -> None:
    _ring(s, w, d, 0.0, h, t, color)
    s.box((-w / 2, -d / 2, 0), (w / 2, d / 2, t), color * 0.85)


def _vessel(s: Shape, outer: list[tuple[float, float]], wall: float, color: FloatArray, **kw: float) -> None:
    """A profile of (radius, z) as an open vessel with an inside."""
    inner = [(max(r - wall, 0.002), max(z, wall)) for r, z in reversed(outer)]
    s.turned([(0.0, outer[0][1]), *outer, *inner, (0.0, wall)], color, **kw)  # type: ignore[arg-type]


def vase(rng: Rng) -> tuple[Shape, str]:
    """A turned profile with a belly and a neck."""
    s = Shape()
    h, r = rng.uniform(0.15, 0.42), rng.uniform(0.07, 0.13)
    belly, neck = rng.uniform(0.25, 0.75), rng.uniform(0.4, 1.3)
    t = np.linspace(0, 1, 11)
    radius = r * (
        0.55
        + 0.45 * np.exp(-(((t - belly) / 0.25) ** 2))
        - (1 - neck) * 0.45 * np.clip((t - belly) / (1 - belly), 0, 1)
    )
    radius[-1] *= rng.uniform(1.0, 1.4)
    color = any_color(rng)
    _vessel(s, list(zip(radius, t * h, strict=True)), 0.006, color, segments=20)
    if rng.uniform() < 0.4:
        k = int(np.argmax(radius))
        band = [(radius[j] + 0.002, t[j] * h) for j in (max(k - 1, 0), k, min(k + 1, 10))]
        s.turned(band, any_color(rng), segments=20)
    return s, ""


def bottle(rng: Rng) -> tuple[Shape, str]:
    """A body, shoulders, a neck, a cap and a label."""
    s = Shape()
    h, r = rng.uniform(0.13, 0.32), rng.uniform(0.025, 0.045)
    neck, shoulder, rise = rng.uniform(0.28, 0.5) * r, rng.uniform(0.5, 0.75) * h, rng.uniform(0.05, 0.2) * h
    cap = h * 0.93
    glass = any_color(rng) if rng.uniform() < 0.5 else hsv(rng.choice([0.1, 0.3, 0.33]), 0.6, rng.uniform(0.15, 0.5))
    s.turned(
        [(0, 0), (r * 0.95, 0), (r, 0.01), (r, shoulder), (neck, shoulder + rise), (neck, cap)], glass, segments=16
    )
    s.turned([(neck * 1.15, cap - 0.01), (neck * 1.15, h), (0, h)], any_color(rng), segments=16)
    low = rng.uniform(0.15, 0.4) * shoulder
    s.turned([(r + 0.001, low), (r + 0.001, rng.uniform(0.6, 0.95) * shoulder)], any_color(rng), segments=16)
    return s, ""


def cup(rng: Rng) -> tuple[Shape, str]:
    """Mug with a handle, tumbler or paper cup."""
    s = Shape()
    h, r, flare = rng.uniform(0.07, 0.15), rng.uniform(0.033, 0.048), rng.uniform(0.7, 1.0)
    color = any_color(rng) if rng.uniform() < 0.7 else grey(rng, 0.7)
    _vessel(s, [(r * flare, 0), (r * (flare + 1) / 2, h / 2), (r, h)], 0.004, color, segments=20)
    if rng.uniform() < 0.6:
        a = np.linspace(-np.pi / 2, np.pi / 2, 7)
        reach = rng.uniform(0.6, 0.9) * r
        path = np.stack([r * 0.93 + reach * np.cos(a), 0 * a, h * (0.5 + 0.32 * np.sin(a))], 1)
        s.tube(path, 0.005, color)
    elif rng.uniform() < 0.4:
        s.turned(
            [(r * 1.03, h - 0.005), (r * 1.03, h + 0.008), (r * 0.8, h + 0.012), (0, h + 0.012)],
            any_color(rng),
            segments=20,
        )
    if rng.uniform() < 0.3:
        s.turned([(0, 0), (r * 1.6, 0.004), (r * 1.75, 0.012)], color, segments=20)
    return s, ""


def bowl(rng: Rng) -> tuple[Shape, str]:
    """From a plate to a deep bowl."""
    s = Shape()
    r, deep = rng.uniform(0.07, 0.19), rng.choice([rng.uniform(0.1, 0.2), rng.uniform(0.4, 0.8)])
    t = np.linspace(0, 1, 7)
    power = rng.uniform(1.6, 3.0)
    profile = [(r * (0.35 + 0.65 * x), r * deep * x**power) for x in t]
    _vessel(s, profile, 0.005, any_color(rng) if rng.uniform() < 0.6 else grey(rng, 0.7), segments=24)
    return s, ""


def bag(rng: Rng) -> tuple[Shape, str]:
    """Backpack, handbag, suitcase or shopping bag."""
    s, style, color = Shape(), int(rng.integers(4)), any_color(rng)
    dark = color * 0.5
    if style == 0:
        w, d, h = rng.uniform(0.26, 0.36), rng.uniform(0.13, 0.2), rng.uniform(0.38, 0.52)
        s.turned(
            [(0, 0), (w * 0.46, 0), (w / 2, 0.06), (w / 2, h * 0.7), (w * 0.4, h * 0.92), (0, h)], color, squash=d / w
        )
        s.box((-w * 0.36, d * 0.3, 0.05), (w * 0.36, d * 0.62, h * 0.45), color * rng.uniform(0.6, 1.3), taper=0.95)
        for x in (-0.25 * w, 0.25 * w):
            a = np.linspace(-np.pi / 2, np.pi / 2, 7)
            s.tube(np.stack([0 * a + x, -d * 0.42 - 0.07 * np.cos(a), h * (0.48 + 0.36 * np.sin(a))], 1), 0.014, dark)
        s.tube([(-0.04, 0, h * 0.97), (-0.03, 0, h + 0.04), (0.03, 0, h + 0.04), (0.04, 0, h * 0.97)], 0.008, dark)
    elif style == 1:
        w, d, h = rng.uniform(0.22, 0.42), rng.uniform(0.09, 0.16), rng.uniform(0.17, 0.28)
        s.box((-w / 2, -d / 2, 0), (w / 2, d / 2, h), color, taper=rng.uniform(1.0, 1.25))
        s.box((-w / 2, d / 2, h * 0.45), (w / 2, d / 2 + 0.012, h * 1.01), color * 0.8)
        a, top = np.linspace(0, np.pi, 9), rng.uniform(0.08, 0.2)
        s.tube(np.stack([w * 0.32 * np.cos(a), 0 * a, h + top * np.sin(a)], 1), 0.009, dark)
    elif style == 2:
        w, d, h = rng.uniform(0.36, 0.5), rng.uniform(0.2, 0.28), rng.uniform(0.5, 0.72)
        s.box((-w / 2, -d / 2, 0.05), (w / 2, d / 2, h), color)
        for k in range(int(rng.integers(2, 6))):
            x = (k + 1) * w / 6 - w / 2
            s.box((x, d / 2, 0.09), (x + 0.02, d / 2 + 0.008, h - 0.04), color * 0.85)
        s.legs((w / 2 - 0.05, d / 2 - 0.05), 0.06, 0.05, (0.08, 0.08, 0.08))
        if rng.uniform() < 0.6:
            up = h + rng.uniform(0.05, 0.4)
            s.tube(
                [(-0.11, -0.08, h), (-0.11, -0.08, up), (0.11, -0.08, up), (0.11, -0.08, h)], 0.01, grey(rng, 0.2, 0.7)
            )
    else:
        w, d, h = rng.uniform(0.25, 0.4), rng.uniform(0.1, 0.18), rng.uniform(0.28, 0.42)
        _ring(s, w, d, 0, h, 0.004, color)
        s.box((-w / 2, -d / 2, 0), (w / 2, d / 2, 0.004), color)
        for y in (-d / 2, d / 2):
            a = np.linspace(0, np.pi, 7)
            s.tube(np.stack([w * 0.22 * np.cos(a), 0 * a + y, h + 0.12 * np.sin(a)], 1), 0.005, dark)
    return s, ""


def trash_can(rng: Rng) -> tuple[Shape, str]:
    """Round or square, open, with a swing lid or a pedal."""
    s, style, color = Shape(), int(rng.integers(3)), any_color(rng) if rng.uniform() < 0.5 else grey(rng)
    h, r, taper = rng.uniform(0.26, 0.65), rng.uniform(0.11, 0.19), rng.uniform(0.7, 1.0)
    if style == 0:
        _vessel(
            s, [(r * taper, 0), (r * (1 + taper) / 2, h / 2), (r, h - 0.02), (r + 0.01, h)], 0.006, color, segments=20
        )
    elif style == 1:
        lid = any_color(rng) if rng.uniform() < 0.5 else color * 0.6
        s.turned([(0, 0), (r * taper, 0), (r, h)], color, segments=20)
        s.turned([(r * 1.05, h), (r, h + 0.04), (r * 0.6, h + r * 0.6), (0, h + r * 0.7)], lid, segments=20)
        if rng.uniform() < 0.5:
            s.box((-0.04, r * taper * 0.9, 0.01), (0.04, r * taper + 0.06, 0.025), (0.1, 0.1, 0.1))
    else:
        w, d = r * rng.uniform(1.6, 2.2), r * rng.uniform(1.2, 2.0)
        s.box((-w / 2, -d / 2, 0), (w / 2, d / 2, h), color, taper=taper)
        s.box((-w / 2 - 0.01, -d / 2 - 0.01, h), (w / 2 + 0.01, d / 2 + 0.01, h + 0.03), color * 0.7)
        s.box((-w * 0.3, -d * 0.25, h + 0.03), (w * 0.3, d * 0.3, h + 0.06), (0.1, 0.1, 0.1), taper=1.2)
    return s, ""


def television(rng: Rng) -> tuple[Shape, str]:
    """A flat screen on a foot or two."""
    s = Shape()
    w = rng.uniform(0.6, 1.15)
    h, t, lift = w * rng.uniform(0.54, 0.6), rng.uniform(0.025, 0.06), rng.uniform(0.04, 0.1)
    frame = grey(rng, 0.03, 0.25) if rng.uniform() < 0.8 else grey(rng, 0.6, 0.9)
    s.box((-w / 2, -t / 2, lift), (w / 2, t / 2, lift + h), frame)
    edge = rng.uniform(0.008, 0.03)
    screen = hsv(rng.uniform(), rng.uniform(0, 0.6), rng.uniform(0.02, 0.2 if rng.uniform() < 0.7 else 0.6))
    s.box((-w / 2 + edge, t / 2, lift + edge), (w / 2 - edge, t / 2 + 0.002, lift + h - edge), screen)
    if rng.uniform() < 0.5:
        s.box((-w * 0.2, -0.1, 0), (w * 0.2, 0.1, 0.012), frame)
        s.box((-0.04, -0.015, 0.01), (0.04, 0.015, lift + 0.05), frame)
    else:
        for x in (-0.35 * w, 0.35 * w):
            s.tube([(x, 0.11, 0.008), (x, 0.0, lift + 0.01), (x, -0.11, 0.008)], 0.008, frame)
    return s, ""


def computer(rng: Rng) -> tuple[Shape, str]:
    """A laptop, or a screen with its keyboard."""
    s, body = Shape(), grey(rng, 0.08, 0.85)
    lit = hsv(rng.uniform(), rng.uniform(0.1, 0.8), rng.uniform(0.05, 0.8))
    if rng.uniform() < 0.6:
        w, d, t, open_ = (
            rng.uniform(0.29, 0.4),
            rng.uniform(0.2, 0.27),
            rng.uniform(0.012, 0.022),
            rng.uniform(0.0, 0.5),
        )
        s.box((-w / 2, 0, 0), (w / 2, d, t), body)
        s.box((-w * 0.45, d * 0.08, t), (w * 0.45, d * 0.55, t + 0.002), body * 0.35)
        s.box((-w * 0.16, d * 0.62, t), (w * 0.16, d * 0.93, t + 0.001), body * 0.8)
        back, up = -np.sin(open_) * d, np.cos(open_) * d
        quad = np.array([(-w / 2, 0, t), (w / 2, 0, t), (w / 2, back, t + up), (-w / 2, back, t + up)])
        s.add(np.vstack([quad, quad - [0, 0.007, 0]]), np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]]), body)
        inner = quad.mean(axis=0) + (quad - quad.mean(axis=0)) * [0.93, 0.9, 0.9] + [0, 0.002, 0]
        s.add(inner, np.array([[0, 1, 2], [0, 2, 3]]), lit)
        return s, ""
    w, lift = rng.uniform(0.42, 0.62), rng.uniform(0.08, 0.16)
    h = w * rng.uniform(0.54, 0.66)
    s.box((-w / 2, -0.02, lift), (w / 2, 0.015, lift + h), body)
    s.box((-w * 0.47, 0.015, lift + 0.02), (w * 0.47, 0.018, lift + h - 0.02), lit)
    s.box((-0.03, -0.03, 0.005), (0.03, -0.015, lift + 0.1), body * 0.8)
    s.box((-0.12, -0.1, 0), (0.12, 0.08, 0.012), body * 0.8)
    s.box((-0.2, 0.16, 0), (0.2, 0.28, 0.02), grey(rng, 0.05, 0.9))
    return s, ""


def lamp(rng: Rng) -> tuple[Shape, str]:
    """A shade on a foot: for a table or for the floor."""
    s, floor = Shape(), rng.uniform() < 0.6
    h = rng.uniform(1.25, 1.75) if floor else rng.uniform(0.3, 0.6)
    r = rng.uniform(0.14, 0.24) if floor else rng.uniform(0.09, 0.17)
    foot, shade = any_color(rng), hsv(rng.uniform(0, 0.16), rng.uniform(0, 0.5), rng.uniform(0.7, 1.0))
    if rng.uniform() < 0.3:
        shade = any_color(rng)
    s.turned([(0, 0), (r * 0.75, 0), (r * 0.7, 0.02), (0.015, 0.035), (0.012, h * 0.9)], foot, segments=16)
    if not floor and rng.uniform() < 0.5:
        s.turned([(0.02, 0.03), (r * 0.5, h * 0.25), (0.02, h * 0.55)], foot, segments=16)
    tall, top = rng.uniform(1.0, 1.6) * r, rng.uniform(0.45, 1.0) * r
    s.turned([(r, h - tall), (top, h), (top - 0.004, h), (r - 0.004, h - tall)], shade, segments=20)
    return s, "floor" if floor else "table"


def plant(rng: Rng) -> tuple[Shape, str]:
    """Leaves out of a pot."""
    s = Shape()
    r, h = rng.uniform(0.06, 0.18), rng.uniform(0.8, 1.2)
    pot, rise = r * 2 * h * 0.8, rng.uniform(2.0, 5.0) * r
    _vessel(s, [(r * rng.uniform(0.6, 0.9), 0), (r, pot)], 0.008, any_color(rng), segments=16)
    s.turned([(0, pot * 0.85), (r - 0.008, pot * 0.85)], (0.2, 0.13, 0.08), segments=16)
    green = hsv(rng.uniform(0.22, 0.4), rng.uniform(0.4, 0.9), rng.uniform(0.2, 0.65))
    broad = rng.uniform(0.06, 0.3)
    for _ in range(int(rng.integers(14, 40))):
        a, out = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 2.2) * r
        way, side = np.array([np.cos(a), np.sin(a), 0]), np.array([-np.sin(a), np.cos(a), 0])
        up = rise * rng.uniform(0.4, 1.0)
        root = np.array([0, 0, pot * 0.85])
        middle, tip = root + way * out * 0.5 + [0, 0, up], root + way * out + [0, 0, up * rng.uniform(0.55, 1.1)]
        wide = side * broad * np.linalg.norm(tip - root) * 0.5
        leaf = np.array([root, middle - wide, middle + wide, tip])
        s.add(leaf, np.array([[0, 1, 2], [1, 3, 2]]), green * rng.uniform(0.7, 1.3))
    return s, ""
