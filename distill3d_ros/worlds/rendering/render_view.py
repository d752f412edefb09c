"""Rendered views of a room with ground truth: frame, scene and object ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray, Frame
from distill3d_ros.scene.geometry import level_from_world, level_rotation, transform_points, yaw_of
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject
from distill3d_ros.worlds.camera_pose import CameraPose
from distill3d_ros.worlds.contacts import ContactTruth
from distill3d_ros.worlds.rendering.distortion import Distortion, covering_pinhole, distort
from distill3d_ros.worlds.rendering.interface import Observation, RoomRenderer
from distill3d_ros.worlds.room import Room, WorldBox

MIN_VISIBLE_PIXELS = 12
"""Objects with fewer visible pixels are left out of the scene: nobody could recognise them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One camera's frame and its ground truth."""

    frame: Frame
    scene: Scene
    ids: NDArray[np.uint16]
    """(H, W) object ids at the pixel centre; 0 is the room itself. Clutter and hardly visible objects are in it too."""


def render_frame(
    renderer: RoomRenderer, room: Room, truth: ContactTruth, camera: CameraPose, *, supersample: int = 2
) -> tuple[Frame, Scene]:
    """The frame and the true scene of one camera in ``room``."""
    view = render_view(renderer, room, truth, camera, supersample=supersample)
    return view.frame, view.scene


def render_view(
    renderer: RoomRenderer,
    room: Room,
    truth: ContactTruth,
    camera: CameraPose,
    *,
    supersample: int = 2,
    distortion: Distortion | None = None,
) -> View:
    """Frame, scene and id image of one camera in ``room``, which becomes the renderer's room.

    With ``distortion`` the picture, depth and ids are distorted; the intrinsics do not account for it.
    """
    if renderer.room is not room:
        renderer.set_room(room)
    if distortion is None:
        observation = renderer.render(camera, supersample=supersample)
    else:
        pinhole = replace(camera, intrinsics=covering_pinhole(camera.intrinsics, distortion))
        observation = renderer.render(pinhole, supersample=supersample)
        observation = distort(observation, pinhole.intrinsics, camera.intrinsics, distortion)
    scene = scene_of(observation, room, truth, camera)
    return View(frame=frame_of(observation, camera), scene=scene, ids=observation.ids)


def frame_of(observation: Observation, camera: CameraPose) -> Frame:
    """The picture with everything known about its camera."""
    pose = np.asarray(camera.world_from_optical)
    return Frame(image=observation.rgb, intrinsics=camera.intrinsics, up=camera.up, world_from_camera=pose)


def scene_of(observation: Observation, room: Room, truth: ContactTruth, camera: CameraPose) -> Scene:
    """The named objects that the picture shows, with depth, contacts, gaps and supports among them."""
    level = level_from_world(camera.world_from_optical)
    visible = visible_parts(observation.ids)
    objects = []
    for placed in room.labelled():
        pixels, image_box = visible.get(placed.id, (0, None))
        if pixels < MIN_VISIBLE_PIXELS:
            continue
        objects.append(
            SceneObject(
                id=placed.id,
                label=placed.label,
                box=level_box(placed.box, level),
                visible_pixels=pixels,
                image_box=image_box,
                has_front=placed.model.has_front,
                model=placed.model.name,
            )
        )
    shown = {o.id for o in objects}
    return Scene(
        objects=tuple(objects),
        intrinsics=camera.intrinsics,
        level_from_optical=level_rotation(camera.up),
        depth=observation.depth,
        contacts=frozenset(key for key in truth.contacts if shown.issuperset(key)),
        gaps={key: gap for key, gap in truth.gaps.items() if shown.issuperset(key)},
        supports={a: b for a, b in truth.supports.items() if a in shown and b in shown},
    )


def level_box(box: WorldBox, level: FloatArray) -> Box3D:
    """A box of the world in the level frame of a camera; ``level``: (4, 4) from ``level_from_world``."""
    front = level[:3, :3] @ np.array([-np.sin(box.yaw), np.cos(box.yaw), 0.0])
    width, depth, height = box.size
    return Box3D(center=transform_points(level, box.center), size=np.array([width, height, depth]), yaw=yaw_of(front))


def visible_parts(ids: NDArray[np.integer]) -> Mapping[int, tuple[int, tuple[float, float, float, float]]]:
    """Object id -> number of its pixels and (left, top, right, bottom) of their outer edges, in pixels.

    Edges lie half a pixel outside the outermost pixel centres: a single pixel at (3, 5) gives (2.5, 4.5, 3.5, 5.5).
    """
    rows, columns = np.nonzero(ids)
    found = ids[rows, columns].astype(np.int64)
    if not len(found):
        return {}
    count = np.bincount(found)
    low = np.full((len(count), 2), np.inf)
    high = np.full((len(count), 2), -np.inf)
    at = np.stack([columns, rows], axis=1).astype(float)
    np.minimum.at(low, found, at)
    np.maximum.at(high, found, at)
    return {
        int(i): (int(count[i]), (low[i, 0] - 0.5, low[i, 1] - 0.5, high[i, 0] + 0.5, high[i, 1] + 0.5))
        for i in np.flatnonzero(count)
    }
