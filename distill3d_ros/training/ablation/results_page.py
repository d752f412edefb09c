"""The page of results: written from the JSON files of evaluations and ablations, never by hand."""

from __future__ import annotations

import json
import math
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from distill3d_ros.student.checkpoint import WEIGHTS, read_description
from distill3d_ros.system.files import write_whole
from distill3d_ros.training.ablation.ablation_options import ResultsOptions
from distill3d_ros.training.ablation.ablation_report import (
    accuracy_lines,
    claim_lines,
    hidden_cot_lines,
    thoughts_lines,
)
from distill3d_ros.training.ablation.comparison import side_by_side_lines
from distill3d_ros.training.ablation.plots import plot_all
from distill3d_ros.training.ablation.summary import HOLDS, NOT_MEASURED
from distill3d_ros.training.data.manifest import Manifest, read_manifest
from distill3d_ros.training.evaluation.real.real_lines import real_lines
from distill3d_ros.training.evaluation.report import SPLIT_NAMES, TOLD_HEIGHT, depth_lines

PAPER_SPEED = 8.7
"""Teacher's seconds a sample over the student's: 133.6 / 15.3, the teacher on a CPU and the student on a GPU."""
LARGE_TEACHER = 1e9
"""Parameters from which a teacher's time says something about that of the paper's, which has 7 billion."""
PAPER_RETENTION = 0.71
"""Share of the teacher's spatial answers that the student with Hidden CoT gives."""


def write_results(options: ResultsOptions) -> None:
    """Writes the page, and the plots of ablations into a folder of its name beside it.

    Raises:
        ValueError: a folder lacks its file.
    """
    page = options.out
    evaluated = {name: _read(folder / "report.json", "evaluate") for name, folder in _named(options.evaluation)}
    ablated = {name: _read(folder / "ablation.json", "ablate") for name, folder in _named(options.ablation)}
    described = {name: read_description(folder) for name, folder in _named(options.model)}
    names = {d["sha256"][WEIGHTS]: name for name, d in described.items()}
    lines = [
        "# Results",
        "",
        f"Written by `{shlex.join(['distill3d', *sys.argv[1:]])}` from the files of the runs; not by hand.",
        "",
    ]
    if described:
        lines += ["## Models", "", *_models(described), ""]
    for title, report in evaluated.items():
        whose = names.get(report["model_sha256"], f"model {report['model_sha256'][:8]}")
        lines += [f"## Evaluation {title}" + (f": {whose}" if whose != title else ""), "", *_evaluation(report), ""]
    if beside := side_by_side_lines(evaluated):
        lines += ["## Evaluations compared", "", *beside, ""]
    for title, result in ablated.items():
        lines += [f"## Ablation {title}", "", *_ablation(result), "", *_plots(title, result, page), ""]
    if ablated or any(report.get("teacher") for report in evaluated.values()):
        lines += ["## Claims of the paper", "", *_claims(evaluated, ablated), ""]
    lines += ["## How to repeat it", ""]
    lines += _how(described, evaluated, ablated, {name: read_manifest(folder) for name, folder in _named(options.data)})
    page.parent.mkdir(parents=True, exist_ok=True)
    write_whole(page, "\n".join(lines) + "\n")


def _named(folders: Sequence[Path]) -> list[tuple[str, Path]]:
    """Each folder with its name, or its path where several have that name."""
    names = [folder.name for folder in folders]
    return [(f.name if names.count(f.name) == 1 else str(f), f) for f in folders]


def _read(path: Path, command: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist; `distill3d {command}` writes it") from None
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}); write it again with `distill3d {command}`") from None
    return found


