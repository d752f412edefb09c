"""Accuracy of models that read the question and never look: ``distill3d data blind``.

Balanced questions should leave it at chance. Two such models are tried: the question-only statistics that every
evaluation reports, and a small network trained on the text.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distill3d_ros.questions import answer_text
from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.ground_truth.balancing import is_absent
from distill3d_ros.questions.ground_truth.ground_truth_qa import GroundTruthQA
from distill3d_ros.questions.ground_truth.phrasing import phrase
from distill3d_ros.questions.ground_truth.question import Question, is_correct
from distill3d_ros.questions.kind_record import FAMILIES, FORMS
from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.questions.thresholds import THRESHOLDS
from distill3d_ros.system.files import write_whole
from distill3d_ros.training.data.manifest import manifest_sha256
from distill3d_ros.training.data.reading import evenly_spaced
from distill3d_ros.training.data.shards import ShardReader
from distill3d_ros.training.evaluation.baselines import MajorityBaseline, QuestionOnlyBaseline
from distill3d_ros.training.evaluation.evaluation_options import BlindOptions
from distill3d_ros.training.evaluation.metrics import wilson_interval
from distill3d_ros.training.evaluation.question_sets import TRAINING_SCENES, chosen_splits, question_set, training_facts
from distill3d_ros.training.evaluation.text_guesser import train_guesser

ALLOWED = 0.05
"""So far above chance may a model be that does not look."""
HELD_OUT_ROOMS = 10
"""One training room in so many decides when the text model has learned enough."""
TRAINING_QUESTIONS = 120_000
"""Thrice what the baselines of an evaluation learn from: this is a search for what can be learned."""
MODELS = ("majority", "statistics", "text")

Key = tuple[str, GroundTruthQA]


class BestConstant:
    """The one answer to each kind of question that is right most often; in metres, the middle of the fullest window."""

    def __init__(self, training: Iterable[GroundTruthQA]) -> None:
        values: dict[str, list[Any]] = defaultdict(list)
        for fact in training:
            if not is_absent(fact):
                values[fact.kind].append(fact.answer.value)
        self._answers = {kind: _constant(KINDS[kind].form, seen) for kind, seen in values.items()}

    def answer(self, fact: GroundTruthQA) -> Answer:
        return self._answers.get(fact.kind, answer_text.not_understood())


def chance(fact: GroundTruthQA, constant: BestConstant) -> float:
    """Accuracy of guessing without any knowledge of the names.

    One half for yes and no and for the choice between two; elsewhere whether the best constant answer of the kind, as
    the training rooms tell, is right.
    """
    return 0.5 if KINDS[fact.kind].form in ("yes_no", "choice") else float(is_correct(fact, constant.answer(fact)))


def blind(
    options: BlindOptions, *, scenes: int = TRAINING_SCENES, report: Callable[[str], None] = print
) -> dict[str, Any]:
    """Trains the models that do not look on the questions of training rooms and tests them in other rooms.

    Reports the tables and writes them, where ``options.out`` is given, as Markdown.

    Args:
        options: the data, and the questions, drawn as in an evaluation.
        scenes: of the training split, at most.

    Raises:
        ValueError: the folder has no training split, or lacks one of ``splits``.
    """
    data, seed = Path(options.data), options.seed
    splits = chosen_splits(data, options.splits)
    training = training_facts(data, seed, scenes=scenes, number=TRAINING_QUESTIONS)
    if not training:
        raise ValueError(f"{data} has no samples of split 'train', from which guessing could be learned")
    asked: list[Question] = []
    for split in splits:
        reader = ShardReader(data, split)
        per_frame = question_set(reader, evenly_spaced(len(reader), options.frames), options.questions, seed)
        asked += [question for number in sorted(per_frame) for question in per_frame[number]]
        report(f"{split}: {sum(map(len, per_frame.values()))} questions about {len(per_frame)} frames")
    figures = blind_table(training, asked, steps=options.steps, seed=seed, report=report)
    figures |= {"splits": list(splits), "seed": seed, "manifest_sha256": manifest_sha256(data)}
    text = blind_markdown(figures)
    report(text)
    if options.out is not None:
        out = Path(options.out)
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, text)
        report(f"wrote {out}")
    return figures


def blind_table(
    training: Sequence[Key],
    asked: Sequence[Question],
    *,
    steps: int = 2000,
    seed: int = 0,
    report: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Accuracy of chance and of each model that does not look, over all questions, by family, form and kind.

    Questions about things that are not there are trained on, as in an evaluation, but counted apart: "I do not see a
    lamp" is no matter of chance.

    Args:
        training: (key of the sample, fact), balanced.
        asked: questions of other rooms, balanced.
    """
    facts = [fact for _, fact in training]
    constant, majority, statistics = BestConstant(facts), MajorityBaseline(facts), QuestionOnlyBaseline(facts)
    learned, held = _phrased(training, seed)
    report(f"the text model learns from {len(learned)} questions")
    text = train_guesser(learned, held, steps=steps, seed=seed, report=report).answers(asked)
    rows = {
        "majority": [is_correct(q, majority.answer(q.fact)) for q in asked],
        "statistics": [is_correct(q, statistics.answer(q.fact)) for q in asked],
        "text": [is_correct(q, answer) for q, answer in zip(asked, text, strict=True)],
    }
    present = [i for i, q in enumerate(asked) if not is_absent(q.fact)]
    absent = [i for i, q in enumerate(asked) if is_absent(q.fact)]
    by_chance = {i: chance(asked[i].fact, constant) for i in present}

    def entries(names: Iterable[str], of: Callable[[Question], str]) -> dict[str, Any]:
        groups: dict[str, list[int]] = defaultdict(list)
        for i in present:
            groups[of(asked[i])].append(i)
        return {name: _entry(groups[name], by_chance, rows) for name in names if groups[name]}

    return {
        "all": _entry(present, by_chance, rows),
        "families": entries(FAMILIES, lambda q: q.family),
        "forms": entries(FORMS, lambda q: q.form),
        "kinds": entries(KINDS, lambda q: q.kind),
        "absent": {"n": len(absent)} | {name: _share(rows[name], absent) for name in MODELS},
        "training_questions": len(training),
    }


