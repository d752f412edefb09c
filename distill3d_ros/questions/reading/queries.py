"""Questions that are read from a text: the kinds' own, and those that are composed of them.

A query tells which questions of the kinds it needs answered, and makes its own answer from theirs and from the scene.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from distill3d_ros.questions import answer_text
from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.questions.parsing import ParsedQuestion
from distill3d_ros.questions.reading.lengths import length_text
from distill3d_ros.questions.rules import MIN_SCORE
from distill3d_ros.scene.geometry import box_distance
from distill3d_ros.scene.labels import LABELS, plural_of
from distill3d_ros.scene.objects import Scene

Sense = Literal["less", "more", "about"]
ABOUT = 0.15
"""Relative difference up to which a length is "about" another."""
LEAST_ERROR = 0.05
"""Relative error of a measured length that is assumed at least, for the doubt about a comparison with a limit."""


class Query(Protocol):
    """One question of a text."""

    @property
    def parts(self) -> tuple[ParsedQuestion, ...]:
        """The questions of the kinds whose answers it needs."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the things that it is about."""

    def answer(self, replies: Sequence[Answer], scene: Scene) -> Answer:
        """Its answer from those to ``parts``."""


class OfParts:
    """What queries about their parts' things have in common."""

    @property
    def labels(self) -> tuple[str, ...]:
        others = tuple(r.other for p in self.parts for r in p.references if r is not None and r.other is not None)
        return (*(label for p in self.parts for label in p.labels), *others)

    @property
    def parts(self) -> tuple[ParsedQuestion, ...]:
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Direct(OfParts):
    """A question of one of the kinds."""

    asked: ParsedQuestion
    unit: str = ""
    """In which a length is told; empty for metres."""
    negated: bool = False
    """Whether it is asked whether it is not so ("is there no chair?")."""

    @property
    def parts(self) -> tuple[ParsedQuestion, ...]:
        return (self.asked,)

    def _plurals(self) -> Iterator[str]:
        """The names of things that are spoken of as several where the kind is about one."""
        if self.asked.family in ("existence", "counting"):
            return
        for mention in self.asked.mentions:
            if self.asked.text[mention.start : mention.end].lower() in _plurals_of(mention.label):
                yield mention.label

    def answer(self, replies: Sequence[Answer], scene: Scene) -> Answer:
        reply = replies[0]
        label = next(iter(self._plurals()), None)
        if label is not None and (ask_back := which_of(label, scene)) is not None:
            return ask_back
        if self.unit and isinstance(reply.value, float):
            return replace(reply, text=length_text(reply.value, self.unit))
        if self.negated and isinstance(reply.value, bool):
            there = self.asked.family == "existence"
            said = {True: "no, there is" if there else "no, it is", False: "yes, there is none" if there else "yes"}
            return replace(reply, text=said[reply.value], value=not reply.value)
        return reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit(OfParts):
    """Whether a length is less or more than a limit, or about as much."""

    asked: ParsedQuestion
    """For the length."""
    sense: Sense
    limit: float
    """Metres."""
    unit: str = ""

    @property
    def parts(self) -> tuple[ParsedQuestion, ...]:
        return (self.asked,)

    def answer(self, replies: Sequence[Answer], scene: Scene) -> Answer:
        reply = replies[0]
        if not isinstance(reply.value, float):
            return reply
        holds, sure = compare(reply.value, self.limit, self.sense, scene)
        text = f"{'yes' if holds else 'no'}, {length_text(reply.value, self.unit)}"
        return replace(reply, text=text, value=holds, confidence=reply.confidence * sure)


def compare(metres: float, limit: float, sense: Sense, scene: Scene) -> tuple[bool, float]:
    """Whether a measured length is less or more than a limit, or about as much; and how sure that is, by its error."""
    error = max(LEAST_ERROR, scene.scale_error or 0.0)
    ratio = math.log(max(metres, 1e-3) / max(limit, 1e-3))

    def below(bound: float) -> float:
        return 0.5 * (1 + math.erf((bound - ratio) / error / math.sqrt(2)))

    chance = {"less": below(0.0), "more": 1 - below(0.0), "about": below(ABOUT) - below(-ABOUT)}[sense]
    holds = {"less": ratio <= 0, "more": ratio >= 0, "about": abs(ratio) <= ABOUT}[sense]
    return holds, chance if holds else 1 - chance


