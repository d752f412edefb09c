"""The labelled part of NYU Depth V2 as shards, to measure depth on: ``distill3d data import nyuv2``.

Silberman et al., "Indoor Segmentation and Support Inference from RGBD Images" (ECCV 2012).

Published layout of ``nyu_depth_v2_labeled.mat``, MATLAB 7.3, which is HDF5. MATLAB's axes come out reversed: ``images``
is (N, 3, 640, 480) uint8, ``depths`` (N, 640, 480) float32 metres; ``scenes`` and ``sceneTypes`` are (1, N) references
to texts, which are (length, 1) uint16 characters.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from distill3d_ros.scene.annotation import Annotation
from distill3d_ros.scene.frame import Frame, Intrinsics
from distill3d_ros.scene.objects import Scene
from distill3d_ros.training.data.importers.import_folder import ImportFolder
from distill3d_ros.training.data.importers.import_options import NyuV2Options
from distill3d_ros.training.data.importers.published_files import SourceError
from distill3d_ros.training.data.importers.resampling import check_size, fit_picture, register_depth
from distill3d_ros.training.data.manifest import Manifest
from distill3d_ros.training.data.sample import Sample
from distill3d_ros.training.data.shards import ShardWriter

IMPORTER_VERSION = 2
SPLIT = "test_known"
IMAGES_A_SHARD = 100
CAMERA = Intrinsics(fx=518.8579, fy=519.4696, cx=325.5824, cy=253.7362, width=640, height=480)
"""Of the colour camera, to which depth is registered; ``camera_params.m`` of the published toolbox."""
CROP = {"left": 40, "top": 44, "width": 561, "height": 427}
"""Inside it depth was measured and pictures have no white border: rows 45 to 471 and columns 41 to 601, counted from 1,
of ``get_projection_mask.m`` of the published toolbox."""


def import_nyuv2(options: NyuV2Options, *, report: Callable[[str], None] = print) -> Manifest:
    """Write all labelled images as split ``test_known`` of a data set, or what is missing of it.

    The samples have depth (``depths``, holes filled in by its authors) and no objects. Gravity is not known: their
    level frame is the optical frame.

    Args:
        options: the file; of a picture the largest centred part of the shape of ``size`` is cut out and resized.
        report: called with a line of text after each shard.

    Raises:
        SourceError: h5py is not installed, or the file is missing, damaged or not as published.
        ShardError: the folder holds data that was made in another way.
        ValueError: ``size`` is out of range.
        OSError: the folder cannot be written to.
    """
    size, path = check_size(options.size), Path(options.file)
    recipe = {"importer": "nyuv2", "importer_version": IMPORTER_VERSION, "size": list(size)}
    with _opened(path) as data, ImportFolder(options.out, recipe=recipe, split=SPLIT) as folder:
        number = _check_layout(data, path)
        firsts = range(0, number, IMAGES_A_SHARD)
        parts = {f"images {a + 1} to {b}": range(a, b) for a in firsts for b in [min(a + IMAGES_A_SHARD, number)]}
        missing = folder.missing({part: len(images) for part, images in parts.items()})
        for part in missing:
            fill = partial(_fill, data=data, images=parts[part], size=size)
            info = folder.write(part, fill, rooms=len(parts[part]))
            report(f"{part}: {info.frames} frames, {number} in all")
        report(f"{folder.folder}: {SPLIT} has {folder.manifest.frames(SPLIT)} frames with depth and no objects")
        return folder.manifest


def _opened(path: Path) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise SourceError(f"{path} is read with h5py, which is not installed; run `pip install h5py`") from error
    if not path.is_file():
        raise SourceError(f"FILE must be nyu_depth_v2_labeled.mat of NYU Depth V2. Got {path}, which is no file")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise SourceError(f"{path} is not HDF5, as nyu_depth_v2_labeled.mat is ({error}); download it again") from error


def _check_layout(data: Any, path: Path) -> int:
    """The number of images."""
    absent = [name for name in ("images", "depths") if name not in data]
    if absent:
        raise SourceError(f"{path} has no {' and no '.join(absent)}; is it nyu_depth_v2_labeled.mat?")
    images, depths = data["images"].shape, data["depths"].shape
    if images[1:] != (3, CAMERA.width, CAMERA.height) or depths != (images[0], CAMERA.width, CAMERA.height):
        raise SourceError(
            f"{path}: images must be (N, 3, 640, 480) and depths (N, 640, 480). Got {images} and {depths}"
        )
    return int(images[0])


def _fill(writer: ShardWriter, *, data: Any, images: range, size: tuple[int, int]) -> int:
    for i in images:
        writer.add(_sample(data, i, size))
    return 0


def _sample(data: Any, i: int, size: tuple[int, int]) -> Sample:
    left, top, width, height = CROP["left"], CROP["top"], CROP["width"], CROP["height"]
    rows, columns = slice(top, top + height), slice(left, left + width)
    image = np.asarray(data["images"][i], np.uint8).transpose(2, 1, 0)[rows, columns]  # (h, w, 3)
    depth = np.asarray(data["depths"][i], np.float32).T[rows, columns]  # (h, w)
    whole = CAMERA.cropped(**CROP)
    picture, camera = fit_picture(image, whole, size)
    scene = Scene(
        objects=(),
        intrinsics=camera,
        depth=register_depth(depth, whole, camera),
        annotation=Annotation(depth="measured", boxes="none", masks=False, gravity=False),
    )
    name = f"nyu-{i + 1:04d}"  # counted from 1, as in the published splits
    return Sample(
        key=f"{name}-00",
        frame=Frame(image=picture, intrinsics=camera),
        scene=scene,
        ids=np.zeros((camera.height, camera.width), np.uint16),
        room=_text(data, "scenes", i) or name,
        room_type=_text(data, "sceneTypes", i).replace("_", " "),
        split=SPLIT,
    )


def _text(data: Any, name: str, i: int) -> str:
    """Entry ``i`` of a cell array of texts; empty if the file has no such array."""
    if name not in data:
        return ""
    return "".join(chr(c) for c in np.asarray(data[data[name][0][i]]).ravel())
