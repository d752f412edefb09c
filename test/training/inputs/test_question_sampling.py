"""Questions of training scenes: balance, what words refer to, noise like a detector's, what can be guessed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from distill3d_ros.questions import answer_text
from distill3d_ros.questions.ground_truth.ground_truth_qa import GroundTruthQA
from distill3d_ros.questions.ground_truth.phrasing import phrase
from distill3d_ros.questions.ground_truth.question import is_correct
from distill3d_ros.questions.ground_truth.question_candidates import question_candidates
from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.scene.annotation import Annotation
from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.scene.labels import LABELS, SIMULATED_LABELS
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject
from distill3d_ros.training.config import NoiseConfig, StageConfig
from distill3d_ros.training.evaluation.baselines import MajorityBaseline, QuestionOnlyBaseline
from distill3d_ros.training.inputs.detector_noise import ALIKE, Detector
from distill3d_ros.training.inputs.question_sampling import Balance, choose_questions, question_text
from distill3d_ros.training.stages.reasoning import answerable, object_set, questions_on_report

LABEL_INDEX = {name: i for i, name in enumerate(LABELS)}
CAMERA = Intrinsics.from_fov(width=224, height=224, horizontal_fov=1.1)


def room(seed: int) -> Scene:
    """Seven different things on a floor 1.2 m below the camera, all well visible."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(["chair", "table", "lamp", "sofa", "plant", "box", "shelf", "desk", "bag"], 7, replace=False)
    objects = []
    for i, label in enumerate(labels, start=1):
        size = rng.uniform(0.3, 1.2, 3)
        center = [rng.uniform(-2, 2), 1.2 - size[1] / 2, rng.uniform(1.5, 5)]
        box = Box3D(center=center, size=size, yaw=rng.uniform(-3, 3))
        objects.append(SceneObject(id=i, label=str(label), box=box, visible_pixels=int(rng.integers(300, 3000))))
    return Scene(objects=tuple(objects), intrinsics=CAMERA, annotation=Annotation(classes=frozenset(SIMULATED_LABELS)))


ROOMS = [room(seed) for seed in range(60)]
BALANCE = Balance.of(ROOMS)
STAGE = StageConfig(name="reasoning", kind="reasoning", questions_per_scene=12)


def fact(kind: str, value: bool, *labels: str) -> GroundTruthQA:
    names = "|".join(labels)
    return GroundTruthQA(kind, labels, tuple(range(1, len(labels) + 1)), answer_text.yes_no(value), f"{kind}:{names}")


def test_balance_asks_the_common_answer_as_often_as_the_rare_one() -> None:
    balance = Balance({"near:a|b": {"True": 90, "False": 9}})
    common, rare = fact("near", True, "a", "b"), fact("near", False, "a", "b")
    assert balance.keep(rare) == 1.0
    assert 90 * balance.keep(common) == pytest.approx(9, rel=0.06)
    assert balance.keep(fact("far", True, "a", "b")) == 1.0


def test_balance_survives_its_file(tmp_path: Path) -> None:
    BALANCE.save(tmp_path / "balance.json")
    assert Balance.load(tmp_path / "balance.json").counts == BALANCE.counts


def test_training_questions_cannot_be_guessed_from_their_names() -> None:
    rng = np.random.default_rng(0)
    asked = [
        f for scene in ROOMS for _ in range(3) for f in choose_questions(question_candidates(scene), BALANCE, 24, rng)
    ]
    yes_no = [f for f in asked if KINDS[f.kind].form == "yes_no" and isinstance(f.answer.value, bool)]
    assert len(yes_no) > 800
    assert np.mean([f.answer.value for f in yes_no]) == pytest.approx(0.5, abs=0.08)
    families = Counter(KINDS[f.kind].family for f in asked)
    assert min(families[name] for name in ("proximity", "size", "orientation", "distance", "counting")) > 300


