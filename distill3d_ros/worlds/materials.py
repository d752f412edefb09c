"""Materials of walls, floors and ceilings, and the lights of a room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
PIXELS = 256
"""Side of a surface's image."""


@dataclass(kw_only=True, slots=True, eq=False)
class Surface:
    """Appearance of a wall, floor or ceiling: a repeating image."""

    kind: str
    """plain, planks, tiles, carpet, stripes."""
    image: npt.NDArray[np.uint8]
    """(256, 256, 3) sRGB; tiles without a seam."""
    tile: float
    """Metres that the image covers along each side."""
    gloss: float = 0.0
    """0 matt .. 1 mirror-like; a hint for highlights."""


@dataclass(kw_only=True, slots=True, eq=False)
class Light:
    """A lamp bulb or the sky behind a window, as a point."""

    position: npt.NDArray[np.float64]
    """(3,) world, metres; inside the room."""
    color: npt.NDArray[np.float64]
    """(3,) linear RGB, mean 1."""
    intensity: float
    """Relative; the lights of a room and its ambient light sum to about 1 on a surface that faces them."""
    shadow: bool = False
    """Casts a shadow also where another light of its room is stronger; the strongest always does."""


def hsv(hue: float, saturation: float, value: float) -> FloatArray:
    """(3,) sRGB 0..1 of a colour given by hue, saturation and value, each 0..1."""
    pixel = np.array([[[hue % 1.0 * 360, saturation, value]]], np.float32)
    return cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0].astype(float)


def _noise(rng: np.random.Generator, cells: tuple[int, int]) -> FloatArray:
    """(PIXELS, PIXELS) smooth noise of about unit variance that tiles; ``cells`` bumps down and across."""
    small = rng.standard_normal(cells).astype(np.float32)
    wrapped = np.pad(small, 2, mode="wrap")
    fine = cv2.resize(wrapped, None, fx=PIXELS / cells[1], fy=PIXELS / cells[0], interpolation=cv2.INTER_LINEAR)
    top, left = 2 * PIXELS // cells[0], 2 * PIXELS // cells[1]
    return fine[top : top + PIXELS, left : left + PIXELS].astype(float)


def _plain(rng: np.random.Generator, color: FloatArray) -> FloatArray:
    return color + 0.012 * _noise(rng, (8, 8))[..., None]


