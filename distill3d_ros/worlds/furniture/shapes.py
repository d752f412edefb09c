"""Simple solids of procedural models: boxes, surfaces of revolution, tubes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Color = Sequence[float] | FloatArray
_CUBE = np.array([[x, y, z] for z in (-0.5, 0.5) for y in (-0.5, 0.5) for x in (-0.5, 0.5)])
_SIDES = ((0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5))
_CUBE_FACES = np.array([face for a, b, c, d in _SIDES for face in ((a, b, c), (a, c, d))])


class Shape:
    """Coloured triangles, put together part by part. x width, +y front, z up; metres."""

    def __init__(self) -> None:
        self._vertices: list[FloatArray] = []
        self._faces: list[npt.NDArray[np.int64]] = []
        self._colors: list[FloatArray] = []
        self._count = 0

    def add(self, vertices: FloatArray, faces: npt.NDArray[np.integer], color: Color) -> None:
        """Any triangles, in one sRGB colour 0..1, or one a face."""
        self._vertices.append(np.asarray(vertices, float))
        self._faces.append(np.asarray(faces, np.int64) + self._count)
        self._colors.append(np.broadcast_to(np.clip(np.asarray(color, float), 0, 1), (len(faces), 3)))
        self._count += len(vertices)

    def box(self, low: Sequence[float], high: Sequence[float], color: Color, *, taper: float = 1.0) -> None:
        """From corner to corner; ``taper`` scales its base about the centre."""
        low_, high_ = np.asarray(low, float), np.asarray(high, float)
        points = _CUBE.copy()
        points[:4, :2] *= taper
        self.add(points * (high_ - low_) + (low_ + high_) / 2, _CUBE_FACES, color)

    def turned(
        self,
        profile: Sequence[Sequence[float]],
        color: Color,
        *,
        center: Sequence[float] = (0.0, 0.0),
        segments: int = 24,
        squash: float = 1.0,
    ) -> None:
        """A profile of (radius, z) turned about the vertical; ``squash`` scales its y."""
        rings = np.asarray(profile, float)
        angles = np.arange(segments) * 2 * np.pi / segments
        x = rings[:, :1] * np.cos(angles) + center[0]
        y = rings[:, :1] * np.sin(angles) * squash + center[1]
        points = np.stack([x, y, np.broadcast_to(rings[:, 1:], x.shape)], -1).reshape(-1, 3)
        faces = []
        for r in range(len(rings) - 1):
            for k in range(segments):
                a, b = r * segments + k, r * segments + (k + 1) % segments
                c, d = a + segments, b + segments
                if rings[r, 0] > 1e-6:
                    faces.append((a, b, d))
                if rings[r + 1, 0] > 1e-6:
                    faces.append((a, d, c))
        self.add(points, np.array(faces), color)

    def tube(
        self, path: Sequence[Sequence[float]] | FloatArray, radius: float, color: Color, *, segments: int = 6
    ) -> None:
        """A round bar along a path of (x, y, z)."""
        points = np.asarray(path, float)
        along = np.gradient(points, axis=0)
        along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
        aside = np.where(np.abs(along[:, 2:]) < 0.9, np.array([[0.0, 0.0, 1.0]]), np.array([[1.0, 0.0, 0.0]]))
        u = np.cross(along, aside)
        u /= np.linalg.norm(u, axis=1, keepdims=True)
        v = np.cross(along, u)
        angles = np.arange(segments) * 2 * np.pi / segments
        ring = u[:, None] * np.cos(angles)[:, None] + v[:, None] * np.sin(angles)[:, None]
        rings = points[:, None] + radius * ring
        n = len(points)
        k = np.arange(segments)
        faces = []
        for r in range(n - 1):
            a, b = r * segments + k, r * segments + (k + 1) % segments
            faces += [np.stack([a, b, b + segments], 1), np.stack([a, b + segments, a + segments], 1)]
        caps = [np.stack([np.zeros(segments - 2, int), k[1:-1], k[2:]], 1) + r * segments for r in (0, n - 1)]
        self.add(rings.reshape(-1, 3), np.concatenate(faces + caps), color)

    def legs(
        self,
        half: Sequence[float],
        height: float,
        thick: float,
        color: Color,
        *,
        round_: bool = False,
        splay: float = 0.0,
    ) -> None:
        """Four legs at the corners (+-half x, +-half y), from the floor to ``height``."""
        for sx in (-1, 1):
            for sy in (-1, 1):
                x, y = sx * half[0], sy * half[1]
                if round_ or splay:
                    self.tube([(x * (1 + splay), y * (1 + splay), 0.0), (x, y, height)], thick / 2, color)
                else:
                    self.box((x - thick / 2, y - thick / 2, 0), (x + thick / 2, y + thick / 2, height), color)

    def parts(self) -> tuple[FloatArray, npt.NDArray[np.int64], FloatArray]:
        """Vertices (V, 3), faces (F, 3) and colours (F, 3) 0..1 as they were added, to put into another shape."""
        return np.concatenate(self._vertices), np.concatenate(self._faces), np.concatenate(self._colors)

    def arrays(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
        """Vertices (V, 3) with the base's centre at the origin, faces (F, 3), colours (F, 3)."""
        points = np.concatenate(self._vertices)
        low, high = points.min(axis=0), points.max(axis=0)
        points -= [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]]
        colors = np.round(np.concatenate(self._colors) * 255).astype(np.uint8)
        return points.astype(np.float32), np.concatenate(self._faces).astype(np.int32), colors