def blind_markdown(figures: Mapping[str, Any]) -> str:
    """The tables for people."""
    off = [name for name, entry in figures["families"].items() if entry["off"]]
    verdict = f"Off by more than {100 * ALLOWED:.0f} points: {', '.join(off)}." if off else "No family is off."
    heads = {"families": "Family", "forms": "Form", "kinds": "Kind"}
    lines = [
        "# What the questions alone give away",
        "",
        f"{figures['all']['n']} balanced questions from rooms of {' and '.join(figures['splits'])}, answered without "
        f"looking by models that learned from {figures['training_questions']} balanced questions of training rooms. "
        + verdict,
    ]
    for part, head in heads.items():
        lines += [
            "",
            f"| {head} | n | chance | majority | statistics | text model | over chance, points | |",
            "|---|---|---|---|---|---|---|---|",
        ]
        entries = [*figures[part].items(), *([("**all**", figures["all"])] if part == "families" else [])]
        for name, e in entries:
            lines.append(
                f"| {name} | {e['n']} | {e['chance']:.3f} | {e['majority']:.3f} | {e['statistics']:.3f} | "
                f"{e['text']:.3f} [{e['interval'][0]:.3f}, {e['interval'][1]:.3f}] | {100 * e['over_chance']:+.1f} | "
                f"{'off' if e['off'] else ''} |"
            )
    absent = figures["absent"]
    lines += [
        "",
        "- *chance*: one half for yes and no and for the choice between two things. For counts, metres (right within "
        f"{100 * THRESHOLDS.metres_tolerance:.0f} %) and labels the best constant answer of the kind, as training "
        "rooms tell it.",
        "- *majority* and *statistics* (question only): the baselines of `distill3d evaluate`. *text model*: a small "
        "network trained on the words of the questions, limited to answers that the question allows; in brackets its "
        "95 % Wilson interval.",
        f"- *over chance*: the better of statistics and text model. *off*: more than {100 * ALLOWED:.0f} points, with "
        "chance below its 95 % interval.",
        f"- {absent['n']} more questions are about things that are not there. The text model says so in "
        f"{_or_dash(absent['text'])} of them, the statistics in {_or_dash(absent['statistics'])}.",
        f"- Data manifest sha256 `{figures['manifest_sha256']}`, seed {figures['seed']}.",
    ]
    return "\n".join(lines) + "\n"


def _entry(
    members: Sequence[int], by_chance: Mapping[int, float], rows: Mapping[str, Sequence[bool]]
) -> dict[str, Any]:
    shares = {name: _share(rows[name], members) for name in MODELS}
    level = float(np.mean([by_chance[i] for i in members])) if members else math.nan
    hits = {name: sum(rows[name][i] for i in members) for name in ("statistics", "text")}
    over = max(shares["statistics"], shares["text"]) - level
    surely_over = wilson_interval(max(hits.values()), len(members))[0] > level
    return {
        "n": len(members),
        "chance": level,
        **shares,
        "interval": list(wilson_interval(hits["text"], len(members))),
        "over_chance": over,
        "off": over > ALLOWED and surely_over,
    }


def _share(right: Sequence[bool], members: Sequence[int]) -> float:
    return float(np.mean([right[i] for i in members])) if members else math.nan


def _or_dash(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "-"


def _phrased(training: Sequence[Key], seed: int) -> tuple[list[Question], list[Question]]:
    """The questions to learn from, and those of the rooms that are held out."""
    rng = np.random.default_rng([seed, 4])
    rooms = sorted({key.rsplit("-", 1)[0] for key, _ in training})
    apart = {rooms[i] for i in rng.permutation(len(rooms))[: max(1, len(rooms) // HELD_OUT_ROOMS)]}
    learned: list[Question] = []
    held: list[Question] = []
    for key, fact in training:
        (held if key.rsplit("-", 1)[0] in apart else learned).append(phrase(fact, rng))
    return learned, held


def _constant(form: str, values: Sequence[Any]) -> Answer:
    if form == "metric":
        return answer_text.metres(_fullest(np.sort(np.asarray(values, float))))
    value = max(sorted(Counter(values).items(), key=str), key=lambda item: item[1])[0]
    if form == "yes_no":
        return answer_text.yes_no(bool(value))
    if form == "count":
        return answer_text.count(int(value))
    return (answer_text.choice if form == "choice" else answer_text.naming)(str(value))


def _fullest(metres: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """The answer that is within the tolerance of most of the sorted values."""
    near, far = 1 - THRESHOLDS.metres_tolerance, 1 + THRESHOLDS.metres_tolerance
    answers = metres * far  # the largest answer that is still right for the smallest of a window
    inside = np.searchsorted(metres, answers / near, side="right") - np.arange(len(metres))
    return float(answers[int(inside.argmax())])
