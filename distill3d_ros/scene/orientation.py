"""Quarter turns of a picture and its camera, so that a camera mounted on its side or upside down sees upright things.

A turn is counter-clockwise by 90 degrees, as ``numpy.rot90`` turns. Boxes of a scene are in its level frame, which
gravity and the direction of view determine, so they stay as they are.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from distill3d_ros.scene.frame import FloatArray, Frame, Intrinsics
from distill3d_ros.scene.geometry import turned_pose
from distill3d_ros.scene.objects import Scene, SceneObject

_LEAST_ACROSS = 0.35
"""Part of the up vector that lies in the image plane, below which a camera looks so steeply that no edge is "up"."""


def quarter_turns_to_upright(up: FloatArray | None) -> int:
    """Turns (0 to 3) after which gravity points nearest to the picture's lower edge; 0 where ``up`` does not tell.

    Args:
        up: (3,) unit vector against gravity in the optical frame (x right, y down, z forward).
    """
    if up is None or float(np.hypot(up[0], up[1])) < _LEAST_ACROSS:
        return 0
    return round(float(np.arctan2(up[0], -up[1])) / (np.pi / 2)) % 4


def turned_from_optical(turns: int) -> FloatArray:
    """(3, 3) rotation from the optical frame of a picture to that of the picture after ``turns``."""
    once = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    return np.rint(np.linalg.matrix_power(once, turns % 4))


def turn_intrinsics(camera: Intrinsics, turns: int) -> Intrinsics:
    """The camera of the turned picture."""
    for _ in range(turns % 4):
        camera = Intrinsics(
            fx=camera.fy,
            fy=camera.fx,
            cx=camera.cy,
            cy=camera.width - 1 - camera.cx,
            width=camera.height,
            height=camera.width,
        )
    return camera


def turn_frame(frame: Frame, turns: int) -> Frame:
    """The frame as if its camera had been mounted ``turns`` quarter turns further clockwise."""
    if turns % 4 == 0:
        return frame
    turned = turned_from_optical(turns)
    return replace(
        frame,
        image=np.ascontiguousarray(np.rot90(frame.image, turns)),
        intrinsics=turn_intrinsics(frame.intrinsics, turns),
        up=None if frame.up is None else turned @ frame.up,
        world_from_camera=turned_pose(frame.world_from_camera, turned.T),
        base_from_camera=turned_pose(frame.base_from_camera, turned.T),
        depth=None if frame.depth is None else np.ascontiguousarray(np.rot90(frame.depth, turns)),
    )


def turn_scene_back(scene: Scene, turns: int) -> Scene:
    """What was perceived in a picture after ``turns``, for the picture and the optical frame before them."""
    if turns % 4 == 0:
        return scene
    camera = turn_intrinsics(scene.intrinsics, -turns)
    return replace(
        scene,
        objects=tuple(_turn_back(o, scene.intrinsics, turns) for o in scene.objects),
        intrinsics=camera,
        level_from_optical=np.asarray(scene.level_from_optical) @ turned_from_optical(turns),
        depth=None if scene.depth is None else np.ascontiguousarray(np.rot90(scene.depth, -turns)),
        depth_confidence=(
            None if scene.depth_confidence is None else np.ascontiguousarray(np.rot90(scene.depth_confidence, -turns))
        ),
    )


def _turn_back(o: SceneObject, camera: Intrinsics, turns: int) -> SceneObject:
    if o.image_box is None:
        return o
    left, top, right, bottom = o.image_box
    width, height = camera.width, camera.height
    for _ in range(turns % 4):  # each clockwise: the left edge becomes the upper one
        left, top, right, bottom = height - 1 - bottom, left, height - 1 - top, right
        width, height = height, width
    return replace(o, image_box=(left, top, right, bottom))
