"""A room in graphics memory: the buffers of its furniture, cached by model, and of its walls."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import moderngl
import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.worlds.furniture.furniture_model import FurnitureModel
from distill3d_ros.worlds.rendering.meshes import model_buffers
from distill3d_ros.worlds.rendering.walls import WallMesh, wall_meshes
from distill3d_ros.worlds.room import PlacedObject, Room

COLOUR_INPUTS = ("in_position", "in_normal", "in_colour", "in_uv")


@dataclass(slots=True)
class Mesh:
    """A mesh in graphics memory, with one vertex array for each of the three programs."""

    vertices: moderngl.Buffer
    indices: moderngl.Buffer | None
    colour: moderngl.VertexArray
    geometry: moderngl.VertexArray
    shadow: moderngl.VertexArray
    textures: moderngl.TextureArray | None

    def release(self) -> None:
        for part in (self.colour, self.geometry, self.shadow, self.vertices, self.indices, self.textures):
            if part is not None:
                part.release()


@dataclass(slots=True)
class Instance:
    """A mesh in the room, with its pose and colours."""

    id: int
    mesh: Mesh
    world_from_own: bytes
    world_normal_from_own: bytes
    center: FloatArray
    radius: float
    tint: tuple[float, float, float]
    flat_colour: tuple[float, float, float, float]
    gloss: tuple[float, float]
    space: int
    """0 is the room itself, 1 the second one."""


class RoomBuffers:
    """Uploads rooms. A model's buffers stay until ``limit`` other models were used since."""

    def __init__(self, context: moderngl.Context, programs: dict[str, moderngl.Program], *, limit: int) -> None:
        self._context = context
        self._programs = programs
        self._limit = limit
        self._models: OrderedDict[int, tuple[FurnitureModel, Mesh]] = OrderedDict()
        self._walls: list[Mesh] = []

    def upload(self, room: Room) -> list[Instance]:
        """Everything in the room, its walls first; replaces the last room."""
        for wall in self._walls:
            wall.release()
        self._walls = []
        instances = [self._wall(wall) for wall in wall_meshes(room)]
        instances += [self._furniture(placed, int(room.space_of(placed.position))) for placed in room.objects]
        while len(self._models) > max(self._limit, len(room.objects)):
            self._models.popitem(last=False)[1][1].release()
        return instances

    def _wall(self, wall: WallMesh) -> Instance:
        height, width = wall.surface.image.shape[:2]
        image = np.ascontiguousarray(wall.surface.image).tobytes()
        textures = self._context.texture_array((width, height, 1), 3, image, alignment=1)
        mesh = self._upload(wall.vertices, None, _repeating(textures))
        self._walls.append(mesh)
        return Instance(
            id=0,
            mesh=mesh,
            world_from_own=columns(np.eye(4)),
            world_normal_from_own=columns(np.eye(3)),
            center=wall.center,
            radius=wall.radius,
            tint=(1.0, 1.0, 1.0),
            flat_colour=(0.0, 0.0, 0.0, 0.0),
            gloss=wall.gloss,
            space=wall.space,
        )

    def _furniture(self, placed: PlacedObject, space: int) -> Instance:
        world_from_own = np.eye(4)
        world_from_own[:3, :3] = placed.rotation * placed.scale
        world_from_own[:3, 3] = placed.position
        half = placed.model.size * placed.scale / 2
        flat = (0.0, 0.0, 0.0, 0.0)
        if placed.flat_color is not None:
            flat = (float(placed.flat_color[0]), float(placed.flat_color[1]), float(placed.flat_color[2]), 1.0)
        return Instance(
            id=placed.id,
            mesh=self._mesh_of(placed.model),
            world_from_own=columns(world_from_own),
            world_normal_from_own=columns(placed.rotation / placed.scale),
            center=placed.to_world([0.0, 0.0, float(placed.model.size[2]) / 2]),
            radius=float(np.linalg.norm(half)) + 0.02,
            tint=(float(placed.tint[0]), float(placed.tint[1]), float(placed.tint[2])),
            flat_colour=flat,
            gloss=(0.06, 24.0),
            space=space,
        )

    def _mesh_of(self, model: FurnitureModel) -> Mesh:
        if id(model) in self._models:
            self._models.move_to_end(id(model))
            return self._models[id(model)][1]
        textures = None
        if len(model.textures):
            layers, height, width = model.textures.shape[:3]
            images = np.ascontiguousarray(model.textures).tobytes()
            textures = _repeating(self._context.texture_array((width, height, layers), 3, images, alignment=1))
        vertices, indices = model_buffers(model)
        mesh = self._upload(vertices, indices, textures)
        self._models[id(model)] = (model, mesh)  # keeping the model keeps its id from being used again
        return mesh

    def _upload(self, vertices: NDArray[Any], indices: NDArray[np.int32] | None, textures: Any) -> Mesh:
        buffer = self._context.buffer(vertices.tobytes())
        index = None if indices is None else self._context.buffer(indices.tobytes())
        make = self._context.vertex_array
        return Mesh(
            vertices=buffer,
            indices=index,
            colour=make(self._programs["colour"], [(buffer, "3f 3f 3f 3f", *COLOUR_INPUTS)], index),
            geometry=make(self._programs["geometry"], [(buffer, "3f 3f 24x", "in_position", "in_normal")], index),
            shadow=make(self._programs["shadow"], [(buffer, "3f 36x", "in_position")], index),
            textures=textures,
        )


def _repeating(textures: moderngl.TextureArray) -> moderngl.TextureArray:
    textures.build_mipmaps()
    textures.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
    textures.repeat_x = textures.repeat_y = True
    return textures


def columns(matrix: FloatArray) -> bytes:
    """A matrix as OpenGL stores it, column by column."""
    return np.ascontiguousarray(matrix.T, np.float32).tobytes()


def assign(program: moderngl.Program, name: str, value: bytes | float | tuple[float, ...]) -> None:
    """Sets a uniform; arrays and matrices come as bytes."""
    uniform = program[name]
    if not isinstance(uniform, moderngl.Uniform):
        raise TypeError(f"{name!r} is not a uniform of the program. Got {type(uniform).__name__}")
    if isinstance(value, bytes):
        uniform.write(value)
    else:
        uniform.value = value
