"""Shadow maps of a room's lamps in OpenGL."""

from __future__ import annotations

from collections.abc import Sequence

import moderngl
import numpy as np

from distill3d_ros.worlds.camera_pose import CameraPose
from distill3d_ros.worlds.rendering import shaders
from distill3d_ros.worlds.rendering.lamps import (
    SHADOW_OFFSETS,
    SHADOW_SIZES,
    SHADOW_STRENGTH,
    ShadowCaster,
    casts_shadow,
    shadow_casters,
    shadow_projection,
)
from distill3d_ros.worlds.rendering.room_buffers import Instance, assign, columns
from distill3d_ros.worlds.room import Room

FIRST_MAP, LAMPS_SEEN = 1, 2
"""Texture units of the colour shader: the strongest lamp's map, and the image of the other lamps' shadows."""
_SOFTNESS = 2.2
"""Pixels of a shadow map over which a shadow's edge fades to each side."""
_DEPTH_BIAS = 0.0002


class ShadowMaps:
    """One depth image for each lamp that casts shadows, drawn once a room.

    The strongest lamp's is read by the colour shader at every sample; the others are evaluated once a pixel, into an
    image that the colour shader reads.
    """

    def __init__(self, context: moderngl.Context, colour: moderngl.Program, screen: moderngl.Buffer) -> None:
        """``colour`` is the program that reads the maps, ``screen`` a triangle over the whole picture."""
        self._context, self._colour = context, colour
        program = context.program
        self.program = program(vertex_shader=shaders.SHADOW_VERTEX, fragment_shader=shaders.SHADOW_FRAGMENT)
        self._maps = [context.depth_texture((size, size)) for size in SHADOW_SIZES]
        for image in self._maps:
            image.compare_func = "<="
            image.filter = (moderngl.LINEAR, moderngl.LINEAR)
        self._targets = [context.framebuffer(depth_attachment=image) for image in self._maps]
        assign(colour, "shadow_map", FIRST_MAP)
        assign(colour, "lamps_seen", LAMPS_SEEN)
        self._further: dict[int, moderngl.VertexArray] = {}
        for lamps in range(1, len(self._maps)):
            fragment = shaders.further_shadows_fragment(lamps)
            looked_up = program(vertex_shader=shaders.SCREEN_VERTEX, fragment_shader=fragment)
            assign(looked_up, "geometry", 0)
            for k in range(lamps):
                assign(looked_up, f"further_map_{k}", 1 + k)
            self._further[lamps] = context.vertex_array(looked_up, [(screen, "2f", "in_corner")])
        self._weaker: list[int] = []

    def draw(self, room: Room, instances: Sequence[Instance]) -> None:
        """Draws the depth images of a room from its lamps."""
        self._weaker, projections, looks = [], [], []
        assign(self._colour, "shadow_look", (0.0, 0.0, 0.0, 0.0))
        for caster in shadow_casters(room):
            number, matrix = caster.number, columns(shadow_projection(caster))
            look = (_SOFTNESS / SHADOW_SIZES[number], SHADOW_OFFSETS[number], _DEPTH_BIAS, SHADOW_STRENGTH)
            self._draw_map(caster, matrix, instances)
            if number == 0:
                assign(self._colour, "shadow_from_world", matrix)
                assign(self._colour, "shadow_look", look)
            else:
                self._weaker.append(number)
                projections.append(matrix)
                looks.append(look)
        if self._weaker:
            further = self._further[len(self._weaker)].program
            assign(further, "light", np.array(self._weaker, np.int32).tobytes())
            assign(further, "shadow_from_world", b"".join(projections))
            assign(further, "shadow_look", np.array(looks, np.float32).tobytes())

    def _draw_map(self, caster: ShadowCaster, matrix: bytes, instances: Sequence[Instance]) -> None:
        assign(self.program, "shadow_from_world", matrix)
        target, size = self._targets[caster.number], SHADOW_SIZES[caster.number]
        target.use()
        target.viewport = (0, 0, size, size)
        target.clear(depth=1.0)
        self._context.enable_only(moderngl.DEPTH_TEST)
        for one in instances:
            if one.id != 0 and casts_shadow(one.center, one.radius, caster.position):  # walls cast none into the room
                assign(self.program, "world_from_own", one.world_from_own)
                one.mesh.shadow.render()

    def draw_visibility(self, camera: CameraPose, geometry: moderngl.Texture, visibility: moderngl.Framebuffer) -> None:
        """Draws the visibility 0..1 of the weaker lamps at each pixel's point into ``visibility``.

        ``geometry`` has the depth and normal of each pixel. 1 everywhere where no weaker lamp casts a shadow.
        """
        visibility.use()
        visibility.clear(1.0, 1.0, 1.0, 1.0)
        if not self._weaker:
            return
        self._context.disable(moderngl.DEPTH_TEST)
        further, k = self._further[len(self._weaker)], camera.intrinsics
        assign(further.program, "unproject", (1 / k.fx, 1 / k.fy, k.cx, k.cy))
        assign(further.program, "world_from_optical", columns(camera.world_from_optical))
        geometry.use(0)
        for unit, number in enumerate(self._weaker, start=1):
            self._maps[number].use(unit)
        further.render(vertices=3)

    def use(self, visibility: moderngl.Texture) -> None:
        """Binds the textures of the colour shader."""
        self._maps[0].use(FIRST_MAP)
        visibility.use(LAMPS_SEEN)
