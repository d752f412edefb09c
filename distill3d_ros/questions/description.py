"""A short spatial description: what there is, where the largest things stand, what is on what.

Every sentence but the first is a fact like those that questions ask for, and only given where it is clear.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from distill3d_ros.questions import answer_text
from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.relations import DECIDED, Relations
from distill3d_ros.questions.rules import MIN_SCORE
from distill3d_ros.questions.thresholds import THRESHOLDS, Thresholds
from distill3d_ros.scene.labels import LABELS, plural_of
from distill3d_ros.scene.objects import Scene

PLACED, CARRIED = 3, 3
"""How many things at most are placed, and how many are named as standing on others."""

_ASKS = re.compile(
    r"(?:(?:please|can you|could you|would you) )*"
    r"(?:what (?:do|can) you see|what is (?:there|here|around you|in (?:the|this) (?:room|picture|image|scene|view))"
    r"|what is in view|what things (?:do|can) you see|tell me what you (?:can )?see|say what you see"
    r"|describe (?:the|this|your) (?:room|scene|picture|image|view|surroundings|place)|describe what you see"
    r"|(?:list|name) (?:all |everything )?(?:the )?(?:things|objects|furniture)?(?: (?:that )?you (?:can )?see)?"
    r"|look around)(?: (?:here|now|right now|in (?:the|this) room|please))*"
)


def asks_for_description(text: str) -> bool:
    """Whether a text asks for a description of the scene: "What do you see?", "Describe the room"."""
    plain = text.lower().replace("\u2019", "'").replace("what's", "what is")
    words = " ".join(re.sub(r"[.,;:!?]", " ", plain).split())
    return words not in ("list", "name") and _ASKS.fullmatch(words) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A sentence of the description, with the fact that it states."""

    text: str
    kind: str
    """A key of KINDS."""
    labels: tuple[str, ...]
    object_ids: tuple[int, ...]
    value: bool | float
    """The answer to the question of that kind about these names."""


def describe(scene: Scene, *, min_score: float = MIN_SCORE, thresholds: Thresholds = THRESHOLDS) -> Answer:
    """The description as an answer from geometry; it rests on the things that it names."""
    seen = [o for o in scene.objects if o.score >= min_score]
    if not seen:
        return Answer(text="I see nothing that I know.", value=None, confidence=0.5)
    stated = statements(scene, min_score=min_score, thresholds=thresholds)
    ids = dict.fromkeys([i for s in stated for i in s.object_ids] + [o.id for o in seen])
    sure = sum(o.score for o in seen) / len(seen)
    text = " ".join([_inventory([o.label for o in seen]), *(s.text for s in stated)])
    return Answer(text=text, value=None, confidence=sure, object_ids=tuple(ids))


def statements(
    scene: Scene, *, min_score: float = MIN_SCORE, thresholds: Thresholds = THRESHOLDS
) -> tuple[Statement, ...]:
    """The facts of the description: where the largest things stand, and what is on what.

    Only things whose name no other thing bears are placed: "the chair" would be a riddle.
    """
    seen = [o for o in scene.objects if o.score >= min_score]
    names = Counter(o.label for o in seen)
    relations = Relations(scene, seen, thresholds)
    alone = [i for i, o in enumerate(seen) if names[o.label] == 1]
    largest = sorted(alone, key=lambda i: float(relations.smallness[i]))
    placed = [s for i in largest for s in _placed(relations, i)]
    return (*placed[:PLACED], *list(_carried(relations, alone))[:CARRIED])


def _inventory(labels: list[str]) -> str:
    """ "I see a bed, two lamps and a door." """
    counts = Counter(labels)
    parts = [
        answer_text.with_article(label) if n == 1 else f"{answer_text.count_text(n)} {_plural(label)}"
        for label, n in counts.items()
    ]
    return "I see " + (parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]) + "."


def _plural(label: str) -> str:
    return LABELS[label].plural if label in LABELS else plural_of(label)


def _placed(relations: Relations, i: int) -> Iterator[Statement]:
    """ "The bed is 2.1 metres away." or, where there are no metres, the side that it is on."""
    thing = relations.objects[i]
    if relations.scene.is_metric:
        metres = float(relations.distance[i])
        if metres >= relations.thresholds.measured_distance:
            text = f"The {thing.label} is {answer_text.metres_text(metres)} away{_side(relations, i)}."
            yield Statement(text=text, kind="distance_to", labels=(thing.label,), object_ids=(thing.id,), value=metres)
        return
    side = float(relations.left_side[i])
    if abs(side) >= DECIDED:
        kind = "left_side" if side > 0 else "right_side"
        text = f"The {thing.label} is on the {kind.removesuffix('_side')}."
        yield Statement(text=text, kind=kind, labels=(thing.label,), object_ids=(thing.id,), value=True)


def _side(relations: Relations, i: int) -> str:
    side = float(relations.left_side[i])
    return "" if abs(side) < DECIDED else f", on the {'left' if side > 0 else 'right'}"


def _carried(relations: Relations, alone: list[int]) -> Iterator[Statement]:
    for i in alone:
        for j in alone:
            if i != j and relations.on[i, j] >= DECIDED:
                thing, carrier = relations.objects[i], relations.objects[j]
                yield Statement(
                    text=f"The {thing.label} is on the {carrier.label}.",
                    kind="on",
                    labels=(thing.label, carrier.label),
                    object_ids=(thing.id, carrier.id),
                    value=True,
                )
