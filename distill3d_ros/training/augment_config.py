"""Configuration of the augmentation of training images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

GEOMETRY: Final = {"zoom": (1.0, 1.0), "flip": 0.0, "aspect": 0.0, "rotate": 0.0}
"""Setting -> its value where pictures are used whole and unmoved."""
OF_A_BATCH: Final = ("sizes", "without_up")
"""Settings that all pictures of a batch share."""


@dataclass(kw_only=True, slots=True)
class AugmentConfig:
    """Augmentation of the training images; boxes, depth, ids, gravity and intrinsics follow."""

    sizes: tuple[tuple[int, int], ...] = ((224, 224), (192, 224), (224, 192), (192, 192))
    """(height, width) of a batch; one is drawn per batch. Multiples of 32."""
    zoom: tuple[float, float] = (0.75, 1.0)
    """Side of the part that is cut out, as a share of the largest that fits. Distances stay as they are: the part is a
    picture of a camera with a longer lens, and its intrinsics say so."""
    aspect: float = 0.0
    """Largest change of the shape of the part that is cut out, either way: with 0.05 its pixels become up to 5 % wider
    or higher than they were (fx and fy differ); 0 keeps the shape."""
    rotate: float = 0.0
    """Largest turn of the camera about its optical axis, degrees either way. Only where gravity is known: boxes stand
    upright."""
    flip: float = 0.5
    """Probability of a mirrored image."""
    color: float = 0.3
    """Strength of changes of exposure, gamma, saturation and hue; 0 switches them off."""
    white_balance: float = 0.0
    """Largest relative gain of red against blue, as of lamps and daylight; 0 switches it off."""
    blur: float = 0.0
    """Largest standard deviation of the lens blur, pixels of the image that the student sees; three pictures in ten
    stay sharp."""
    motion: float = 0.0
    """Share of the pictures with motion blur of 2 to 5 pixels."""
    noise: float = 0.02
    """Largest standard deviation of Gaussian pixel noise, as a share of the full range."""
    jpeg: tuple[int, int] = (0, 0)
    """Range of the JPEG qualities with which images are compressed once more; (0, 0) leaves them alone."""
    without_up: float = 0.25
    """Share of the batches in which the student must find out for itself where up is; else tf tells it."""

    def __post_init__(self) -> None:
        self.sizes = tuple((int(h), int(w)) for h, w in self.sizes)
        if not self.sizes or any(h % 32 or w % 32 or h <= 0 or w <= 0 for h, w in self.sizes):
            raise ValueError(f"augment.sizes must be (height, width) pairs of multiples of 32. Got {self.sizes}")
        self.zoom = (float(self.zoom[0]), float(self.zoom[1]))
        if not 0.1 <= self.zoom[0] <= self.zoom[1] <= 1.0:
            raise ValueError(f"augment.zoom must be (least, most) with 0.1 <= least <= most <= 1. Got {self.zoom}")
        if not 0.0 <= self.flip <= 1.0:
            raise ValueError(f"augment.flip is a probability, 0 to 1. Got {self.flip}")
        for name, most in (("aspect", 0.3), ("rotate", 45), ("white_balance", 0.5), ("blur", 4), ("motion", 1)):
            if not 0.0 <= getattr(self, name) <= most:
                raise ValueError(f"augment.{name} must lie between 0 (off) and {most:g}. Got {getattr(self, name)}")
        self.jpeg = (int(self.jpeg[0]), int(self.jpeg[1]))
        if self.jpeg != (0, 0) and not 1 <= self.jpeg[0] <= self.jpeg[1] <= 100:
            raise ValueError(f"augment.jpeg must be (least, most) within 1 to 100, or (0, 0) for none. Got {self.jpeg}")

    def check_whole(self, where: str) -> None:
        """Raises ValueError unless pictures stay as they are but for their colours."""
        moved = [name for name, still in GEOMETRY.items() if getattr(self, name) != still]
        if not moved:
            return
        if moved[-1] in ("zoom", "flip"):
            raise ValueError(
                f"{where}: a teacher spoke about the picture as it is; set zoom to [1, 1] and flip to 0. "
                f"Got {list(self.zoom)} and {self.flip}"
            )
        raise ValueError(
            f"{where}: a teacher spoke about the picture as it is; leave out {' and '.join(moved)}. "
            f"Got {', '.join(str(getattr(self, name)) for name in moved)}"
        )
