"""The card of a trained student: where it comes from, what it learned from, and its measured figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from distill3d_ros.training.release.learned_from import RENDERED

_REAL_SETS = {
    "nyuv2": "It learned from real pictures: the training frames of **NYU Depth V2** (N. Silberman, D. Hoiem, P. "
    'Kohli, R. Fergus, "Indoor Segmentation and Support Inference from RGBD Images", ECCV 2012), which its authors '
    "publish for research and without a licence text. No picture of it is in this package. `models/pico_synthetic` is "
    "for those who want a student that saw none of it."
}
_NO_REPORT = "Not measured yet: run `distill3d evaluate`, then `distill3d export --report`.\n"


def model_card(description: Mapping[str, Any], report: str = "") -> str:
    """Markdown, from a checkpoint's ``config.json`` and what `distill3d evaluate` wrote about it."""
    card = description["card"]
    is_told = description["student"]["depth"].get("kind") == "measured"
    lines = [
        f"# The `{description['student']['preset']}` {'teacher, which is told the depth' if is_told else 'student'}",
        "",
        *_origin(description),
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
    lines += _classes(card.get("learned_from", []), description["student"]["labels"])
    lines += _calibration(description.get("calibration"))
    lines.append(f"\n{report}".replace("\n#", "\n##").removeprefix("\n") if report else _NO_REPORT)
    return "\n".join(lines)


def _origin(description: Mapping[str, Any]) -> list[str]:
    sources = [entry["source"] for entry in description["card"].get("learned_from", [])]
    real = sorted({source for source in sources if source != RENDERED})
    lines: list[str] = []
    for source in real:
        lines += [_REAL_SETS.get(source, f"It learned from real pictures, which `data import {source}` read."), ""]
    text = (
        f"{description['parameters'] / 1e6:.1f} million parameters, stored as {description['dtype']}. Weights: "
        "Apache-2.0, like the package. The patch embedding starts from EfficientNet-Lite0's ImageNet weights "
        f"(Apache-2.0); everything else is trained on {'these and on ' if real else ''}rooms that `distill3d data "
        "generate` makes from the Sweet Home 3D furniture library (CC0 and CC-BY, see NOTICE)."
    )
    if not real:
        text += " It has seen no real picture of a room in training."
    return [*lines, text]


def _classes(learned: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> list[str]:
    """How much of each class the last run's training frames show."""
    if not learned:
        return []
    counts: dict[bool, dict[str, Counter[str]]] = {True: {}, False: {}}
    for entry in learned:
        by_class = counts[entry["source"] != RENDERED]
        for label, row in entry["classes"].items():
            by_class.setdefault(label, Counter()).update(row)
    sets = ", ".join(f"{entry['frames']} of {entry['name']} ({entry['source']})" for entry in learned)
    lines = [
        f"Training frames of the last run: {sets}. Things that are marked in them, and the frames that show them; `-`: "
        "nobody marked the class.",
        "",
        "| class | things, rendered | frames | things, real | frames |",
        "|---|---|---|---|---|",
    ]
    for label in labels:
        cells = []
        for real in (False, True):
            row = counts[real].get(label)
            cells += ["-", "-"] if row is None else [str(row["things"]), str(row["frames_with"])]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return [*lines, ""]


def _calibration(calibration: Mapping[str, Any] | None) -> list[str]:
    """What `distill3d calibrate` fitted."""
    if not calibration:
        return []
    rows = "; ".join(
        f"{row['data']}: calibration error {row['ece_before']:.3f} before, {row['ece_after']:.3f} after, "
        f"{row['answers']} answers"
        for row in calibration.get("errors", [])
    )
    return [
        "Thresholds of the classes and confidences of answers were fitted on validation frames with `distill3d "
        f"calibrate` ({rows}). Answers below a confidence of {calibration.get('min_confidence', 0.0):.2f} are withheld "
        "by default.",
        "",
    ]
