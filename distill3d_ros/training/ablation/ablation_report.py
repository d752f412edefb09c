"""The report of an ablation as Markdown (``ablation.md``) and JSON (``ablation.json``)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from distill3d_ros.system.files import write_whole
from distill3d_ros.training.ablation.plots import plot_all
from distill3d_ros.training.ablation.statistics import BETTER, ONE_SEED, UNDECIDED, WORSE

REPORT = "ablation"
RULE = (
    "A difference counts (**better**, **worse**) when both of its intervals exclude 0: Student's t over the seeds, "
    "paired by seed, and the bootstrap over the questions, paired by question."
)
RENDERED_COLUMNS = {
    "absrel": "AbsRel",
    "delta1": "delta1",
    "rmse": "RMSE (m)",
    "map25": "mAP@0.25",
    "map50": "mAP@0.5",
}
REAL_COLUMNS = {
    "real_absrel": "AbsRel",
    "real_delta1": "delta1",
    "real_scaled_absrel": "AbsRel, median-scaled",
    "real_scaled_delta1": "delta1, median-scaled",
    "real_image_map50": "boxes in the picture, mAP@0.5",
    "real_miou": "mIoU",
}
"""Figure -> head of its column, of rendered and of real pictures."""


def write_ablation(result: Mapping[str, Any], out: Path) -> None:
    """Writes ``ablation.json``, the plots and ``ablation.md``; each appears whole or not at all."""
    plots = plot_all(result, out)
    content = json.dumps(result, indent=1) + "\n"
    write_whole(out / f"{REPORT}.json", content)
    write_whole(out / f"{REPORT}.md", markdown(result, plots))


def markdown(result: Mapping[str, Any], plots: Sequence[str] = ()) -> str:
    """The report for people; ``plots`` are names of files beside it."""
    lines = ["# Ablation", "", *_what_was_asked(result), ""]
    if result["failed"]:
        lines += ["**Failed, and not in the tables:**", ""]
        lines += [f"- {f['name']}: {f['why']} (log: `{f['log']}`)" for f in result["failed"]] + [""]
    if result["not_measured"]:
        lines += [f"Not measured: {', '.join(result['not_measured'])}.", ""]
    if not result["variants"]:
        return "\n".join([*lines, "Nothing was measured."]) + "\n"
    sections: list[tuple[str, list[str]]] = [
        ("Accuracy", accuracy_lines(result)),
        ("Does Hidden CoT help?", hidden_cot_lines(result)),
        ("By family", _families(result)),
        ("What the thoughts do", thoughts_lines(result)),
        ("What it costs", _costs(result)),
        ("Depth and boxes", perception_lines(result)),
        ("Claims of the paper", claim_lines(result["claims"])),
    ]
    for title, content in sections:
        if content:
            lines += [f"## {title}", "", *content, ""]
    lines += [f"![{name.removesuffix('.png')}]({name})" for name in plots]
    return "\n".join([*lines, "", "## How it was measured", "", *_how(result)]) + "\n"


def _what_was_asked(result: Mapping[str, Any]) -> list[str]:
    seeds = sorted({s for v in result["variants"].values() for s in v["seeds"]})
    hours = sum(sum(v["minutes"]) for v in result["variants"].values()) / 60
    return [
        f"{len(result['variants'])} variants, seeds {', '.join(map(str, seeds)) or '-'}, {hours:.1f} hours of "
        f"training; each student answered the same {result['questions']} questions about {result['frames']} frames of "
        f"{' and '.join(f'`{s}`' for s in result['splits'])}, marked against geometry. Command: "
        f"`{result['command']}`."
    ]


def accuracy_lines(result: Mapping[str, Any]) -> list[str]:
    """Every variant with its intervals and its difference to the reference."""
    reference = result["reference"]
    lines = [
        f"| variant | | accuracy | over seeds | over questions | minus `{reference}` | over seeds | over questions | |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, found in result["variants"].items():
        a, d = found["accuracy"], found["difference"]
        cells = [f"`{name}`", found["says"], _share(a["mean"])]
        cells += [_interval(a["over_seeds"]), _interval(a["over_questions"])]
        if d is None:
            cells += ["reference" if name == reference else "-", "", "", ""]
        else:
            cells += [
                _signed(d["mean"]),
                _interval(d["over_seeds"], _signed),
                _interval(d["over_questions"], _signed),
                _bold(d["verdict"]),
            ]
        lines.append(f"| {' | '.join(cells)} |")
    compared = [v["difference"]["verdict"] for v in result["variants"].values() if v["difference"]]
    lines += ["", f"Intervals of 95 %. {RULE}"]
    if compared:
        lines.append(
            f"Of {len(compared)} comparisons {compared.count(BETTER)} are better and {compared.count(WORSE)} worse; "
            "they are not corrected for their number."
        )
    return lines


def hidden_cot_lines(result: Mapping[str, Any]) -> list[str]:
    """Variants with thoughts against the controls, and the answer in words."""
    table = {name: row for name, row in result["hidden_cot"].items() if row}
    if not table:
        return []
    controls = list(dict.fromkeys(c for row in table.values() for c in row))
    lines = ["| minus | " + " | ".join(f"`{c}`" for c in controls) + " |", "|---|" + "---|" * len(controls)]
    for name, row in table.items():
        cells = [_with_verdict(row[c]) if c in row else "-" for c in controls]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return [*lines, "", *_conclusion(table, controls)]


def _conclusion(table: Mapping[str, Mapping[str, Any]], controls: Sequence[str]) -> list[str]:
    verdicts = {name: [row[c]["verdict"] if c in row else ONE_SEED for c in controls] for name, row in table.items()}
    listed = ", ".join(f"`{c}`" for c in controls)
    if any(ONE_SEED in row for row in verdicts.values()):
        return [f"Undecided: two seeds at least of every variant and control ({listed}) are needed."]
    winners = [f"`{name}`" for name, row in verdicts.items() if all(v == BETTER for v in row)]
    if winners:
        return [f"{' and '.join(winners)}: better than every control ({listed}). There, Hidden CoT helps."]
    lines = [f"**No variant with thoughts is better than all of its controls ({listed}).**"]
    for name, row in verdicts.items():
        parts = []
        for verdict, words in ((BETTER, "better than"), (WORSE, "worse than"), (UNDECIDED, "not told apart from")):
            of = [f"`{c}`" for c, v in zip(controls, row, strict=True) if v == verdict]
            parts += [f"{words} {', '.join(of)}"] if of else []
        lines.append(f"- `{name}` is {'; '.join(parts)}.")
    return lines


def thoughts_lines(result: Mapping[str, Any]) -> list[str]:
    """Attention on the thoughts, and accuracy with changed ones."""
    rows = {n: v["thoughts"] for n, v in result["variants"].items() if v["thoughts"]["number"]}
    if not rows:
        return []
    lines = [
        "| variant | K | attention on them | if even | as trained | zeroed | permuted | another seed's |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        paid = row["attention"]
        cells = ["-", "-"] if paid is None else [_share(paid["mean"]), _share(paid["uniform"])]
        cells.append(_share(result["variants"][name]["accuracy"]["mean"]))
        for condition in ("zeroed", "permuted", "other_seed"):
            changed = row["changed"].get(condition)
            cells.append("-" if changed is None else f"{_share(changed['accuracy'])} ({_with_verdict(changed)})")
        lines.append(f"| `{name}` | {row['number']} | {' | '.join(cells)} |")
    hurt = [n for n, r in rows.items() if any(c["verdict"] == WORSE for c in r["changed"].values())]
    kept = [n for n, r in rows.items() if {c["verdict"] for c in r["changed"].values()} == {UNDECIDED}]
    lines += [
        "",
        "Attention: mean share that an answer token pays to the thoughts over layers and heads, and the share if it "
        "looked at every token alike; recurrent thoughts are not told apart. In brackets: the change in accuracy when "
        "the thoughts' embeddings are zeroed, shifted by one place, or taken from the next seed, without training.",
    ]
    if hurt:
        lines.append(f"Changing them makes {_names(hurt)} worse.")
    if kept:
        lines.append(f"Changing them makes no difference that counts to {_names(kept)}.")
    return lines


def claim_lines(claims: Sequence[Mapping[str, Any]]) -> list[str]:
    """The paper's claims, the measured differences, and the verdicts."""
    if not claims:
        return []
    lines = ["| the paper | its figures | here | |", "|---|---|---|---|"]
    for claim in claims:
        found = "; ".join(f"`{claim['better']}` minus `{o}`: {_both(d)}" for o, d in claim["differences"].items())
        lines.append(f"| {claim['says']} | {claim['paper']} | {found or '-'} | {_bold(claim['verdict'])} |")
    return lines