@dataclass(frozen=True, slots=True, kw_only=True)
class CountLimit(OfParts):
    """Whether there are less or more things of a name than a number, or exactly so many."""

    asked: ParsedQuestion
    least: int
    most: int | None = None
    """None for no limit."""

    @property
    def parts(self) -> tuple[ParsedQuestion, ...]:
        return (self.asked,)

    def answer(self, replies: Sequence[Answer], scene: Scene) -> Answer:
        reply = replies[0]
        if not isinstance(reply.value, int):
            return reply
        holds = self.least <= reply.value and (self.most is None or reply.value <= self.most)
        return replace(
            reply, text=f"{'yes' if holds else 'no'}, {i_see(reply.value, self.asked.labels[0])}", value=holds
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MoreOf(OfParts):
    """Of which of two names there are more, fewer or as many things."""

    first: ParsedQuestion
    second: ParsedQuestion
    sense: Literal["more", "fewer", "as many", "which more", "which fewer"]

    @property
    def parts(self) -> tuple[ParsedQuestion, ...]:
        return (self.first, self.second)

    def answer(self, replies: Sequence[Answer], scene: Scene) -> Answer:
        a, b = (reply.value for reply in replies)
        if not isinstance(a, int) or not isinstance(b, int):
            return next(reply for reply in replies if not isinstance(reply.value, int))
        ids = tuple(dict.fromkeys(i for reply in replies for i in reply.object_ids))
        sure = replies[0].confidence * replies[1].confidence
        names = (self.first.labels[0], self.second.labels[0])
        seen = f"{i_see(a, names[0])} and {counted(b, names[1])}"
        if self.sense.startswith("which"):
            if a == b:
                text = f"as many {plural(names[0])} as {plural(names[1])}: {seen}"
                return Answer(text=text, value=answer_text.NOTHING, object_ids=ids, confidence=sure)
            name = names[0] if (a > b) == (self.sense == "which more") else names[1]
            return Answer(text=f"{plural(name)}: {seen}", value=name, object_ids=ids, confidence=sure)
        holds = {"more": a > b, "fewer": a < b, "as many": a == b}[self.sense]
        text = f"{'yes' if holds else 'no'}, {seen}"
        return Answer(text=text, value=holds, object_ids=ids, confidence=sure)


@dataclass(frozen=True, slots=True, kw_only=True)
class Anything(OfParts):
    """Whether something is on, under or beside a thing."""

    asked: ParsedQuestion
    """For what it is."""
    negated: bool = False

    @property
    def parts(self) -> tuple[ParsedQuestion, ...]:
        return (self.asked,)

    def answer(self, replies: Sequence[Answer], scene: Scene) -> Answer:
        reply = replies[0]
        if not isinstance(reply.value, str):
            return reply
        there = reply.value != answer_text.NOTHING
        text = f"{'no' if there == self.negated else 'yes'}, {reply.text}"
        return replace(reply, text=text, value=there != self.negated)


def _plurals_of(label: str) -> frozenset[str]:
    if label not in LABELS or LABELS[label].plural == label:
        return frozenset()
    return frozenset({LABELS[label].plural, *(plural_of(name) for name in LABELS[label].synonyms)})


def which_of(label: str, scene: Scene) -> Answer | None:
    """Asking back which of several things of a name is meant; None where there are not several."""
    alike = sorted(
        (o for o in scene.objects if o.label == label and o.score >= MIN_SCORE), key=lambda o: o.box.center[0]
    )
    if len(alike) < 2:
        return None
    ids = tuple(o.id for o in alike)
    if len(alike) == 2 and scene.is_metric:
        left, right = (length_text(box_distance(o.box)) for o in alike)
        text = f"{i_see(2, label)}: the left one at {left} or the right one at {right}?"
    else:
        text = (
            f"{i_see(len(alike), label)}; which one do you mean, for example the nearest {label} or the left {label}?"
        )
    return Answer(text=text, value=None, reason="ambiguous", object_ids=ids)


def plural(label: str) -> str:
    """ "chairs"."""
    return LABELS[label].plural if label in LABELS else plural_of(label)


def counted(number: int, label: str) -> str:
    """ "two chairs", "one chair", "no chair"."""
    word = "no" if number == 0 else answer_text.count_text(number)
    return f"{word} {label if number < 2 else plural(label)}"


def i_see(number: int, label: str) -> str:
    """ "I see two chairs"."""
    return f"I see {counted(number, label)}"


def is_kind(asked: ParsedQuestion | None, kind: str) -> bool:
    """Whether a text was read as a question of a kind."""
    return asked is not None and asked.kind == kind and asked.kind in KINDS
