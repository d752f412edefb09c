"""Questions about places, answered from the boxes: where a thing is, its sizes, what is between two things."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from distill3d_ros.questions import answer_text
from distill3d_ros.questions.answer import Answer, Place, Size
from distill3d_ros.questions.parsing import ParsedQuestion
from distill3d_ros.questions.reading.lengths import length_text
from distill3d_ros.questions.reading.queries import OfParts, Query, Sense, compare, counted, i_see
from distill3d_ros.questions.references import resolve
from distill3d_ros.questions.relations import DECIDED, Relations
from distill3d_ros.questions.rules import MIN_SCORE, answer_by_rules, certainty
from distill3d_ros.scene.geometry import box_distance
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject

TOLD = 3
"""How many of several things of a name are told one by one."""
_TO_THE_SIDE_M = 0.1
"""Metres to the side from which a side is told."""
_CORRIDOR = 0.5
"""How far from the line between two things a third may be to be between them, as a share of their distance."""


class _FromBoxes(OfParts):
    """A query that needs no question of the kinds answered: its things are looked up in the scene."""

    @property
    def parts(self) -> tuple[ParsedQuestion, ...]:
        return ()

    @property
    def things(self) -> tuple[ParsedQuestion, ...]:
        """For each thing a question about it alone."""
        raise NotImplementedError

    @property
    def labels(self) -> tuple[str, ...]:
        others = tuple(r.other for p in self.things for r in p.references if r is not None and r.other is not None)
        return (*(label for p in self.things for label in p.labels), *others)


def look_up(asked: ParsedQuestion, scene: Scene) -> tuple[SceneObject, float] | Answer:
    """The thing that a question about one thing (of a kind without metres) means, and how sure that is."""
    sure = 1.0
    if asked.references:
        meant = resolve(asked.references, scene)
        if isinstance(meant, Answer):
            return meant
        scene, sure = meant.scene, meant.certainty
    found = answer_by_rules(asked, scene, named_score=MIN_SCORE)
    if found.value is None:
        return found
    thing = scene.by_id(found.object_ids[0])
    return thing, sure * min(1.0, thing.label_score(asked.labels[0]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Where(_FromBoxes):
    """Where a thing is: ahead and to the side, from the robot's base where it is known, and on or beside what."""

    thing: ParsedQuestion
    """Whether it is on the left: a question of one thing that needs no metres."""
    unit: str = ""

    @property
    def things(self) -> tuple[ParsedQuestion, ...]:
        return (self.thing,)

    def answer(self, replies: Sequence[Answer], scene: Scene) -> Answer:
        label = self.thing.labels[0]
        alike = [o for o in scene.objects if o.label == label and o.score >= MIN_SCORE]
        if not any(self.thing.references) and len(alike) > 1:
            nearest_first = sorted(alike, key=lambda o: box_distance(o.box))
            told = [self._place(o, scene) for o in nearest_first[:TOLD]]
            rest = f"; and {counted(len(alike) - TOLD, label)} more" if len(alike) > TOLD else ""
            text = f"{i_see(len(alike), label)}: " + "; ".join(f"one {text}" for _, text in told) + rest + "."
            place, sure, ids = told[0][0], nearest_first[0].score, tuple(o.id for o in nearest_first)
        else:
            found = look_up(self.thing, scene)
            if isinstance(found, Answer):
                return found
            thing, sure = found
            place, text = self._place(thing, scene)
            text, ids = text[0].upper() + text[1:] + ".", (thing.id,)
        if place is None:
            return Answer(text=text, value=None, reason="no_scale", confidence=sure, object_ids=ids)
        return Answer(text=text, value=place, confidence=sure, object_ids=ids)

    def _place(self, thing: SceneObject, scene: Scene) -> tuple[Place | None, str]:
        ahead, left = _ahead_and_left(thing, scene)
        how, other = _neighbour(thing, scene)
        neighbour = f", {how} the {other}" if other else ""
        if not scene.is_metric:
            bearing = math.atan2(left, ahead)
            side = "straight ahead" if abs(bearing) < math.radians(6) else f"on the {'left' if left > 0 else 'right'}"
            return None, f"{side}{neighbour} (I cannot tell metres here)"
        parts = [f"{length_text(abs(ahead), self.unit)} {'ahead' if ahead >= 0 else 'behind'}"]
        if abs(left) >= _TO_THE_SIDE_M:
            parts.append(f"{length_text(abs(left), self.unit)} to the {'left' if left > 0 else 'right'}")
        distance = _distance(thing, scene, ahead, left)
        return Place(distance=distance, bearing=math.atan2(left, ahead), beside=other), ", ".join(parts) + neighbour


