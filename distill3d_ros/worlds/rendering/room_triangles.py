"""A room as one list of triangles with their surface properties, for the ray caster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.worlds.furniture.furniture_model import FurnitureModel
from distill3d_ros.worlds.lru_cache import LruCache
from distill3d_ros.worlds.rendering.meshes import model_buffers
from distill3d_ros.worlds.rendering.walls import WallMesh, wall_meshes
from distill3d_ros.worlds.room import PlacedObject, Room


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """One wall or one thing of a room: v vertices and f triangles in the world."""

    id: int
    """Of the object; 0 is the room itself."""
    vertices: NDArray[np.void]
    """(v,) ``meshes.VERTEX_DTYPE``; positions and normals in its own axes."""
    faces: NDArray[np.int64]
    """(f, 3)"""
    positions: FloatArray
    """(v, 3) world, metres."""
    normals: FloatArray
    """(v, 3) world, not of unit length."""
    textures: NDArray[np.uint8]
    """(layers, height, width, 3) sRGB; there may be no layer."""
    tint: FloatArray
    """(3,) multiplies the sRGB colours."""
    flat_colour: FloatArray
    """(4,) sRGB, and 1 where it replaces colours and textures."""
    gloss: tuple[float, float]
    """Strength and exponent."""
    center: FloatArray
    radius: float
    space: int
    """0 is the room itself, 1 the second one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RoomTriangles:
    """All parts together: V vertices, F triangles, P parts, walls first."""

    positions: FloatArray
    """(V, 3) world, metres."""
    normals: NDArray[np.float32]
    """(V, 3) world, not of unit length."""
    colours: NDArray[np.float32]
    """(V, 3) sRGB 0..1."""
    uvs: NDArray[np.float32]
    """(V, 3) texture coordinates and layer; a layer below 0 means that the colour counts."""
    faces: NDArray[np.int64]
    """(F, 3)"""
    part: NDArray[np.int64]
    """(F,) which part a triangle belongs to."""
    texels: NDArray[np.uint8]
    """(N, 3) sRGB of all textures, layer by layer, row by row."""
    first_texel: NDArray[np.int64]
    """(P,)"""
    texture_size: NDArray[np.int64]
    """(P, 2) height and width."""
    ids: NDArray[np.uint16]
    """(P,) object ids."""
    tints: NDArray[np.float32]
    """(P, 3)"""
    flat_colours: NDArray[np.float32]
    """(P, 4)"""
    gloss: NDArray[np.float32]
    """(P, 2)"""
    spaces: NDArray[np.int64]
    """(P,) 0 is the room itself, 1 the second one."""


class TriangleMaker:
    """Converts rooms to parts. Caches the vertices of the ``limit`` most recently used models."""

    def __init__(self, *, limit: int) -> None:
        self._models: LruCache[int, tuple[FurnitureModel, NDArray[np.void], NDArray[np.int64]]] = LruCache(limit)

    def parts(self, room: Room) -> list[Part]:
        """Everything in the room, its walls first."""
        parts = [_wall(wall) for wall in wall_meshes(room)]
        return parts + [self._furniture(placed, int(room.space_of(placed.position))) for placed in room.objects]

    def _furniture(self, placed: PlacedObject, space: int) -> Part:
        vertices, faces = self._mesh_of(placed.model)
        flat = np.zeros(4) if placed.flat_color is None else np.append(placed.flat_color, 1.0)
        return Part(
            id=placed.id,
            vertices=vertices,
            faces=faces,
            positions=placed.to_world(vertices["position"]),
            normals=vertices["normal"] @ (placed.rotation / placed.scale).T,
            textures=placed.model.textures,
            tint=placed.tint,
            flat_colour=flat,
            gloss=(0.06, 24.0),
            center=placed.to_world([0.0, 0.0, float(placed.model.size[2]) / 2]),
            radius=float(np.linalg.norm(placed.model.size * placed.scale / 2)) + 0.02,
            space=space,
        )

    def _mesh_of(self, model: FurnitureModel) -> tuple[NDArray[np.void], NDArray[np.int64]]:
        def make() -> tuple[FurnitureModel, NDArray[np.void], NDArray[np.int64]]:
            vertices, indices = model_buffers(model)
            return model, vertices, indices.reshape(-1, 3).astype(np.int64)

        return self._models.get(id(model), make)[1:]  # keeping the model keeps its id from being used again


def _wall(wall: WallMesh) -> Part:
    return Part(
        id=0,
        vertices=wall.vertices,
        faces=np.arange(len(wall.vertices)).reshape(-1, 3),
        positions=wall.vertices["position"].astype(np.float64),
        normals=wall.vertices["normal"].astype(np.float64),
        textures=wall.surface.image[None],
        tint=np.ones(3),
        flat_colour=np.zeros(4),
        gloss=wall.gloss,
        center=wall.center,
        radius=wall.radius,
        space=wall.space,
    )


def together(parts: list[Part]) -> RoomTriangles:
    """All parts in one list each."""
    first_vertex = np.cumsum([0, *(len(p.vertices) for p in parts)])
    texels = [p.textures.reshape(-1, 3) for p in parts]
    sizes = [p.textures.shape[1:3] if len(p.textures) else (1, 1) for p in parts]
    return RoomTriangles(
        positions=np.concatenate([p.positions for p in parts]),
        normals=np.concatenate([p.normals for p in parts]).astype(np.float32),
        colours=np.concatenate([p.vertices["colour"] for p in parts]),
        uvs=np.concatenate([p.vertices["uv"] for p in parts]),
        faces=np.concatenate([p.faces + first for p, first in zip(parts, first_vertex, strict=False)]),
        part=np.repeat(np.arange(len(parts)), [len(p.faces) for p in parts]),
        texels=np.concatenate(texels),
        first_texel=np.cumsum([0, *(len(t) for t in texels[:-1])]),
        texture_size=np.array(sizes),
        ids=np.array([p.id for p in parts], np.uint16),
        tints=np.array([p.tint for p in parts], np.float32),
        flat_colours=np.array([p.flat_colour for p in parts], np.float32),
        gloss=np.array([p.gloss for p in parts], np.float32),
        spaces=np.array([p.space for p in parts]),
    )
