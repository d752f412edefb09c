"""Choice of the demo's questions."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from support.scene_samples import box, random_scene, scene_of, thing

from distill3d_ros.demo.question_plan import ONE_ABSENT_IN, QuestionPlan, same_fact
from distill3d_ros.questions.ground_truth.balancing import is_absent
from distill3d_ros.questions.ground_truth.ground_truth_qa import GroundTruthQA
from distill3d_ros.questions.ground_truth.question import Question
from distill3d_ros.questions.ground_truth.question_candidates import question_candidates
from distill3d_ros.questions.kind_record import FAMILIES
from distill3d_ros.scene.objects import Scene


def asked_over(scenes: int, each: int, seed: int = 3) -> list[Question]:
    plan = QuestionPlan(np.random.default_rng(seed))
    asked = []
    for number in range(scenes):
        scene = random_scene(np.random.default_rng(number), 12)
        plan.new_room()
        for _ in range(each):
            question = plan.choose(scene)
            assert question is not None
            plan.count(question, question.fact)
            asked.append(question)
    return asked


def test_all_families_have_their_turn() -> None:
    counts = Counter(q.family for q in asked_over(scenes=4, each=8))
    assert set(counts) == set(FAMILIES)
    assert max(counts.values()) - min(counts.values()) <= 2, counts


def test_nothing_is_asked_twice_in_a_place() -> None:
    asked = asked_over(scenes=1, each=30)
    groups = [q.fact.group for q in asked]
    assert len(set(groups)) == len(groups)


def test_yes_and_no_are_in_balance() -> None:
    answers = Counter(q.fact.answer.text for q in asked_over(scenes=10, each=12) if q.form == "yes_no")
    assert 0.4 <= answers["yes"] / (answers["yes"] + answers["no"]) <= 0.6, answers


def test_few_questions_are_about_what_is_not_there() -> None:
    asked = asked_over(scenes=10, each=12)
    absent = sum(is_absent(q.fact) for q in asked)
    assert 1 <= absent <= len(asked) / ONE_ABSENT_IN + 1


def test_the_same_seed_asks_the_same_questions() -> None:
    assert [q.text for q in asked_over(2, 6)] == [q.text for q in asked_over(2, 6)]


def fact_of(scene: Scene, kind: str, *labels: str) -> GroundTruthQA:
    return next(f for f in question_candidates(scene) if f.kind == kind and set(f.labels) == set(labels))


def test_a_fact_is_found_again_in_another_view() -> None:
    before = scene_of(thing(1, "chair", box(-1.0, 0.5, 3.0)), thing(2, "lamp", box(1.0, 0.5, 3.0)))
    after = scene_of(thing(1, "chair", box(1.0, 0.5, 4.0)), thing(2, "lamp", box(-1.0, 0.5, 4.0)))
    right = fact_of(before, "which_right", "chair", "lamp")
    again = same_fact(right, after)
    assert right.answer.text == "the lamp"
    assert again is not None
    assert again.answer.text == "the chair"
    between = same_fact(fact_of(before, "distance_between", "chair", "lamp"), after)
    assert between is not None


def test_the_order_of_alternatives_does_not_matter() -> None:
    scene = scene_of(thing(1, "chair", box(-1.0, 0.5, 3.0)), thing(2, "lamp", box(1.0, 0.5, 3.0)))
    right = fact_of(scene, "which_right", "chair", "lamp")
    assert same_fact(replace(right, labels=right.labels[::-1]), scene) == right
    below = fact_of(scene, "below", "chair", "lamp")
    assert same_fact(replace(below, labels=below.labels[::-1]), scene) is None


def test_a_fact_that_is_no_longer_clear_is_not_found() -> None:
    before = scene_of(thing(1, "chair", box(-1.0, 0.5, 3.0)), thing(2, "lamp", box(1.0, 0.5, 3.0)))
    after = scene_of(thing(1, "chair", box(0.0, 0.5, 3.0)), thing(2, "lamp", box(0.02, 0.5, 3.0)))
    assert same_fact(fact_of(before, "which_right", "chair", "lamp"), after) is None
