"""References to one of several things: read from a question, found in a scene, answered as if it were the only one."""

from __future__ import annotations

import numpy as np
import pytest
from support.scene_samples import FLOOR, box, random_scene, scene_of, thing

from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.ground_truth.phrasing import phrase
from distill3d_ros.questions.ground_truth.question import is_correct
from distill3d_ros.questions.ground_truth.reference_candidates import reference_candidates
from distill3d_ros.questions.parsing import parse
from distill3d_ros.questions.phrases import RELATIVE_WORDS, SUPERLATIVE_WORDS
from distill3d_ros.questions.references import Reference, ResolvedReferences, refer, resolve, single_out
from distill3d_ros.questions.relations import Relations
from distill3d_ros.questions.rules import answer_by_rules
from distill3d_ros.scene.labels import LABELS
from distill3d_ros.scene.objects import Scene, SceneObject
from distill3d_ros.training.evaluation.reference_evaluation import by_rules, referring_text


def room() -> Scene:
    """Three chairs before a window, a table with one of two lamps on it."""
    return scene_of(
        thing(1, "chair", box(-1.5, FLOOR - 0.4, 2.0, (0.4, 0.8, 0.4))),
        thing(2, "chair", box(0.2, FLOOR - 0.5, 3.5, (0.5, 1.0, 0.5))),
        thing(3, "chair", box(1.6, FLOOR - 0.7, 5.0, (0.7, 1.4, 0.7))),
        thing(4, "window", box(1.8, 0.0, 6.0, (1.0, 1.0, 0.1))),
        thing(5, "table", box(-1.0, FLOOR - 0.4, 4.0, (1.2, 0.8, 0.8))),
        thing(6, "lamp", box(-1.0, FLOOR - 0.95, 4.0, (0.2, 0.3, 0.2))),
        thing(7, "lamp", box(2.5, FLOOR - 0.8, 3.0, (0.3, 1.6, 0.3))),
    )


@pytest.mark.parametrize(
    ("text", "kind", "labels", "told", "plain"),
    [
        ("How far is the nearest chair?", "distance_to", ("chair",), [("nearest", None)], "How far is the chair?"),
        ("how far is the lamp on the desk?", "distance_to", ("lamp",), [("on", "desk")], "how far is the lamp?"),
        ("is the lamp on the desk?", "on", ("lamp", "desk"), [], "is the lamp on the desk?"),
        ("is there a cup on the table?", "on", ("cup", "table"), [], "is there a cup on the table?"),
        (
            "is the lamp on the desk left of the bed?",
            "left_of",
            ("lamp", "bed"),
            [("on", "desk"), None],
            "is the lamp left of the bed?",
        ),
        (
            "Is the chair that is closest to the bed touching the table?",
            "touching",
            ("chair", "table"),
            [("nearest_to", "bed"), None],
            "Is the chair touching the table?",
        ),
        (
            "which is closer to the door, the chair next to the window or the sofa?",
            "closer",
            ("door", "chair", "sofa"),
            [None, ("nearest_to", "window"), None],
            "which is closer to the door, the chair or the sofa?",
        ),
        (
            "Is the right chair taller than the left lamp?",
            "taller",
            ("chair", "lamp"),
            [("rightmost", None), ("leftmost", None)],
            "Is the chair taller than the lamp?",
        ),
        ("how many cups are on the table?", "count", ("cup",), [("on", "table")], "how many cups?"),
        ("count the shoes behind the sofa", None, (), [], ""),
        ("what is the nearest chair?", None, (), [], ""),
        ("how many nearest chairs are there?", None, (), [], ""),
        ("is the left side of the table near the sofa?", None, (), [], ""),
        ("is the chair nearest to the chair red?", None, (), [], ""),
    ],
)
def test_references_are_read(
    text: str, kind: str | None, labels: tuple[str, ...], told: list[tuple[str, str | None] | None], plain: str
) -> None:
    parsed = parse(text)
    if kind is None:
        assert parsed is None
        return
    assert parsed is not None
    assert (parsed.kind, parsed.labels, parsed.plain) == (kind, labels, plain)
    assert [None if r is None else (r.how, r.other) for r in parsed.references] == told
    assert all(r is None or r.every == (kind == "count") for r in parsed.references)
    for mention in parsed.mentions:
        assert text[mention.start : mention.end].lower().rstrip("s").startswith(mention.label)


