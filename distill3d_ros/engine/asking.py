"""Answers to questions about a scene: read, asked of the language model and of the rules, composed and said back."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from distill3d_ros.engine.answer_fusion import fuse_answers
from distill3d_ros.engine.both_orders import both_orders, combine
from distill3d_ros.engine.calibration import IDENTITY, Calibration
from distill3d_ros.engine.referents import keep_referents
from distill3d_ros.engine.runtimes.runtime import Runtime
from distill3d_ros.engine.scene_features import SceneFeatures
from distill3d_ros.questions import answer_text
from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.description import asks_for_description, describe
from distill3d_ros.questions.parsing import ParsedQuestion
from distill3d_ros.questions.reading.read import Reading, read
from distill3d_ros.questions.reading.refusals import not_understood, unreadable_because
from distill3d_ros.questions.references import resolve
from distill3d_ros.questions.rephrasing import rephrase_to_training
from distill3d_ros.scene.objects import Scene


def answer_questions(
    runtime: Runtime,
    scene: Scene,
    features: SceneFeatures,
    questions: Sequence[str],
    *,
    as_worded: bool = False,
    calibration: Calibration = IDENTITY,
    min_confidence: float = 0.0,
) -> list[Answer]:
    """The answer to each text; see ``Engine.ask_many``."""
    started = time.perf_counter()
    labels = tuple(runtime.config.labels)
    readings = [_read(question, labels) for question in questions]
    asked = [part for reading in readings for query in reading.queries for part in query.parts]
    raw = _answer_each(runtime, scene, features, asked, as_worded=as_worded)
    replies = iter([calibration.of_answer(reply, part) for reply, part in zip(raw, asked, strict=True)])
    answers = []
    for question, reading in zip(questions, readings, strict=True):
        told = [query.answer([next(replies) for _ in query.parts], scene) for query in reading.queries]
        answers.append(
            _said(question, reading, [answer_text.too_unsure(answer, min_confidence) for answer in told], scene)
        )
    each_ms = 1e3 * (time.perf_counter() - started) / max(1, len(questions))
    return [_took(answer, each_ms) for answer in answers]


def _read(question: str, labels: tuple[str, ...]) -> Reading:
    if unreadable_because(question) is not None or asks_for_description(question):
        return Reading()
    return read(question, known=labels)


def _said(question: str, reading: Reading, told: list[Answer], scene: Scene) -> Answer:
    """One answer to a text: its only one, or all of its questions' together, with what was read instead of typed."""
    if reading.refusal is not None:
        return reading.refusal
    if not told:
        return describe(scene) if asks_for_description(question) else not_understood(question)
    notes = f" ({'; '.join(reading.notes)})" if reading.notes else ""
    if len(told) == 1:
        return replace(told[0], text=told[0].text + notes)
    parts = tuple(replace(answer, question=text) for answer, text in zip(told, reading.texts, strict=True))
    return Answer(
        text="; ".join(part.text.rstrip(".") for part in parts) + "." + notes,
        value=None,
        confidence=min(part.confidence for part in parts),
        object_ids=tuple(dict.fromkeys(i for part in parts for i in part.object_ids)),
        source=parts[0].source,
        parts=parts,
    )


def _took(answer: Answer, milliseconds: float) -> Answer:
    parts = tuple(replace(part, latency_ms=milliseconds) for part in answer.parts)
    return replace(answer, latency_ms=milliseconds, parts=parts)


def _answer_each(
    runtime: Runtime, scene: Scene, features: SceneFeatures, asked: Sequence[ParsedQuestion], *, as_worded: bool
) -> list[Answer]:
    """The answers to questions of the kinds, those about the whole scene in one batch."""
    answers: dict[int, Answer] = {}
    plain = {i: p for i, p in enumerate(asked) if not p.references}
    if plain:
        texts, orders = [], {}
        for i, p in plain.items():
            both = None if as_worded else both_orders(p)
            if both is None:
                texts.append(p.plain.strip() if as_worded else rephrase_to_training(p))
            else:
                texts.append(both[0])
                orders[i] = both[1]
        replies = runtime.answer(features.reading(runtime), [*texts, *orders.values()])
        exchanged = dict(zip(orders, replies[len(texts) :], strict=True))
        for (i, p), generated in zip(plain.items(), replies[: len(texts)], strict=True):
            reply = combine(p, generated, exchanged[i]) if i in exchanged else generated
            answers[i] = fuse_answers(p, reply, scene, features.object_of_query)
    return [answers[i] if i in answers else _about_some(runtime, scene, features, p) for i, p in enumerate(asked)]


def _about_some(runtime: Runtime, scene: Scene, features: SceneFeatures, parsed: ParsedQuestion) -> Answer:
    """A question that tells which of several things of a name it means: found by the boxes, then singled out."""
    meant = resolve(parsed.references, scene)
    if isinstance(meant, Answer):
        return meant
    owners: Mapping[int, int] = features.object_of_query
    perception, owner = keep_referents(features.perception, meant.chosen, scene, runtime.config.labels, owners)
    (generated,) = runtime.answer(runtime.read(perception), [rephrase_to_training(parsed)])
    answer = fuse_answers(parsed, generated, meant.scene, owner)
    return replace(answer, confidence=answer.confidence * meant.certainty)
