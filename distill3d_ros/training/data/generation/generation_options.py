"""Options of ``distill3d data generate`` and ``distill3d data sequences``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from distill3d_ros.system.command_options import PictureSize, PositiveInt, RoomCounts, Seed, Span


@dataclass(frozen=True, kw_only=True)
class RoomsOptions:
    """Simulated rooms, and the folder that they are written to."""

    rooms: RoomCounts
    """Number of rooms, all splits together; or of each, as train=1700,val=30,test_known=90,test_unseen=90."""
    seed: Seed = 0
    """The same seed gives the same bytes, whatever the number of workers."""
    out: Path
    """Folder of the data set; made if it is not there."""
    workers: PositiveInt | None = None
    """Processes (default: one a core)."""
    size: PictureSize = (224, 224)
    """Pixels of a picture, WIDTHxHEIGHT."""


@dataclass(frozen=True, kw_only=True)
class GenerateOptions(RoomsOptions):
    """Single views of rooms."""

    frames_per_room: PositiveInt = 12
    """Pictures of a room, at most; a room with fewer worthwhile views has fewer, but at least half."""


@dataclass(frozen=True, kw_only=True)
class SequenceOptions(RoomsOptions):
    """A drive through each room."""

    frames: Span = (10, 60)
    """Fewest and most frames of a drive, FEWEST..MOST; or one number."""
    interval: float = 0.5
    """Seconds between frames, at 0.3 m/s."""