def _ahead_and_left(thing: SceneObject, scene: Scene) -> tuple[float, float]:
    """Metres of the centre of a thing ahead of, and to the left of, the robot's base or else the camera."""
    center = thing.box.center
    if scene.base_from_level is None:
        return float(center[2]), float(-center[0])
    pose = np.asarray(scene.base_from_level)
    in_base = pose[:3, :3] @ center + pose[:3, 3]
    return float(in_base[0]), float(in_base[1])


def _distance(thing: SceneObject, scene: Scene, ahead: float, left: float) -> float:
    """Metres to the nearest surface from the camera; from the base, whose height means nothing, along the floor."""
    if scene.base_from_level is None:
        return round(box_distance(thing.box), 3)
    reach = math.hypot(ahead, left)
    from_camera = float(np.hypot(thing.box.center[0], thing.box.center[2]))
    inward = from_camera - float(box_distance(_at_eye_level(thing)))
    return round(max(reach - inward, 0.0), 3)


def _at_eye_level(thing: SceneObject) -> Box3D:
    """The thing's box moved to the camera's height, so that distances to it are those along the floor."""
    center = np.array(thing.box.center)
    center[1] = 0.0
    return replace(thing.box, center=center)


def _neighbour(thing: SceneObject, scene: Scene) -> tuple[str, str]:
    """How it stands to which other thing that is surely seen: on it, under it or beside it; empty where to none."""
    others = [o for o in scene.objects if o.id != thing.id and o.score >= MIN_SCORE]
    if not others:
        return "", ""
    relations = Relations(scene, [thing, *others])
    for how, scores in (("on", relations.on[0]), ("under", relations.under[0])):
        best = int(np.argmax(scores[1:])) + 1
        if scores[best] >= DECIDED:
            return how, relations.objects[best].label
    gaps = relations.gap[0, 1:]
    best = int(np.argmin(gaps))
    near = gaps[best] <= relations.thresholds.near_gap and scene.is_metric and others[best].label != thing.label
    return ("beside", others[best].label) if near else ("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes(_FromBoxes):
    """The three sizes of a thing, or its depth alone."""

    thing: ParsedQuestion
    depth_alone: bool = False
    unit: str = ""

    @property
    def things(self) -> tuple[ParsedQuestion, ...]:
        return (self.thing,)

    def answer(self, replies: Sequence[Answer], scene: Scene) -> Answer:
        found = look_up(self.thing, scene)
        if isinstance(found, Answer):
            return found
        if not scene.is_metric:
            return answer_text.no_scale()
        thing, sure = found
        width, height, depth = (float(x) for x in thing.box.size)
        size = Size(width=max(width, depth), height=height, depth=min(width, depth))
        if self.depth_alone:
            text = length_text(size.depth, self.unit)
            return Answer(text=text, value=round(size.depth, 3), confidence=sure, object_ids=(thing.id,))
        said = [f"{length_text(x, self.unit)} {word}" for x, word in
                ((size.width, "wide"), (size.height, "high"), (size.depth, "deep"))]  # fmt: skip
        return Answer(text=", ".join(said), value=size, confidence=sure, object_ids=(thing.id,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Between(_FromBoxes):
    """Whether a thing is between two others, or what is."""

    middle: ParsedQuestion | None
    """None: what is between them."""
    ends: tuple[ParsedQuestion, ParsedQuestion]

    @property
    def things(self) -> tuple[ParsedQuestion, ...]:
        return self.ends if self.middle is None else (self.middle, *self.ends)

    def answer(self, replies: Sequence[Answer], scene: Scene) -> Answer:
        found = []
        for asked in self.things:
            one = look_up(asked, scene)
            if isinstance(one, Answer):
                return one
            found.append(one)
        sure = math.prod(s for _, s in found) ** (1 / len(found))
        *middle, a, b = (thing for thing, _ in found)
        ids = tuple(thing.id for thing, _ in found)
        if middle:
            score = _betweenness(middle[0], a, b)
            return answer_text.yes_no(score > 0, ids, sure * certainty(3 * score))
        others = [o for o in scene.objects if o.id not in (a.id, b.id) and o.score >= MIN_SCORE]
        fitting = sorted(((_betweenness(o, a, b), o) for o in others), key=lambda pair: -pair[0])
        if not fitting or fitting[0][0] <= 0:
            return answer_text.naming(answer_text.NOTHING, ids, sure)
        score, best = fitting[0]
        return answer_text.naming(best.label, (best.id, *ids), sure * certainty(3 * score))


def _betweenness(middle: SceneObject, a: SceneObject, b: SceneObject) -> float:
    """Positive where the centre's foot on the line from ``a`` to ``b`` is between them and not far from it."""
    start, end, at = (np.asarray(o.box.center)[[0, 2]] for o in (a, b, middle))
    line = end - start
    length = float(np.linalg.norm(line)) or 1e-6
    along = float((at - start) @ line) / length**2
    aside = abs(float(line[0] * (at - start)[1] - line[1] * (at - start)[0])) / length**2
    return min(along - 0.05, 0.95 - along, _CORRIDOR - aside)


@dataclass(frozen=True, slots=True, kw_only=True)
class Within(_FromBoxes):
    """Whether, or how many, things of a name are closer or farther than a limit."""

    thing: ParsedQuestion | None
    """A question about things of a name; None for any thing."""
    sense: Sense
    limit: float
    """Metres."""
    counts: bool
    unit: str = ""

    @property
    def things(self) -> tuple[ParsedQuestion, ...]:
        return () if self.thing is None else (self.thing,)

    def answer(self, replies: Sequence[Answer], scene: Scene) -> Answer:
        label = "thing" if self.thing is None else self.thing.labels[0]
        alike = [o for o in scene.objects if o.score >= MIN_SCORE and (self.thing is None or o.label == label)]
        if alike and not scene.is_metric:
            return answer_text.no_scale()
        judged = [(o, *compare(box_distance(o.box), self.limit, self.sense, scene)) for o in alike]
        fitting = [o for o, holds, _ in judged if holds]
        sure = math.prod(s * o.score for o, _, s in judged)
        ids = tuple(o.id for o in sorted(fitting, key=lambda o: box_distance(o.box)))
        if self.counts:
            return answer_text.count(len(fitting), ids, sure)
        if fitting:
            nearest = min(box_distance(o.box) for o in fitting)
            text = f"yes, {counted(len(fitting), label)}, {length_text(nearest, self.unit)} away"
            return Answer(text=text, value=True, object_ids=ids, confidence=max(s * o.score for o, h, s in judged if h))
        if alike:
            nearest = min(box_distance(o.box) for o in alike)
            text = f"no, the nearest {label} is {length_text(nearest, self.unit)} away"
            return Answer(text=text, value=False, object_ids=tuple(o.id for o in alike), confidence=sure)
        return Answer(text=f"no, {i_see(0, label)}", value=False, confidence=0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart(_FromBoxes):
    """How far apart the two things of one name are."""

    thing: ParsedQuestion
    unit: str = ""

    @property
    def things(self) -> tuple[ParsedQuestion, ...]:
        return (self.thing,)

    def answer(self, replies: Sequence[Answer], scene: Scene) -> Answer:
        label = self.thing.labels[0]
        alike = [o for o in scene.objects if o.label == label and o.score >= MIN_SCORE]
        ids = tuple(o.id for o in alike)
        if not alike:
            return answer_text.not_seen(label)
        if len(alike) != 2:
            others = "; which two do you mean?" if len(alike) > 2 else "."
            text = f"{i_see(len(alike), label)}{others}"
            reason = "ambiguous" if len(alike) > 2 else "not_seen"
            return Answer(text=text, value=None, reason=reason, object_ids=ids)
        if not scene.is_metric:
            return answer_text.no_scale()
        metres = float(Relations(scene, alike).gap[0, 1])
        text = length_text(metres, self.unit)
        return Answer(text=text, value=round(metres, 3), object_ids=ids, confidence=alike[0].score * alike[1].score)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnSide(OfParts):
    """A query about the thing of a name on one side, which must not be answered about one on the other side."""

    query: Query
    label: str
    side: str

    @property
    def parts(self) -> tuple[ParsedQuestion, ...]:
        return self.query.parts

    @property
    def labels(self) -> tuple[str, ...]:
        return self.query.labels

    def answer(self, replies: Sequence[Answer], scene: Scene) -> Answer:
        alike = [o for o in scene.objects if o.label == self.label and o.score >= MIN_SCORE]
        sign = 1 if self.side == "right" else -1
        if alike and not any(sign * o.box.center[0] > 0 for o in alike):
            return Answer(
                text=f"I do not see {answer_text.with_article(self.label)} on the {self.side}.",
                value=None,
                reason="not_seen",
                confidence=max(o.score for o in alike),
                object_ids=tuple(o.id for o in alike),
            )
        return self.query.answer(replies, scene)


_SIDE_NAMED = re.compile(r"(?:on|to|at) (?:the|your|my) (left|right)(?! of\b)")


def on_its_side(query: Query, words: str) -> Query:
    """The query, bound to the side that its words name: "the box on the left" is not one on the right."""
    match = _SIDE_NAMED.search(words)
    labels = query.labels
    return query if match is None or not labels else OnSide(query=query, label=labels[0], side=match[1])


__all__ = ["Apart", "Between", "Sizes", "Where", "Within", "look_up"]
