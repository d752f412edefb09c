"""Pictures with depth in a folder.

Either ``rgb/NAME.jpg`` (or ``.png``) beside ``depth/NAME.png``, or ``NAME_rgb.jpg`` beside ``NAME_depth.png``; both
also in folders below it. Depth is as RGB-D drivers give it: 16-bit PNG, 0 where nothing was measured, registered to
the colour camera (``depth_registered`` in ROS).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np

from distill3d_ros.system.camera_calibration import for_image, read_camera_yaml
from distill3d_ros.training.data.importers.published_files import (
    MissingFile,
    SourceError,
    missing_files_error,
    read_picture,
)
from distill3d_ros.training.data.importers.rgbd.recording import RgbdFrame

PICTURES = (".jpg", ".jpeg", ".png")
_COLOR = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION  # the calibration is that of the sensor as it was
_AGAIN = "record this frame again"
_LAYOUTS = "rgb/NAME.jpg with depth/NAME.png, or NAME_rgb.jpg with NAME_depth.png"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The files of a frame."""

    picture: Path
    depth: Path | None
    """None where there is none."""
    mask: Path
    """Where its mask would be."""


class PicturePairs:
    """A recording as pictures.

    Args:
        source: the folder.
        camera: calibration of the colour camera.
        depth_units: what depth holds at 1 m.
        every: take every so many pictures, in the order of their names.
        need_depth: a picture without depth is an error.

    Raises:
        SourceError: there are no pictures, or one has no depth.
        ValueError: the calibration is wrong.
    """

    def __init__(
        self, source: Path, *, camera: Path, depth_units: float, every: int = 1, need_depth: bool = True
    ) -> None:
        self._camera_file, self._source, self._units = camera, source, depth_units
        self._camera = read_camera_yaml(camera)
        pairs = find_pairs(source, need_depth=need_depth)
        self._pairs = {name: pair for i, (name, pair) in enumerate(pairs.items()) if i % every == 0}

    @cached_property
    def places(self) -> Mapping[str, str]:
        """Of a picture its folder, ``rgb`` aside; where all are in one folder each is a place of its own."""
        folders = {name: _place(pair.picture.relative_to(self._source)) for name, pair in self._pairs.items()}
        if len(set(folders.values())) == 1:
            return {name: name for name in folders}
        return {name: folder or "." for name, folder in folders.items()}

    @cached_property
    def aliases(self) -> Mapping[str, tuple[str, ...]]:
        return {
            name: (pair.picture.relative_to(self._source).with_suffix("").as_posix(), pair.picture.stem)
            for name, pair in self._pairs.items()
        }

    @cached_property
    def digest(self) -> str:
        files = [path for pair in self._pairs.values() for path in (pair.picture, pair.depth) if path is not None]
        return digest_of([self._camera_file, *files])

    def mask_file(self, name: str) -> Path:
        return self._pairs[name].mask

    def frames(self, names: Set[str], warn: Callable[[str], None]) -> Iterator[RgbdFrame]:
        for name, pair in self._pairs.items():
            if name in names:
                yield self._frame(name, pair)

    def _frame(self, name: str, pair: Pair) -> RgbdFrame:
        image = np.ascontiguousarray(read_picture(pair.picture, _COLOR, remedy=_AGAIN)[..., ::-1], dtype=np.uint8)
        height, width = image.shape[:2]
        camera = for_image(self._camera, width=width, height=height, origin=f"'{pair.picture}'")
        if pair.depth is None:
            return RgbdFrame(name=name, image=image, camera=camera, depth=None)
        measured = read_picture(pair.depth, cv2.IMREAD_UNCHANGED, remedy=_AGAIN)
        if measured.dtype != np.uint16 or measured.shape != (height, width):
            raise SourceError(
                f"'{pair.depth}' must be a 16-bit PNG of one channel, {width}x{height} as its picture; register depth "
                f"to the colour camera. Got {measured.dtype}, shape {measured.shape}"
            )
        metres = measured.astype(np.float32) / np.float32(self._units)
        return RgbdFrame(name=name, image=image, camera=camera, depth=metres)


def find_pairs(source: Path, *, need_depth: bool = True) -> Mapping[str, Pair]:
    """Name -> files, in the order of the samples' keys.

    Raises:
        SourceError: there are none, or a picture has no depth.
    """
    if not source.is_dir():
        raise SourceError(f"FOLDER must be a folder with {_LAYOUTS}. Got '{source}', which is none")
    pairs: dict[str, Pair] = {}
    missing = []
    for picture in sorted(p for p in source.rglob("*") if p.suffix.lower() in PICTURES):
        if picture.parent.name == "rgb":
            above = picture.parent.parent
            depth, mask = above / "depth" / f"{picture.stem}.png", above / "labels" / f"{picture.stem}.png"
            name = above / picture.stem
        elif picture.stem.endswith("_rgb"):
            name = picture.with_name(picture.stem.removesuffix("_rgb"))
            depth, mask = picture.with_name(f"{name.name}_depth.png"), picture.with_name(f"{name.name}_labels.png")
        else:
            continue
        key = re.sub(r"[^A-Za-z0-9]+", "-", name.relative_to(source).as_posix())
        if key in pairs:
            raise SourceError(f"'{picture}' and '{pairs[key].picture}' would both be called '{key}'; rename one")
        pairs[key] = Pair(picture=picture, depth=depth if depth.is_file() else None, mask=mask)
        if need_depth and not depth.is_file():
            missing.append(MissingFile(depth, f"the depth of {picture}, or remove that picture"))
    if missing:
        raise missing_files_error(missing)
    if not pairs:
        raise SourceError(f"'{source}' holds no pictures with depth: {_LAYOUTS}")
    return dict(sorted(pairs.items(), key=lambda item: f"{item[0]}-00"))


def digest_of(files: Sequence[Path]) -> str:
    """Names the content of files."""
    return sha256(b"".join(sha256(file.read_bytes()).digest() for file in files)).hexdigest()[:16]


def _place(picture: Path) -> str:
    folder = picture.parent.parent if picture.parent.name == "rgb" else picture.parent
    return "" if folder.as_posix() == "." else folder.as_posix()
