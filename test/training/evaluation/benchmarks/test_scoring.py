"""Scores of published question sets against values computed by hand, and answers in the form that each set scores."""

from __future__ import annotations

from dataclasses import replace

import pytest

from distill3d_ros.questions import answer_text
from distill3d_ros.questions.answer import Answer
from distill3d_ros.training.evaluation.benchmarks.marking import best_constant, figures, mark
from distill3d_ros.training.evaluation.benchmarks.predictions import prediction
from distill3d_ros.training.evaluation.benchmarks.question import BenchmarkQuestion, QuestionSet
from distill3d_ros.training.evaluation.benchmarks.scoring import (
    exact_match,
    mean_relative_accuracy,
    normalised,
    normalised_match,
    refined_match,
    score,
)
from distill3d_ros.training.evaluation.benchmarks.vsi_bench import TASK_OF


def question(metric: str, *answers: str, kind: str = "", number: int = 0, **others: object) -> BenchmarkQuestion:
    return BenchmarkQuestion(
        id=str(number), scan="scene0000_00", text="?", type=kind, metric=metric, answers=answers, **others
    )


def test_exact_match_is_letter_by_letter():
    assert exact_match("brown", ["dark brown", "brown"]) == 1
    assert exact_match("Brown", ["dark brown", "brown"]) == 0
    assert exact_match("", [""]) == 0


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("The  Left side.", "left side"),
        ("2", "two"),
        ("none", "zero"),
        ("23 chairs", "twenty-three chairs"),
        ("24", "24"),
        ("a tv on an oven", "TV on oven"),
        ("table2", "table"),
        ("9 oclock", "nine o'clock"),
        ("nine o'  clock", "nine o'clock"),
        ("Rigth, behine me!", "right, behind me"),
        ("go backwards", "go backward"),
        ("a", "a"),
        ("theatre and banana", "theatre and banana"),
        ("?!", ""),
    ],
)
def test_normalised(text: str, plain: str):
    assert normalised(text) == plain
    assert normalised(plain) == plain


def test_normalised_and_refined_match():
    assert normalised_match("The table.", ["table"]) == 1
    assert normalised_match("3", ["three"]) == 1
    assert normalised_match("wooden table", ["table"]) == 0
    assert normalised_match("", ["?"]) == 0
    assert refined_match("wooden table", ["table"]) == 1
    assert refined_match("chair", ["office chair", "seat"]) == 1
    assert refined_match("arm chair", ["armchair"]) == 1
    assert refined_match("lamp", ["table"]) == 0
    assert refined_match("", ["table"]) == 0, "no answer is part of every text"
    assert refined_match("table", ["?"]) == 0


@pytest.mark.parametrize(
    ("said", "true", "expected"),
    [
        (10, 10, 1.0),
        (7.7, 10, 0.6),  # 0.23 off: within 0.5, 0.45, 0.4, 0.35, 0.3, 0.25
        (12.3, 10, 0.6),
        (15, 10, 0.1),  # 0.5 off: within the first alone, which is met exactly
        (15.1, 10, 0.0),
        (103, 100, 1.0),
        (94, 100, 0.9),
        (0, 10, 0.0),
    ],
)
def test_mean_relative_accuracy(said: float, true: float, expected: float):
    assert mean_relative_accuracy(said, true) == pytest.approx(expected)


def test_nothing_is_relative_to_nothing():
    with pytest.raises(ValueError, match=r"must be above 0\. Got 0"):
        mean_relative_accuracy(1.0, 0.0)


NO_ANSWERS = [
    answer_text.not_understood(),
    answer_text.not_seen("lamp"),
    answer_text.no_scale(),
]


@pytest.mark.parametrize("answer", NO_ANSWERS)
@pytest.mark.parametrize(
    "asked",
    [
        question("exact_match", "lamp"),
        question("normalised_match", "lamp"),
        question("choice", "A", options={"A": "lamp", "B": "bed"}),
        question("mean_relative_accuracy", "2", kind="object_counting"),
    ],
)
def test_no_answer_scores_nothing(asked: BenchmarkQuestion, answer: Answer):
    given = mark(asked, answer)
    assert (given.prediction, given.score, given.refined or 0.0) == ("", 0.0, 0.0)
    assert given.understood is answer.understood


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (answer_text.yes_no(True), "yes"),
        (answer_text.yes_no(False), "no"),
        (answer_text.count(2), "2"),
        (answer_text.count(0), "0"),
        (answer_text.naming("trash can"), "trash can"),
        (answer_text.choice("oven"), "oven"),
        (answer_text.metres(1.43), "1.4 metres"),
    ],
)
def test_free_answers(answer: Answer, text: str):
    assert prediction(question("exact_match", "x"), answer) == text


