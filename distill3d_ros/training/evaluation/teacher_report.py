"""Tables of the comparison of a student with its teacher."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from distill3d_ros.training.evaluation.text_metrics import EXPLAINED, NAMES

_HEAD = ["| {0} | n | teacher | student | retention | agreement |", "|---|---|---|---|---|---|"]


def teacher_lines(result: Mapping[str, Any], split_names: Mapping[str, str]) -> list[str]:
    """The part of the report about the teacher."""
    teacher = result["teacher"]
    lines = [
        "## Beside its teacher",
        "",
        f"Teacher: {teacher['in_words']}. Both were asked the same questions about the same frames; a teacher that is "
        "made for it was given the true depth. Retention: the student's accuracy / the teacher's, with a 95 % paired "
        "bootstrap interval over frames; the teacher's accuracy has its 95 % Wilson interval. Agreement: both say the "
        "same, right or wrong.",
        "",
        *(line.format("split") for line in _HEAD),
        *(_row(split_names.get(name, name), part["teacher"]) for name, part in result["splits"].items()),
        _row("**all**", teacher),
        "",
        f"Only the teacher was right on {teacher['only_teacher_right']} questions, only the student on "
        f"{teacher['only_student_right']}.",
    ]
    for title, name in (("family", "families"), ("form", "forms")):
        lines += ["", *(line.format(title) for line in _HEAD)]
        lines += [_row(value.replace("_", " "), entry) for value, entry in teacher[name].items()]
    boxes, own = teacher["boxes"], result["boxes"]
    slow, fast = teacher["latency_ms"], result["latency_ms"]
    lines += [
        "",
        "| | teacher | student | ratio |",
        "|---|---|---|---|",
        f"| mAP@0.25 | {_share(boxes['map25'])} | {_share(own['map25'])} | {_quotient(own['map25'], boxes['map25'])} |",
        f"| mAP@0.5 | {_share(boxes['map50'])} | {_share(own['map50'])} | {_quotient(own['map50'], boxes['map50'])} |",
        *(
            f"| {name}, ms | {slow[key]:.1f} | {fast[key]:.1f} | {_quotient(slow[key], fast[key])} |"
            for key, name in (("perceive", "a frame"), ("ask", "a question"))
        ),
        "",
        "Ratio of the boxes: student / teacher; of the latencies: teacher / student (medians of both in turn on "
        f"{result['device']}).",
    ]
    if teacher["text"]:
        lines += [
            "",
            "The student's words against the teacher's, whoever is right:",
            "",
            "| " + " | ".join(NAMES.values()) + " |",
            "|" + "---|" * len(NAMES),
            "| " + " | ".join(_share(teacher["text"][name]) for name in NAMES) + " |",
            "",
            EXPLAINED,
        ]
    return lines


def _row(name: str, entry: Mapping[str, Any]) -> str:
    low, high = entry["interval"]
    least, most = entry["retention_interval"]
    return (
        f"| {name} | {entry['n']} | {_share(entry['accuracy'])} [{_share(low)}, {_share(high)}] | "
        f"{_share(entry['student'])} | {_share(entry['retention'])} [{_share(least)}, {_share(most)}] | "
        f"{_share(entry['agreement'])} |"
    )


def _quotient(above: float, below: float) -> str:
    return f"{above / below:.2f}" if below > 0 and math.isfinite(above / below) else "-"


def _share(value: float) -> str:
    return "-" if not math.isfinite(value) else f"{value:.3f}"
