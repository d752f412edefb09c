"""ScanNet (v2) as shards: ``distill3d data import scannet``.

Dai et al., "ScanNet: Richly-annotated 3D Reconstructions of Indoor Scenes" (CVPR 2017). What is read of a scan and
what is made of it says docs/data_sets.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.annotation import Annotation
from distill3d_ros.scene.frame import FloatArray, Frame
from distill3d_ros.scene.geometry import level_from_world, level_rotation
from distill3d_ros.scene.objects import Scene, SceneObject
from distill3d_ros.training.data.importers.import_folder import ImportFolder
from distill3d_ros.training.data.importers.import_options import ScanNetOptions
from distill3d_ros.training.data.importers.instance_ids import hide_what_is_not_there, render_instances
from distill3d_ros.training.data.importers.published_files import MissingFile, missing_files_error
from distill3d_ros.training.data.importers.resampling import check_size, fit_picture, register_depth
from distill3d_ros.training.data.importers.rgbd_frames import RgbdFrames
from distill3d_ros.training.data.importers.scannet.scan_files import ScanFiles, find_label_map, scan_folders
from distill3d_ros.training.data.importers.scannet.scan_instances import AnnotatedMesh, read_annotated_mesh
from distill3d_ros.training.data.importers.scannet.scan_labels import MARKED, LabelMap
from distill3d_ros.training.data.manifest import Manifest
from distill3d_ros.training.data.sample import Sample
from distill3d_ros.training.data.shards import ShardWriter
from distill3d_ros.worlds.rendering.render_view import MIN_VISIBLE_PIXELS, level_box, visible_parts

IMPORTER_VERSION = 2
"""Raise it when the same scan gives other samples than before."""


def import_scannet(options: ScanNetOptions, *, report: Callable[[str], None] = print) -> Manifest:
    """Write the scans of a folder as one split of a data set, a shard a scan, or what is missing of it.

    Args:
        options: the scans, and the split that they are for; of a picture the largest centred part of the shape of
            ``size`` is cut out and resized.
        report: called with a line of text after each scan.

    Returns:
        The manifest; ``imported.json`` beside it says how many frames of each scan were left out.

    Raises:
        SourceError: files are missing (the message names all of them), damaged, or not as published.
        ShardError: the folder holds data that was made in another way.
        ValueError: ``every``, ``size`` or ``split`` is out of range.
        OSError: the folder cannot be written to.
    """
    every, split = options.every, options.split
    if every < 1:
        raise ValueError(f"every must be at least 1. Got {every}")
    size = check_size(options.size)
    source = Path(options.scans)
    names = None if options.scenes is None else Path(options.scenes).read_text().split()
    scans = {files.name: files for files in scan_folders(source, names)}
    label_map = LabelMap.read(find_label_map(source, None if options.labels is None else Path(options.labels)))
    recipe: dict[str, Any] = {
        "importer": "scannet",
        "importer_version": IMPORTER_VERSION,
        "every": every,
        "size": list(size),
        "labels_sha256": label_map.sha256,
    }
    with ImportFolder(options.out, recipe=recipe, split=split) as folder:
        missing = folder.missing(dict.fromkeys(scans, 1))
        absent: list[MissingFile] = [file for name in missing for file in scans[name].missing(every)]
        if absent:
            raise missing_files_error(absent)
        there = len(scans) - len(missing)
        report(f"{len(missing)} of {len(scans)} scans to import" + (f", {there} are there already" if there else ""))
        for count, name in enumerate(missing, start=there + 1):
            before = folder.left_out()
            info = folder.write(name, _Scan(scans[name], label_map, split=split, every=every, size=size).fill)
            lost = folder.left_out() - before
            report(f"{name}: {info.frames} frames, {lost} without a pose left out; {count} of {len(scans)} scans")
        report(f"{folder.folder}: {split} has {folder.manifest.frames(split)} frames, {folder.left_out()} left out")
        return folder.manifest


class _Scan:
    """One scan on its way into a shard."""

    def __init__(self, files: ScanFiles, labels: LabelMap, *, split: str, every: int, size: tuple[int, int]) -> None:
        self._files, self._labels, self._split, self._every, self._size = files, labels, split, every, size

    def fill(self, writer: ShardWriter) -> int:
        mesh, frames, left_out = read_annotated_mesh(self._files, self._labels), self._files.frames(), 0
        for number in frames.numbers:
            if number % self._every:
                continue
            pose = frames.pose(number)
            if not np.isfinite(pose).all():
                left_out += 1
                continue
            writer.add(self._sample(frames, number, self._files.axis_alignment @ pose, mesh))
        return left_out

    def _sample(self, frames: RgbdFrames, number: int, pose: FloatArray, mesh: AnnotatedMesh) -> Sample:
        image, camera = fit_picture(frames.image(number), frames.color, self._size)
        depth = register_depth(frames.depth_image(number), frames.depth, camera)
        ids, mesh_depth = render_instances(mesh.vertices, mesh.faces, mesh.face_ids, camera, pose)
        ids = hide_what_is_not_there(ids, mesh_depth, depth)
        up = pose[:3, :3].T @ np.array([0.0, 0.0, 1.0])
        up /= np.linalg.norm(up)
        scene = Scene(
            objects=visible_objects(mesh, ids, pose),
            intrinsics=camera,
            level_from_optical=level_rotation(up),
            depth=depth,
            annotation=Annotation(depth="measured", boxes="amodal", classes=MARKED),
        )
        return Sample(
            key=f"{self._files.name}-{number:06d}",
            frame=Frame(image=image, intrinsics=camera, up=up, world_from_camera=pose),
            scene=scene,
            ids=ids,
            room=self._files.name,
            room_type=self._files.room_type,
            split=self._split,
        )


def visible_objects(mesh: AnnotatedMesh, ids: NDArray[np.uint16], pose: FloatArray) -> tuple[SceneObject, ...]:
    """The labelled instances with enough pixels in ``ids`` (H, W), their boxes in the level frame of the camera.

    A box that was put around a scan does not tell front from back: ``has_front`` is False for all of them.

    Args:
        pose: (4, 4) aligned world from camera.
    """
    level, visible = level_from_world(pose), visible_parts(ids)
    objects = []
    for instance in mesh.instances:
        pixels, image_box = visible.get(instance.id, (0, None))
        if pixels >= MIN_VISIBLE_PIXELS:
            thing = SceneObject(id=instance.id, label=instance.label, box=level_box(instance.box, level))
            objects.append(replace(thing, visible_pixels=pixels, image_box=image_box))
    return tuple(objects)