def test_choices_come_in_both_orders() -> None:
    rng = np.random.default_rng(1)
    asked = [
        f
        for scene in ROOMS
        for f in choose_questions(question_candidates(scene), BALANCE, 24, rng)
        if KINDS[f.kind].form == "choice"
    ]
    first = np.mean([f.answer.value == f.labels[-2] for f in asked])
    assert first == pytest.approx(0.5, abs=0.1)
    assert all(f.answer.value in f.labels[-2:] for f in asked if f.answer.value is not None)


def test_names_are_tied_to_the_reports_of_what_they_mean() -> None:
    scene, rng = ROOMS[0], np.random.default_rng(2)
    places = {o.id: (10 + o.id, 20 + o.id) for o in scene.objects}
    by_label = {o.label: o.id for o in scene.objects}
    for f in choose_questions(question_candidates(scene), BALANCE, 40, rng):
        question = phrase(f, rng)
        tied = question_text(
            question, LABEL_INDEX, lambda i: places[i], lambda label: places.get(by_label.get(label, 0), ())
        )
        for mention, name in zip(question.mentions, tied.names, strict=True):
            assert tied.text[name.start : name.end] == question.text[mention.start : mention.end]
            assert name.label == LABEL_INDEX[mention.label]
            there = mention.label in by_label
            assert name.objects == (places[by_label[mention.label]] if there else ())
        assert tied.answer == f.answer.text


def test_a_thing_that_was_not_found_supervises_no_pointer() -> None:
    scene, rng = ROOMS[0], np.random.default_rng(3)
    f = next(x for x in question_candidates(scene) if x.kind == "distance_to" and x.object_ids[0] is not None)
    tied = question_text(phrase(f, rng), LABEL_INDEX, lambda i: (), lambda label: None)
    assert [n.objects for n in tied.names] == [None]


def test_without_noise_the_reports_are_the_truth() -> None:
    scene = ROOMS[1]
    report = Detector(NoiseConfig(clean=1.0), list(LABELS)).observe(scene, np.random.default_rng(0))
    assert sorted(report.origin) == [o.id for o in scene.objects]
    for o in scene.objects:
        [i] = report.found(o.id)
        assert report.center[i] == pytest.approx(o.box.center, abs=1e-5)
        assert report.size[i] == pytest.approx(o.box.size, abs=1e-5)
        assert report.class_probs[i].argmax() == LABEL_INDEX[o.label]


def test_noise_is_as_strong_as_configured() -> None:
    detector = Detector(NoiseConfig(ray=(0.1, 0.1), miss=0.0, confusion=0.2, clean=0.0), list(LABELS))
    rng = np.random.default_rng(1)
    ratios, names = [], []
    for scene in ROOMS * 4:
        report = detector.observe(scene, rng)
        for o in scene.objects:
            for i in report.found(o.id)[:1]:
                ratios.append(np.linalg.norm(report.center[i]) / np.linalg.norm(o.box.center))
                names.append(report.class_probs[i].argmax() == LABEL_INDEX[o.label])
    assert np.std(np.log(ratios)) == pytest.approx(0.1, rel=0.2)
    assert np.mean(names) == pytest.approx(0.8, abs=0.06)


def test_hardly_visible_things_are_mostly_missed_and_places_are_limited() -> None:
    scene = replace(ROOMS[2], objects=tuple(replace(o, visible_pixels=3) for o in ROOMS[2].objects))
    detector = Detector(NoiseConfig(clean=0.0), list(LABELS), max_objects=5)
    rng = np.random.default_rng(4)
    reports = [detector.observe(scene, rng) for _ in range(40)]
    assert np.mean([len(set(r.origin) - {0}) for r in reports]) < 4
    assert max(len(r.score) for r in reports) == 5


def test_things_are_only_confused_with_known_things() -> None:
    assert {name for group in ALIKE for name in group} <= set(LABELS)


