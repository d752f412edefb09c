"""Models that never look: they find what words give away, and nothing where nothing is given away."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.data_samples import make_sample

from distill3d_ros.questions import answer_text
from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.ground_truth.ground_truth_qa import GroundTruthQA
from distill3d_ros.questions.ground_truth.phrasing import phrase
from distill3d_ros.questions.ground_truth.question import Question
from distill3d_ros.training.data.manifest import Manifest, write_manifest
from distill3d_ros.training.data.shards import ShardWriter
from distill3d_ros.training.evaluation.evaluation_options import BlindOptions
from distill3d_ros.training.evaluation.question_only_baseline import (
    BestConstant,
    blind,
    blind_markdown,
    blind_table,
    chance,
)
from distill3d_ros.training.evaluation.text_guesser import train_guesser

NAMES = ("bed", "chair", "cup", "door", "lamp", "table")


def fact(kind: str, answer: Answer, *labels: str, there: bool = True) -> GroundTruthQA:
    ids = tuple(range(1, len(labels) + 1)) if there else (None,) * len(labels)
    return GroundTruthQA(kind, labels, ids, answer, f"{kind}:{'|'.join(labels)}")


def larger(rng: np.random.Generator, *, leaks: bool) -> GroundTruthQA:
    """Whether one thing is larger than another: by the alphabet, or by a coin."""
    a, b = (str(name) for name in rng.choice(NAMES, 2, replace=False))
    return fact("larger", answer_text.yes_no(a < b if leaks else bool(rng.integers(2))), a, b)


def wider(rng: np.random.Generator) -> GroundTruthQA:
    a, b = (str(name) for name in rng.choice(NAMES, 2, replace=False))
    return fact("which_wider", answer_text.choice((a, b)[int(rng.integers(2))]), a, b)


def keyed(facts: list[GroundTruthQA]) -> list[tuple[str, GroundTruthQA]]:
    return [(f"train-{n // 10:06d}-{n % 10:02d}", f) for n, f in enumerate(facts)]


def asked(facts: list[GroundTruthQA]) -> list[Question]:
    rng = np.random.default_rng(5)
    return [phrase(f, rng) for f in facts]


@pytest.mark.parametrize("leaks", [True, False])
def test_what_words_give_away_is_found_and_nothing_else(leaks: bool) -> None:
    rng = np.random.default_rng(0)
    training, test = ([larger(rng, leaks=leaks) for _ in range(n)] for n in (600, 400))
    figures = blind_table(keyed(training), asked(test), steps=150, report=lambda _: None)
    size = figures["families"]["size"]
    assert size["n"] == 400
    assert size["chance"] == 0.5
    assert size["interval"][0] <= size["text"] <= size["interval"][1]
    if leaks:
        assert size["off"]
        assert min(size["text"], size["statistics"]) > 0.85
        assert size["majority"] < 0.65
    else:
        assert not size["off"]
    assert figures["forms"]["yes_no"] == figures["kinds"]["larger"] == size == figures["all"]


def test_questions_about_what_is_not_there_are_counted_apart() -> None:
    rng = np.random.default_rng(1)
    lost = [fact("larger", answer_text.not_seen("bed"), "bed", "cup", there=False) for _ in range(5)]
    training = [larger(rng, leaks=False) for _ in range(100)]
    figures = blind_table(keyed(training), asked([larger(rng, leaks=False), *lost]), steps=5, report=lambda _: None)
    assert figures["all"]["n"] == 1
    assert figures["absent"] == {"n": 5, "majority": 0.0, "statistics": 0.0, "text": 0.0}


def test_the_text_model_answers_what_the_question_allows() -> None:
    rng = np.random.default_rng(2)
    facts = [wider(rng) for _ in range(60)]
    facts += [fact("count", answer_text.count(int(rng.integers(3))), "chair") for _ in range(20)]
    facts += [fact("height_of", answer_text.metres(float(rng.uniform(1, 2))), "door") for _ in range(20)]
    questions = asked(facts)
    again = [train_guesser(questions, questions, steps=8, report=lambda _: None).answers(questions) for _ in range(2)]
    assert again[0] == again[1], "the same seed, the same answers"
    for question, answer in zip(questions, again[0], strict=True):
        if question.form == "choice":
            assert answer.value in question.labels
        elif question.form == "count":
            assert answer.value in (0, 1, 2)
        else:
            assert isinstance(answer.value, float)
            assert 0.9 < answer.value < 2.3


def test_chance_by_hand() -> None:
    training = [fact("count", answer_text.count(n), "chair") for n in (0, 1, 1, 2)]
    # 1.25 m is right within 25 % for 1 m to 1.6 m: three of four.
    training += [fact("height_of", answer_text.metres(m), "bed") for m in (1.0, 1.2, 1.5, 4.0)]
    constant = BestConstant(training)
    assert chance(fact("count", answer_text.count(1), "cup"), constant) == 1.0
    assert chance(fact("count", answer_text.count(2), "cup"), constant) == 0.0
    assert constant.answer(training[4]).value == pytest.approx(1.25)
    assert [chance(f, constant) for f in training[4:]] == [1.0, 1.0, 1.0, 0.0]
    assert chance(fact("near", answer_text.yes_no(True), "cup", "bed"), constant) == 0.5
    assert chance(fact("which_wider", answer_text.choice("cup"), "cup", "bed"), constant) == 0.5
    assert chance(fact("nearest_to_me", answer_text.naming("cup")), constant) == 0.0, "no such kind in training"


def folder(path: Path, splits: dict[str, int]) -> Path:
    shards = []
    for split, rooms in splits.items():
        with ShardWriter(path, split=split, number=0, first_room=0, rooms=rooms) as writer:
            for room in range(rooms):
                writer.add(make_sample(f"{split}-{room:06d}-00", split=split, seed=room))
        shards.append(writer.info)
    manifest = Manifest(recipe={}, planned_rooms=splits, shards=tuple(s for s in shards if s is not None))
    write_manifest(path, manifest)
    return path


def test_from_a_folder_to_the_tables(tmp_path: Path) -> None:
    data = folder(tmp_path, {"train": 6, "val": 2})
    said: list[str] = []
    figures = blind(
        BlindOptions(data=data, out=tmp_path / "new" / "blind.md", splits=["val"], steps=3), report=said.append
    )
    text = (tmp_path / "new" / "blind.md").read_text()
    assert text == blind_markdown(figures)
    assert text in said
    for head, part in (("Family", "families"), ("Form", "forms"), ("Kind", "kinds")):
        table = text.split(f"| {head} |")[1].split("\n\n")[0]
        for name, entry in figures[part].items():
            assert f"| {name} | {entry['n']} |" in table
    assert figures["all"]["n"] == sum(entry["n"] for entry in figures["families"].values()) > 10


def test_without_training_rooms_nothing_can_be_learned(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no samples of split 'train', from which guessing could be learned"):
        blind(BlindOptions(data=folder(tmp_path, {"test_known": 1})), report=lambda _: None)
