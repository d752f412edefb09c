"""Frames of the labelled file as samples: what is marked, where it is, and which way is up."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.annotation import Annotation
from distill3d_ros.scene.frame import FloatArray, Frame, Intrinsics
from distill3d_ros.scene.geometry import level_rotation
from distill3d_ros.scene.labels import LABELS
from distill3d_ros.scene.objects import Scene
from distill3d_ros.training.data.importers.floor_plane import Floor, floor_from_mask
from distill3d_ros.training.data.importers.nyuv2.labeled_file import CAMERA, LabeledFile
from distill3d_ros.training.data.importers.nyuv2.name_table import NameTable
from distill3d_ros.training.data.importers.resampling import fit_picture, nearest_pixels
from distill3d_ros.training.data.importers.visible_boxes import visible_objects
from distill3d_ros.training.data.sample import UNKNOWN_ID, Sample

INSIDE = {"left": 10, "top": 10, "width": 620, "height": 460}
"""The picture without its white border."""
MEASURED_ROWS, MEASURED_COLUMNS = slice(45, 471), slice(41, 601)
"""The crop in which published figures are computed (Eigen, Puhrsch and Fergus, "Depth Map Prediction from a Single
Image using a Multi-Scale Deep Network", 2014)."""
_LABELS = tuple(LABELS)
T = TypeVar("T", bound=np.generic)


class LabeledFrames:
    """Makes samples of a file's frames.

    Args:
        names: what the file's labels mean.
        up: (N, 3) unit vectors against gravity by frame, NaN where unknown; None if no frame has one.
        size: width and height of pictures that are trained with.
    """

    def __init__(self, data: LabeledFile, names: NameTable, *, up: FloatArray | None, size: tuple[int, int]) -> None:
        self._data, self._names, self._up, self._size = data, names, up, size
        self._whole = CAMERA.cropped(**INSIDE)

    def sample(self, i: int, split: str) -> Sample:
        """Frame ``i``, from 0; its key counts from 1, as the published numbers do."""
        test = split == "test"
        depth = self._data.depth(i)
        if test:
            measured = np.zeros_like(depth)
            measured[MEASURED_ROWS, MEASURED_COLUMNS] = depth[MEASURED_ROWS, MEASURED_COLUMNS]
            depth = measured
        whole = self._whole
        size = (whole.width, whole.height) if test else self._size
        picture, camera = fit_picture(_inside(self._data.image(i)), whole, size)
        up, floor = self._level(i)
        level = np.eye(3) if up is None else level_rotation(up)
        scene = Scene(
            objects=(),
            intrinsics=camera,
            level_from_optical=level,
            depth=nearest_pixels(_inside(depth), whole, camera, outside=0.0),
            annotation=self._annotation(gravity=up is not None),
        )
        ids, scene = self._marked(i, scene, camera)
        return Sample(
            key=f"nyu-{i + 1:04d}-00",
            frame=Frame(
                image=picture,
                intrinsics=camera,
                up=up,
                world_from_camera=None if floor is None else floor.world_from_camera(),
            ),
            scene=scene,
            ids=ids,
            room=_text(self._data.scenes, i) or f"nyu-{i + 1:04d}",
            room_type=_text(self._data.scene_types, i).replace("_", " "),
            split=split,
        )

    def _annotation(self, *, gravity: bool) -> Annotation:
        if not self._data.has_labels:
            return Annotation(depth="measured", boxes="none", masks=False, gravity=gravity)
        return Annotation(
            depth="measured",
            boxes="visible",
            gravity=gravity,
            classes=self._names.classes,
            covers=self._names.covers,
        )

    def _level(self, i: int) -> tuple[FloatArray | None, Floor | None]:
        """Up, and the floor where it is labelled; the floor's normal is the better up where both agree."""
        up = None if self._up is None or not np.isfinite(self._up[i]).all() else self._up[i]
        if not self._names.floors:
            return up, None
        floor = floor_from_mask(self._data.depth(i), _floor_mask(self._data, self._names, i), CAMERA, up=up)
        return (up, None) if floor is None else (floor.up, floor)

    def _marked(self, i: int, scene: Scene, camera: Intrinsics) -> tuple[NDArray[np.uint16], Scene]:
        if not self._data.has_labels:
            return np.full((camera.height, camera.width), UNKNOWN_ID, np.uint16), scene
        ids, labels = self._ids(i)
        ids = nearest_pixels(_inside(ids), self._whole, camera, outside=UNKNOWN_ID)
        assert scene.depth is not None
        objects, ids = visible_objects(ids, labels, scene.depth, camera, scene.level_from_optical)
        return ids, replace(scene, objects=objects)

    def _ids(self, i: int) -> tuple[NDArray[np.uint16], dict[int, str]]:
        """(480, 640) ids: 0 the room and things of no class, ``UNKNOWN_ID``, else things by number; their classes."""
        labels = self._data.labels(i).astype(np.int64)
        if labels.max(initial=0) >= len(self._names.meanings):
            labels = np.where(labels < len(self._names.meanings), labels, 0)
        numbers = self._names.lookup()[labels]
        given = self._data.instances(i)
        instances = connected_parts(labels) if given is None else given
        ids = np.where(numbers < 0, UNKNOWN_ID, 0).astype(np.uint16)
        marked = numbers > 0
        of_pair = labels * (1 << 16) + instances
        found: dict[int, str] = {}
        for number, key in enumerate(np.unique(of_pair[marked]), 1):
            mask = of_pair == key
            ids[mask] = number
            found[number] = _LABELS[int(numbers[mask][0]) - 1]
        return ids, found


def connected_parts(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """(H, W) numbers that tell connected areas of one label apart, 8-connected."""
    parts, next_number = np.zeros_like(labels), 0
    for label in np.unique(labels):
        count, found = cv2.connectedComponents((labels == label).astype(np.uint8), connectivity=8)
        parts = np.where(found > 0, found + next_number, parts)
        next_number += count - 1
    return parts


def floor_normal(data: LabeledFile, names: NameTable, i: int) -> FloatArray | None:
    """(3,) unit normal of a frame's labelled floor, optical frame; None if there is no plane."""
    floor = floor_from_mask(data.depth(i), _floor_mask(data, names, i), CAMERA)
    return None if floor is None else floor.up


def _floor_mask(data: LabeledFile, names: NameTable, i: int) -> NDArray[np.bool_]:
    mask = np.isin(data.labels(i), names.floors)
    inside = np.zeros_like(mask)
    inside[MEASURED_ROWS, MEASURED_COLUMNS] = mask[MEASURED_ROWS, MEASURED_COLUMNS]
    return inside


def _inside(image: NDArray[T]) -> NDArray[T]:
    left, top = INSIDE["left"], INSIDE["top"]
    return image[top : top + INSIDE["height"], left : left + INSIDE["width"]]


def _text(texts: tuple[str, ...] | None, i: int) -> str:
    return "" if texts is None else texts[i]
