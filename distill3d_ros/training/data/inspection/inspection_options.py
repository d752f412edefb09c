"""Options of ``distill3d data show``, ``stats`` and ``verify``."""

# Without `from __future__ import annotations`: Python 3.10 cannot evaluate a text that says KW_ONLY.

from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from distill3d_ros.system.command_options import PositiveInt, Seed, Words


@dataclass(frozen=True)
class VerifyOptions:
    """A data set."""

    data: Path
    """Folder of a data set."""


@dataclass(frozen=True)
class ShowOptions:
    """The samples that are drawn, in one of three ways: as a student sees them, plain, or as cases of relations."""

    data: Path
    """Folder of a data set."""
    _: KW_ONLY
    split: str = "train"
    """Which part of it."""
    count: PositiveInt = 12
    """Samples on the sheet."""
    seed: Seed = 0
    """Which samples."""
    model: Path | None = None
    """Show what this student sees, beside the truth."""
    plain: bool = False
    """Frames only, small, evenly over the types of rooms."""
    relations: Words = ()
    """Cases of these to check by eye, such as touching on against: half true, half near misses."""
    out: Path = Path("contact_sheet.png")
    """Picture to write."""

    def __post_init__(self) -> None:
        ways = {"model": self.model is not None, "plain": self.plain, "relations": bool(self.relations)}
        if sum(ways.values()) > 1:
            given = ", ".join(way for way, wanted in ways.items() if wanted)
            raise ValueError(f"only one of {', '.join(ways)} may be given. Got {given}")
        if self.count < 1:
            raise ValueError(f"count must be at least 1. Got {self.count}")


@dataclass(frozen=True)
class StatsOptions:
    """The frames that are counted."""

    data: Path
    """Folder of a data set."""
    _: KW_ONLY
    split: str = "train"
    """Which part of it."""
    scenes: PositiveInt = 1500
    """Frames to look at, at most."""
    json: bool = False
    """Print one JSON object in place of tables."""
    out: Path | None = None
    """Also draw a picture to this file."""
