"""Meshes of the walls, floors and ceilings of a room, and of the second one behind an opening."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.worlds.materials import Surface
from distill3d_ros.worlds.rendering.meshes import wall_buffers, wall_corners
from distill3d_ros.worlds.room import Opening, Room

LAP = 0.002
"""Metres by which parts of a wall reach over their neighbours, so that no pixel falls between them."""
CASING_DEPTH = 0.015
"""Depth of a casing in front of the wall, metres."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WallMesh:
    """One surface of a room: R rectangles."""

    surface: Surface
    corners: FloatArray
    """(R, 4, 3) world, in rings."""
    vertices: NDArray[np.void]
    """(6 R,) ``meshes.VERTEX_DTYPE``, three a triangle."""
    space: int
    """0 is the room itself, 1 the second one."""

    @property
    def center(self) -> FloatArray:
        """(3,) world."""
        return np.asarray(self.corners.reshape(-1, 3).mean(0))

    @property
    def radius(self) -> float:
        """Of the sphere about ``center`` that holds it."""
        return float(np.linalg.norm(self.corners.reshape(-1, 3) - self.center, axis=1).max())

    @property
    def gloss(self) -> tuple[float, float]:
        """Strength and exponent of its highlights."""
        return (0.35 * self.surface.gloss, 12.0 + 60.0 * self.surface.gloss)


def wall_meshes(room: Room) -> list[WallMesh]:
    """All surfaces of a room, those of the second one last."""
    second = room.second
    if second is None:
        return [_whole(room.surfaces[name], corners, 0) for name, corners in wall_corners(room.size).items()]
    meshes = []
    boxes = (
        (room.size, np.zeros(3), room.surfaces, second.opening.wall),
        (second.size, second.corner, second.surfaces, (second.opening.wall + 2) % 4),
    )
    for space, (size, corner, surfaces, open_wall) in enumerate(boxes):
        for name, corners in wall_corners(size).items():
            if name == f"wall_{open_wall}":
                meshes.append(_open(surfaces[name], corners + corner, space, second.opening))
            else:
                meshes.append(_whole(surfaces[name], corners + corner, space))
        if space == 0:
            meshes.append(_frame(second.frame, second.opening))
    return meshes


def _whole(surface: Surface, corners: FloatArray, space: int) -> WallMesh:
    return WallMesh(surface=surface, corners=corners[None], vertices=wall_buffers(corners, surface.tile), space=space)


def _open(surface: Surface, corners: FloatArray, space: int, opening: Opening) -> WallMesh:
    """A wall without the opening: what is left and right of it, over the full height, and what is above it."""
    length, height = (float(np.linalg.norm(corners[k] - corners[0])) for k in (1, 3))
    right = (corners[1] - corners[0]) / length
    ends = sorted(float(right[opening.along] * (a - corners[0, opening.along])) for a in (opening.low, opening.high))
    rectangles = (  # from, to along the wall; from, to downwards from the ceiling
        (-LAP, ends[0], -LAP, height + LAP),
        (ends[1], length + LAP, -LAP, height + LAP),
        (ends[0] - LAP, ends[1] + LAP, -LAP, height - opening.height),
    )
    rings, vertices = [], []
    for low, high, top, bottom in rectangles:
        ring = np.array([corners[0] + along * right for along in (low, high, high, low)])
        ring[:, 2] -= (top, top, bottom, bottom)
        rings.append(ring)
        vertices.append(wall_buffers(ring, surface.tile, (low, top)))
    return WallMesh(surface=surface, corners=np.stack(rings), vertices=np.concatenate(vertices), space=space)


def _frame(surface: Surface, opening: Opening) -> WallMesh:
    """The opening's sides, its upper side, its threshold, and the casing round it in both rooms."""
    low, high, top, wide = opening.low, opening.high, opening.height, opening.casing
    proud = CASING_DEPTH if wide else 0.0
    near, far = -proud - LAP, opening.thickness + proud + LAP
    rings = [[(a, near, -LAP), (a, far, -LAP), (a, far, top), (a, near, top)] for a in (low, high)]
    for z, start, end in ((top, near, far), (0.0, -LAP, opening.thickness + LAP)):
        rings.append([(low - LAP, start, z), (high + LAP, start, z), (high + LAP, end, z), (low - LAP, end, z)])
    for out, wall in ((-proud, 0.0), (opening.thickness + proud, opening.thickness)) if wide else ():
        for a, b, bottom in ((low - wide, low, 0.0), (high, high + wide, 0.0), (low - LAP, high + LAP, top)):
            rings.append([(a, out, bottom), (b, out, bottom), (b, out, top + wide), (a, out, top + wide)])
        for a in (low - wide, high + wide):
            rings.append([(a, out, 0), (a, wall, 0), (a, wall, top + wide), (a, out, top + wide)])
        a, b = low - wide, high + wide
        rings.append([(a, out, top + wide), (b, out, top + wide), (b, wall, top + wide), (a, wall, top + wide)])
    corners = opening.to_world(np.array(rings, float))
    vertices = np.concatenate([wall_buffers(ring, surface.tile) for ring in corners])
    return WallMesh(surface=surface, corners=corners, vertices=vertices, space=0)


def portal_normals(room: Room, eye: FloatArray) -> FloatArray | None:
    """(4, 3) unit inward normals of the planes through ``eye`` (3,) and the edges of the opening's nearer face.

    Points of the second room beyond one of them are not visible. None where the eye is not in the first room.
    """
    if room.second is None:
        return None
    opening = room.second.opening
    if opening.out(eye) >= -1e-3:
        return None
    low, high, top = opening.low, opening.high, opening.height
    ring = opening.to_world([(low, 0, 0), (high, 0, 0), (high, 0, top), (low, 0, top)]) - eye
    normals = np.cross(ring, np.roll(ring, -1, axis=0))
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return np.asarray(normals * np.sign(normals @ ring.mean(axis=0))[:, None])
