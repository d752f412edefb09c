"""A question about a scene with its true answer, not yet in words; called a fact for short."""

from __future__ import annotations

from dataclasses import dataclass

from distill3d_ros.questions.answer import Answer


@dataclass(frozen=True, slots=True)
class GroundTruthQA:
    """Something askable about a scene together with its answer."""

    kind: str
    """A key of KINDS."""
    labels: tuple[str, ...]
    """The names mentioned, in the order of the kind's slots."""
    object_ids: tuple[int | None, ...]
    """Referent of each name; None for what is absent and for counts."""
    answer: Answer
    group: str
    """Balancing key: the kind and the names. Within a group the answers are to be balanced."""
    accepted: tuple[str, ...] = ()
    """Labels that are right as well, where a naming question has several right answers."""
