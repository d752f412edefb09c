"""Summary of the answers of all runs: accuracies, differences, verdicts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.questions.kind_record import FAMILIES
from distill3d_ros.training.ablation.measuring import MEASURED
from distill3d_ros.training.ablation.plan import AblationConfig, ClaimConfig
from distill3d_ros.training.ablation.runs import Run
from distill3d_ros.training.ablation.statistics import BETTER, ONE_SEED, WORSE, Estimate, estimate, t_interval
from distill3d_ros.training.ablation.thoughts import AS_TRAINED, CONDITIONS
from distill3d_ros.training.data.manifest import manifest_sha256
from distill3d_ros.training.data.mixture import Folders

HOLDS, OPPOSITE, NOT_SHOWN, NOT_MEASURED = "holds", "the opposite holds", "not shown", "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Graded answers of the seeds of one variant to the same Q questions."""

    seeds: tuple[int, ...]
    right: dict[str, NDArray[np.float64]]
    """Condition -> (seeds, Q); only conditions that every seed has."""
    families: NDArray[np.str_]  # (Q,)
    frames: NDArray[np.int64]  # (Q,) a number a frame, over all splits
    splits: NDArray[np.str_]  # (Q,)

    def of(self, seeds: Sequence[int]) -> NDArray[np.float64]:
        """(seeds, Q) as trained, of some seeds."""
        return self.right[AS_TRAINED][[self.seeds.index(s) for s in seeds]]


def answers_of(measured: Mapping[int, Mapping[str, Any]]) -> Answers:
    """Joins the measurements of a variant, by seed."""
    first = next(iter(measured.values()))
    names, families, frames = [], [], []
    for split, part in first["splits"].items():
        names += [split] * len(part["families"])
        families += part["families"]
        frames += [(split, i) for i in part["frames"]]
    number = {frame: n for n, frame in enumerate(dict.fromkeys(frames))}

    def grades(one: Mapping[str, Any], condition: str) -> list[float]:
        return [float(right) for part in one["splits"].values() for right in part["right"][condition]]

    parts = [part for one in measured.values() for part in one["splits"].values()]
    shared = [c for c in CONDITIONS if all(c in part["right"] for part in parts)]
    return Answers(
        seeds=tuple(measured),
        right={c: np.array([grades(one, c) for one in measured.values()]) for c in shared},
        families=np.array(families),
        frames=np.array([number[f] for f in frames]),
        splits=np.array(names),
    )


def difference(a: Answers, b: Answers, which: NDArray[np.bool_] | None = None) -> Estimate | None:
    """Difference of accuracy of ``a`` and ``b``, paired by seed and by question; None without a common seed.

    ``which`` (Q,) of the questions; all without.
    """
    seeds = [s for s in a.seeds if s in b.seeds]
    if not seeds:
        return None
    if not np.array_equal(a.frames, b.frames):
        raise ValueError("two variants were asked different questions; delete their measured.json and run ablate again")
    which = np.ones(len(a.frames), bool) if which is None else which
    return estimate((a.of(seeds) - b.of(seeds))[:, which], a.frames[which])


def summary(config: AblationConfig, runs: Mapping[str, Sequence[Run]], data: Folders) -> dict[str, Any]:
    """Everything that the report shows, as JSON types."""
    measured = {name: _measured(its_runs) for name, its_runs in runs.items()}
    answers = {name: answers_of(found) for name, found in measured.items() if found}
    reference = answers.get(config.reference)
    variants = {}
    for variant in config.variants:
        if variant.name in answers:
            own = answers[variant.name]
            variants[variant.name] = {
                "says": variant.says,
                "changes": variant.changes,
                "seeds": list(own.seeds),
                **_accuracy(own),
                "difference": None if reference is None else _differences(own, reference),
                "thoughts": _thoughts(own, list(measured[variant.name].values())),
                **training_figures(runs[variant.name], list(measured[variant.name].values())),
            }
    first = next(iter(answers.values()), None)
    return {
        "reference": config.reference,
        "questions": 0 if first is None else len(first.frames),
        "frames": 0 if first is None else len(set(first.frames.tolist())),
        "splits": list(config.evaluate.splits),
        "question_seed": config.evaluate.seed,
        "manifest_sha256": [manifest_sha256(folder) for folder in data],
        "variants": variants,
        "not_measured": [name for name in runs if name not in answers],
        "hidden_cot": _hidden_cot(config, answers),
        "claims": [_claim(claim, answers) for claim in config.claims],
    }


