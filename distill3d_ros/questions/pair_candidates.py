"""Facts about two things, of the many that say the same only one.

"Is A left of B", "is B right of A", "is B left of A" and "is A right of B" have one answer or its opposite: which of
them becomes a fact is decided by a hash of the ids, which knows nothing of the answer.
"""

from __future__ import annotations

from collections.abc import Mapping

from distill3d_ros.questions import answer_text
from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.ground_truth_qa import GroundTruthQA
from distill3d_ros.questions.relations import DECIDED
from distill3d_ros.scene.objects import SceneObject

_APART = 1.0
"""Metres from which "not touching" and the like goes without saying; a quarter of those facts is kept."""

_SYMMETRIC = ("near", "touching", "against")
_DIRECTED = ("on", "under", "above")
"""May be false both ways, so that both ways are facts of their own."""
_ORDERED = ("larger", "taller", "wider", "left_of", "in_front_of", "nearer")
"""True one way if clearly false the other way."""
PAIRWISE = _SYMMETRIC + _DIRECTED + _ORDERED
"""The scores of ``Relations`` that facts about pairs are made from."""

_OPPOSITE = {"above": "below", "left_of": "right_of", "in_front_of": "behind"}
_CHOICES = {
    "larger": ("which_larger", "which_smaller"),
    "taller": ("which_taller", "which_shorter"),
    "wider": ("which_wider", "which_narrower"),
    "left_of": ("which_left", "which_right"),
    "nearer": ("nearer_to_me", "farther_from_me"),
}
"""Score -> the choice that the one with the higher score answers, and the choice that the other one answers."""
_YES_NO_ORDERED = frozenset(_ORDERED) - {"nearer"}

Scores = Mapping[str, list[list[float]]]


class PairCandidates:
    """Makes the facts about one pair; answers are shared between them."""

    __slots__ = ("_choices", "_mix", "_sorted", "_ways")

    def __init__(self, a: SceneObject, b: SceneObject) -> None:
        ids, names = (a.id, b.id), (a.label, b.label)
        self._mix = (a.id * 0x9E3779B1 ^ b.id * 0x85EBCA6B) >> 5
        self._ways = tuple(
            (n, i, answer_text.yes_no(False, i), answer_text.yes_no(True, i), f":{n[0]}|{n[1]}")
            for n, i in ((names, ids), (names[::-1], ids[::-1]))
        )
        self._choices: list[Answer | None] = [None, None]
        self._sorted = self._ways[0 if names[0] <= names[1] else 1][4]

    def _yes_no(self, kind: str, way: int, holds: bool) -> GroundTruthQA:
        names, ids, no, yes, suffix = self._ways[way]
        return GroundTruthQA(kind, names, ids, yes if holds else no, kind + suffix)

    def add_distance(self, found: list[GroundTruthQA], gap: float) -> None:
        if self._mix >> 19 & 1:  # half of them are plenty
            names, ids = self._ways[0][:2]
            answer = answer_text.metres(gap, ids)
            found.append(GroundTruthQA("distance_between", names, ids, answer, "distance_between" + self._sorted))

    def add_symmetric(self, found: list[GroundTruthQA], scores: Scores, i: int, j: int, gap: float) -> None:
        names, ids, no, yes, _ = self._ways[0]
        for k, kind in enumerate(_SYMMETRIC):
            score = scores[kind][i][j]
            if abs(score) < DECIDED or (kind != "near" and score < 0 and gap > _APART and self._goes_without(k)):
                continue
            if kind == "near" and self._mix & 1:
                kind, score = "far", -score
            found.append(GroundTruthQA(kind, names, ids, yes if score > 0 else no, kind + self._sorted))

    def add_directed(self, found: list[GroundTruthQA], scores: Scores, i: int, j: int, gap: float) -> None:
        for k, name in enumerate(_DIRECTED):
            swap = self._mix >> (2 + k) & 1
            opposite = _OPPOSITE.get(name) if self._mix & 2 else None
            both = (scores[name][i][j], scores[name][j][i])
            for n, way in enumerate((swap, 1 - swap)):
                score = both[way]
                # Every yes, but of the two possible noes the first only: "the table is not on the cup" teaches little.
                if abs(score) < DECIDED or (score < 0 and (n == 1 or (gap > _APART and self._goes_without(3 + k)))):
                    continue
                found.append(self._yes_no(opposite or name, 1 - way if opposite else way, score > 0))

    def add_ordered(self, found: list[GroundTruthQA], scores: Scores, i: int, j: int) -> None:
        for k, name in enumerate(_ORDERED):
            score = scores[name][i][j]
            if abs(score) < DECIDED:
                continue
            bits = self._mix >> (3 * k)
            if name not in _CHOICES or (name in _YES_NO_ORDERED and bits & 4):
                way = bits & 1
                holds = (score > 0) == (way == 0)
                opposite = _OPPOSITE.get(name) if bits & 2 else None
                found.append(self._yes_no(opposite or name, 1 - way if opposite else way, holds))
            else:
                lower_wins = bits & 1
                winner = int((score < 0) != bool(lower_wins))
                names, ids = self._ways[bits >> 1 & 1][:2]
                kind = _CHOICES[name][lower_wins]
                found.append(GroundTruthQA(kind, names, ids, self._choice(winner), kind + self._sorted))

    def _choice(self, winner: int) -> Answer:
        answer = self._choices[winner]
        if answer is None:
            names, ids = self._ways[winner][:2]
            answer = self._choices[winner] = answer_text.choice(names[0], ids)
        return answer

    def _goes_without(self, k: int) -> bool:
        return self._mix >> (2 * k + 4) & 3 != 0
