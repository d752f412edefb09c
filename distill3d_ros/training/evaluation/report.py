"""Report of an evaluation: JSON for programs and Markdown tables for people."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from distill3d_ros.questions.ground_truth.question import Question
from distill3d_ros.questions.kind_record import FAMILIES, FORMS
from distill3d_ros.system.files import write_whole
from distill3d_ros.training.evaluation.confidence_calibration import abstention_lines
from distill3d_ros.training.evaluation.lenses import lens_lines
from distill3d_ros.training.evaluation.metrics import wilson_interval
from distill3d_ros.training.evaluation.real.real_lines import REAL_ROWS_EXPLAINED, real_lines
from distill3d_ros.training.evaluation.reference_evaluation import reference_lines
from distill3d_ros.training.evaluation.several_views import view_lines
from distill3d_ros.training.evaluation.teacher_report import teacher_lines

NAMES = {
    "language": "student",
    "rules": "rules on its boxes",
    "majority": "majority",
    "question_only": "question only",
    "wrong_image": "wrong image",
    "rules_on_true_boxes": "rules on true boxes",
}
SPLIT_NAMES = {
    "test": "real rooms that training never saw",
    "test_known": "unseen rooms, known furniture",
    "test_unseen": "unseen rooms, unseen furniture",
    "val": "validation rooms",
    "train": "training rooms",
}


TOLD_HEIGHT = "The student was told how high the camera stands above the floor, wherever that is known."


def accuracy_table(
    questions: Sequence[Question], right: Mapping[str, Sequence[bool]], rows: Sequence[str]
) -> dict[str, Any]:
    """Accuracy of the student with its 95 % interval, and of the other rows; overall, by family and by form.

    A row that is not in ``right`` is not a number.
    """
    result: dict[str, Any] = _entry(right, range(len(questions)), rows)
    for name, values in (("families", FAMILIES), ("forms", FORMS)):
        of = [q.family if name == "families" else q.form for q in questions]
        groups = {value: [i for i, v in enumerate(of) if v == value] for value in values}
        result[name] = {value: _entry(right, members, rows) for value, members in groups.items() if members}
    kinds = sorted({q.kind for q in questions})
    result["kinds"] = {
        kind: _entry(right, [i for i, q in enumerate(questions) if q.kind == kind], ("language", "rules"))
        for kind in kinds
    }
    return result


def _entry(right: Mapping[str, Sequence[bool]], members: Sequence[int], rows: Sequence[str]) -> dict[str, Any]:
    hits = sum(right["language"][i] for i in members)
    n = len(members)
    entry: dict[str, Any] = {
        "n": n,
        "accuracy": hits / n if n else math.nan,
        "interval": list(wilson_interval(hits, n)),
    }
    for row in rows:
        if row != "language":
            entry[row] = sum(right[row][i] for i in members) / n if n and row in right else math.nan
    return entry


def write_report(result: Mapping[str, Any], out: Path) -> None:
    """Writes ``report.json`` and ``report.md``; each appears whole or not at all."""
    write_both(result, markdown(result), out)


def write_both(result: Mapping[str, Any], text: str, out: Path) -> None:
    """Writes ``result`` to ``report.json`` and ``text`` to ``report.md``; each appears whole or not at all."""
    out.mkdir(parents=True, exist_ok=True)
    content = json.dumps(_finite(result), indent=1, sort_keys=False) + "\n"
    write_whole(out / "report.json", content)
    write_whole(out / "report.md", text)


def markdown(result: Mapping[str, Any]) -> str:
    """The report for people."""
    if not result["questions"]:
        return _depth_alone(result)
    lines = [
        "# Evaluation",
        "",
        f"{result['questions']} questions about {result['frames']} frames{_of_rooms(result['splits'])}, answers "
        "marked against geometry. Yes and no, or the two choices, come equally often for each pair of names, so the "
        "names alone tell nothing. In brackets: 95 % Wilson interval.",
        *(["", TOLD_HEIGHT] if result.get("camera_height") else []),
        "",
        *_overview(result),
    ]
    if "teacher" in result:
        lines += ["", *teacher_lines(result, SPLIT_NAMES)]
    for split, part in result["splits"].items():
        lines += ["", f"## {SPLIT_NAMES.get(split, split)} (`{split}`)", "", *_families(part), "", *_perception(part)]
        if "real" in part:
            lines += ["", *real_lines(part["real"]), "", REAL_ROWS_EXPLAINED]
        if "several_views" in part:
            lines += ["", *view_lines(part["several_views"])]
        if "references" in part:
            lines += ["", *reference_lines(part["references"])]
    if "lenses" in result:
        lines += ["", *lens_lines(result["lenses"])]
    lines += [
        "",
        "## All together",
        "",
        *_families(result),
        "",
        *_accuracies(result, "forms", "form"),
        *(["", *abstention_lines(result["abstention"])] if result.get("abstention") else []),
        "",
        *_perception(result),
        "",
        *_kinds(result),
        "",
        "## How it was measured",
        "",
        *_rows_explained(measured=bool(result.get("depth_given"))),
        *_baselines(result.get("baselines")),
        "",
        f"- Latency on {result['device']}: a frame {result['latency_ms']['perceive']:.0f} ms, a question "
        f"{result['latency_ms']['ask']:.0f} ms (medians). The first question about a frame takes longer: the language "
        "model reads the frame for it.",
        *_provenance(result),
    ]
    return "\n".join(lines) + "\n"


def _depth_alone(result: Mapping[str, Any]) -> str:
    """The report on data in which no objects are marked."""
    lines = [
        "# Evaluation",
        "",
        f"Depth of {result['frames']} frames. No objects are marked in these data, so nothing is asked about them.",
        "",
        *depth_lines(result),
        "",
        *([TOLD_HEIGHT, ""] if result.get("camera_height") else []),
        "Scored where the truth lies in 0.1 to 10 m; each image counts the same.",
        "",
        f"- Latency on {result['device']}: a frame {result['latency_ms']['perceive']:.0f} ms (median).",
        *_provenance(result),
    ]
    return "\n".join(lines) + "\n"


def _provenance(result: Mapping[str, Any]) -> list[str]:
    return [
        f"- Model sha256 `{result['model_sha256']}`",
        f"- Data manifest sha256 `{result['manifest_sha256']}`",
        f"- Seed {result['seed']}; command `{result['command']}`",
    ]


def _of_rooms(splits: Mapping[str, Any]) -> str:
    """Only simulated test rooms are known to be new to the student."""
    return " of rooms that training never saw" if all(split.startswith("test") for split in splits) else ""


def _baselines(baselines: Mapping[str, Any] | None) -> list[str]:
    """Origin of *majority* and *question only*, unless it is the training split of the evaluated data."""
    if baselines is None or (baselines["questions"] and not baselines["elsewhere"]):
        return []
    data = f" (manifest sha256 `{baselines['manifest_sha256']}`)" if baselines["elsewhere"] else ""
    return [f"- {baselines['in_words'][:1].upper()}{baselines['in_words'][1:]}{data}."]


def _overview(result: Mapping[str, Any]) -> list[str]:
    lines = [
        "| | questions | student | rules on its boxes | majority | question only | depth delta1 | AbsRel | mAP@0.25 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, part in [(SPLIT_NAMES.get(s, s), p) for s, p in result["splits"].items()] + [("all", result)]:
        depth = part["depth"] or {"delta1": math.nan, "absrel": math.nan}
        lines.append(
            f"| {name} | {part['questions']} | {_with_interval(part)} | {_share(part['rules'])} | "
            f"{_share(part['majority'])} | {_share(part['question_only'])} | {_share(depth['delta1'])} | "
            f"{_share(depth['absrel'])} | {_share(part['boxes']['map25'])} |"
        )
    return lines


def _accuracies(part: Mapping[str, Any], groups: str, title: str) -> list[str]:
    """A row for each family or form, and one for all."""
    others = [row for row in NAMES if row != "language" and row in part]
    lines = [
        f"| {title} | n | student | " + " | ".join(NAMES[row] for row in others) + " |",
        "|---|---|---|" + "---|" * len(others),
    ]
    for name, entry in part[groups].items():
        cells = " | ".join(_share(entry[row]) for row in others)
        lines.append(f"| {name.replace('_', ' ')} | {entry['n']} | {_with_interval(entry)} | {cells} |")
    cells = " | ".join(_share(part[row]) for row in others)
    lines.append(f"| **all** | {part['questions']} | {_with_interval(part)} | {cells} |")
    return lines


def _families(part: Mapping[str, Any]) -> list[str]:
    lines = _accuracies(part, "families", "family")
    held = part["held_out_wordings"]
    lines += [
        "",
        f"In wordings that training never used: {_share(held['accuracy'])} of {held['n']}, where the language model "
        f"reads them itself {_share(held['as_worded'])}; the same facts in known wordings: "
        f"{_share(held['same_facts_in_known_wordings'])}.",
    ]
    if part.get("calibration"):
        lines.append(
            f"Confidence: expected calibration error {_share(part['calibration']['ece'])}; the surer half of the "
            f"answers is right in {_share(part['calibration']['accuracy_of_surer_half'])}."
        )
    return lines


def depth_lines(part: Mapping[str, Any]) -> list[str]:
    """A table of depth, as it is and after scaling each image by its median."""
    lines = ["| depth | AbsRel | delta1 | RMSE (m) |", "|---|---|---|---|"]
    if part["depth"]:
        for name, row in (("metric", part["depth"]), ("median-scaled", part["depth"]["median_scaled"])):
            lines.append(f"| {name} | {row['absrel']:.3f} | {row['delta1']:.3f} | {row['rmse']:.2f} |")
    return lines


def _perception(part: Mapping[str, Any]) -> list[str]:
    boxes = part["boxes"]
    lines = depth_lines(part)
    if not boxes["objects"]:
        return lines
    lines += [
        "",
        f"3D boxes: mAP@0.25 {_share(boxes['map25'])}, mAP@0.5 {_share(boxes['map50'])} over {boxes['objects']} "
        f"objects of {len(boxes['ap25'])} categories.",
    ]
    return lines


def _kinds(result: Mapping[str, Any]) -> list[str]:
    lines = ["| kind of question | n | student | rules on its boxes |", "|---|---|---|---|"]
    for kind, entry in result["kinds"].items():
        lines.append(f"| {kind} | {entry['n']} | {_share(entry['accuracy'])} | {_share(entry['rules'])} |")
    return lines


def _rows_explained(*, measured: bool) -> list[str]:
    own = "boxes and words its own; it was told the true depth" if measured else "boxes, depth and words all its own"
    return [
        f"- *student*: what `distill3d ask` answers, with {own}.",
        "- *rules on its boxes*: the geometric rules on the boxes that the student found, told the kind of question.",
        "- *majority*: the commonest answer to that kind of question in training. *question only*: the best guess of "
        "who knows the kind and the names, and how such questions were answered in training.",
        "- *wrong image*: the student, looking at another frame. *rules on true boxes*: what boxes can tell at best; "
        "the truth about contact and gaps comes from the meshes.",
        "- Metres are right within 25 %. Depth is scored where the truth lies in 0.1 to 10 m, each image counts the "
        "same. Boxes are oriented 3D boxes; true objects that show fewer than 40 pixels are neither hits nor misses.",
    ]


def _with_interval(entry: Mapping[str, Any]) -> str:
    low, high = entry["interval"]
    return f"{_share(entry['accuracy'])} [{_share(low)}, {_share(high)}]"


def _share(value: float) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.3f}"


def _finite(value: Any) -> Any:
    """JSON knows no NaN: what could not be measured is null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return value
