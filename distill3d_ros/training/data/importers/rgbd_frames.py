"""Frames of a scan: colour, depth and pose by frame number, from exported files or from a ``.sens`` file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray, Intrinsics
from distill3d_ros.training.data.importers.published_files import MissingFile, SourceError, read_picture
from distill3d_ros.training.data.importers.sens import intrinsics_of

KINDS = {"color": ".jpg", "depth": ".png", "pose": ".txt"}
"""Folder of exported frames -> how its files end; their stems are frame numbers."""
DEPTH_UNITS = 1000.0
"""A metre in exported depth: 16-bit millimetres."""
_EXPORT = "export this frame again with ScanNet's SensReader/python/reader.py"


class RgbdFrames(Protocol):
    """Frames of a scan as an import reads them; the camera's axes are the optical frame's."""

    source: Path

    @property
    def numbers(self) -> Sequence[int]:
        """Of the frames that are there, ascending."""

    @property
    def views(self) -> Sequence[int]:
        """Of the frames that have a picture and a pose, ascending."""

    @property
    def color(self) -> Intrinsics: ...
    @property
    def depth(self) -> Intrinsics: ...
    def pose(self, number: int) -> FloatArray:
        """(4, 4) camera-to-world."""

    def image(self, number: int) -> NDArray[np.uint8]:
        """(H, W, 3) RGB."""

    def depth_image(self, number: int) -> NDArray[np.float32]:
        """(h, w) metres, 0 where unknown."""


class ExportedFrames:
    """Frames that ScanNet's ``reader.py`` exported: color/, depth/, pose/ and intrinsic/ in one folder."""

    def __init__(self, folder: Path) -> None:
        self.source = folder
        self._files: Mapping[str, Mapping[int, Path]] = {
            kind: {int(path.stem): path for path in (folder / kind).glob(f"*{end}") if path.stem.isdigit()}
            for kind, end in KINDS.items()
        }

    @staticmethod
    def are_in(folder: Path) -> bool:
        return (folder / "color").is_dir()

    @cached_property
    def numbers(self) -> tuple[int, ...]:
        return tuple(sorted({number for files in self._files.values() for number in files}))

    @cached_property
    def views(self) -> tuple[int, ...]:
        return tuple(sorted(self._files["color"].keys() & self._files["pose"].keys()))

    def missing(self, every: int) -> list[MissingFile]:
        """Missing files of the frames whose number is a multiple of ``every``, and of the intrinsics."""
        missing = self.missing_intrinsics("color", "depth")
        wanted = [number for number in self.numbers if number % every == 0]
        if not wanted:
            missing.append(MissingFile(self.source / "color" / "0.jpg", f"no frame number is a multiple of {every}"))
        for number in wanted:
            missing += [
                MissingFile(self.source / kind / f"{number}{end}", _EXPORT)
                for kind, end in KINDS.items()
                if number not in self._files[kind]
            ]
        return missing

    def missing_for_views(self) -> list[MissingFile]:
        """Missing files of a picture with a pose and of the colour camera's intrinsics."""
        missing = self.missing_intrinsics("color")
        if not self.views:
            missing.append(MissingFile(self.source / "color" / "0.jpg", f"{_EXPORT}, with its pose"))
        return missing

    def missing_intrinsics(self, *kinds: str) -> list[MissingFile]:
        return [
            MissingFile(path, "export it with --export_intrinsics of ScanNet's SensReader/python/reader.py")
            for path in map(self._intrinsics_file, kinds)
            if not path.is_file()
        ]

    @cached_property
    def color(self) -> Intrinsics:
        return self._intrinsics("color", cv2.IMREAD_COLOR)

    @cached_property
    def depth(self) -> Intrinsics:
        return self._intrinsics("depth", cv2.IMREAD_UNCHANGED)

    def pose(self, number: int) -> FloatArray:
        return _matrix(self._files["pose"][number])

    def image(self, number: int) -> NDArray[np.uint8]:
        image = self._picture("color", number, cv2.IMREAD_COLOR, self.color)
        return np.ascontiguousarray(image[..., ::-1], dtype=np.uint8)

    def depth_image(self, number: int) -> NDArray[np.float32]:
        depth = self._picture("depth", number, cv2.IMREAD_UNCHANGED, self.depth)
        if depth.dtype != np.uint16 or depth.ndim != 2:
            path = self._files["depth"][number]
            raise SourceError(f"{path} must be a 16-bit PNG of one channel. Got {depth.dtype}, shape {depth.shape}")
        return depth.astype(np.float32) / np.float32(DEPTH_UNITS)

    def _intrinsics_file(self, kind: str) -> Path:
        return self.source / "intrinsic" / f"intrinsic_{kind}.txt"

    def _intrinsics(self, kind: str, flags: int) -> Intrinsics:
        """The matrix says nothing about the pictures' size; that of the first one is taken."""
        height, width = read_picture(next(iter(self._files[kind].values())), flags, remedy=_EXPORT).shape[:2]
        path = self._intrinsics_file(kind)
        return intrinsics_of(_matrix(path), width=width, height=height, source=path)

    def _picture(self, kind: str, number: int, flags: int, camera: Intrinsics) -> NDArray[np.generic]:
        path = self._files[kind][number]
        picture = read_picture(path, flags, remedy=_EXPORT)
        if picture.shape[:2] != (camera.height, camera.width):
            raise SourceError(
                f"{path} has {picture.shape[1]} x {picture.shape[0]} pixels, others {camera.width} x {camera.height}; "
                f"{_EXPORT}"
            )
        return picture


def _matrix(path: Path) -> FloatArray:
    """A 4 x 4 matrix of a text file; entries may be infinite."""
    try:
        matrix = np.array(path.read_text().split(), np.float64)
    except ValueError as error:
        raise SourceError(f"{path} holds no numbers ({error}); {_EXPORT}") from error
    if matrix.size != 16:
        raise SourceError(f"{path} must hold a 4 x 4 matrix. Got {matrix.size} numbers; {_EXPORT}")
    return matrix.reshape(4, 4)