def test_families_that_are_learned_may_take_fewer_turns() -> None:
    def counts(shares: dict[str, float]) -> Counter[str]:
        rng = np.random.default_rng(4)
        return Counter(
            KINDS[f.kind].family
            for room in ROOMS
            for f in choose_questions(question_candidates(room), BALANCE, 12, rng, shares)
        )

    even, fewer = counts({}), counts({"counting": 0.2})
    assert fewer["counting"] < 0.5 * even["counting"]
    assert abs(sum(fewer.values()) - sum(even.values())) <= 0.02 * sum(even.values()), "other families fill the places"
    for shares in ({"count": 0.5}, {"counting": 0.0}, {"counting": 1.5}):
        with pytest.raises(ValueError, match="family_shares"):
            StageConfig(name="reasoning", kind="reasoning", family_shares=shares)


def test_only_what_was_found_is_asked_about() -> None:
    scene, rng = ROOMS[3], np.random.default_rng(5)
    detector = Detector(NoiseConfig(miss=0.5, clean=0.0), list(LABELS))
    for _ in range(10):
        report = detector.observe(scene, rng)
        there = set(report.origin.tolist())
        for f in answerable(scene, report):
            assert {i for i in f.object_ids if i is not None} <= there
        assert len(questions_on_report(scene, report, BALANCE, STAGE, LABEL_INDEX, rng)) <= 12


def test_reports_are_padded() -> None:
    detector = Detector(NoiseConfig(), list(LABELS))
    reports = [detector.observe(scene, np.random.default_rng(6)) for scene in ROOMS[:3]]
    objects = object_set(reports)
    assert objects.mask.sum(1).tolist() == [len(r.score) for r in reports]
    assert objects.feature is None
    assert (objects.size > 0).all()


def test_baselines_know_what_names_tell_and_nothing_else() -> None:
    training = [fact("larger", True, "bed", "cup")] * 30 + [fact("larger", False, "cup", "bed")] * 30
    training += [fact("larger", v, "chair", "desk") for v in (True, False) * 15]
    question_only, majority = QuestionOnlyBaseline(training), MajorityBaseline(training)
    assert is_correct(fact("larger", True, "bed", "cup"), question_only.answer(fact("larger", True, "bed", "cup")))
    # Never asked together, but beds were larger and cups smaller.
    assert question_only.answer(fact("larger", True, "bed", "desk")).value is True
    assert question_only.answer(fact("larger", False, "cup", "desk")).value is False
    assert majority.answer(fact("larger", True, "bed", "cup")).value in (True, False)
    assert not majority.answer(fact("near", True, "bed", "cup")).understood


def test_question_only_does_not_know_which_of_two_equals_has_the_lower_id() -> None:
    training = [fact("touching", v, *names) for v, names in ((True, ("desk", "cup")), (False, ("cup", "desk"))) * 20]
    baseline = QuestionOnlyBaseline(training)
    answers = {baseline.answer(fact("touching", True, *names)).value for names in (("cup", "desk"), ("desk", "cup"))}
    assert len(answers) == 1, "the same question has one answer"


def test_question_only_stays_near_chance_on_balanced_questions() -> None:
    from distill3d_ros.questions.ground_truth.balancing import balanced

    rng = np.random.default_rng(0)
    train = [f for _, f in balanced([(i, f) for i, s in enumerate(ROOMS[:40]) for f in question_candidates(s)], rng)]
    test = [f for _, f in balanced([(i, f) for i, s in enumerate(ROOMS[40:]) for f in question_candidates(s)], rng)]
    test = [f for f in test if KINDS[f.kind].form in ("yes_no", "choice") and f.answer.value is not None]
    baseline = QuestionOnlyBaseline(train)
    assert len(test) > 150
    assert np.mean([is_correct(f, baseline.answer(f)) for f in test]) < 0.6


def test_baselines_answer_metres_with_a_median() -> None:
    def metres(value: float) -> GroundTruthQA:
        return GroundTruthQA("distance_to", ("bed",), (1,), answer_text.metres(value), "distance_to:bed")

    training = [metres(v) for v in (1.0, 2.0, 4.0)]
    for baseline in (QuestionOnlyBaseline(training), MajorityBaseline(training)):
        assert baseline.answer(metres(9.0)).value == pytest.approx(2.0)