def _models(described: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = ["| model | preset | parameters | stages | hours of training | sha256 |", "|---|---|---|---|---|---|"]
    for name, d in described.items():
        stages = _stages(d)
        steps: dict[str, int] = {}
        for stage in stages:
            steps[stage["stage"]] = steps.get(stage["stage"], 0) + stage["steps"]
        said = ", ".join(f"{name} ({count:,} steps)" for name, count in steps.items()) or "-"
        lines.append(
            f"| {name} | `{d['student']['preset']}` | {d['parameters'] / 1e6:.1f} M | {said} | {_hours(stages)} | "
            f"`{d['sha256'][WEIGHTS][:16]}` |"
        )
    return lines


def _stages(description: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The stages on a student's card: a list on one that ships, itself one on that of a run."""
    card = description.get("card", {})
    return card.get("stages", [card] if "stage" in card else [])


def _hours(stages: Sequence[Mapping[str, Any]]) -> str:
    return f"{sum(s['minutes'] for s in stages) / 60:.1f}" if stages else "-"


def _evaluation(report: Mapping[str, Any]) -> list[str]:
    told = [TOLD_HEIGHT, ""] if report.get("camera_height") else []
    if not report["questions"]:
        what = f"Depth of {report['frames']} frames; no objects are marked in these data."
        return [what, "", *told, *depth_lines(report)]
    teacher = report.get("teacher")
    head = [
        "",
        "questions",
        "student",
        *(["teacher", "retention"] if teacher else []),
        "rules on its boxes",
        "majority",
    ]
    head += ["question only", "wrong image", "AbsRel", "delta1", "mAP@0.25", "mAP@0.5"]
    lines = [*told, *_table(head)]
    parts = {SPLIT_NAMES.get(s, s): part for s, part in report["splits"].items()}
    for name, part in (parts | {"**all**": report}).items() if len(parts) > 1 else parts.items():
        depth = part["depth"] or {}
        cells = [name, str(part["questions"]), _with_interval(part["accuracy"], part["interval"])]
        cells += _kept(part.get("teacher")) if teacher else []
        cells += [_share(part[row]) for row in ("rules", "majority", "question_only", "wrong_image")]
        cells += [_share(depth.get("absrel")), _share(depth.get("delta1"))]
        cells += [_share(part["boxes"]["map25"]), _share(part["boxes"]["map50"])]
        lines.append(_row(cells))
    for name, part in parts.items():
        lines += ["", f"By family, {name}:", "", *_families(part)]
        if "real" in part:
            lines += ["", *depth_lines(part), "", *real_lines(part["real"])]
    lines.append("")
    latency = report["latency_ms"]
    lines.append(
        f"On {report['device']}: a frame {_ms(latency['perceive'])}, a question {_ms(latency['ask'])} (medians)."
    )
    if teacher:
        theirs, ratio = teacher["latency_ms"], _speed(report)
        lines.append(
            f"Teacher on the same device: a frame {_ms(theirs['perceive'])}, a question {_ms(theirs['ask'])}; "
            f"a frame with one question takes it {'-' if ratio is None else format(ratio, '.1f')} times as long. "
            f"The same answer as the student in {_share(teacher['agreement'])}."
        )
    return lines


def _families(part: Mapping[str, Any]) -> list[str]:
    """Accuracy by family of one split, with the teacher's where it was evaluated too."""
    teacher = part.get("teacher")
    lines = _table(["family", "n", "student", *(["teacher", "retention"] if teacher else []), "rules on its boxes"])
    for family, entry in part["families"].items():
        cells = [family, str(entry["n"]), _with_interval(entry["accuracy"], entry["interval"])]
        cells += _kept(teacher["families"].get(family)) if teacher else []
        lines.append(_row([*cells, _share(entry["rules"])]))
    return lines


def _kept(teacher: Mapping[str, Any] | None) -> list[str]:
    """The teacher's accuracy, and what the student keeps of it."""
    if teacher is None:
        return ["-", "-"]
    return [
        _with_interval(teacher["accuracy"], teacher["interval"]),
        _with_interval(teacher["retention"], teacher["retention_interval"]),
    ]


def _table(head: Sequence[str]) -> list[str]:
    return [_row(head), "|" + "---|" * len(head)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _ablation(result: Mapping[str, Any]) -> list[str]:
    lines = [
        f"{result['questions']} questions about {result['frames']} frames of "
        f"{' and '.join(f'`{s}`' for s in result['splits'])}, the same for every student.",
        "",
        *accuracy_lines(result),
    ]
    for found in (hidden_cot_lines(result), thoughts_lines(result)):
        lines += ["", *found] if found else []
    if result["failed"]:
        lines += ["", f"Failed: {', '.join(f['name'] for f in result['failed'])}."]
    return lines


def _plots(title: str, result: Mapping[str, Any], page: Path) -> list[str]:
    """Draws an ablation's plots beside the page; the lines that show them."""
    folder = page.with_suffix("") / title.strip("/").replace("/", "_")
    folder.mkdir(parents=True, exist_ok=True)
    where = folder.relative_to(page.parent).as_posix()
    return [f"![{title}: {name.removesuffix('.png')}]({where}/{name})" for name in plot_all(result, folder)]


def _claims(evaluated: Mapping[str, Mapping[str, Any]], ablated: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Those that hold, and in a table of their own those that do not."""
    claims: list[Mapping[str, Any]] = [claim for result in ablated.values() for claim in result["claims"]]
    known = [c for c in claims if c["verdict"] != NOT_MEASURED]
    beside = [row for title, report in evaluated.items() for row in _beside_the_paper(title, report)]
    lines = []
    if beside:
        lines += ["| the paper | its figure | here | |", "|---|---|---|---|", *beside, ""]
    for title, rows in (
        ("These did not hold, or were not shown:", [c for c in known if c["verdict"] != HOLDS]),
        ("These hold:", [c for c in known if c["verdict"] == HOLDS]),
    ):
        if rows:
            lines += [title, "", *claim_lines(rows), ""]
    left = [c["says"] for c in claims if c["verdict"] == NOT_MEASURED]
    if left:
        lines += [f"Not measured: {'; '.join(left)}."]
    return lines or ["None was measured."]


def _beside_the_paper(title: str, report: Mapping[str, Any]) -> list[str]:
    """Speed and retention against the teacher, where it was asked too."""
    teacher = report.get("teacher")
    if not teacher:
        return []
    rows = []
    speed = _speed(report)
    if speed is not None:
        parameters = teacher["parameters"]
        verdict = HOLDS if speed >= PAPER_SPEED else "does not hold"
        if parameters < LARGE_TEACHER:
            verdict = "not tested: the teacher is small"
        rows.append(
            f"| the student is faster than its teacher ({title}) | {PAPER_SPEED} times: 7,000 M parameters, on two "
            f"devices | {speed:.1f} times: {parameters / 1e6:,.0f} M parameters, on one | **{verdict}** |"
        )
    if teacher["retention"] is not None:
        low, high = teacher["retention_interval"]
        verdict = HOLDS if low > PAPER_RETENTION else "less" if high < PAPER_RETENTION else "not told apart"
        rows.append(
            f"| the student keeps this share of its teacher's spatial answers ({title}) | {PAPER_RETENTION} | "
            f"{_with_interval(teacher['retention'], [low, high])} | **{verdict}** |"
        )
    return rows


def _speed(report: Mapping[str, Any]) -> float | None:
    """Teacher's time over the student's, for a frame and one question."""
    own, theirs = report["latency_ms"], report["teacher"]["latency_ms"]
    if any(ms is None for ms in (*own.values(), *theirs.values())):
        return None
    return float((theirs["perceive"] + theirs["ask"]) / (own["perceive"] + own["ask"]))


def _how(
    described: Mapping[str, Mapping[str, Any]],
    evaluated: Mapping[str, Mapping[str, Any]],
    ablated: Mapping[str, Mapping[str, Any]],
    data: Mapping[str, Manifest],
) -> list[str]:
    lines = ["| what | command | seeds | hours |", "|---|---|---|---|"]
    for name, manifest in data.items():
        frames = sum(shard.frames for shard in manifest.shards)
        recipe = f", recipe {version}" if (version := manifest.recipe.get("generator_version")) else ""
        said = f"`{_made(manifest, name)}`: {frames:,} frames{recipe}"
        lines.append(f"| data {name} | {said} | {manifest.recipe.get('seed', '-')} | - |")
    for name, d in described.items():
        stages = _stages(d)
        seeds = ", ".join(map(str, sorted({s["seed"] for s in stages if "seed" in s}))) or "-"
        commands = list(dict.fromkeys(s["command"] for s in stages if "command" in s))
        said = ", then ".join(f"`{c}`" for c in commands) if commands else "see its card"
        lines.append(f"| training of {name} | {said} | {seeds} | {_hours(stages)} |")
    for title, report in evaluated.items():
        lines.append(
            f"| evaluation {title} | `{report['command']}` | {report['seed']} | {report['seconds'] / 3600:.1f} |"
        )
    for title, result in ablated.items():
        variants = result["variants"].values()
        seeds = ", ".join(map(str, sorted({s for v in variants for s in v["seeds"]})))
        hours = sum(sum(v["minutes"]) for v in variants) / 60
        lines.append(f"| ablation {title} | `{result['command']}` | {seeds} | {hours:.1f} |")
    return lines


def _made(manifest: Manifest, name: str) -> str:
    """The command that makes these data."""
    recipe = manifest.recipe
    if "frames_per_room" in recipe:
        rooms = ",".join(f"{split}={count}" for split, count in manifest.planned_rooms.items() if count)
        words = ["generate", "--rooms", rooms, "--seed", str(recipe["seed"])]
        words += ["--frames-per-room", str(recipe["frames_per_room"])]
    elif recipe.get("importer") == "rgbd":
        words = ["import", "rgbd", "FOLDER", "--camera", "camera.yaml", "--depth-units", f"{recipe['depth_units']:g}"]
        words += ["--floor"] if recipe.get("floor") else []
    elif recipe.get("importer") == "nyuv2":
        words = ["import", "nyuv2", "nyu_depth_v2_labeled.mat"]
    else:
        raise ValueError(
            f"--data must name folders of `distill3d data generate`, `data import nyuv2` or `rgbd`. Got {name}, of "
            f"{recipe.get('importer', 'another command')}; leave it out"
        )
    size = "x".join(map(str, recipe["size"]))
    return shlex.join(["distill3d", "data", *words, "--size", size, "--out", name])


def _with_interval(value: float | None, interval: Sequence[float | None]) -> str:
    return f"{_share(value)} [{_share(interval[0])}, {_share(interval[1])}]"


def _share(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.3f}"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"
