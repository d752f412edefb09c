"""Options of ``distill3d demo``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from distill3d_ros.system.command_options import PositiveInt, Seed, StudentOptions


@dataclass(frozen=True, kw_only=True)
class DemoOptions(StudentOptions):
    """The rooms that the robot drives through, and where the demo writes."""

    out: Path = Path("demo_out")
    """Folder for pictures and bag."""
    seed: Seed = 7
    """Which rooms."""
    questions: PositiveInt = 32
    """Number of questions."""
