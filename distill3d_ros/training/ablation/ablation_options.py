"""Options of ``distill3d ablate`` and ``distill3d results``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from distill3d_ros.system.command_options import MixedDataOptions, PositiveInt, Seeds, Words


@dataclass(frozen=True, kw_only=True)
class AblateOptions(MixedDataOptions):
    """The variants that are trained, and how many at once."""

    config: Path
    """Variants (YAML), see config/ablate."""
    out: Path
    """Folder of the runs; a stopped ablation goes on there."""
    seeds: Seeds = ()
    """In place of the configuration's: 0,1,2."""
    jobs: PositiveInt = 1
    """Processes at once; each gets its share of the cores."""
    only: Words = ()
    """Only these variants; the others are left out of the report, too."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where perception and questions are computed; training goes by its configuration."""


@dataclass(frozen=True, kw_only=True)
class ResultsOptions:
    """What a page of results tells of; each of these may be given several times."""

    evaluation: tuple[Path, ...] = ()
    """Folder with a report.json, as evaluate writes it."""
    ablation: tuple[Path, ...] = ()
    """Folder with an ablation.json, as ablate writes it."""
    model: tuple[Path, ...] = ()
    """Student or teacher whose training is told."""
    data: tuple[Path, ...] = ()
    """Folder of data whose making is told; its manifest will do."""
    out: Path
    """The page, such as docs/results.md; plots go into a folder of its name beside it."""

    def __post_init__(self) -> None:
        if not self.evaluation and not self.ablation:
            raise ValueError("results needs --evaluation, --ablation, or several of them. Got none")
