"""The report of a benchmark for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SCORES = {
    "ScanQA": "Score: EM@1, the answer equals one of the accepted texts letter by letter.",
    "SQA3D": "Score: exact match after the set's own normalisation of answers.",
    "VSI-Bench": "Score: accuracy of choices, mean relative accuracy of numbers; *all* is the mean over the tasks, "
    "where the three levels of relative direction are one. Published figures are over three data sets, this is about "
    "ScanNet's scans alone.",
}


def markdown(result: Mapping[str, Any]) -> str:
    lines = [
        f"# {result['benchmark']}",
        "",
        f"{result['n']} questions about {result['scans']} scans, each asked in the set's own words after a look at up "
        f"to {result['frames']} frames of its scan. In brackets: 95 % Wilson interval.",
        "",
        SCORES[result["benchmark"]],
        "",
        "| type | n | score | refined | not understood | no answer | score of answered | best constant |",
        "|---|---|---|---|---|---|---|---|",
        *(_row(kind, entry) for kind, entry in result["types"].items()),
        _row("**all**", result),
        "",
        *_explained(),
    ]
    if result["skipped"]:
        lines += ["", "Left out:", ""]
        lines += [f"- {count} questions {reason}" for reason, count in result["skipped"].items()]
    lines += [
        "",
        f"- On {result['device']}, {result['seconds']} s",
        f"- Model sha256 `{result['model_sha256']}`",
        f"- Questions sha256 `{result['questions_sha256']}`",
        f"- Command `{result['command']}`",
    ]
    return "\n".join(lines) + "\n"


def _row(name: str, entry: Mapping[str, Any]) -> str:
    score = _share(entry["score"])
    if entry["interval"]:
        low, high = entry["interval"]
        score += f" [{_share(low)}, {_share(high)}]"
    constant = _share(entry["constant"])
    if "constant_answer" in entry:
        constant += f" ({entry['constant_answer']})"
    others = ("refined", "not_understood", "no_answer", "score_of_answered")
    cells = [name, str(entry["n"]), score, *(_share(entry[key]) for key in others), constant]
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _explained() -> list[str]:
    return [
        "- *refined*: one of the two texts contains the other, after normalisation and without spaces; lenient.",
        '- *not understood*: the student said "I do not understand"; *no answer*: it understood, and said that it does '
        "not see the thing, or nothing of the form that the set asks for. Both score 0.",
        "- *score of answered*: of all other questions.",
        "- *best constant*: the one answer that scores best on all questions of the type, chosen on these very "
        "questions; what guessing gains at most.",
    ]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
