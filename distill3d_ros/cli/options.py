"""Options of the commands whose work lies in this room: ask, bench, doctor, info."""

# Without `from __future__ import annotations`: Python 3.10 cannot evaluate a text that says KW_ONLY.

from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from distill3d_ros.system.command_options import BackendOptions


@dataclass(frozen=True)
class AskOptions(BackendOptions):
    """A picture, its camera, and the questions about it."""

    image: Path
    """A picture."""
    question: tuple[str, ...]
    """One question or several, each in quotes."""
    _: KW_ONLY
    fov: float | None = None
    """Horizontal field of view, degrees."""
    camera: Path | None = None
    """Calibration file as camera_calibration writes it."""
    camera_height: float | None = None
    """Metres of the camera above the floor, for the scale."""
    json: bool = False
    """Print one JSON object."""
    depth: Path | None = None
    """Write the depth here (.png: 16-bit mm, .npy: metres)."""
    picture: Path | None = None
    """Write the picture with boxes here."""


@dataclass(frozen=True, kw_only=True)
class DoctorOptions:
    """None."""


@dataclass(frozen=True, kw_only=True)
class InfoOptions:
    """The student that is described."""

    preset: str = "pico"
    """Preset of the student."""
    run: bool = False
    """Also build it with random weights and time one frame."""


@dataclass(frozen=True, kw_only=True)
class BenchOptions(BackendOptions):
    """What is measured, and for how long."""

    seconds: float = 10.0
    """How long each stage is measured."""
    json: Path | None = None
    """Also write the figures to this file."""
    page: Path | None = None
    """Also compare backends, threads, pictures and cameras, idle and busy, and cold starts; write all to this page."""
    busy: bool = False
    """Measure only frames and questions, idle and beside as many busy processes as there are cores, in turn."""
    start: bool = False
    """Measure only cold starts: ask beside torch's import, in turn, and the node up to its first answer."""
    memory: float | None = None
    """Measure only how a worker's memory grows while it makes rooms, for so many minutes."""
