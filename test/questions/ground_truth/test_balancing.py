"""Balanced selections: the names and the kind of a question must not give its answer away."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence

import numpy as np
import pytest
from support.scene_samples import random_scene

from distill3d_ros.questions.ground_truth.balancing import ABSENT_SHARE, answer_class, balanced, is_absent
from distill3d_ros.questions.ground_truth.ground_truth_qa import GroundTruthQA
from distill3d_ros.questions.ground_truth.question_candidates import question_candidates
from distill3d_ros.questions.kind_record import FAMILIES
from distill3d_ros.questions.kinds import KINDS

LABELS = ("sofa", "table", "chair", "lamp", "cup", "bowl", "cabinet", "bed", "plant", "door", "shelf", "box")
Indexed = list[tuple[int, GroundTruthQA]]


@pytest.fixture(scope="module")
def halves() -> tuple[Indexed, Indexed]:
    """All facts of 2 x 250 rooms; the sizes of a label are alike in both."""
    rng = np.random.default_rng(11)
    sets: tuple[Indexed, Indexed] = ([], [])
    for half in sets:
        for number in range(250):
            scene = random_scene(rng, int(rng.integers(5, 9)), labels=LABELS)
            half += [(number, fact) for fact in question_candidates(scene)]
    return sets


def blind_accuracy(
    known: Sequence[tuple[int, GroundTruthQA]],
    asked: Sequence[tuple[int, GroundTruthQA]],
    key: Callable[[GroundTruthQA], Hashable],
) -> dict[str, float]:
    """Accuracy by form of a guesser that has learnt the commonest answer to each ``key``."""
    learnt: dict[Hashable, Counter[Hashable]] = defaultdict(Counter)
    for _, fact in known:
        learnt[key(fact)][answer_class(fact)] += 1
    right: dict[str, list[bool]] = defaultdict(list)
    for _, fact in asked:
        seen = learnt.get(key(fact))
        if seen:
            right[KINDS[fact.kind].form].append(seen.most_common(1)[0][0] == answer_class(fact))
    return {form: float(np.mean(hits)) for form, hits in right.items() if len(hits) > 50}


KEYS: dict[str, Callable[[GroundTruthQA], Hashable]] = {
    "kind and names in order": lambda f: (f.kind, f.labels),
    "kind and names": lambda f: (f.kind, tuple(sorted(f.labels))),
    "kind": lambda f: f.kind,
    "kind and first name": lambda f: (f.kind, f.labels[:1]),
}


@pytest.fixture(scope="module")
def chosen(halves: tuple[Indexed, Indexed]) -> tuple[Indexed, Indexed]:
    rng = np.random.default_rng(0)
    return balanced(halves[0], rng), balanced(halves[1], rng)


@pytest.fixture(scope="module")
def limited(halves: tuple[Indexed, Indexed]) -> tuple[Indexed, Indexed]:
    rng = np.random.default_rng(1)
    return balanced(halves[0], rng, limit=8000), balanced(halves[1], rng, limit=8000)


def test_there_is_something_to_balance(halves: tuple[Indexed, Indexed]) -> None:
    assert blind_accuracy(*halves, KEYS["kind and names in order"])["yes_no"] > 0.7


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_blind_guesser_stays_at_one_half(
    chosen: tuple[Indexed, Indexed], limited: tuple[Indexed, Indexed], key: Callable[[GroundTruthQA], Hashable]
) -> None:
    for known, asked in (chosen, limited):
        after = blind_accuracy(known, asked, key)
        assert after["yes_no"] <= 0.55
        assert after["choice"] <= 0.55


def test_a_guesser_of_positions_stays_at_one_half(chosen: tuple[Indexed, Indexed]) -> None:
    choices = [f for _, f in chosen[0] if KINDS[f.kind].form == "choice" and not is_absent(f)]
    first = np.mean([f.answer.value == f.labels[-2] for f in choices])
    assert first == pytest.approx(0.5, abs=0.02)


def test_yes_and_no_and_both_choices_are_equal_in_every_group(chosen: tuple[Indexed, Indexed]) -> None:
    groups: dict[str, list[GroundTruthQA]] = defaultdict(list)
    for _, fact in chosen[0]:
        if not is_absent(fact):
            groups[fact.group].append(fact)
    for members in groups.values():
        form = KINDS[members[0].kind].form
        answers = Counter(answer_class(f) for f in members)
        if form in ("yes_no", "choice"):
            assert len(answers) == 2
            assert len(set(answers.values())) == 1
        elif len(answers) > 1:
            ranked = answers.most_common()
            assert ranked[0][1] == ranked[1][1]
        else:
            assert len(members) == 1
        if form == "choice":
            orders = Counter(f.labels[-2:] for f in members)
            assert abs(orders[members[0].labels[-2:]] * 2 - len(members)) <= 2


def test_swapped_choices_still_name_the_right_objects(
    halves: tuple[Indexed, Indexed], chosen: tuple[Indexed, Indexed]
) -> None:
    def referents(fact: GroundTruthQA) -> dict[str, int | None]:
        return dict(zip(fact.labels, fact.object_ids, strict=True))

    before = {(n, f.group): referents(f) for n, f in halves[0] if KINDS[f.kind].form == "choice"}
    for number, fact in chosen[0]:
        if KINDS[fact.kind].form == "choice" and not is_absent(fact):
            assert referents(fact) == before[number, fact.group]


def test_absent_things_are_a_small_share(chosen: tuple[Indexed, Indexed], limited: tuple[Indexed, Indexed]) -> None:
    for questions in (*chosen, *limited):
        assert np.mean([is_absent(f) for _, f in questions]) == pytest.approx(ABSENT_SHARE, abs=0.01)


def test_a_limit_is_kept_and_spread_over_families_and_kinds(halves: tuple[Indexed, Indexed]) -> None:
    chosen = balanced(halves[0], np.random.default_rng(5), limit=2400)
    assert 2300 <= len(chosen) <= 2400
    families = Counter(KINDS[f.kind].family for _, f in chosen)
    assert set(families) == set(FAMILIES)
    assert min(families.values()) > 0.7 * 2400 / len(FAMILIES)
    assert {f.kind for _, f in chosen} == set(KINDS)


def test_the_same_generator_gives_the_same_choice(halves: tuple[Indexed, Indexed]) -> None:
    some = halves[0][:5000]
    first, second = (balanced(some, np.random.default_rng(6), limit=500) for _ in range(2))
    assert first == second
    assert first != balanced(some, np.random.default_rng(7), limit=500)


def test_nothing_and_little_are_fine() -> None:
    assert balanced([], np.random.default_rng(0)) == []
    assert balanced([], np.random.default_rng(0), limit=10) == []
    rng = np.random.default_rng(0)
    few = [(0, f) for f in question_candidates(random_scene(rng, 3))]
    assert len(balanced(few, rng, limit=1)) <= 1
