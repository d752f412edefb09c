"""The files of a ScanNet v2 scan as published: which there are, which are missing, and what their metadata says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.training.data.importers.published_files import MissingFile, SourceError, missing_files_error
from distill3d_ros.training.data.importers.rgbd_frames import ExportedFrames, RgbdFrames
from distill3d_ros.training.data.importers.scannet.scan_labels import LABEL_MAP_NAME
from distill3d_ros.training.data.importers.sens import SensFile

SCAN_NAME = re.compile(r"scene\d{4}_\d{2}")
SEGMENTS, MESH = "_vh_clean_2.0.010000.segs.json", "_vh_clean_2.ply"
AGGREGATIONS = (".aggregation.json", "_vh_clean.aggregation.json")
"""The first is that of the mesh; some releases have only the second."""


@dataclass(frozen=True)
class ScanFiles:
    """One folder ``scene%04d_%02d``."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def mesh(self) -> Path:
        return self._file(MESH)

    @property
    def segments(self) -> Path:
        return self._file(SEGMENTS)

    @property
    def aggregation(self) -> Path:
        """The one that is there, or the one that should be."""
        first, second = (self._file(end) for end in AGGREGATIONS)
        return second if second.is_file() and not first.is_file() else first

    @property
    def info_file(self) -> Path:
        return self._file(".txt")

    def missing(self, every: int) -> list[MissingFile]:
        """Missing files for an import of every ``every``-th frame."""
        missing = [
            MissingFile(path, download_option(self.name, end))
            for path, end in (
                (self.info_file, ".txt"),
                (self.mesh, MESH),
                (self.aggregation, AGGREGATIONS[0]),
                (self.segments, SEGMENTS),
            )
            if not path.is_file()
        ]
        if ExportedFrames.are_in(self.folder):
            return missing + ExportedFrames(self.folder).missing(every)
        return missing + self._missing_files(".sens")

    def missing_for_views(self) -> list[MissingFile]:
        """Missing files for its pictures alone; without depth, mesh and annotations."""
        if not self.folder.is_dir():
            return [MissingFile(self.folder, f"download-scannet.py -o DIR --id {self.name}")]
        if ExportedFrames.are_in(self.folder):
            return self._missing_files(".txt") + ExportedFrames(self.folder).missing_for_views()
        return self._missing_files(".txt", ".sens")

    def frames(self) -> RgbdFrames:
        """The exported frames where there are some, else the ``.sens`` file.

        Raises:
            SourceError: the colour pictures do not have the size that the scan's ``.txt`` names.
        """
        frames = ExportedFrames(self.folder) if ExportedFrames.are_in(self.folder) else SensFile(self._file(".sens"))
        found = f"{frames.color.width} x {frames.color.height}"
        named = (
            f"{self.info.get('colorWidth', frames.color.width)} x {self.info.get('colorHeight', frames.color.height)}"
        )
        if found != named:
            raise SourceError(
                f"the colour pictures of {frames.source} have {found} pixels, {self.info_file} says {named}; their "
                "intrinsics are for the latter: export the frames without resizing them"
            )
        return frames

    @cached_property
    def info(self) -> dict[str, str]:
        """The lines ``key = value`` of the scan's ``.txt``."""
        lines = (line.partition("=") for line in self.info_file.read_text(errors="replace").splitlines())
        return {key.strip(): value.strip() for key, _, value in lines if value}

    @property
    def room_type(self) -> str:
        """As published ("Living room / Lounge"), in lower case; empty where the file names none."""
        return self.info.get("sceneType", "").lower()

    @cached_property
    def axis_alignment(self) -> FloatArray:
        """(4, 4) from the scan's world to the aligned one, where z is up and walls follow x and y; metres.

        Raises:
            SourceError: the scan's ``.txt`` has none (scans of the test set have none), or it is no rigid motion.
        """
        try:
            matrix = np.array(self.info["axisAlignment"].split(), np.float64).reshape(4, 4)
        except (KeyError, ValueError):
            raise SourceError(
                f"{self.info_file} has no line 'axisAlignment = ' with 16 numbers; "
                f"{download_option(self.name, '.txt')} (scans of ScanNet's test set have none and cannot be imported)"
            ) from None
        if not np.allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.eye(3), atol=1e-3):
            raise SourceError(f"{self.info_file}: axisAlignment is no rigid motion. Got {matrix.tolist()}")
        return matrix

    def _missing_files(self, *ends: str) -> list[MissingFile]:
        return [MissingFile(self._file(e), download_option(self.name, e)) for e in ends if not self._file(e).is_file()]

    def _file(self, end: str) -> Path:
        return self.folder / f"{self.name}{end}"


def download_option(name: str, end: str) -> str:
    """Options of ScanNet's downloader that fetch a file of a scan."""
    return f"download-scannet.py -o DIR --id {name} --type {end}"


def scan_folders(scenes_dir: Path, only: Sequence[str] | None = None) -> list[ScanFiles]:
    """The scans of a folder in the order of their names.

    Args:
        only: their names; None takes all that are there.

    Raises:
        SourceError: there is none, or a named one is missing.
    """
    if not scenes_dir.is_dir():
        raise SourceError(f"SCANS must be the folder with ScanNet's scans (scene0000_00, ...). Got {scenes_dir}")
    there = {path.name: path for path in scenes_dir.iterdir() if SCAN_NAME.fullmatch(path.name) and path.is_dir()}
    if only is None and not there:
        hint = ""
        if SCAN_NAME.fullmatch(scenes_dir.resolve().name):
            hint = f": it is a scan itself; give the folder around it, {scenes_dir.resolve().parent}"
        raise SourceError(f"SCANS has no folder named like scene0000_00{hint}. Got {scenes_dir}")
    wanted = sorted(there if only is None else set(only))
    absent = [name for name in wanted if name not in there]
    if absent:
        raise missing_files_error([MissingFile(scenes_dir / n, f"download-scannet.py -o DIR --id {n}") for n in absent])
    return [ScanFiles(there[name]) for name in wanted]


def find_label_map(scenes_dir: Path, given: Path | None) -> Path:
    """The label map that was named, or the one in or above the folder of scans, where ScanNet's downloader puts it.

    Raises:
        SourceError: it is in neither place.
    """
    places = [given] if given else [scenes_dir / LABEL_MAP_NAME, scenes_dir.resolve().parent / LABEL_MAP_NAME]
    for place in places:
        if place.is_file():
            return place
    remedy = "download-scannet.py -o DIR --label_map, and name it with --labels"
    raise missing_files_error([MissingFile(places[0], remedy)])