def _planks(rng: np.random.Generator, color: FloatArray) -> FloatArray:
    rows = int(rng.choice([4, 8]))
    height = PIXELS // rows
    image = np.empty((PIXELS, PIXELS, 3))
    grain = 0.035 * _noise(rng, (128, 4)) + 0.02 * _noise(rng, (256, 16))
    for row in range(rows):
        cut, tones = int(rng.integers(PIXELS)), rng.normal(0, 0.05, 2)
        tone = np.where((np.arange(PIXELS) - cut) % PIXELS < PIXELS // 2, tones[0], tones[1])
        image[row * height : (row + 1) * height] = color * (1 + tone[None, :, None])
        image[row * height : (row + 1) * height, [cut, (cut + PIXELS // 2) % PIXELS]] *= 0.7
    image *= 1 + grain[..., None]
    image[::height] *= 0.65
    return image


def _tiles(rng: np.random.Generator, color: FloatArray) -> FloatArray:
    n = int(rng.choice([2, 4, 8]))
    cell, joint = PIXELS // n, max(2, PIXELS // n // 24)
    tone = 1 + rng.normal(0, 0.025, (n, n, 1))
    if rng.uniform() < 0.3:  # a chessboard
        other = np.indices((n, n)).sum(axis=0)[..., None] % 2 == 0
        tone = tone * np.where(other, 1.0, rng.uniform(0.4, 0.85))
    image = np.repeat(np.repeat(color * tone, cell, axis=0), cell, axis=1)
    image *= 1 + 0.02 * _noise(rng, (16, 16))[..., None]
    grout = np.clip(color * rng.uniform(0.5, 1.3), 0, 1)
    lines = np.arange(PIXELS) % cell < joint
    image[lines] = grout
    image[:, lines] = grout
    return image


def _carpet(rng: np.random.Generator, color: FloatArray) -> FloatArray:
    speckle = 0.07 * _noise(rng, (256, 256)) + 0.03 * _noise(rng, (64, 64))
    return color * (1 + speckle[..., None])


def _stripes(rng: np.random.Generator, color: FloatArray) -> FloatArray:
    n = int(rng.choice([4, 8, 16]))
    second = np.clip(color * rng.uniform(0.65, 1.2) + rng.normal(0, 0.03, 3), 0, 1)
    first = (np.arange(PIXELS) * n // PIXELS) % 2 == 0
    return np.broadcast_to(np.where(first[None, :, None], color, second), (PIXELS, PIXELS, 3)).copy()


_MAKERS: dict[str, Callable[[np.random.Generator, FloatArray], FloatArray]] = {
    "plain": _plain,
    "planks": _planks,
    "tiles": _tiles,
    "carpet": _carpet,
    "stripes": _stripes,
}
_TILE = {"plain": (1.5, 3.0), "planks": (0.8, 1.6), "tiles": (0.6, 1.6), "carpet": (0.5, 1.2), "stripes": (0.6, 2.0)}
_GLOSS = {"plain": 0.05, "planks": 0.25, "tiles": 0.4, "carpet": 0.0, "stripes": 0.05}


def make_surface(kind: str, color: FloatArray, rng: np.random.Generator) -> Surface:
    """Draw a surface of a kind in about a colour (sRGB 0..1)."""
    if kind not in _MAKERS:
        raise ValueError(f"surface kind must be one of {sorted(_MAKERS)}. Got {kind!r}")
    image = np.clip(_MAKERS[kind](rng, np.asarray(color, float)), 0, 1)
    low, high = _TILE[kind]
    return Surface(
        kind=kind,
        image=np.round(image * 255).astype(np.uint8),
        tile=float(rng.uniform(low, high)),
        gloss=float(_GLOSS[kind] * rng.uniform(0, 1.5)),
    )


def _wide_wall(rng: np.random.Generator) -> FloatArray:
    return hsv(rng.uniform(), rng.beta(1.0, 4.0), rng.uniform(0.5, 1.0))


def _wide_accent(rng: np.random.Generator) -> FloatArray:
    return hsv(rng.uniform(), rng.beta(2.0, 2.5), rng.uniform(0.25, 0.9))


def _wide_floor(kind: str, rng: np.random.Generator) -> FloatArray:
    if kind == "planks":
        return hsv(rng.uniform(0.04, 0.11), rng.uniform(0.15, 0.65), rng.uniform(0.25, 0.9))
    return hsv(rng.uniform(), rng.beta(1.2, 3.5), rng.uniform(0.2, 0.95))


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceColors:
    """Samplers of the colours (3,) sRGB 0..1 of a room's walls and floor; the defaults draw from a wide range."""

    wall: Callable[[np.random.Generator], FloatArray] = _wide_wall
    accent: Callable[[np.random.Generator], FloatArray] = _wide_accent
    """Of one wall that differs from the others."""
    floor: Callable[[str, np.random.Generator], FloatArray] = _wide_floor
    """Of a floor of a surface kind."""


def room_surfaces(
    room_type: str, rng: np.random.Generator, *, colors: SurfaceColors | None = None
) -> dict[str, Surface]:
    """Floor, ceiling and four walls; now and then one wall is of another colour."""
    colors = colors or SurfaceColors()
    wet = room_type in ("bathroom", "kitchen")
    floor_kind = str(
        rng.choice(["planks", "tiles", "carpet", "plain"], p=[0.25, 0.6, 0.0, 0.15] if wet else [0.5, 0.12, 0.28, 0.1])
    )
    floor_color = colors.floor(floor_kind, rng)
    wall_kind = str(
        rng.choice(
            ["plain", "tiles", "stripes", "planks"], p=[0.45, 0.5, 0.0, 0.05] if wet else [0.75, 0.02, 0.15, 0.08]
        )
    )
    wall = make_surface(wall_kind, colors.wall(rng), rng)
    surfaces = {f"wall_{k}": wall for k in range(4)}
    if rng.uniform() < 0.35:
        accent = make_surface("plain", colors.accent(rng), rng)
        surfaces[f"wall_{rng.integers(4)}"] = accent
    surfaces["floor"] = make_surface(floor_kind, floor_color, rng)
    surfaces["ceiling"] = make_surface("plain", hsv(rng.uniform(), rng.beta(1.0, 12.0), rng.uniform(0.8, 1.0)), rng)
    return surfaces


def room_lights(size: FloatArray, rng: np.random.Generator) -> tuple[list[Light], FloatArray]:
    """One to three lights, and the ambient colour."""
    count = int(rng.choice([1, 2, 3], p=[0.45, 0.35, 0.2]))
    ambient_share = rng.uniform(0.3, 0.6)
    shares = rng.dirichlet(np.full(count, 2.0)) * (1 - ambient_share)
    lights = []
    for k in range(count):
        spot = (
            rng.uniform(0.15, 0.85, 2) * size[:2] if k or rng.uniform() < 0.5 else rng.uniform(0.4, 0.6, 2) * size[:2]
        )
        height = size[2] * rng.uniform(0.7, 0.96)
        lights.append(Light(position=np.array([*spot, height]), color=_light_color(rng), intensity=float(shares[k])))
    return lights, ambient_share * _light_color(rng)


def _light_color(rng: np.random.Generator) -> FloatArray:
    """Between a warm bulb and a blue sky, mean 1."""
    warmth = rng.normal(0.05, 0.13)
    color = np.array([1 + warmth, 1 + rng.normal(0, 0.02), 1 - warmth])
    return color / color.mean()
