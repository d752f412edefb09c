"""Simplification of a library model: few triangles, small textures, own axes in metres."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from distill3d_ros.worlds.furniture.decimate import decimate, triangle_areas
from distill3d_ros.worlds.furniture.obj_file import Material, ObjModel

MAX_FACES = 2000
MAX_LAYERS = 6
_GLASS = np.array([0.78, 0.84, 0.88])
# Sweet Home 3D has x width, y up, z front; ours are x width, y front, z up. A rotation, so nothing is mirrored.
_OWN_FROM_SWEETHOME = np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])


@dataclass(slots=True)
class SmallMesh:
    """The arrays of a ``FurnitureModel``."""

    vertices: npt.NDArray[np.float32]
    faces: npt.NDArray[np.int32]
    face_colors: npt.NDArray[np.uint8]
    face_layers: npt.NDArray[np.int16]
    face_uvs: npt.NDArray[np.float32]
    textures: npt.NDArray[np.uint8]
    kept: float
    """Share of the original surface that is still there."""


def shrink(
    model: ObjModel, rotation: npt.NDArray[np.float64], size: npt.ArrayLike, turn: int, pixels: int
) -> SmallMesh:
    """Rotate, scale to ``size`` (width, depth, height), turn about the vertical by ``turn`` degrees, decimate.

    Textures become ``pixels`` x ``pixels``; parts with little area lose theirs and keep its mean colour.
    """
    keep = triangle_areas(model.vertices, model.faces) > 0
    model.faces, model.face_uvs = model.faces[keep], model.face_uvs[keep]
    model.face_materials = model.face_materials[keep]
    points = _own_axes(model, rotation, np.asarray(size, float), turn)
    vertices, faces, kept = decimate(points, model.faces, MAX_FACES)
    source = _source_faces(points, model.faces, vertices, faces)
    layers, textures, colors = _layers(model, triangle_areas(points, model.faces), pixels)
    material = model.face_materials[source]
    face_layers = layers[material].astype(np.int16)
    uvs, plain = _transfer_uvs(model, points, source, vertices, faces)
    face_layers[plain] = -1
    uvs[face_layers < 0] = 0.0
    return SmallMesh(
        vertices=vertices.astype(np.float32),
        faces=faces.astype(np.int32),
        face_colors=np.round(colors[material] * 255).astype(np.uint8),
        face_layers=face_layers,
        face_uvs=uvs.astype(np.float32),
        textures=textures,
        kept=kept,
    )


def _own_axes(
    model: ObjModel, rotation: npt.NDArray[np.float64], size: npt.NDArray[np.float64], turn: int
) -> npt.NDArray:
    points = model.vertices @ rotation.T @ _OWN_FROM_SWEETHOME.T
    used = points[np.unique(model.faces)]
    low, high = used.min(axis=0), used.max(axis=0)
    points = (points - (low + high) / 2) * (size / np.maximum(high - low, 1e-9))
    points[:, 2] += size[2] / 2
    c, s = round(np.cos(np.radians(turn))), round(np.sin(np.radians(turn)))
    return points @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], float).T


def _source_faces(
    points: npt.NDArray, faces: npt.NDArray, new_points: npt.NDArray, new_faces: npt.NDArray
) -> npt.NDArray:
    """For each new face the original one that lies under its centre and faces the same way."""
    areas = triangle_areas(points, faces)
    rng = np.random.default_rng(0)
    picks = np.concatenate([np.arange(len(faces)), rng.choice(len(faces), 30000, p=areas / areas.sum())])
    weights = rng.dirichlet((1.0, 1.0, 1.0), len(picks))
    weights[: len(faces)] = 1 / 3
    where = (points[faces[picks]] * weights[:, :, None]).sum(axis=1)
    reach = np.ptp(points, axis=0).max() * 0.1
    tree = cKDTree(np.hstack([where, _normals(points, faces)[picks] * reach]))
    centers, normals = new_points[new_faces].mean(axis=1), _normals(new_points, new_faces) * reach
    # windings of the library are not reliable: search for both sides
    distance_a, index_a = tree.query(np.hstack([centers, normals]))
    distance_b, index_b = tree.query(np.hstack([centers, -normals]))
    return picks[np.where(distance_a <= distance_b, index_a, index_b)]


def _normals(points: npt.NDArray, faces: npt.NDArray) -> npt.NDArray:
    a, b, c = (points[faces[:, k]] for k in range(3))
    n = np.cross(b - a, c - a)
    return n / np.maximum(np.linalg.norm(n, axis=1, keepdims=True), 1e-12)


def _transfer_uvs(
    model: ObjModel, points: npt.NDArray, source: npt.NDArray, vertices: npt.NDArray, faces: npt.NDArray
) -> tuple[npt.NDArray, npt.NDArray]:
    """Extend each source face's texture map to the new face. Second result: faces for which that is impossible."""
    none = np.full(len(faces), True)
    if len(model.uvs) == 0:
        return np.zeros((len(faces), 3, 2)), none
    index = model.face_uvs[source]  # (F, 3)
    uv = model.uvs[index]
    uv[..., 1] = 1.0 - uv[..., 1]  # our textures begin with their first row
    a, b, c = (points[model.faces[source][:, k]] for k in range(3))
    e1, e2 = b - a, c - a
    g11, g12, g22 = (e1 * e1).sum(1), (e1 * e2).sum(1), (e2 * e2).sum(1)
    det = np.maximum(g11 * g22 - g12**2, 1e-20)
    out = np.empty((len(faces), 3, 2))
    for k in range(3):
        d = vertices[faces[:, k]] - a
        p1, p2 = (d * e1).sum(1), (d * e2).sum(1)
        s, t = (g22 * p1 - g12 * p2) / det, (g11 * p2 - g12 * p1) / det
        out[:, k] = uv[:, 0] + s[:, None] * (uv[:, 1] - uv[:, 0]) + t[:, None] * (uv[:, 2] - uv[:, 0])
    out -= np.floor(out.mean(axis=1, keepdims=True))
    wild = ~np.isfinite(out).all(axis=(1, 2)) | (np.abs(out).max(axis=(1, 2)) > 50)
    return np.where(wild[:, None, None], 0.0, out), wild | (index < 0).any(axis=1)


def _layers(model: ObjModel, areas: npt.NDArray, pixels: int) -> tuple[npt.NDArray, npt.NDArray, npt.NDArray]:
    """Texture layer (-1: none) and mean colour of each material, and the layers."""
    share = np.bincount(model.face_materials, areas, len(model.materials)) / areas.sum()
    order = [m for m in np.argsort(-share) if model.materials[m].image is not None and share[m] > 0.01][:MAX_LAYERS]
    layers = np.full(len(model.materials), -1)
    textures = np.zeros((len(order), pixels, pixels, 3), np.uint8)
    for layer, m in enumerate(order):
        image = model.materials[m].image
        assert image is not None
        textures[layer] = cv2.resize(image, (pixels, pixels), interpolation=cv2.INTER_AREA)
        layers[m] = layer
    return layers, textures, np.array([_mean_color(material) for material in model.materials])


def _mean_color(material: Material) -> npt.NDArray[np.float64]:
    if material.image is not None:
        color = material.image.reshape(-1, 3).mean(axis=0) / 255
    else:
        color = np.asarray(material.color, float)
    opacity = np.clip(material.opacity, 0.15, 1.0)
    return color if opacity > 0.9 else opacity * color + (1 - opacity) * _GLASS
