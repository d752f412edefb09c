"""From a training run to a student that ships: weights of half the size, and a card that says what they are worth."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distill3d_ros.student.checkpoint import load_student, read_description, save_student

CARD, REPORT = "README.md", "report.json"
LAST_STAGES = ("joint", "reasoning", "perception")


def export_student(run: Path, out: Path, *, notes: str = "") -> Path:
    """Writes the student of a run's last stage as float16 with the history of all its stages.

    Raises:
        ValueError: the run has no exported student yet.
    """
    source = _last_student(run)
    student = load_student(source)
    card = {
        "stages": [
            read_description(folder)["card"]
            for folder in sorted(run.glob("*/student"), key=lambda p: (p / "config.json").stat().st_mtime)
        ],
        "notes": notes,
    }
    save_student(out, student, card, dtype="float16")
    write_card(out)
    return out


def add_report(model: Path, report: Path) -> None:
    """Puts the figures of ``report`` (a folder that `distill3d evaluate` wrote) into the model's card.

    Raises:
        ValueError: the report is about other weights.
    """
    result = json.loads((report / REPORT).read_text())
    weights = read_description(model)["sha256"]["model.safetensors"]
    if result["model_sha256"] != weights:
        raise ValueError(
            f"{report / REPORT} is about the weights {result['model_sha256'][:16]}, but {model} holds {weights[:16]}; "
            f"run `distill3d evaluate --model {model}` first"
        )
    write_card(model, (report / "report.md").read_text())


def write_card(model: Path, report: str = "") -> None:
    """Writes the model card."""
    description = read_description(model)
    partial = model / f".{CARD}.tmp"
    partial.write_text(_card(description, report))
    os.replace(partial, model / CARD)


def _last_student(run: Path) -> Path:
    for stage in LAST_STAGES:
        folder = run / stage / "student"
        if (folder / "config.json").is_file():
            return folder
    raise ValueError(f"{run} holds no student yet: none of {', '.join(LAST_STAGES)} has written its first checkpoint")


def _card(description: Mapping[str, Any], report: str) -> str:
    card = description["card"]
    size = description["parameters"] / 1e6
    lines = [
        f"# The `{description['student']['preset']}` student",
        "",
        f"{size:.1f} million parameters, stored as {description['dtype']}. Weights: Apache-2.0, like the package. The "
        "patch embedding starts from EfficientNet-Lite0's ImageNet weights (Apache-2.0); everything else is trained "
        "on rooms that `distill3d data generate` makes from the Sweet Home 3D furniture library (CC0 and CC-BY, see "
        "NOTICE). It has seen no real picture of a room in training.",
        "",
        "| stage | steps | minutes | seed | data |",
        "|---|---|---|---|---|",
    ]
    for stage in card.get("stages", []):
        cells = (stage.get(key, "") for key in ("stage", "steps", "minutes", "seed", "data"))
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    if card.get("notes"):
        lines += ["", card["notes"]]
    lines += ["", f"Classes: {', '.join(description['student']['labels'])}.", ""]
    lines.append(report.replace("\n#", "\n##").replace("# Evaluation", "## Evaluation", 1) if report else _NO_REPORT)
    return "\n".join(lines)


_NO_REPORT = "Not measured yet: run `distill3d evaluate`, then `distill3d export --report`.\n"
