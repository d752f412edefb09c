"""A recording of an RGB-D camera: pictures in a folder, or a bag."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray, Intrinsics


@dataclass(frozen=True, slots=True, kw_only=True)
class RgbdFrame:
    """A picture, its camera and what was measured."""

    name: str
    image: NDArray[np.uint8]
    """(H, W, 3) RGB."""
    camera: Intrinsics
    depth: NDArray[np.float32] | None
    """(H, W) metres, 0 where unknown; None where no depth was recorded."""
    up: FloatArray | None = None
    """(3,) unit vector against gravity, optical frame, from tf."""
    height: float | None = None
    """Metres above the floor, from tf."""


class Recording(Protocol):
    """Frames by name; names are in the order of the samples' keys."""

    @property
    def places(self) -> Mapping[str, str]:
        """Name -> the room or folder that it was taken in."""

    @property
    def aliases(self) -> Mapping[str, tuple[str, ...]]:
        """Name -> what a file of labels may call it, without extension."""

    @property
    def digest(self) -> str:
        """Names these very recordings."""

    def mask_file(self, name: str) -> object:
        """Where its mask would lie, a ``Path``; None where a recording has no place for masks."""

    def frames(self, names: Set[str], warn: Callable[[str], None]) -> Iterator[RgbdFrame]:
        """Those frames, in order; a frame that cannot be used is left out with a warning."""
