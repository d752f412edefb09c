"""Fusion of the language model's answer with that of the rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.answer_text import answer_value, no_scale, not_seen_text, unseen_label
from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.questions.parsing import ParsedQuestion
from distill3d_ros.questions.rules import answer_by_rules
from distill3d_ros.scene.objects import Scene
from distill3d_ros.student.outputs import GeneratedAnswer


def fuse_answers(
    parsed: ParsedQuestion, generated: GeneratedAnswer, scene: Scene, object_of_query: Mapping[int, int]
) -> Answer:
    """The language model's answer, checked against the rules' answer on the scene's boxes.

    A text that is no answer to this kind of question is replaced by the rules' answer, and so is any text about a thing
    that no box is taken for: language models tell relations of things that are not there. Confidence: with p the
    language model's probability of its text and r the rules' confidence, agreement gives 1 - (1 - p)(1 - r / 2),
    disagreement p (1 - r / 2): the student's own geometry speaks for or against its words, with half its weight.

    Args:
        object_of_query: index of a box among the student's -> id of the scene's object.
    """
    rules = answer_by_rules(parsed, scene)
    value, absent = answer_value(generated.text), unseen_label(generated.text)
    metric = KINDS[parsed.kind].form == "metric"
    if metric and not scene.is_metric:
        return no_scale()
    if (rules.reason == "not_seen" and absent is None) or not _fits(parsed, value, absent):
        return rules
    pointed = [object_of_query.get(i) for i in generated.object_indices]
    ids = tuple(dict.fromkeys(i for i in pointed if i is not None)) or rules.object_ids
    agree = _agree(value, rules.value, metric) if absent is None else rules.value is None
    r = rules.confidence / 2
    confidence = 1 - (1 - generated.confidence) * (1 - r) if agree else generated.confidence * (1 - r)
    return Answer(
        text=generated.text if absent is None else not_seen_text(absent),  # the model's words are in lower case
        value=value,
        confidence=float(np.clip(confidence, 0.0, 1.0)),
        object_ids=() if absent is not None else ids,
        reason="" if absent is None else "not_seen",
        source="language",
    )


def _fits(parsed: ParsedQuestion, value: Any, absent: str | None) -> bool:
    """Whether a text that reads as ``value`` (or as "I do not see ...") can answer this kind of question."""
    if absent is not None:
        return absent in parsed.labels
    form = KINDS[parsed.kind].form
    if form == "yes_no":
        return isinstance(value, bool)
    if form == "choice":
        return value in parsed.labels[-2:]
    if form == "count":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, float) if form == "metric" else isinstance(value, str)


def _agree(a: Any, b: Any, metric: bool) -> bool:
    if metric and isinstance(a, float) and isinstance(b, (int, float)):
        return abs(a - b) <= 0.25 * max(abs(a), abs(b))
    return type(a) is type(b) and a == b
