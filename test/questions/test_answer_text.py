"""Answers as text read back as values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill3d_ros.questions import answer_text as texts
from distill3d_ros.scene.labels import LABELS


@pytest.mark.parametrize("label", LABELS)
def test_labels_come_back(label: str) -> None:
    assert texts.answer_value(texts.choice(label).text) == label
    assert texts.answer_value(texts.naming(label).text) == label
    assert texts.unseen_label(texts.not_seen_text(label)) == label
    assert texts.answer_value(texts.not_seen_text(label)) is None


@given(st.floats(0.05, 20))
def test_metres_come_back_within_the_rounding(value: float) -> None:
    back = texts.answer_value(texts.metres_text(value))
    assert isinstance(back, float)
    assert abs(back - value) <= (0.0251 if value < 0.975 else 0.0501)


@given(st.integers(0, 40))
def test_counts_come_back(value: int) -> None:
    assert texts.answer_value(texts.count_text(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("yes", True), ("No.", False), (" Yes ", True), ("nothing", "nothing"), ("none", 0)),
        *(("the chair", "chair"), ("A Lamp.", "lamp"), ("an oven", "oven"), ("the washing machine", "washing machine")),
        *(("1.4 metres.", 1.4), ("2 m", 2.0), ("3.0 meters", 3.0)),
    ],
)
def test_what_a_language_model_may_write(text: str, value: object) -> None:
    assert texts.answer_value(text) == value
    assert type(texts.answer_value(text)) is type(value)


@pytest.mark.parametrize(
    "text", ["", "yes no", "the", "the unicorn", "metres", "1.4.2 m", "--", "9" * 50, "I do not know"]
)
def test_what_is_no_answer_has_no_value(text: str) -> None:
    assert texts.answer_value(text) is None
    assert texts.unseen_label(text) is None


def test_articles() -> None:
    assert texts.not_seen_text("oven") == "I do not see an oven."
    assert texts.naming("lamp").text == "a lamp"
    assert texts.metres_text(1.44) == "1.4 metres"
    assert texts.metres_text(0.33) == "0.35 metres"
    assert texts.count(2).text == "two"
