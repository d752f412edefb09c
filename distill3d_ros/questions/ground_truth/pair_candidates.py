"""Question candidates about two things; of the many that say the same, only one.

"Is A left of B", "is B right of A", "is B left of A" and "is A right of B" have one answer or its opposite: which of
them becomes a fact is decided by a hash of the ids, which knows nothing of the answer.
"""

from __future__ import annotations

from collections.abc import Mapping

from distill3d_ros.questions import answer_text
from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.ground_truth.ground_truth_qa import GroundTruthQA
from distill3d_ros.questions.kinds import KINDS, drawn
from distill3d_ros.questions.relations import DECIDED
from distill3d_ros.questions.thresholds import Thresholds
from distill3d_ros.scene.objects import SceneObject

_APART = 1.0
"""Metres from which "not touching" and the like goes without saying; a quarter of those facts is kept."""

_SYMMETRIC, _DIRECTED, _ORDERED, _MEASURED = map(drawn, ("symmetric", "directed", "ordered", "measured"))
PAIRWISE = _SYMMETRIC + _DIRECTED + _ORDERED + _MEASURED
"""The kinds whose values question candidates about pairs are made from."""

Values = Mapping[str, list[list[float]]]
"""Kind -> score or metres of [subject][reference]."""


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

    def add_measured(self, found: list[GroundTruthQA], values: Values, i: int, j: int, t: Thresholds) -> None:
        for k, kind in enumerate(_MEASURED):
            value, least = values[kind][i][j], KINDS[kind].least
            if (least is None or value >= least(t)) and self._mix >> (19 + k) & 1:  # half of them are plenty
                names, ids = self._ways[0][:2]
                found.append(GroundTruthQA(kind, names, ids, answer_text.metres(value, ids), kind + self._sorted))

    def add_symmetric(self, found: list[GroundTruthQA], values: Values, i: int, j: int, gap: float) -> None:
        names, ids, no, yes, _ = self._ways[0]
        for k, kind in enumerate(_SYMMETRIC):
            score, contrary = values[kind][i][j], KINDS[kind].contrary
            if abs(score) < DECIDED or (not contrary and score < 0 and gap > _APART and self._goes_without(k)):
                continue
            if contrary and self._mix >> k & 1:
                kind, score = contrary, -score
            found.append(GroundTruthQA(kind, names, ids, yes if score > 0 else no, kind + self._sorted))

    def add_directed(self, found: list[GroundTruthQA], values: Values, i: int, j: int, gap: float) -> None:
        for k, kind in enumerate(_DIRECTED):
            swap = self._mix >> (2 + k) & 1
            converse = KINDS[kind].converse if self._mix & 2 else ""
            both = (values[kind][i][j], values[kind][j][i])
            for n, way in enumerate((swap, 1 - swap)):
                score = both[way]
                # Every yes, but of the two possible noes the first only: "the table is not on the cup" teaches little.
                if abs(score) < DECIDED or (score < 0 and (n == 1 or (gap > _APART and self._goes_without(3 + k)))):
                    continue
                found.append(self._yes_no(converse or kind, 1 - way if converse else way, score > 0))

    def add_ordered(self, found: list[GroundTruthQA], values: Values, i: int, j: int) -> None:
        for k, kind in enumerate(_ORDERED):
            score, record = values[kind][i][j], KINDS[kind]
            if abs(score) < DECIDED:
                continue
            bits = self._mix >> (3 * k)
            if record.form == "yes_no" and (record.choices is None or bits & 4):
                way = bits & 1
                holds = (score > 0) == (way == 0)
                converse = record.converse if bits & 2 else ""
                found.append(self._yes_no(converse or kind, 1 - way if converse else way, holds))
            else:
                lower_wins = bits & 1
                winner = int((score < 0) != bool(lower_wins))
                names, ids = self._ways[bits >> 1 & 1][:2]
                asked = (record.choices or (kind, record.contrary))[lower_wins]
                found.append(GroundTruthQA(asked, names, ids, self._choice(winner), asked + self._sorted))

    def _choice(self, winner: int) -> Answer:
        answer = self._choices[winner]
        if answer is None:
            names, ids = self._ways[winner][:2]
            answer = self._choices[winner] = answer_text.choice(names[0], ids)
        return answer

    def _goes_without(self, k: int) -> bool:
        return self._mix >> (2 * k + 4) & 3 != 0
