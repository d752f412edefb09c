"""The table of kinds: its records agree with each other, with the phrases and with the measures that they name."""

from __future__ import annotations

import pytest

from distill3d_ros.questions.kind_record import Kind
from distill3d_ros.questions.kinds import KINDS, drawn
from distill3d_ros.questions.phrases import COUNTED, PHRASES, REFERENCE_FIRST, RELATIVE_WORDS, SUPERLATIVE_WORDS
from distill3d_ros.questions.relations import Relations
from distill3d_ros.questions.superlatives import SUPERLATIVES
from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.scene.objects import Scene

WAYS = ("single", "symmetric", "directed", "ordered", "measured", "anchored")


def test_every_kind_has_phrases_and_words_to_be_known_by() -> None:
    assert set(PHRASES) == set(KINDS)
    for name, kind in KINDS.items():
        assert kind.patterns, name
        assert bool(PHRASES[name].comparative) != bool(PHRASES[name].question), name
        assert bool(PHRASES[name].statement) == (kind.form == "yes_no"), name


def test_kinds_that_stand_in_for_others_exist_and_are_not_drawn_themselves() -> None:
    stand_ins = [name for k in KINDS.values() for name in (k.converse, k.contrary, *(k.choices or ())) if name]
    assert len(set(stand_ins)) == len(stand_ins)
    for name in stand_ins:
        assert KINDS[name].drawn is None, name
    for name, kind in KINDS.items():
        drawn_by_family = kind.family in ("naming", "counting", "existence")
        assert (kind.drawn is not None) + (name in stand_ins) + drawn_by_family == 1, name


@pytest.mark.parametrize("way", WAYS)
def test_places_in_drawing_are_each_taken_once(way: str) -> None:
    assert [KINDS[name].drawn for name in drawn(way)] == [(way, place) for place in range(len(drawn(way)))]


def test_what_is_named_and_referred_to_can_be_measured() -> None:
    assert {kind.preference for kind in KINDS.values()} <= set(SUPERLATIVES)
    assert set(SUPERLATIVE_WORDS) <= set(SUPERLATIVES)
    for how in set(RELATIVE_WORDS) - set(SUPERLATIVES):
        assert KINDS[how].form == "yes_no", how
        assert KINDS[how].slots == 2, how
    assert {*REFERENCE_FIRST, *COUNTED} <= set(RELATIVE_WORDS)


@pytest.mark.parametrize(("family", "form", "named"), [("colour", "yes_no", "colour"), ("size", "maybe", "maybe")])
def test_a_record_of_an_unknown_family_or_form_is_refused(family: str, form: str, named: str) -> None:
    with pytest.raises(ValueError, match=f"must be one of .*Got '{named}'"):
        Kind(family, form, 2)


def test_a_kind_without_a_score_has_no_value() -> None:
    relations = Relations(Scene(objects=(), intrinsics=Intrinsics.from_fov(width=8, height=8, horizontal_fov=1.0)))
    for ask in (lambda: KINDS["count"].value(relations, (0,)), lambda: KINDS["count"].values(relations)):
        with pytest.raises(ValueError, match="'counting' has no score"):
            ask()
