"""Ray casting renderer of rooms on the CPU: colours, depth and ids, for machines without OpenGL.

Depth and ids are those of ``gl_renderer.Renderer`` up to the outlines of things. The colours have the same textures,
lights, highlights and tone; shadows are hard, textures have no smaller copies for what is far away, and there is no
ambient occlusion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray, Intrinsics
from distill3d_ros.scene.geometry import invert_pose, transform_points
from distill3d_ros.worlds.camera_pose import CameraPose
from distill3d_ros.worlds.rendering.interface import FAR, NEAR, Observation, RendererKind
from distill3d_ros.worlds.rendering.lamps import (
    SHADOW_NEAR,
    SHADOW_OFFSETS,
    SHADOW_SIZES,
    ShadowCaster,
    ambient_in,
    casts_shadow,
    lamp_view,
    lights_in,
    shadow_casters,
    strongest_lights,
)
from distill3d_ros.worlds.rendering.pixel_rays import Hits, cast_rays
from distill3d_ros.worlds.rendering.room_triangles import Part, RoomTriangles, TriangleMaker, together
from distill3d_ros.worlds.rendering.shading import facing, shade, texture_colours
from distill3d_ros.worlds.room import Room

SHADOW_BIAS = 0.02
"""Metres by which something must be nearer to the lamp to put a point in shadow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _ShadowMap:
    """Depth from a lamp."""

    lamp_from_world: FloatArray
    """(4, 4), the lamp's optical frame."""
    lens: Intrinsics
    depth: FloatArray
    """(S, S) metres along the lamp's axis; infinite where there are only walls."""

    def lit(self, points: FloatArray) -> NDArray[np.float32]:
        """(P,) 0 for points (P, 3) in shadow, 1 for the others."""
        optical = transform_points(self.lamp_from_world, points)
        ahead = np.maximum(optical[:, 2], 1e-6)
        u = np.round(optical[:, 0] / ahead * self.lens.fx + self.lens.cx)
        v = np.round(optical[:, 1] / ahead * self.lens.fy + self.lens.cy)
        inside = (optical[:, 2] > 0) & (u >= 0) & (u < self.lens.width) & (v >= 0) & (v < self.lens.height)
        u, v = np.where(inside, u, 0).astype(int), np.where(inside, v, 0).astype(int)
        return (~inside | (optical[:, 2] <= self.depth[v, u] + SHADOW_BIAS)).astype(np.float32)


