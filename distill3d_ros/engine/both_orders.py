"""Questions about two things asked in both orders, and one answer from the two replies.

Whether a chair is near a table is whether the table is near the chair; whether it is left of it, whether the table is
not left of the chair. A student that is asked one order alone contradicts itself now and then.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from distill3d_ros.questions.answer_text import answer_value, metres_text, unseen_label
from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.questions.parsing import ParsedQuestion
from distill3d_ros.questions.rephrasing import plain_wording
from distill3d_ros.student.outputs import GeneratedAnswer

OPPOSITE: Final = frozenset({"larger", "taller", "wider", "left_of", "right_of", "in_front_of", "behind"})
"""Kinds of which exactly one order is true where it is clear at all."""


def both_orders(asked: ParsedQuestion) -> tuple[str, str] | None:
    """The question, and the same with its two things exchanged; None where the order says more.

    Both are in the plainest wording, so that whoever asks the other order has the same two replies combined.
    """
    kind = KINDS[asked.kind]
    if asked.references or not (kind.symmetric or kind.form == "choice" or asked.kind in OPPOSITE):
        return None
    exchanged = (*asked.labels[:-2], asked.labels[-1], asked.labels[-2])
    return plain_wording(asked, asked.labels), plain_wording(asked, exchanged)


def combine(asked: ParsedQuestion, first: GeneratedAnswer, second: GeneratedAnswer) -> GeneratedAnswer:
    """One reply from those to both orders: of yes or no, and of a choice, the likelier, with the mean probability; of
    lengths the geometric mean. Replies that disagree become less sure; what is not seen stays unseen if it is likelier.
    """
    a, b = answer_value(first.text), answer_value(second.text)
    if unseen_label(first.text) or unseen_label(second.text):
        return first if first.confidence >= second.confidence else replace(second, object_indices=first.object_indices)
    if isinstance(a, bool) and isinstance(b, bool):
        b = b != (asked.kind in OPPOSITE)
        chance = (_chance(a, first.confidence) + _chance(b, second.confidence)) / 2
        return replace(first, text="yes" if chance > 0.5 else "no", confidence=max(chance, 1 - chance))
    if isinstance(a, float) and isinstance(b, float) and min(a, b) > 0:
        apart = abs(math.log(a / b))
        sure = (first.confidence + second.confidence) / 2 * math.exp(-apart)
        return replace(first, text=metres_text(math.sqrt(a * b)), confidence=sure)
    if isinstance(a, str) and isinstance(b, str):
        if a == b:
            return replace(first, confidence=(first.confidence + second.confidence) / 2)
        chance = (first.confidence + 1 - second.confidence) / 2
        return replace(first, confidence=chance) if chance > 0.5 else replace(second, confidence=1 - chance)
    return first


def _chance(value: bool, confidence: float) -> float:
    return confidence if value else 1 - confidence
