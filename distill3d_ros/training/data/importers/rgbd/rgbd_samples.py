"""Frames of a recording, with their labels, as samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.annotation import Annotation
from distill3d_ros.scene.frame import FloatArray, Frame, Intrinsics
from distill3d_ros.scene.geometry import level_rotation
from distill3d_ros.scene.objects import Scene, SceneObject
from distill3d_ros.training.data.importers.floor_plane import Floor, find_floor
from distill3d_ros.training.data.importers.resampling import fit_picture, nearest_pixels
from distill3d_ros.training.data.importers.rgbd.labels import FrameLabels, Labels, Rectangle
from distill3d_ros.training.data.importers.rgbd.recording import RgbdFrame
from distill3d_ros.training.data.importers.visible_boxes import rectangle_box, visible_objects
from distill3d_ros.training.data.sample import UNKNOWN_ID, Sample

FINER = {"chair": ("armchair", "stool"), "sofa": ("armchair",), "cabinet": ("wardrobe",)}
"""Class -> finer classes that its things may be where these were not looked for."""


class RgbdSamples:
    """Makes samples.

    Args:
        size: width and height of their pictures.
        floor: look for the floor where tf does not tell gravity.
        labels: None without.
    """

    def __init__(self, *, size: tuple[int, int], floor: bool, labels: Labels | None) -> None:
        self._size, self._floor, self._labels = size, floor, labels
        self.with_floor = self.labelled = self.objects = 0

    def sample(self, frame: RgbdFrame, *, room: str, split: str, marked: FrameLabels | None) -> Sample:
        """One frame with what is marked in it."""
        picture, camera = fit_picture(frame.image, frame.camera, self._size)
        depth = np.zeros((camera.height, camera.width), np.float32)
        if frame.depth is not None:
            depth = nearest_pixels(frame.depth, frame.camera, camera, outside=0.0)
        up, pose = self._level(frame)
        level = np.eye(3) if up is None else level_rotation(up)
        ids: NDArray[np.uint16] = np.zeros(depth.shape, np.uint16)
        objects: tuple[SceneObject, ...] = ()
        annotation = Annotation(
            depth="none" if frame.depth is None else "measured", boxes="none", masks=False, gravity=up is not None
        )
        if self._labels is not None and marked is None:
            ids = np.full(depth.shape, UNKNOWN_ID, np.uint16)
        elif self._labels is not None and marked is not None:
            ids, objects = self._marked(frame, marked, camera, depth, level)
            annotation = replace(
                annotation,
                boxes="visible",
                masks=marked.masks,
                classes=self._labels.classes,
                covers=covers_of(self._labels.classes),
            )
        self.labelled += marked is not None
        self.objects += len(objects)
        return Sample(
            key=f"{frame.name}-00",
            frame=Frame(image=picture, intrinsics=camera, up=up, world_from_camera=pose),
            scene=Scene(
                objects=objects, intrinsics=camera, level_from_optical=level, depth=depth, annotation=annotation
            ),
            ids=ids,
            room=room,
            room_type="",
            split=split,
        )

    def _level(self, frame: RgbdFrame) -> tuple[FloatArray | None, FloatArray | None]:
        """Up and the pose above the floor: from tf, else from the floor in the depth."""
        if frame.up is not None and frame.height is not None:
            self.with_floor += 1
            return frame.up, Floor(up=frame.up, height=frame.height).world_from_camera()
        found = find_floor(frame.depth, frame.camera) if self._floor and frame.depth is not None else None
        self.with_floor += found is not None
        if found is None:
            return frame.up, None
        return (found.up if frame.up is None else frame.up), found.world_from_camera()

    def _marked(
        self, frame: RgbdFrame, marked: FrameLabels, camera: Intrinsics, depth: FloatArray, level: FloatArray
    ) -> tuple[NDArray[np.uint16], tuple[SceneObject, ...]]:
        ids = nearest_pixels(marked.ids, frame.camera, camera, outside=UNKNOWN_ID)
        if marked.masks and frame.depth is not None:
            seen_objects, ids = visible_objects(ids, marked.classes, depth, camera, level)
            return ids, seen_objects
        rectangles = marked.rectangles if not marked.masks else _rectangles_of(marked.ids)
        objects: list[SceneObject] = []
        for number, rectangle in rectangles.items():
            seen = _moved(rectangle, frame.camera, camera)
            if seen is None:
                continue
            box = rectangle_box(seen, depth, camera, level)
            objects.append(
                SceneObject(
                    id=number,
                    label=marked.classes[number],
                    box=box,
                    image_box=seen,
                    visible_pixels=int((ids == number).sum()) if marked.masks else None,
                )
            )
        return ids, tuple(objects)


def covers_of(classes: frozenset[str]) -> dict[str, tuple[str, ...]]:
    """Which of the classes looked for may show things of finer ones that were not."""
    found = {label: tuple(c for c in finer if c not in classes) for label, finer in FINER.items() if label in classes}
    return {label: finer for label, finer in found.items() if finer}


def _rectangles_of(ids: NDArray[np.uint16]) -> dict[int, Rectangle]:
    rectangles = {}
    for number in np.unique(ids[(ids > 0) & (ids < UNKNOWN_ID)]).tolist():
        rows, columns = np.nonzero(ids == number)
        rectangles[number] = (columns.min() - 0.5, rows.min() - 0.5, columns.max() + 0.5, rows.max() + 0.5)
    return rectangles


def _moved(rectangle: Rectangle, camera: Intrinsics, wanted: Intrinsics) -> Rectangle | None:
    """The part of a rectangle that another camera at the same place sees; None where it sees less than two pixels."""
    x = [float((u - camera.cx) / camera.fx * wanted.fx + wanted.cx) for u in (rectangle[0], rectangle[2])]
    y = [float((v - camera.cy) / camera.fy * wanted.fy + wanted.cy) for v in (rectangle[1], rectangle[3])]
    left, right = np.clip(x, -0.5, wanted.width - 0.5).tolist()
    top, bottom = np.clip(y, -0.5, wanted.height - 0.5).tolist()
    return None if right - left < 2 or bottom - top < 2 else (left, top, right, bottom)