def _measured(runs: Sequence[Run]) -> dict[int, dict[str, Any]]:
    return {
        run.seed: json.loads((run.folder / MEASURED).read_text())
        for run in runs
        if run.trained is not None and (run.folder / MEASURED).is_file()
    }


def _accuracy(own: Answers) -> dict[str, Any]:
    right = own.right[AS_TRAINED]
    return {
        "accuracy": estimate(right, own.frames).to_dict(),
        "families": {
            family: {"n": int(which.sum()), **estimate(right[:, which], own.frames[which]).to_dict()}
            for family in FAMILIES
            if (which := own.families == family).any()
        },
        "splits": {str(s): float(right[:, own.splits == s].mean()) for s in dict.fromkeys(own.splits.tolist())},
    }


def _differences(own: Answers, reference: Answers) -> dict[str, Any] | None:
    whole = difference(own, reference)
    if whole is None or own is reference:
        return None
    families = {}
    for family in dict.fromkeys(own.families.tolist()):
        of_family = difference(own, reference, own.families == family)
        assert of_family is not None
        families[family] = of_family.to_dict()
    return {**_judged(whole), "families": families}


def _thoughts(own: Answers, measured: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Accuracy with thoughts changed at test time, and the attention on them."""
    paid = [m["attention"] for m in measured if m["attention"] is not None]
    changed = {
        name: {
            "accuracy": float(right.mean()),
            **_judged(estimate(right - own.right[AS_TRAINED], own.frames)),
        }
        for name, right in own.right.items()
        if name != AS_TRAINED
    }
    attention = None
    if paid:
        layers = np.array([p["layers"] for p in paid])  # (seeds, layers, heads)
        attention = {
            "mean": float(layers.mean()),
            "by_seed": layers.mean((1, 2)).tolist(),
            "layers": layers.mean(0).tolist(),
            "uniform": float(np.mean([p["uniform"] for p in paid])),
        }
    return {"number": int(measured[0]["thoughts"]), "changed": changed, "attention": attention}


def training_figures(runs: Sequence[Run], measured: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Size, steps, minutes, validation loss and perception of a variant\'s students."""
    trained = [t for run in runs if (t := run.trained) is not None]
    losses = [v for t in trained if (v := t["validation"].get("val_text")) is not None]
    perception: dict[str, list[float]] = {}
    for one in measured:
        of_seed: dict[str, list[float]] = {}
        for part in one["splits"].values():
            for name, value in part["perception"].items():
                of_seed.setdefault(name, []).append(value)
        for name, values in of_seed.items():
            perception.setdefault(name, []).append(float(np.mean(values)))
    intervals = {name: interval for name, values in perception.items() if (interval := t_interval(values)) is not None}
    return {
        "parameters": measured[0]["parameters"],
        "steps": trained[0]["steps"],
        "minutes": [t["minutes"] for t in trained],
        "validation_loss": None if not losses else {"mean": float(np.mean(losses)), "by_seed": losses},
        "perception": {name: float(np.mean(values)) for name, values in perception.items()},
        "perception_spread": {name: (high - low) / 2 for name, (low, high) in intervals.items()},
    }


def _judged(difference: Estimate) -> dict[str, Any]:
    return {**difference.to_dict(), "verdict": difference.verdict}


def _hidden_cot(config: AblationConfig, answers: Mapping[str, Answers]) -> dict[str, Any]:
    """Each variant with thoughts against each control."""
    return {
        name: {
            control: _judged(found)
            for control in config.controls
            if control in answers and (found := difference(answers[name], answers[control])) is not None
        }
        for name in config.hidden_cot
        if name in answers
    }


def _claim(claim: ClaimConfig, answers: Mapping[str, Answers]) -> dict[str, Any]:
    """Whether it holds: against each of ``than``; the opposite if it is beaten by any."""
    found: dict[str, Any] = {}
    for other in claim.than:
        if claim.better in answers and other in answers:
            estimated = difference(answers[claim.better], answers[other])
            if estimated is not None:
                found[other] = _judged(estimated)
    verdicts = [row["verdict"] for row in found.values()]
    if len(found) < len(claim.than) or not found or ONE_SEED in verdicts:
        verdict = NOT_MEASURED
    elif all(v == BETTER for v in verdicts):
        verdict = HOLDS
    else:
        verdict = OPPOSITE if WORSE in verdicts else NOT_SHOWN
    return {
        "says": claim.says,
        "paper": claim.paper,
        "better": claim.better,
        "than": list(claim.than),
        "differences": found,
        "verdict": verdict,
    }
