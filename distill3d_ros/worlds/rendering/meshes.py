"""Vertex buffers from triangle meshes: normals that are smooth on curves and sharp at edges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.worlds.furniture.furniture_model import FurnitureModel

CREASE_COSINE = 0.77
"""Faces that meet at less than about 40 degrees are shaded as one smooth surface."""

VERTEX_DTYPE = np.dtype([("position", "3f4"), ("normal", "3f4"), ("colour", "3f4"), ("uv", "3f4")])
"""``uv``: texture coordinates and layer; a layer below 0 means that the colour counts."""


def corner_normals(vertices: FloatArray, faces: NDArray[np.integer]) -> FloatArray:
    """(F, 3, 3) unit normal at every corner of every face.

    A corner averages the faces round its point (area weighted) that bend less than the crease angle from its own
    face. Free furniture models are wound either way, so a neighbour that faces the other way counts reversed.
    """
    corners = vertices[faces].astype(np.float64)  # (F, 3, 3)
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])  # (F, 3)
    length = np.linalg.norm(area, axis=1, keepdims=True)
    unit = np.divide(area, length, out=np.tile([0.0, 0.0, 1.0], (len(faces), 1)), where=length > 1e-14)

    # Points that lie at the same place are one point, also where the file split them for texture or colour.
    _, point = np.unique(np.round(vertices.astype(np.float64), 5), axis=0, return_inverse=True)
    point = point.reshape(-1)[faces].reshape(-1)  # (3F,) point of every corner
    face = np.repeat(np.arange(len(faces)), 3)
    order = np.argsort(point, kind="stable")
    start = np.searchsorted(point[order], np.arange(point.max() + 1))
    count = np.diff(np.append(start, len(point)))
    # One row per (corner, face that shares its point).
    repeats = count[point]
    mine = np.repeat(np.arange(len(point)), repeats)
    step = np.arange(len(mine)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    other = face[order[np.repeat(start[point], repeats) + step]]
    cosine = np.einsum("ij,ij->i", unit[face[mine]], unit[other])
    weight = np.where(np.abs(cosine) > CREASE_COSINE, np.sign(cosine), 0.0)
    total = np.stack([np.bincount(mine, weight * area[other, k], len(point)) for k in range(3)], 1)
    norm = np.linalg.norm(total, axis=1, keepdims=True)
    smooth = np.divide(total, norm, out=unit[face].copy(), where=norm > 1e-14)
    return smooth.reshape(-1, 3, 3)


def model_buffers(model: FurnitureModel) -> tuple[NDArray[np.void], NDArray[np.int32]]:
    """Vertices in ``VERTEX_DTYPE`` and (F * 3,) indices into them; equal corners share a vertex."""
    rows = np.zeros((len(model.faces), 3), VERTEX_DTYPE)
    rows["position"] = model.vertices[model.faces]
    rows["normal"] = np.round(corner_normals(model.vertices, model.faces), 3)
    rows["colour"] = (model.face_colors.astype(np.float32) / 255.0)[:, None, :]
    rows["uv"][..., :2] = model.face_uvs
    rows["uv"][..., 2] = model.face_layers[:, None]
    flat = rows.reshape(-1)
    raw = flat.view(np.dtype((np.void, VERTEX_DTYPE.itemsize)))
    _, first, index = np.unique(raw, return_index=True, return_inverse=True)
    return flat[first], index.reshape(-1).astype(np.int32)


def wall_corners(size: FloatArray) -> dict[str, FloatArray]:
    """The rectangles that enclose a room: name -> (4, 3) corners in a ring, from the origin of its texture."""
    w, d, h = (float(x) for x in size)
    return {
        "floor": np.array([[0, 0, 0], [w, 0, 0], [w, d, 0], [0, d, 0]]),
        "ceiling": np.array([[0, 0, h], [w, 0, h], [w, d, h], [0, d, h]]),
        "wall_0": np.array([[0, 0, h], [w, 0, h], [w, 0, 0], [0, 0, 0]]),
        "wall_1": np.array([[w, 0, h], [w, d, h], [w, d, 0], [w, 0, 0]]),
        "wall_2": np.array([[w, d, h], [0, d, h], [0, d, 0], [w, d, 0]]),
        "wall_3": np.array([[0, d, h], [0, 0, h], [0, 0, 0], [0, d, 0]]),
    }


def wall_buffers(corners: FloatArray, tile: float, start: tuple[float, float] = (0.0, 0.0)) -> NDArray[np.void]:
    """Two triangles, (6,) ``VERTEX_DTYPE``, for a rectangle whose texture repeats every ``tile`` metres.

    ``start``: how far its first corner lies from the texture's origin along its two sides, metres.
    """
    rows = np.zeros(4, VERTEX_DTYPE)
    rows["position"] = corners
    along, across = corners[1] - corners[0], corners[3] - corners[0]
    normal = np.cross(along, across)
    rows["normal"] = normal / np.linalg.norm(normal)
    rows["colour"] = 1.0
    rows["uv"][1:3, 0] = np.linalg.norm(along) / tile
    rows["uv"][2:4, 1] = np.linalg.norm(across) / tile
    rows["uv"][:, :2] += np.asarray(start) / tile
    return rows[[0, 1, 2, 0, 2, 3]]
