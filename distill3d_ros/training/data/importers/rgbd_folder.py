"""Pictures of one's own with measured depth as shards, to measure depth on: ``distill3d data import rgbd``.

A folder has either ``rgb/NAME.jpg`` (or ``.png``) beside ``depth/NAME.png``, or ``NAME_rgb.jpg`` beside
``NAME_depth.png``; both also in folders below it. Depth is as RGB-D drivers give it: 16-bit PNG, 0 where nothing was
measured, registered to the colour camera (``depth_registered`` in ROS).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np

from distill3d_ros.scene.annotation import Annotation
from distill3d_ros.scene.frame import Frame, Intrinsics
from distill3d_ros.scene.geometry import level_rotation
from distill3d_ros.scene.objects import Scene
from distill3d_ros.system.camera_calibration import for_image, read_camera_yaml
from distill3d_ros.training.data.importers.floor_plane import FLOOR_VERSION, find_floor
from distill3d_ros.training.data.importers.import_folder import ImportFolder
from distill3d_ros.training.data.importers.import_options import RgbdOptions
from distill3d_ros.training.data.importers.published_files import (
    MissingFile,
    SourceError,
    missing_files_error,
    read_picture,
)
from distill3d_ros.training.data.importers.resampling import check_size, fit_picture, register_depth
from distill3d_ros.training.data.manifest import Manifest
from distill3d_ros.training.data.sample import Sample
from distill3d_ros.training.data.shards import ShardWriter

IMPORTER_VERSION = 2
SPLIT = "test_known"
PART = "frames"
_PICTURES = (".jpg", ".jpeg", ".png")
_COLOR = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION  # the calibration is that of the sensor as it was
_AGAIN = "record this frame again"
_LAYOUTS = "rgb/NAME.jpg with depth/NAME.png, or NAME_rgb.jpg with NAME_depth.png"


def import_rgbd(options: RgbdOptions, *, report: Callable[[str], None] = print) -> Manifest:
    """Write all pairs of a folder as split ``test_known`` of a data set.

    The samples have depth and no objects. Unless the floor is looked for, gravity is not known: their level frame is
    the optical frame.

    Args:
        options: the pairs and their camera; distortion is not read, so pictures must be rectified. Of a picture the
            largest centred part of the shape of ``size`` is cut out and resized. With ``floor``, the floor that is
            found in the measured depth (see ``floor_plane``) tells what tf tells a robot.
        report: called with a line of text when all is written.

    Raises:
        SourceError: there are no pairs, a picture lacks its depth, or a file is damaged or of another size.
        ShardError: the folder holds data that was made in another way.
        ValueError: ``size``, ``depth_units`` or the calibration is wrong.
        OSError: the folder cannot be written to.
    """
    size, source, camera = check_size(options.size), Path(options.folder), Path(options.camera)
    depth_units, floor = options.depth_units, options.floor
    if not (np.isfinite(depth_units) and depth_units > 0):
        raise ValueError(f"--depth-units must be positive, such as 1000 for millimetres. Got {depth_units:g}")
    calibrated = read_camera_yaml(camera)
    pairs = find_pairs(source)
    recipe = {
        "importer": "rgbd",
        "importer_version": IMPORTER_VERSION,
        "size": list(size),
        "depth_units": depth_units,
        "files_sha256": _digest([camera, *(path for pair in pairs.values() for path in pair)]),
    } | ({"floor": FLOOR_VERSION} if floor else {})
    with ImportFolder(options.out, recipe=recipe, split=SPLIT) as folder:
        pictures = _Pictures(calibrated, depth_units, size, floor)
        for part in folder.missing({PART: len(pairs)}):
            folder.write(part, partial(pictures.fill, pairs=pairs), rooms=len(pairs))
            if floor:
                report(f"the floor is in sight in {pictures.with_floor} of {len(pairs)} frames")
        report(f"{folder.folder}: {SPLIT} has {folder.manifest.frames(SPLIT)} frames with depth and no objects")
        return folder.manifest


def find_pairs(source: Path) -> Mapping[str, tuple[Path, Path]]:
    """Name -> picture and depth, in the order of the samples' keys.

    Raises:
        SourceError: there are none, or a picture has no depth.
    """
    if not source.is_dir():
        raise SourceError(f"FOLDER must be a folder with {_LAYOUTS}. Got '{source}', which is none")
    pairs: dict[str, tuple[Path, Path]] = {}
    missing = []
    for picture in sorted(p for p in source.rglob("*") if p.suffix.lower() in _PICTURES):
        if picture.parent.name == "rgb":
            depth = picture.parent.parent / "depth" / f"{picture.stem}.png"
            name = picture.parent.parent / picture.stem
        elif picture.stem.endswith("_rgb"):
            name = picture.with_name(picture.stem.removesuffix("_rgb"))
            depth = picture.with_name(f"{name.name}_depth.png")
        else:
            continue
        key = re.sub(r"[^A-Za-z0-9]+", "-", name.relative_to(source).as_posix())
        if key in pairs:
            raise SourceError(f"'{picture}' and '{pairs[key][0]}' would both be called '{key}'; rename one")
        pairs[key] = picture, depth
        if not depth.is_file():
            missing.append(MissingFile(depth, f"the depth of {picture}, or remove that picture"))
    if missing:
        raise missing_files_error(missing)
    if not pairs:
        raise SourceError(f"'{source}' holds no pictures with depth: {_LAYOUTS}")
    return dict(sorted(pairs.items(), key=lambda item: _key(item[0])))


def _key(name: str) -> str:
    return f"{name}-00"


def _digest(files: Sequence[Path]) -> str:
    return sha256(b"".join(sha256(file.read_bytes()).digest() for file in files)).hexdigest()[:16]


class _Pictures:
    """Makes samples of pairs of files."""

    def __init__(self, calibrated: Intrinsics, depth_units: float, size: tuple[int, int], floor: bool) -> None:
        self.calibrated, self.depth_units, self.size, self.floor = calibrated, depth_units, size, floor
        self.with_floor = 0

    def fill(self, writer: ShardWriter, *, pairs: Mapping[str, tuple[Path, Path]]) -> int:
        for name, (picture, depth) in pairs.items():
            writer.add(self._sample(name, picture, depth))
        return 0

    def _sample(self, name: str, picture: Path, depth: Path) -> Sample:
        image = np.ascontiguousarray(read_picture(picture, _COLOR, remedy=_AGAIN)[..., ::-1], dtype=np.uint8)
        height, width = image.shape[:2]
        whole = for_image(self.calibrated, width=width, height=height, origin=f"'{picture}'")
        measured = read_picture(depth, cv2.IMREAD_UNCHANGED, remedy=_AGAIN)
        if measured.dtype != np.uint16 or measured.shape != (height, width):
            raise SourceError(
                f"'{depth}' must be a 16-bit PNG of one channel, {width}x{height} as its picture; register depth to "
                f"the colour camera. Got {measured.dtype}, shape {measured.shape}"
            )
        fitted, camera = fit_picture(image, whole, self.size)
        metres = measured.astype(np.float32) / np.float32(self.depth_units)
        ground = find_floor(metres, whole) if self.floor else None
        self.with_floor += ground is not None
        scene = Scene(
            objects=(),
            intrinsics=camera,
            depth=register_depth(metres, whole, camera),
            annotation=Annotation(depth="measured", boxes="none", masks=False, gravity=ground is not None),
        )
        frame = Frame(image=fitted, intrinsics=camera)
        return Sample(
            key=_key(name),
            frame=frame
            if ground is None
            else replace(frame, up=ground.up, world_from_camera=ground.world_from_camera()),
            scene=scene if ground is None else replace(scene, level_from_optical=level_rotation(ground.up)),
            ids=np.zeros((camera.height, camera.width), np.uint16),
            room=name,
            room_type="",
            split=SPLIT,
        )
