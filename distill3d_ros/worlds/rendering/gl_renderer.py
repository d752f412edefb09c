"""OpenGL renderer of rooms without a window: colours, depth and ids, by software or hardware.

The picture is sampled several times a pixel and averaged. Depth and ids are drawn in a pass of their own, sampled
once, exactly at the centre of each pixel, so that no value is a mixture of two surfaces.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import moderngl
import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray, Intrinsics
from distill3d_ros.scene.geometry import invert_pose, transform_points
from distill3d_ros.worlds.camera_pose import CameraPose
from distill3d_ros.worlds.rendering import shaders
from distill3d_ros.worlds.rendering.gl_shadows import ShadowMaps
from distill3d_ros.worlds.rendering.interface import FAR, GL_REMEDY, MAX_LIGHTS, NEAR, Observation, RendererKind
from distill3d_ros.worlds.rendering.lamps import ambient_in, lights_in, strongest_lights
from distill3d_ros.worlds.rendering.room_buffers import Instance, RoomBuffers, assign, columns
from distill3d_ros.worlds.rendering.walls import portal_normals
from distill3d_ros.worlds.room import Room

OCCLUSION_RADIUS = 0.22
"""Radius of ambient occlusion, metres."""


class _Target:
    """An image to draw into, and to read from in later passes."""

    def __init__(self, context: moderngl.Context, size: tuple[int, int], components: int, *, dtype: str = "f1") -> None:
        self.image = context.texture(size, components, dtype=dtype)
        self.frame = context.framebuffer([self.image], context.depth_renderbuffer(size))


@dataclass(slots=True)
class _Targets:
    """The images of one picture size."""

    geometry: _Target
    """Depth, id, and x and y of the normal in the optical frame."""
    lamps_seen: _Target
    """Share of the light of the second to fourth lamp that reaches the surface."""
    fine: _Target
    """Colour at several samples a pixel."""
    occlusion: _Target
    final: _Target


class Renderer:
    """Draws one room at a time. Keeps the buffers of furniture models for the next rooms.

    ``threads``: how many threads software OpenGL may use; 0 draws in the calling thread, which is best with several
    worker processes. None leaves the driver's choice. It only counts for the first context of a process.
    """

    kind: RendererKind = "gl"

    def __init__(self, *, threads: int | None = None, model_cache: int = 400) -> None:
        if threads is not None:
            os.environ["LP_NUM_THREADS"] = str(threads)
        self.context = _create_context()
        self._targets: dict[tuple[int, int, int], _Targets] = {}
        self._instances: list[Instance] = []
        self.room: Room | None = None
        self._compile()
        programs = {"colour": self._colour, "geometry": self._geometry, "shadow": self._shadows.program}
        self._buffers = RoomBuffers(self.context, programs, limit=model_cache)
        self._no_texture = self.context.texture_array((1, 1, 1), 3, b"\xff\xff\xff")

    def _compile(self) -> None:
        program = self.context.program
        self._colour = program(vertex_shader=shaders.COLOUR_VERTEX, fragment_shader=shaders.COLOUR_FRAGMENT)
        self._geometry = program(vertex_shader=shaders.GEOMETRY_VERTEX, fragment_shader=shaders.GEOMETRY_FRAGMENT)
        self._occlusion = program(vertex_shader=shaders.SCREEN_VERTEX, fragment_shader=shaders.OCCLUSION_FRAGMENT)
        self._compose = program(vertex_shader=shaders.SCREEN_VERTEX, fragment_shader=shaders.COMPOSE_FRAGMENT)
        corners = self.context.buffer(np.array([-1, -1, 3, -1, -1, 3], np.float32).tobytes())
        self._shadows = ShadowMaps(self.context, self._colour, corners)
        self._occlusion_screen = self.context.vertex_array(self._occlusion, [(corners, "2f", "in_corner")])
        self._compose_screen = self.context.vertex_array(self._compose, [(corners, "2f", "in_corner")])
        assign(self._colour, "textures", 0)
        for name, unit in (("fine", 0), ("geometry", 1), ("occlusion", 2)):
            assign(self._compose, name, unit)
        assign(self._occlusion, "geometry", 1)

    # -- the room ------------------------------------------------------------------------------------------------

    def set_room(self, room: Room) -> None:
        """Uploads a room and draws its shadow maps. Call it again after the room changed."""
        with self.context:
            self._instances = self._buffers.upload(room)
            self._set_lights(room)
            self._shadows.draw(room, self._instances)
        self.room = room

    # -- light ---------------------------------------------------------------------------------------------------

    def _set_lights(self, room: Room) -> None:
        lights = strongest_lights(room)
        places = np.zeros((MAX_LIGHTS, 3), np.float32)
        for i, light in enumerate(lights):
            places[i] = light.position
        assign(self._colour, "light_count", len(lights))
        assign(self._colour, "light_place", places.tobytes())

    def _light_space(self, room: Room, space: int) -> None:
        """Sets the lights of the next draw calls: those of the room itself (0) or of the second one (1)."""
        colours = np.zeros((MAX_LIGHTS, 3), np.float32)
        for i, light in enumerate(lights_in(room, space)):
            colours[i] = np.asarray(light.color) * light.intensity
        assign(self._colour, "light_colour", colours.tobytes())
        ambient = np.asarray(ambient_in(room, space), float)
        assign(self._colour, "sky", tuple(ambient * 1.15))
        assign(self._colour, "ground", tuple(ambient * 0.85))

    # -- pictures ------------------------------------------------------------------------------------------------

    def render(self, camera: CameraPose, *, supersample: int = 2, occlusion: float = 0.8) -> Observation:
        """Draws the room from ``camera``. ``supersample`` squared samples are averaged for each pixel."""
        k = camera.intrinsics
        if not 1 <= supersample <= 8:
            raise ValueError(f"supersample must lie between 1 and 8. Got {supersample}")
        room, visible = self._visible(camera)
        with self.context:
            targets = self._target(k.width, k.height, supersample)
            self._draw_geometry(camera, targets, visible)
            self._shadows.draw_visibility(camera, targets.geometry.image, targets.lamps_seen.frame)
            self._draw_colour(room, camera, targets, visible, supersample)
            self._finish(k, targets, supersample, occlusion)
            rgb = np.frombuffer(targets.final.frame.read(components=3, alignment=1), np.uint8)
            depth, ids = _read_geometry(targets, k)
        return Observation(rgb=rgb.reshape(k.height, k.width, 3), depth=depth, ids=ids)

    def measure(self, camera: CameraPose) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
        """Only depth (H, W) and ids (H, W)."""
        visible = self._visible(camera)[1]
        with self.context:
            targets = self._target(camera.intrinsics.width, camera.intrinsics.height, 1)
            self._draw_geometry(camera, targets, visible)
            return _read_geometry(targets, camera.intrinsics)

    def _visible(self, camera: CameraPose) -> tuple[Room, list[Instance]]:
        """The room, and what may be in the picture, near things first: they hide the rest before it is shaded.

        What belongs to the second room comes last, and only if it may be seen through the opening.
        """
        if self.room is None:
            raise RuntimeError("the renderer has no room yet; call set_room(room) first")
        optical_from_world = invert_pose(camera.world_from_optical)
        centers = transform_points(optical_from_world, np.stack([one.center for one in self._instances]))
        radius = np.array([one.radius for one in self._instances])
        inside = centers[:, 2] > NEAR - radius
        for normal in frustum_normals(camera.intrinsics):
            inside &= centers @ normal > -radius
        beyond = np.array([one.space for one in self._instances])
        portal = portal_normals(self.room, camera.position)
        if portal is not None:
            through = (centers @ (portal @ camera.world_from_optical[:3, :3]).T > -radius[:, None]).all(axis=1)
            inside &= through | (beyond == 0)
        walls = np.array([one.id == 0 for one in self._instances])
        order = np.argsort(centers[:, 2] - radius + 1000.0 * walls + 2000.0 * beyond, kind="stable")
        return self.room, [self._instances[i] for i in order if inside[i]]

    def _use_camera(self, program: moderngl.Program, camera: CameraPose) -> None:
        k = camera.intrinsics
        assign(program, "optical_from_world", columns(invert_pose(camera.world_from_optical)))
        right, down = 2 * (k.cx + 0.5) / k.width - 1, 2 * (k.cy + 0.5) / k.height - 1
        assign(program, "lens", (2 * k.fx / k.width, 2 * k.fy / k.height, right, down))
        assign(program, "clip_range", (NEAR, FAR))

    def _draw_geometry(self, camera: CameraPose, targets: _Targets, visible: list[Instance]) -> None:
        program = self._geometry
        self._use_camera(program, camera)
        targets.geometry.frame.use()
        targets.geometry.frame.clear()
        self.context.enable_only(moderngl.DEPTH_TEST)
        for one in visible:
            assign(program, "world_from_own", one.world_from_own)
            assign(program, "world_normal_from_own", one.world_normal_from_own)
            assign(program, "object_id", float(one.id))
            one.mesh.geometry.render()

    def _draw_colour(
        self, room: Room, camera: CameraPose, targets: _Targets, visible: list[Instance], supersample: int
    ) -> None:
        program = self._colour
        self._use_camera(program, camera)
        assign(program, "eye", tuple(camera.world_from_optical[:3, 3]))
        targets.fine.frame.use()
        targets.fine.frame.clear()
        self.context.enable_only(moderngl.DEPTH_TEST)
        self._shadows.use(targets.lamps_seen.image)
        assign(program, "samples", supersample)
        space = -1
        for one in visible:
            if one.space != space:
                space = one.space
                self._light_space(room, space)
            assign(program, "world_from_own", one.world_from_own)
            assign(program, "world_normal_from_own", one.world_normal_from_own)
            assign(program, "tint", one.tint)
            assign(program, "flat_colour", one.flat_colour)
            assign(program, "gloss", one.gloss)
            (one.mesh.textures or self._no_texture).use(0)
            one.mesh.colour.render()

    def _finish(self, k: Intrinsics, targets: _Targets, supersample: int, occlusion: float) -> None:
        self.context.disable(moderngl.DEPTH_TEST)
        targets.geometry.image.use(1)
        if occlusion > 0:
            targets.occlusion.frame.use()
            assign(self._occlusion, "unproject", (1 / k.fx, 1 / k.fy, k.cx, k.cy))
            assign(self._occlusion, "reach", (OCCLUSION_RADIUS, k.fx))
            self._occlusion_screen.render(vertices=3)
        targets.final.frame.use()
        targets.fine.image.use(0)
        targets.occlusion.image.use(2)
        assign(self._compose, "samples", supersample)
        assign(self._compose, "occlusion_strength", occlusion)
        self._compose_screen.render(vertices=3)

    def _target(self, width: int, height: int, supersample: int) -> _Targets:
        key = (width, height, supersample)
        if key not in self._targets:
            size = (width, height)
            self._targets[key] = _Targets(
                geometry=_Target(self.context, size, 4, dtype="f4"),
                lamps_seen=_Target(self.context, size, 4),
                fine=_Target(self.context, (width * supersample, height * supersample), 4),
                occlusion=_Target(self.context, size, 1, dtype="f4"),
                final=_Target(self.context, size, 4),
            )
        return self._targets[key]

    @property
    def description(self) -> str:
        """The driver's name of the renderer."""
        return f"OpenGL: {self.context.info['GL_RENDERER']}, {self.context.info['GL_VERSION']}"

    def close(self) -> None:
        """Releases the graphics context."""
        self.context.release()


def frustum_normals(k: Intrinsics) -> FloatArray:
    """(4, 3) unit inward normals of the planes through the optical centre and the image's outer edges."""
    left, right = (-0.5 - k.cx) / k.fx, (k.width - 0.5 - k.cx) / k.fx
    top, bottom = (-0.5 - k.cy) / k.fy, (k.height - 0.5 - k.cy) / k.fy
    normals = np.array([[1, 0, -left], [-1, 0, right], [0, 1, -top], [0, -1, bottom]], float)
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def _create_context() -> moderngl.Context:
    try:
        settings: dict[str, Any] = {"backend": "egl"}
        return moderngl.create_context(require=330, standalone=True, **settings)
    except Exception as error:
        raise RuntimeError(f"no OpenGL 3.3 through EGL: {error}. {GL_REMEDY}") from error


def _read_geometry(targets: _Targets, k: Intrinsics) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    raw = np.frombuffer(targets.geometry.image.read(), np.float32).reshape(k.height, k.width, 4)
    return raw[..., 0].copy(), raw[..., 1].astype(np.uint16)
