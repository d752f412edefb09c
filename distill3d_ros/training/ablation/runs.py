"""Folders and state of the runs of an ablation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from distill3d_ros.system.files import write_whole
from distill3d_ros.system.resumable_folder import check_same_settings

CACHE = "perception"
TRAINING, TRAINED, LOG = "training.yaml", "trained.json", "log.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One variant with one seed."""

    out: Path
    variant: str
    seed: int

    @property
    def folder(self) -> Path:
        return self.out / "runs" / self.variant / f"seed{self.seed}"

    @property
    def trained(self) -> dict[str, Any] | None:
        """Result of its training: student, steps, minutes, validation; None before its end."""
        path = self.folder / TRAINED
        return json.loads(path.read_text()) if path.is_file() else None

    @property
    def student(self) -> Path:
        """Folder of the trained student.

        Raises:
            ValueError: it is not trained.
        """
        trained = self.trained
        if trained is None:
            raise ValueError(f"{self.folder} is not trained to its end; `distill3d ablate` goes on with it")
        return self.folder / trained["student"]

    def prepare(self, training: Mapping[str, Any]) -> None:
        """Writes the run's configuration.

        Raises:
            ValueError: the folder holds a run of another configuration.
        """
        wanted = {**training, "seed": self.seed}
        path = self.folder / TRAINING
        if path.is_file():
            check_same_settings(self.folder, yaml.safe_load(path.read_text()), wanted, holds="a run")
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, yaml.safe_dump(wanted, sort_keys=False))


def others_of(runs: Sequence[Run]) -> list[tuple[Run, Run | None]]:
    """Each trained run of a variant with the next one, for the exchange of thoughts; None if it is the only one."""
    trained = [run for run in runs if run.trained is not None]
    if len(trained) < 2:
        return [(run, None) for run in trained]
    return list(zip(trained, [*trained[1:], trained[0]], strict=True))


def disk_use(folders: Iterable[Path]) -> int:
    """Bytes of all files below these folders."""
    total = 0
    for folder in folders:
        for file in folder.rglob("*"):
            try:
                total += file.stat().st_size if file.is_file() else 0
            except FileNotFoundError:  # a checkpoint was replaced meanwhile
                continue
    return total
