"""The file ``nyu_depth_v2_labeled.mat``: what is in it, checked, frame by frame.

MATLAB 7.3, which is HDF5; MATLAB's axes come out reversed: ``images`` is (N, 3, 640, 480) uint8, ``depths`` and
``rawDepths`` (N, 640, 480) float32 metres, ``labels`` (N, 640, 480) uint16 (0: nobody said what the pixel shows, else
the number of a name, from 1), ``instances`` (N, 640, 480) uint8, ``accelData`` (4, N); ``names``, ``scenes`` and
``sceneTypes`` are (1, N) references to texts, which are (length, 1) uint16 characters.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.training.data.importers.published_files import SourceError

NAME = "nyu_depth_v2_labeled.mat"
CAMERA = Intrinsics(fx=518.8579, fy=519.4696, cx=325.5824, cy=253.7362, width=640, height=480)
"""Of the colour camera, to which depth is registered; ``camera_params.m`` of the published toolbox."""
DepthKind = Literal["filled", "raw"]
_DEPTHS = {"filled": "depths", "raw": "rawDepths"}
_AGAIN = "download it again"


class LabeledFile:
    """The frames of the file, numbered from 0; a context manager.

    Raises:
        SourceError: h5py is not installed, or the file is missing, damaged or not as published.
    """

    def __init__(self, path: Path, *, depth: DepthKind = "filled") -> None:
        self.path, self._depth = path, _DEPTHS[depth]
        try:
            import h5py
        except ImportError as error:
            raise SourceError(f"{path} is read with h5py, which is not installed; run `pip install h5py`") from error
        if not path.is_file():
            raise SourceError(f"FILE must be {NAME} of NYU Depth V2. Got {path}, which is no file")
        try:
            self._data: Any = h5py.File(path, "r")
        except OSError as error:
            raise SourceError(f"{path} is not HDF5, as {NAME} is, or ends early ({error}); {_AGAIN}") from error
        try:
            self._check()
        except BaseException:
            self._data.close()
            raise

    def __enter__(self) -> LabeledFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._data.close()

    def __len__(self) -> int:
        return int(self._data["images"].shape[0])

    def image(self, i: int) -> NDArray[np.uint8]:
        """(480, 640, 3) RGB."""
        return np.asarray(self._read("images", i), np.uint8).transpose(2, 1, 0)

    def depth(self, i: int) -> NDArray[np.float32]:
        """(480, 640) metres, 0 where unknown."""
        return np.nan_to_num(np.asarray(self._read(self._depth, i), np.float32).T)

    @property
    def has_labels(self) -> bool:
        return "labels" in self._data

    def labels(self, i: int) -> NDArray[np.uint16]:
        """(480, 640): 0 where nobody said what it is, else number of a name, from 1."""
        return np.asarray(self._read("labels", i), np.uint16).T

    def instances(self, i: int) -> NDArray[np.uint16] | None:
        """(480, 640): things of one label are told apart by it; None if the file has no instances."""
        return np.asarray(self._read("instances", i), np.uint16).T if "instances" in self._data else None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What the labels stand for: label n is ``names[n - 1]``."""
        return self._texts("names") if self.has_labels else ()

    @cached_property
    def scenes(self) -> tuple[str, ...] | None:
        return self._texts("scenes") if "scenes" in self._data else None

    @cached_property
    def scene_types(self) -> tuple[str, ...] | None:
        return self._texts("sceneTypes") if "sceneTypes" in self._data else None

    @cached_property
    def accelerations(self) -> NDArray[np.float64] | None:
        """(N, 3) readings of the accelerometer's three axes."""
        return np.asarray(self._data["accelData"], np.float64).T[:, :3] if "accelData" in self._data else None

    def _read(self, name: str, i: int) -> Any:
        try:
            return self._data[name][i]
        except OSError as error:
            raise SourceError(f"{self.path}: frame {i + 1} of {name} cannot be read ({error}); {_AGAIN}") from error

    def _texts(self, name: str) -> tuple[str, ...]:
        try:
            entries = [np.asarray(self._data[reference]).ravel() for reference in np.ravel(self._data[name])]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SourceError(f"{self.path}: {name} is no list of texts ({error}); {_AGAIN}") from error
        return tuple("".join(chr(c) for c in entry if c) for entry in entries)

    def _check(self) -> None:
        needed = ["images", self._depth, *(["names"] if self.has_labels else [])]
        absent = [name for name in needed if name not in self._data]
        if absent:
            raise SourceError(f"{self.path} has no {' and no '.join(absent)}; is it {NAME}?")
        number = self._data["images"].shape[0]
        one = (number, CAMERA.width, CAMERA.height)
        wanted: dict[str, tuple[int, ...]] = {"images": (number, 3, *one[1:]), self._depth: one}
        wanted |= {name: one for name in ("labels", "instances") if name in self._data}
        wanted |= {"accelData": (4, number)} if "accelData" in self._data else {}
        for name, shape in wanted.items():
            if self._data[name].shape != shape:
                raise SourceError(f"{self.path}: {name} must be {shape}, N = {number}. Got {self._data[name].shape}")
        for name in ("scenes", "sceneTypes"):
            if name in self._data and self._data[name].size != number:
                raise SourceError(f"{self.path}: {name} must have {number} texts. Got {self._data[name].size}")