def test_options_are_named_by_letter():
    asked = question("choice", "B", options={"A": "chair", "B": "tv", "C": "stove", "D": "microwave", "E": "Bed"})
    assert prediction(asked, answer_text.choice("television")) == "B"
    assert prediction(asked, answer_text.choice("bed")) == "E"
    assert prediction(asked, answer_text.choice("oven")) == "", "two options are ovens"
    assert prediction(replace(asked, options={"A": "oven", "B": "stove"}), answer_text.choice("oven")) == "A"
    assert prediction(asked, answer_text.choice("lamp")) == ""
    assert prediction(asked, answer_text.yes_no(True)) == ""
    assert score(asked, "B") == 1
    assert score(asked, "A") == score(asked, "") == 0


@pytest.mark.parametrize(
    ("kind", "answer", "text"),
    [
        ("object_counting", answer_text.count(3), "3"),
        ("object_counting", answer_text.yes_no(True), ""),
        ("object_counting", answer_text.metres(3.0), ""),
        ("object_abs_distance", answer_text.metres(1.43), "1.43"),
        ("object_abs_distance", answer_text.count(2), ""),
        ("object_size_estimation", answer_text.metres(0.725), "72.5"),
        ("room_size_estimation", answer_text.metres(4.0), ""),
        ("object_abs_distance", answer_text.naming("lamp"), ""),
    ],
)
def test_numbers_have_the_unit_asked_for(kind: str, answer: Answer, text: str):
    assert prediction(question("mean_relative_accuracy", "3", kind=kind), answer) == text


def test_best_constant():
    texts = [question("exact_match", *answers) for answers in (("a", "b"), ("b",), ("c", "b"), ("a",))]
    assert best_constant(texts) == ("b", 0.75)
    numbers = [question("mean_relative_accuracy", answer) for answer in ("1", "1", "1.3", "1.31", "1.32")]
    # 1: (1 + 1 + .6 + .6 + .6) / 5 = .76 (0.231, 0.237, 0.242 off); 1.3: (.5 + .5 + 1 + 1 + 1) / 5 = .8 (0.3 off twice)
    best, value = best_constant(numbers)
    assert best in ("1.3", "1.31", "1.32")
    assert value == pytest.approx(max(score_of(numbers, q.answers[0]) for q in numbers))
    assert value > score_of(numbers, "1"), "the commonest number is not the best one"


def score_of(questions: list[BenchmarkQuestion], text: str) -> float:
    return sum(score(q, text) for q in questions) / len(questions)


def test_figures_of_questions_that_count_the_same():
    asked = [
        question("normalised_match", "yes", kind="is", number=0),
        question("normalised_match", "no", kind="is", number=1),
        question("normalised_match", "yes", kind="is", number=2),
        question("normalised_match", "trash can", kind="what", number=3),
    ]
    answers = [answer_text.yes_no(True), *NO_ANSWERS[:2], answer_text.naming("trash can")]
    marks = {q.id: mark(q, a) for q, a in zip(asked, answers, strict=True)}
    found = figures(QuestionSet(name="SQA3D", questions=tuple(asked)), marks)
    assert (found["n"], found["score"], found["refined"]) == (4, 0.5, 0.5)
    assert (found["not_understood"], found["no_answer"], found["score_of_answered"]) == (0.25, 0.25, 1.0)
    assert found["constant"] == pytest.approx((2 + 1) / 4)
    assert found["types"]["is"]["score"] == pytest.approx(1 / 3)
    assert (found["types"]["is"]["constant_answer"], found["types"]["what"]["n"]) == ("yes", 1)
    low, high = found["interval"]
    assert low < 0.5 < high


def test_figures_of_tasks():
    """Three levels of direction make one task; a task counts the same however many questions it has."""
    easy, hard, count = "object_rel_direction_easy", "object_rel_direction_hard", "object_counting"
    sides = {"A": "chair", "B": "lamp"}
    asked = [
        question("choice", "A", kind=easy, number=0, options=sides),
        question("choice", "B", kind=hard, number=1, options=sides),
        question("choice", "B", kind=hard, number=2, options=sides),
        question("mean_relative_accuracy", "10", kind=count, number=3),
    ]
    answers = [answer_text.choice("chair"), answer_text.choice("lamp"), NO_ANSWERS[0], answer_text.count(8)]
    marks = {q.id: mark(q, a) for q, a in zip(asked, answers, strict=True)}
    found = figures(QuestionSet(name="VSI-Bench", questions=tuple(asked), task_of=TASK_OF), marks)
    assert found["types"][hard]["score"] == 0.5
    counting = found["types"][count]
    assert counting["score"] == marks["3"].score == mean_relative_accuracy(8, 10)
    assert found["score"] == pytest.approx(((1.0 + 0.5) / 2 + counting["score"]) / 2)
    assert (found["interval"], counting["interval"], counting["refined"]) == (None, None, None)
    assert found["types"][easy]["interval"] is not None