@pytest.mark.parametrize(
    ("how", "other", "wanted"),
    [
        ("nearest", None, 1),
        ("farthest", None, 3),
        ("leftmost", None, 1),
        ("rightmost", None, 3),
        ("largest", None, 3),
        ("smallest", None, 1),
        ("tallest", None, 3),
        ("shortest", None, 1),
        ("nearest_to", "window", 3),
        ("farthest_from", "window", 1),
    ],
)
def test_the_one_that_stands_out_is_meant(how: str, other: str | None, wanted: int) -> None:
    scene = room()
    meant = refer(Reference(label="chair", how=how, other=other), Relations(scene))
    assert not isinstance(meant, str)
    assert meant.ids == {wanted}
    assert meant.lead >= 1


def test_the_one_on_the_table_is_meant_and_all_of_them_are_counted() -> None:
    scene = room()
    on = Reference(label="lamp", how="on", other="table")
    meant = refer(on, Relations(scene))
    assert not isinstance(meant, str)
    assert (meant.ids, meant.lead >= 1) == ({6}, True)
    assert by_rules("how many lamps are on the table?", scene).value == 1
    assert by_rules("how many chairs are on the table?", scene).value == 0
    assert by_rules("how tall is the lamp on the table?", scene).value == pytest.approx(0.3)
    assert by_rules("how tall is the nearest lamp?", scene).value == pytest.approx(1.6)


def test_two_that_hardly_differ_are_a_guess() -> None:
    near = scene_of(*(thing(n, "chair", box(x, 0.5, 2.0 + 0.01 * n)) for n, x in ((1, -0.8), (2, 0.8))))
    meant = refer(Reference(label="chair", how="nearest"), Relations(near))
    assert not isinstance(meant, str)
    assert (meant.ids, meant.lead < 0.2) == ({1}, True)
    singled = resolve([Reference(label="chair", how="nearest")], near)
    assert isinstance(singled, ResolvedReferences)
    assert singled.certainty < 0.6


def test_what_is_not_there_is_named() -> None:
    for text, missing in (
        ("how far is the nearest sofa?", "sofa"),
        ("how far is the chair next to the bed?", "bed"),
        ("how many cups are on the desk?", "desk"),
    ):
        answer = by_rules(text, room())
        assert (answer.value, answer.text) == (None, f"I do not see a {missing}.")


def test_only_the_chosen_bears_the_name() -> None:
    scene = room()
    doubtful = SceneObject(id=8, label="stool", box=box(0.0, 0.8, 2.0), label_scores={"stool": 0.6, "chair": 0.4})
    singled = single_out(scene_of(*scene.objects, doubtful), {"chair": frozenset({2})})
    assert [o.id for o in singled.labelled("chair")] == [2]
    assert singled.by_id(8).label_score("chair") == 0
    assert singled.by_id(8).label_score("stool") == 0.6
    assert {o.id for o in singled.objects} == {2, 4, 5, 6, 7, 8}


def test_facts_about_one_of_several_are_true_and_read_back() -> None:
    """fact -> words -> parse -> the rules on the same scene: the fact's answer, where the words have one reading."""
    rng = np.random.default_rng(3)
    names = tuple(LABELS)[:9]
    ways, right, asked = set(), 0, 0
    for seed in range(25):
        scene = random_scene(np.random.default_rng(seed), 9, labels=names)
        twins = [
            thing(100 + o.id, o.label, box(*(o.box.center + np.array([1.3, 0, 0.9])), tuple(o.box.size * 0.8)))
            for o in scene.objects[:4]
        ]
        scene = scene_of(*scene.objects, *twins)
        for fact, reference in reference_candidates(scene, rng):
            question = phrase(fact, rng)
            text = referring_text(question, reference, rng)
            parsed = parse(text)
            if parsed is None or reference not in parsed.references:
                continue
            ways.add(reference.how)
            asked += 1
            right += is_correct(question, by_rules(text, scene))
    assert asked > 200
    assert right / asked > 0.99
    assert ways >= set(SUPERLATIVE_WORDS) | (set(RELATIVE_WORDS) - {"under", "on"})


def test_without_a_reference_the_rules_answer_as_ever() -> None:
    scene = room()
    text = "how far is the window?"
    assert by_rules(text, scene) == answer_by_rules(parse(text), scene)
    assert isinstance(by_rules("what colour is the sky?", scene), Answer)
    assert not by_rules("what colour is the sky?", scene).understood
