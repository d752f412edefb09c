"""Options of ``distill3d calibrate``."""

# Without `from __future__ import annotations`: Python 3.10 cannot evaluate a text that says KW_ONLY.

from dataclasses import dataclass
from pathlib import Path

from distill3d_ros.system.command_options import InferenceOptions, MixedDataOptions, PositiveInt, Seed


@dataclass(frozen=True, kw_only=True)
class CalibrateOptions(MixedDataOptions, InferenceOptions):
    """The student that is calibrated, and the validation rooms; every data set has as much weight."""

    out: Path
    """Folder of the calibrated student, which must not exist yet."""
    split: str = "val"
    """Their part that is used; never one that the student is measured on."""
    frames: PositiveInt = 300
    """Frames a data set, at most."""
    questions: PositiveInt = 2000
    """Questions a data set, about."""
    seed: Seed = 0
    """Which questions are asked."""

    def __post_init__(self) -> None:
        if not self.data:
            raise ValueError("calibrate needs --data, one data set or more with validation rooms")
        if self.split.startswith("test"):
            raise ValueError(
                f"calibrate must not use a test split: its figures would be worth nothing. Got {self.split}"
            )
