"""Options of ``distill3d train``."""

# Without `from __future__ import annotations`: Python 3.10 cannot evaluate a text that says KW_ONLY.

from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from distill3d_ros.system.command_options import MixedDataOptions


@dataclass(frozen=True)
class TrainOptions(MixedDataOptions):
    """A training run: its configuration, its data, and where it begins."""

    overrides: tuple[str, ...] = ()
    """Changes of the configuration, KEY=VALUE, such as perception.steps=100."""
    _: KW_ONLY
    config: Path
    """Training configuration (YAML)."""
    out: Path
    """Folder of the run; a stopped run goes on there."""
    stage: str | None = None
    """Only this stage of the configuration."""
    init: Path | None = None
    """Student to start from, in place of the stage before or of random weights."""
    wait: bool = False
    """Wait for the first samples of a data set that is being made."""