def _families(result: Mapping[str, Any]) -> list[str]:
    families = list(next(iter(result["variants"].values()))["families"])
    counts = next(iter(result["variants"].values()))["families"]
    lines = [
        "| variant | " + " | ".join(f"{f} ({counts[f]['n']})" for f in families) + " |",
        "|---|" + "---|" * len(families),
    ]
    for name, found in result["variants"].items():
        cells = []
        for family in families:
            mark = ""
            if found["difference"]:
                low, high = found["difference"]["families"][family]["over_questions"]
                mark = " +" if low > 0 else " -" if high < 0 else ""
            cells.append(f"{_share(found['families'][family]['mean'])}{mark}")
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    lines += [
        "",
        "Mean over seeds, with the number of questions. + and -: the bootstrap interval of the paired difference to "
        f"`{result['reference']}` excludes 0; with so many cells some do by chance.",
    ]
    return lines


def _costs(result: Mapping[str, Any]) -> list[str]:
    lines = [
        "| variant | language parameters | multiply-adds a question | ms a question | minutes a run | steps | "
        "validation loss |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, found in result["variants"].items():
        cost, loss = result["costs"].get(name), found["validation_loss"]
        spent = ["-", "-"] if cost is None else [f"{cost['multiply_adds'] / 1e6:.0f} M", f"{cost['ms']:.1f}"]
        minutes = sum(found["minutes"]) / max(1, len(found["minutes"]))
        cells = [f"`{name}`", f"{found['parameters'] / 1e6:.2f} M", *spent, f"{minutes:.1f}", str(found["steps"])]
        lines.append(f"| {' | '.join(cells)} | {'-' if loss is None else format(loss['mean'], '.3f')} |")
    return [
        *lines,
        "",
        "A question about a view that was read before: median time of one at a time, when nothing else of the "
        "ablation ran; multiply-adds of its matrix products in training. Validation loss: cross-entropy of the "
        "answers, nats a token.",
    ]


def perception_lines(result: Mapping[str, Any]) -> list[str]:
    """Depth and boxes, a table for rendered and one for real pictures; empty if no variant perceived anything."""
    rows = {n: v["perception"] for n, v in result["variants"].items() if v["perception"]}
    lines: list[str] = []
    for what, columns in (("rendered pictures", RENDERED_COLUMNS), ("real pictures", REAL_COLUMNS)):
        if not any(key in row for row in rows.values() for key in columns):
            continue
        lines += [
            *([""] if lines else []),
            f"| {what} | {' | '.join(columns.values())} |",
            "|---" * (len(columns) + 1) + "|",
        ]
        for name, row in rows.items():
            spread = result["variants"][name].get("perception_spread", {})
            cells = [_with_spread(row.get(key), spread.get(key)) for key in columns]
            lines.append(f"| `{name}` | {' | '.join(cells)} |")
    how = "Means over splits, of the seeds' means; ± half the 95 % interval of Student's t over the seeds."
    return [*lines, "", how] if lines else []


def _with_spread(value: float | None, spread: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if spread is None else f"{value:.3f} ± {spread:.3f}"


def _how(result: Mapping[str, Any]) -> list[str]:
    data = ", ".join(f"`{sha[:16]}`" for sha in result["manifest_sha256"])
    return [
        "- *over seeds*: 95 % interval of Student's t over the means of the seeds, for these questions. *over "
        "questions*: 95 % percentile bootstrap over the frames with their questions, of the mean over these seeds.",
        "- All variants have the same steps, the same order of samples and the same questions for a seed; the answers "
        "are the language model's own.",
        f"- Questions: seed {result['question_seed']}, balanced as in `distill3d evaluate`.",
        f"- Data: manifest sha256 {data}.",
        f"- Disk: {result['disk_bytes'] / 1e9:.2f} GB. Configuration: `{result['config']}`.",
        *(
            f"- `{name}`: {', '.join(f'{k} = {v}' for k, v in found['changes'].items()) or 'the base as it is'}"
            for name, found in result["variants"].items()
        ),
    ]


def _names(names: Sequence[str]) -> str:
    return ", ".join(f"`{n}`" for n in names)


def _with_verdict(found: Mapping[str, Any]) -> str:
    return f"{_signed(found['mean'])} {_bold(found['verdict'])}"


def _both(found: Mapping[str, Any]) -> str:
    return (
        f"{_signed(found['mean'])}, {_interval(found['over_seeds'], _signed)} over seeds, "
        f"{_interval(found['over_questions'], _signed)} over questions"
    )


def _bold(verdict: str) -> str:
    return verdict if verdict in (UNDECIDED, ONE_SEED) else f"**{verdict}**"


def _interval(interval: Sequence[float] | None, show: Any = None) -> str:
    if interval is None:
        return "-"
    low, high = (format(x, ".3f") if show is None else show(x) for x in interval)
    return f"[{low}, {high}]"


def _share(value: float) -> str:
    return f"{value:.3f}"


def _signed(value: float) -> str:
    return f"{value:+.3f}"
