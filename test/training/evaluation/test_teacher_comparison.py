"""A student beside its teacher: retention and its interval, agreement, words."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from support.data_samples import make_sample

from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.ground_truth.phrasing import phrase
from distill3d_ros.questions.ground_truth.question import Question
from distill3d_ros.questions.ground_truth.question_candidates import question_candidates
from distill3d_ros.training.evaluation.intervals import ratio_interval
from distill3d_ros.training.evaluation.teacher_comparison import TeacherTally, agree, teacher_figures
from distill3d_ros.training.evaluation.text_metrics import text_scores

NOTHING = Answer(text="I do not know.", value=None, understood=False)


def questions() -> list[Question]:
    rng = np.random.default_rng(0)
    return [phrase(fact, rng) for fact in question_candidates(make_sample().scene)]


def test_the_interval_of_a_ratio_agrees_with_scipy() -> None:
    from scipy.stats import bootstrap

    rng = np.random.default_rng(0)
    teacher = rng.random(200) < 0.8
    student = np.where(rng.random(200) < 0.9, teacher, ~teacher)
    ours = ratio_interval(student.tolist(), teacher.tolist(), range(200), seed=1)
    theirs = bootstrap(
        (student.astype(float), teacher.astype(float)),
        lambda a, b, axis: a.sum(axis) / b.sum(axis),
        paired=True,
        method="percentile",
        n_resamples=2000,
        rng=np.random.default_rng(2),
    ).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.01)
    assert ours[0] < student.sum() / teacher.sum() < ours[1]


def test_more_questions_about_the_same_frames_make_nothing_surer() -> None:
    rng = np.random.default_rng(1)
    teacher, student = (rng.random(60) < p for p in (0.9, 0.7))
    once = ratio_interval(student.tolist(), teacher.tolist(), range(60), seed=0)
    five = ratio_interval(*(np.repeat(x, 5).tolist() for x in (student, teacher, np.arange(60))), seed=0)
    assert five == pytest.approx(once)
    apart = ratio_interval(*(np.repeat(x, 5).tolist() for x in (student, teacher)), range(300), seed=0)
    assert apart[1] - apart[0] < 0.7 * (once[1] - once[0])


def test_without_a_right_answer_of_the_teacher_nothing_is_retained_or_lost() -> None:
    assert all(math.isnan(x) for x in ratio_interval([True], [False], ["a"], seed=0))
    assert all(math.isnan(x) for x in ratio_interval([], [], [], seed=0))
    with pytest.raises(ValueError, match="Got 1 and 2 results, 2 groups"):
        ratio_interval([True], [True, True], ["a", "b"], seed=0)


def test_figures_by_hand() -> None:
    pytest.importorskip("nltk")
    asked = questions()
    n = len(asked)
    truth = [q.fact.answer for q in asked]
    tally = TeacherTally(
        questions=asked,
        frames=[f"frame{i % 5}" for i in range(n)],
        teacher=[*truth[: n - 2], NOTHING, NOTHING],
        student=[NOTHING, *truth[1:3], *[NOTHING] * (n - 4), truth[-1]],
    )
    found = teacher_figures(tally, seed=0)
    assert found["n"] == n
    assert found["accuracy"] == pytest.approx((n - 2) / n)
    assert found["student"] == pytest.approx(3 / n)
    assert found["retention"] == pytest.approx(3 / (n - 2))
    assert found["retention_interval"][0] <= found["retention"] <= found["retention_interval"][1]
    assert found["only_teacher_right"] == n - 4
    assert found["only_student_right"] == 1
    assert found["agreement"] == pytest.approx(3 / n)  # two right answers, and one that neither could give
    for groups in ("families", "forms"):
        assert sum(entry["n"] for entry in found[groups].values()) == n
        assert sum(round(entry["n"] * entry["student"]) for entry in found[groups].values()) == 3


def test_agreement_is_about_meaning() -> None:
    asked = {q.form: q for q in questions()}
    yes, no = Answer(text="yes", value=True), Answer(text="no", value=False)
    assert agree(asked["yes_no"], yes, replace(yes, text="Yes.", confidence=0.2))
    assert not agree(asked["yes_no"], yes, no)
    near, far = Answer(text="1.2 metres", value=1.2), Answer(text="2.0 metres", value=2.0)
    assert agree(asked["metric"], near, Answer(text="1.4 metres", value=1.4))
    assert not agree(asked["metric"], near, far)
    blind = Answer(text="I do not see a lamp.", value=None)
    assert agree(asked["yes_no"], blind, blind)
    assert not agree(asked["yes_no"], blind, replace(blind, text="I do not see a chair."))
    assert not agree(asked["yes_no"], blind, no)


def test_text_scores() -> None:
    bleu = pytest.importorskip("nltk.translate.bleu_score")
    said = ["the lamp is on the table", "yes", "it is 1 metres away"]
    known = ["the lamp is on the desk", "no", "it is 2 metres away"]
    found = text_scores(said, known)
    assert found["bleu_1"] == pytest.approx(9 / 12, abs=1e-6)
    # NLTK gives an answer that is too short for a 4-gram one that is wrong: compared without it.
    references, words = [[k.split()] for k in known[::2]], [s.split() for s in said[::2]]
    assert text_scores(said[::2], known[::2])["bleu_4"] == pytest.approx(bleu.corpus_bleu(references, words), abs=1e-6)
    # Longest common subsequences: 5 of 6 words, none of 1, 4 of 5.
    assert found["rouge_l"] == pytest.approx((5 / 6 + 0 + 4 / 5) / 3, abs=1e-6)
    # Banerjee and Lavie's F with NLTK's parameters: P = R = 5/6 in one chunk, 4/5 in two.
    expected = [5 / 6 * (1 - 0.5 * (1 / 5) ** 3), 0.0, 4 / 5 * (1 - 0.5 * (2 / 4) ** 3)]
    assert found["meteor"] == pytest.approx(np.mean(expected), abs=1e-6)
    assert found["exact"] == 0.0
    same = text_scores(said, [text.upper() for text in said])
    assert (same["exact"], same["bleu_4"], same["rouge_l"]) == pytest.approx((1.0, 1.0, 1.0))
    assert text_scores([], []) == {}
    with pytest.raises(ValueError, match="Got 1 and 0"):
        text_scores(["yes"], [])
