"""From facts to words and back: every kind, every wording, held-out ones too."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.scene_samples import FLOOR, box, random_scene, scene_of, thing

from distill3d_ros.questions import answer_text
from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.ground_truth.ground_truth_qa import GroundTruthQA
from distill3d_ros.questions.ground_truth.phrasing import phrase
from distill3d_ros.questions.ground_truth.question import Question, is_correct
from distill3d_ros.questions.ground_truth.question_candidates import question_candidates
from distill3d_ros.questions.kind_record import FAMILIES, FORMS
from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.questions.parsing import parse
from distill3d_ros.questions.rules import answer_by_rules
from distill3d_ros.questions.templates import templates
from distill3d_ros.scene.labels import LABELS, find_label

NAMES = tuple(LABELS)


def fact_of(kind: str, labels: tuple[str, ...], answer: Answer | None = None) -> GroundTruthQA:
    return GroundTruthQA(kind, labels, tuple(range(1, len(labels) + 1)), answer or answer_text.yes_no(True), kind)


def means_the_same(kind: str, got: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    return got == wanted or (KINDS[kind].symmetric and got == wanted[::-1])


def some_labels(kind: str, seed: int) -> tuple[str, ...]:
    order = np.random.default_rng(seed).permutation(len(NAMES))
    return tuple(NAMES[int(i)] for i in order[: KINDS[kind].slots])


def test_families_and_forms_are_the_known_ones() -> None:
    assert {spec.family for spec in KINDS.values()} == set(FAMILIES)
    assert {spec.form for spec in KINDS.values()} == set(FORMS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_enough_wordings_and_none_is_in_both_sets(kind: str) -> None:
    known, held_out = templates(kind, False), templates(kind, True)
    assert len(known) >= 25
    assert len(held_out) >= 3
    assert len(set(known)) == len(known)
    assert not set(known) & set(held_out)
    for template in known + held_out:
        assert {int(n) for n in re.findall(r"\{(\d)", template)} == set(range(KINDS[kind].slots)), template
        assert not re.search(r"[()|]|  ", template), template


@pytest.mark.parametrize("kind", KINDS)
def test_every_wording_is_understood(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    for held_out in (False, True):
        for number, template in enumerate(templates(kind, held_out)):
            monkeypatch.setattr("distill3d_ros.questions.ground_truth.phrasing.templates", lambda *_, t=template: (t,))
            labels = some_labels(kind, number)
            question = phrase(fact_of(kind, labels), rng, held_out=held_out)
            for text in (question.text, question.text.upper().rstrip("?"), question.text.replace("'", "\u2019")):
                parsed = parse(text)
                assert parsed is not None, text
                assert (parsed.kind, parsed.family, parsed.form) == (kind, KINDS[kind].family, KINDS[kind].form), text
                assert means_the_same(kind, parsed.labels, labels), text
                spans = [(m.start, m.end, m.label) for m in question.mentions]
                assert [(m.start, m.end, m.label) for m in parsed.mentions] == spans, text


@given(st.sampled_from(list(KINDS)), st.integers(0, 10_000), st.booleans())
def test_mentions_span_exactly_the_names(kind: str, seed: int, held_out: bool) -> None:
    fact = fact_of(kind, some_labels(kind, seed))
    question = phrase(fact, np.random.default_rng(seed), held_out=held_out)
    assert question.held_out_wording == held_out
    assert len(question.mentions) == KINDS[kind].slots
    for mention in question.mentions:
        label = find_label(question.text[mention.start : mention.end])
        assert label is not None
        assert label.name == mention.label
        assert mention.object_id == fact.object_ids[fact.labels.index(mention.label)]
    assert [m.start for m in question.mentions] == sorted(m.start for m in question.mentions)


def test_synonyms_come_now_and_then() -> None:
    rng = np.random.default_rng(0)
    texts = [phrase(fact_of("exists", ("sofa",)), rng).text for _ in range(300)]
    called_otherwise = sum("sofa" not in text for text in texts)
    assert 0.1 < called_otherwise / len(texts) < 0.3


def test_articles_and_plurals_fit_the_name() -> None:
    rng = np.random.default_rng(1)
    asked = [fact_of(kind, (label,)) for label in NAMES for kind in ("exists", "count")]
    texts = {phrase(fact, rng).text for fact in asked for _ in range(40)}
    for text in texts:
        assert not re.search(r"\b[aA] [aeiou]|\b[aA]n [^aeiou]", text), text
        assert not re.search(r"shelfs|boxs|benchs|many (?:chair|lamp|box)\b", text), text
    assert any("shelves" in text for text in texts)
    assert any("boxes" in text for text in texts)


def test_the_same_generator_gives_the_same_words() -> None:
    fact = fact_of("near", ("chair", "table"))
    first, second = ([phrase(fact, rng).text for _ in range(20)] for rng in map(np.random.default_rng, (5, 5)))
    assert first == second
    assert len(set(first)) > 5


@pytest.mark.parametrize("meshes", [True, False])
def test_words_and_rules_on_truth_give_the_truth(meshes: bool) -> None:
    """fact -> words -> parse -> rules on the same scene: right for every kind, as no fact lies in a margin band."""
    rng = np.random.default_rng(7)
    seen: Counter[str] = Counter()
    for _ in range(14):
        scene = random_scene(rng, 11, meshes=meshes, clear=False)
        visible = replace(scene, objects=tuple(o for o in scene.objects if (o.visible_pixels or 0) > 25))
        for fact in question_candidates(scene):
            if rng.random() > 0.4 and KINDS[fact.kind].family != "naming":
                continue
            question = phrase(fact, rng, held_out=bool(rng.random() < 0.3))
            for asked in (fact, question, parse(question.text)):
                answer = answer_by_rules(asked, visible)
                assert is_correct(question, answer), (question.text, fact.answer, answer)
                assert is_correct(fact, replace(answer, value=answer_text.answer_value(answer.text))), (fact, answer)
            seen[fact.kind] += 1
    assert set(KINDS) - set(seen) <= ({"standing_on"} if not meshes else set())


def test_marking() -> None:
    yes = fact_of("near", ("chair", "table"))
    assert is_correct(yes, answer_text.yes_no(True))
    assert not is_correct(yes, answer_text.yes_no(False))
    assert not is_correct(yes, answer_text.count(1))
    assert not is_correct(yes, answer_text.not_understood())
    far = fact_of("distance_to", ("chair",), answer_text.metres(2.0))
    assert is_correct(far, answer_text.metres(2.49))
    assert is_correct(far, answer_text.metres(1.51))
    assert not is_correct(far, answer_text.metres(2.6))
    assert not is_correct(far, answer_text.yes_no(True))
    two = fact_of("count", ("chair",), answer_text.count(2))
    assert is_correct(two, answer_text.count(2))
    assert not is_correct(two, answer_text.count(3))
    one = fact_of("count", ("chair",), answer_text.count(1))
    assert not is_correct(one, answer_text.yes_no(True))  # True == 1 in Python
    named = replace(fact_of("what_is_on", ("table",), answer_text.naming("bowl")), accepted=("cup",))
    assert is_correct(named, answer_text.naming("bowl"))
    assert is_correct(named, answer_text.naming("cup"))
    assert not is_correct(named, answer_text.naming("lamp"))
    assert not is_correct(named, answer_text.naming("nothing"))


def test_marking_of_absent_things() -> None:
    fact = GroundTruthQA("near", ("lamp", "table"), (None, 3), answer_text.not_seen("lamp"), "near:absent")
    assert is_correct(fact, answer_text.not_seen("lamp"))
    assert not is_correct(fact, answer_text.not_seen("table"))
    assert not is_correct(fact, answer_text.yes_no(False))
    assert not is_correct(fact, answer_text.no_scale())


def test_a_question_knows_its_labels() -> None:
    scene = scene_of(thing(1, "chair", box(-1, FLOOR - 0.2, 3)), thing(2, "table", box(1, FLOOR - 0.2, 3)))
    fact = next(f for f in question_candidates(scene) if f.kind in ("left_side", "right_side"))
    question = phrase(fact, np.random.default_rng(0))
    assert isinstance(question, Question)
    assert question.labels == question.fact.labels
    assert question.family == "orientation"
