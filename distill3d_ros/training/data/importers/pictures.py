"""Pictures of one's own without depth and labels as shards: ``distill3d data import pictures``.

They are for a teacher to look at. Nothing is known about them but their camera: no depth, no objects, no gravity.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np

from distill3d_ros.scene.annotation import Annotation
from distill3d_ros.scene.frame import Frame, Intrinsics
from distill3d_ros.scene.objects import Scene
from distill3d_ros.system.camera_calibration import for_image, read_camera_yaml
from distill3d_ros.training.data.importers.import_folder import ImportFolder
from distill3d_ros.training.data.importers.import_options import PicturesOptions
from distill3d_ros.training.data.importers.published_files import SourceError, read_picture
from distill3d_ros.training.data.importers.resampling import check_size, fit_picture
from distill3d_ros.training.data.manifest import Manifest
from distill3d_ros.training.data.sample import Sample
from distill3d_ros.training.data.shards import ShardWriter

IMPORTER_VERSION = 1
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
NOTHING_KNOWN = Annotation(depth="none", boxes="none", masks=False, gravity=False)
_CALIBRATION = "camera.yaml"
_COLOR = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION  # the calibration is that of the sensor as it was
_SHARD = 500
"""Pictures in a shard."""


def import_pictures(options: PicturesOptions, *, report: Callable[[str], None] = print) -> Manifest:
    """Write the pictures of a folder, and of those below it, as one split of a data set.

    Args:
        options: the pictures and their one camera; distortion is not read, so pictures must be rectified. Of a picture
            the largest centred part of the shape of ``size`` is cut out and resized.
        report: called with a line of text when all is written.

    Raises:
        SourceError: there are no pictures, or a file is damaged.
        ShardError: the folder holds data that was made in another way.
        ValueError: the size, the camera or the field of view is wrong, or there is no camera.
        OSError: the folder cannot be written to.
    """
    size, source = check_size(options.size), Path(options.folder)
    files = list(find_pictures(source).items())[:: options.every]
    camera_of, camera_text = _camera(options, source)
    digest = sha256("".join([camera_text, *(_digest(file) for _, file in files)]).encode()).hexdigest()[:16]
    recipe = {"importer": "pictures", "importer_version": IMPORTER_VERSION, "size": list(size), "files_sha256": digest}
    parts = {f"pictures {at // _SHARD}": dict(files[at : at + _SHARD]) for at in range(0, len(files), _SHARD)}
    with ImportFolder(options.out, recipe=recipe, split=options.split) as folder:
        for part in folder.missing({name: len(of) for name, of in parts.items()}):
            fill = partial(_fill, files=parts[part], source=source, camera_of=camera_of, size=size, split=options.split)
            folder.write(part, fill, rooms=len(parts[part]))
        report(f"{options.out}: {options.split} has {folder.manifest.frames(options.split)} pictures without labels")
        return folder.manifest


def find_pictures(source: Path) -> Mapping[str, Path]:
    """Key of the sample -> picture, by name.

    Raises:
        SourceError: there are none, or two would have one key.
    """
    if not source.is_dir():
        raise SourceError(f"FOLDER must be a folder of pictures. Got '{source}', which is none")
    found: dict[str, Path] = {}
    for file in sorted(f for f in source.rglob("*") if f.suffix.lower() in PICTURES):
        name = re.sub(r"[^A-Za-z0-9]+", "-", file.relative_to(source).with_suffix("").as_posix())[-70:].strip("-")
        key = f"{name or 'picture'}-00"
        if key in found:
            raise SourceError(f"'{file}' and '{found[key]}' would both be called '{key}'; rename one")
        found[key] = file
    if not found:
        raise SourceError(f"'{source}' holds no picture ({', '.join(PICTURES)})")
    return found


def _camera(options: PicturesOptions, source: Path) -> tuple[Callable[[Path, int, int], Intrinsics], str]:
    """The camera of a file of this width and height, and text that names it."""
    calibration = options.camera
    if calibration is None and options.fov is None and (source / _CALIBRATION).is_file():
        calibration = source / _CALIBRATION
    if (calibration is None) == (options.fov is None):
        raise ValueError(
            f"the pictures' camera must be known: give --camera (YAML as camera_calibration writes it), put it into "
            f"the folder as {_CALIBRATION}, or give --fov, its horizontal field of view in degrees. Got "
            f"{'none of them' if calibration is None else 'both --camera and --fov'}"
        )
    if calibration is not None:
        known = read_camera_yaml(Path(calibration))
        return lambda file, width, height: for_image(known, width=width, height=height, origin=f"'{file}'"), repr(known)
    degrees = float(options.fov or 0.0)
    if not 1.0 <= degrees <= 170.0:
        raise ValueError(f"--fov must lie between 1 and 170 degrees. Got {degrees:g}")
    angle = math.radians(degrees)
    return lambda file, w, h: Intrinsics.from_fov(width=w, height=h, horizontal_fov=angle), f"fov {degrees:g}"


def _fill(
    writer: ShardWriter,
    *,
    files: Mapping[str, Path],
    source: Path,
    camera_of: Callable[[Path, int, int], Intrinsics],
    size: tuple[int, int],
    split: str,
) -> int:
    for key, file in files.items():
        image = np.ascontiguousarray(read_picture(file, _COLOR, remedy="remove it")[..., ::-1], dtype=np.uint8)
        height, width = image.shape[:2]
        fitted, camera = fit_picture(image, camera_of(file, width, height), size)
        blank = np.zeros((camera.height, camera.width))
        writer.add(
            Sample(
                key=key,
                frame=Frame(image=fitted, intrinsics=camera),
                scene=Scene(objects=(), intrinsics=camera, depth=blank.astype(np.float32), annotation=NOTHING_KNOWN),
                ids=blank.astype(np.uint16),
                room=file.parent.relative_to(source).as_posix() + "/" + file.stem,
                room_type="",
                split=split,
            )
        )
    return 0


def _digest(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest()