class RayCaster:
    """Draws one room at a time, with numpy alone. Keeps the vertices of furniture models for the next rooms."""

    kind: RendererKind = "raycast"
    description = "ray casting on the CPU"

    def __init__(self, *, model_cache: int = 400) -> None:
        self.room: Room | None = None
        self._make = TriangleMaker(limit=model_cache)
        self._parts: list[Part] = []
        self._triangles: RoomTriangles | None = None
        self._shadows: dict[int, _ShadowMap] | None = None

    def set_room(self, room: Room) -> None:
        """Builds the room's triangles. Call it again after the room changed."""
        self._parts = self._make.parts(room)
        self._triangles = together(self._parts)
        self._shadows = None  # until a picture needs it
        self.room = room

    def render(self, camera: CameraPose, *, supersample: int = 2, occlusion: float = 0.8) -> Observation:
        """Draws the room from ``camera``. ``supersample`` squared samples are averaged for each pixel.

        ``occlusion`` is that of OpenGL and does nothing here.
        """
        k = camera.intrinsics
        if not 1 <= supersample <= 8:
            raise ValueError(f"supersample must lie between 1 and 8. Got {supersample}")
        room, triangles = self._held()
        hits = self._cast(triangles, camera)
        fine, lens = hits, k
        if supersample > 1:
            lens = k.resized(width=k.width * supersample, height=k.height * supersample)
            fine = self._cast(triangles, CameraPose(intrinsics=lens, world_from_optical=camera.world_from_optical))
        colours = self._colours(room, triangles, camera, fine)
        samples = colours.reshape(k.height, supersample, k.width, supersample, 3).mean(axis=(1, 3))
        depth, ids = _depth_and_ids(triangles, hits)
        return Observation(rgb=np.round(samples * 255).astype(np.uint8), depth=depth, ids=ids)

    def measure(self, camera: CameraPose) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
        """Only depth (H, W) and ids (H, W)."""
        triangles = self._held()[1]
        return _depth_and_ids(triangles, self._cast(triangles, camera))

    def close(self) -> None:
        """Nothing to release."""

    def _held(self) -> tuple[Room, RoomTriangles]:
        if self.room is None or self._triangles is None:
            raise RuntimeError("the renderer has no room yet; call set_room(room) first")
        return self.room, self._triangles

    def _cast(self, triangles: RoomTriangles, camera: CameraPose) -> Hits:
        points = transform_points(invert_pose(camera.world_from_optical), triangles.positions)
        return cast_rays(points, triangles.faces, camera.intrinsics, near=NEAR, far=FAR)

    def _colours(self, room: Room, triangles: RoomTriangles, camera: CameraPose, hits: Hits) -> NDArray[np.float32]:
        """(H * W, 3) display values 0..1; black where there is nothing."""
        there = hits.triangle.reshape(-1) >= 0
        row = hits.triangle.reshape(-1)[there]
        corners, part = triangles.faces[row], triangles.part[row]  # (P, 3), (P,)
        weights = hits.weights.reshape(-1, 3)[there]
        positions = np.einsum("pc,pck->pk", weights, triangles.positions[corners])
        weights = weights.astype(np.float32)
        normals = facing(np.einsum("pc,pck->pk", weights, triangles.normals[corners]), positions, camera.position)
        if self._shadows is None:
            self._shadows = {caster.number: _shadow_map(self._parts, caster) for caster in shadow_casters(room)}
        lit = np.ones((len(row), len(strongest_lights(room))), np.float32)
        for number, shadow in self._shadows.items():
            lit[:, number] = shadow.lit(positions + SHADOW_OFFSETS[number] * normals)
        albedo, gloss = _albedo(triangles, corners, part, weights), triangles.gloss[part]
        colours, spaces = np.empty((len(row), 3), np.float32), triangles.spaces[part]
        for space in np.unique(spaces):
            own = spaces == space
            colours[own] = shade(
                positions[own],
                normals[own],
                albedo[own],
                gloss[own],
                lit[own],
                eye=camera.position,
                lights=lights_in(room, space),
                ambient=ambient_in(room, space),
            )
        out = np.zeros((len(there), 3), np.float32)
        out[there] = colours
        return out


def _albedo(
    triangles: RoomTriangles, corners: NDArray[np.int64], part: NDArray[np.int64], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(P, 3) sRGB of the surface at the points with these ``weights`` (P, 3) of triangle ``corners`` (P, 3)."""
    colours = triangles.colours[corners[:, 0]]  # a face has one colour
    textured = triangles.uvs[corners[:, 0], 2] > -0.5
    uv = np.einsum("pc,pck->pk", weights[textured], triangles.uvs[corners[textured]])
    own = part[textured]
    colours[textured] = texture_colours(triangles.texels, triangles.first_texel[own], triangles.texture_size[own], uv)
    flat = triangles.flat_colours[part]
    return np.where(flat[:, 3:] > 0.5, flat[:, :3], colours) * triangles.tints[part]


def _shadow_map(parts: list[Part], caster: ShadowCaster) -> _ShadowMap:
    view, reach = lamp_view(caster)
    side = SHADOW_SIZES[caster.number]
    lamp_from_world = np.diag([1.0, -1.0, -1.0, 1.0]) @ view  # y down and z ahead, as cameras have them
    lens = Intrinsics(
        fx=side / 2 / reach, fy=side / 2 / reach, cx=side / 2 - 0.5, cy=side / 2 - 0.5, width=side, height=side
    )
    casting = [p for p in parts if p.id != 0 and casts_shadow(p.center, p.radius, caster.position)]
    depth: FloatArray = np.zeros((side, side))
    if casting:
        triangles = together(casting)
        points = transform_points(lamp_from_world, triangles.positions)
        depth = cast_rays(points, triangles.faces, lens, near=SHADOW_NEAR).depth
    return _ShadowMap(lamp_from_world=lamp_from_world, lens=lens, depth=np.where(depth > 0, depth, np.inf))


def _depth_and_ids(triangles: RoomTriangles, hits: Hits) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    ids = np.append(triangles.ids[triangles.part], 0)[hits.triangle]  # the last one where there is nothing
    return hits.depth.astype(np.float32), ids.astype(np.uint16)
