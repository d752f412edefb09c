"""The one table of all kinds of questions: parsing, ground truth, rules, naming and references take what they need.

A new relation is a record here and its phrases in ``phrases.json``; it stands after the others, so that these are
drawn as before for the same seed. What geometry it needs that ``Relations`` has not goes there.

The numbers of patterns are ranks: where a sentence fits several, as "is it on the table under the lamp", the lowest
decides. Of yes/no about two things: 100 to 199 words that decide wherever they stand, 200 to 399 comparisons ("than"),
400 to 499 prepositions, from 500 on what is only tried when nothing else fits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from distill3d_ros.questions.kind_record import Drawn, Kind, Pattern
from distill3d_ros.questions.relations import CLEAR, Relations
from distill3d_ros.questions.vocabulary import (
    CLOSER,
    COUNT_WORDS,
    EXISTS_WORDS,
    FARTHER,
    LARGE,
    NARROW,
    SHORT,
    SIDE_WORDS,
    SMALL,
    TALL,
    WIDE,
)
from distill3d_ros.scene.frame import FloatArray

SURFACES = frozenset(
    {
        *("table", "desk", "bed", "cabinet", "shelf", "sofa", "chair", "armchair", "stool", "wardrobe"),
        *("fridge", "oven", "washing machine", "sink", "box", "radiator"),
    }
)
"""Things of which one asks what is on or under them, even if nothing is."""

_COUNTS = r"\b(?:how many|number of|count)\b(?! (?:metres?|meters?)\b)"
_METRES = r"\b(?:far|distant|distance|close|near|gap|space|room|metres?|meters?)\b"
_TWO_DISTANCES = (
    r"^(?!.*\b(?:between|apart|together|each other|separates?|gap|space)\b).*@ and @|"
    r"^(?!.*\b(?:from|to|between|apart|together|each other|separates?|gap|space)\b)"
)
"""Two things without a word for what is between them: how far each of them is, or one of them beside the other."""
_CARRIES = r"(?:carry|carries|carrying|supports?|supporting|holds?|holding)"
_THERE = r"\b(?:there|see|show|have|has|any|in front of me)\b|\bbe\b"


def _word(words: str, rank: int, **conditions: Any) -> Pattern:
    return Pattern(rf"\b{words}\b", rank, **conditions)


def _than(words: str, rank: int, *, swapped: bool = False) -> Pattern:
    """A comparison: the reference follows "than"."""
    return _word(words, rank, reference="than", swapped=swapped)


def _before(words: str, rank: int) -> Pattern:
    """A preposition: the reference follows at once."""
    return Pattern(rf"\b{words} @", rank, reference="next")


def _size(place: int, score: Callable[[Relations], FloatArray], choices: tuple[str, str], *patterns: Pattern) -> Kind:
    return Kind("size", "yes_no", 2, score=score, drawn=Drawn("ordered", place), choices=choices, patterns=patterns)


def _side(score: Callable[[Relations], FloatArray], *patterns: Pattern) -> Kind:
    """Naming by side: the nearest thing; things on the sofa are not left of the sofa, wherever on it."""

    def fits(relations: Relations, reference: int) -> FloatArray:
        return np.where(relations.stacked[reference], -CLEAR, score(relations)[:, reference])

    return Kind(
        "naming",
        "open",
        1,
        score=fits,
        preference="nearest_to",
        may_be_empty=lambda label: True,
        patterns=patterns,
    )


KINDS: dict[str, Kind] = {
    "near": Kind("proximity", "yes_no", 2, symmetric=True, score=lambda r: r.near, contrary="far",
        drawn=Drawn("symmetric", 0),
        patterns=(_word(r"(?:near|close|next|beside|nearby|by|vicinity|side by side|together)", 600),)),
    "far": Kind("proximity", "yes_no", 2, symmetric=True, score=lambda r: -r.near,
        patterns=(
            _word(r"(?:nowhere near|far from|far away from|apart|long way|well away|distant from|far off from)", 120),
            _word(r"(?:lot of|much|big|large|wide) (?:space|gap|room|distance)", 120),
            _word(r"far (?:away )?from each other", 120),
        )),
    "closer": Kind("proximity", "choice", 3, score=lambda r, anchor: r.closer(anchor), contrary="farther",
        drawn=Drawn("anchored", 0), patterns=(_word(CLOSER, 20),)),
    "farther": Kind("proximity", "choice", 3, score=lambda r, anchor: -r.closer(anchor),
        patterns=(_word(FARTHER, 10),)),
    "touching": Kind("contact", "yes_no", 2, symmetric=True, score=lambda r: r.touching, drawn=Drawn("symmetric", 1),
        patterns=(_word("(?:touch|touching|touches|contact)", 110),)),
    "on": Kind("contact", "yes_no", 2, score=lambda r: r.on, drawn=Drawn("directed", 0),
        patterns=(
            _before("(?:on|upon|atop|on (?:the )?top of|(?:supported|carried|held|held up) by)", 470),
            Pattern(rf"@ (?:is )?{_CARRIES}(?: up)? @", 500, swapped=True),
        )),
    "against": Kind("contact", "yes_no", 2, symmetric=True, score=lambda r: r.against, drawn=Drawn("symmetric", 2),
        patterns=(
            _word(r"against", 100),
            _word(r"(?:lean|leans|leaning|leaned) (?:on|at|to)", 100),
            _word(r"pushed (?:right )?up to", 100),
            Pattern(r"side by side.*touch", 100),
        )),
    "larger": _size(0, lambda r: r.larger, ("which_larger", "which_smaller"),
        _than(rf"(?:{SMALL}|not as (?:large|big) as)", 220, swapped=True),
        _than(rf"(?:{LARGE}|(?:larger|bigger|greater) (?:size|volume))", 230)),
    "taller": _size(1, lambda r: r.taller, ("which_taller", "which_shorter"),
        _than(rf"(?:{SHORT}|not as (?:tall|high) as)", 200, swapped=True), _than(TALL, 240)),
    "wider": _size(2, lambda r: r.wider, ("which_wider", "which_narrower"),
        _than(rf"(?:{NARROW}|not as (?:wide|broad) as)", 210, swapped=True), _than(WIDE, 250)),
    "which_larger": Kind("size", "choice", 2, score=lambda r: r.larger, patterns=(_word(LARGE, 30),)),
    "which_smaller": Kind("size", "choice", 2, score=lambda r: -r.larger, patterns=(_word(SMALL, 40),)),
    "which_taller": Kind("size", "choice", 2, score=lambda r: r.taller,
        patterns=(_word(rf"(?:{TALL}|higher|highest)", 60),)),
    "which_shorter": Kind("size", "choice", 2, score=lambda r: -r.taller,
        patterns=(_word(rf"(?:{SHORT}|lower|lowest)", 50),)),
    "which_wider": Kind("size", "choice", 2, score=lambda r: r.wider, patterns=(_word(WIDE, 80),)),
    "which_narrower": Kind("size", "choice", 2, score=lambda r: -r.wider, patterns=(_word(NARROW, 70),)),
    "height_of": Kind("size", "metric", 1, score=lambda r: r.height, drawn=Drawn("single", 2),
        patterns=(_word("(?:tall|high|height)", 20, unless=_COUNTS),)),
    "width_of": Kind("size", "metric", 1, score=lambda r: r.width, drawn=Drawn("single", 3),
        patterns=(_word("(?:wide|broad|long|width|breadth)", 30, unless=_COUNTS),)),
    "left_of": Kind("orientation", "yes_no", 2, score=lambda r: r.left_of, converse="right_of",
        choices=("which_left", "which_right"), drawn=Drawn("ordered", 3),
        patterns=(_than("left", 260), _before("left(?: hand)?(?: side)?(?: of| from)", 400))),
    "right_of": Kind("orientation", "yes_no", 2, score=lambda r: r.left_of.T,
        patterns=(_than("right", 270), _before("right(?: hand)?(?: side)?(?: of| from)", 410))),
    "in_front_of": Kind("orientation", "yes_no", 2, score=lambda r: r.in_front_of, converse="behind",
        drawn=Drawn("ordered", 4),
        patterns=(_than("(?:closer|nearer)", 300), _before("(?:in front of|before)", 420))),
    "behind": Kind("orientation", "yes_no", 2, score=lambda r: r.in_front_of.T,
        patterns=(
            _than("(?:farther|further|more distant)", 310),
            _before("(?:behind|(?:at|in) (?:the )?back of)", 430),
        )),
    "above": Kind("orientation", "yes_no", 2, score=lambda r: r.above, converse="below", drawn=Drawn("directed", 2),
        patterns=(_than("higher", 280), _before("(?:above|over)", 460))),
    "below": Kind("orientation", "yes_no", 2, score=lambda r: r.above.T,
        patterns=(_than("(?:lower|(?:further|farther) down)", 290), _before("below", 450))),
    "under": Kind("orientation", "yes_no", 2, score=lambda r: r.under, drawn=Drawn("directed", 1),
        patterns=(_before("(?:under|underneath|beneath)", 440),)),
    "left_side": Kind("orientation", "yes_no", 1, score=lambda r: r.left_side, contrary="right_side",
        drawn=Drawn("single", 0),
        patterns=(_word("left", 10, unless=r"\b(?:right|in front)\b", only=SIDE_WORDS),)),
    "right_side": Kind("orientation", "yes_no", 1, score=lambda r: -r.left_side,
        patterns=(_word("right", 10, unless=r"\b(?:left|in front)\b", only=SIDE_WORDS),)),
    "which_left": Kind("orientation", "choice", 2, score=lambda r: r.left_of, patterns=(_word("left", 10),)),
    "which_right": Kind("orientation", "choice", 2, score=lambda r: -r.left_of, patterns=(_word("right", 20),)),
    "distance_to": Kind("distance", "metric", 1, score=lambda r: r.distance, drawn=Drawn("single", 1),
        least=lambda t: t.measured_distance, patterns=(Pattern(_METRES, 40, unless=_COUNTS),)),
    "distance_between": Kind("distance", "metric", 2, symmetric=True, score=lambda r: r.gap,
        drawn=Drawn("measured", 0), least=lambda t: t.measured_gap,
        patterns=(Pattern(_METRES, 40, unless=rf"{_COUNTS}|{_TWO_DISTANCES}"),)),
    "nearer_to_me": Kind("distance", "choice", 2, score=lambda r: r.nearer, contrary="farther_from_me",
        drawn=Drawn("ordered", 5), patterns=(_word(rf"(?:{CLOSER}|in front)", 100),)),
    "farther_from_me": Kind("distance", "choice", 2, score=lambda r: -r.nearer,
        patterns=(_word(rf"(?:{FARTHER}|behind)", 90),)),
    "count": Kind("counting", "count", 1, patterns=(Pattern(_COUNTS, 10, only=COUNT_WORDS),)),
    "exists": Kind("existence", "yes_no", 1,
        patterns=(
            Pattern(
                rf"^(?=(?:is|are|see|does|do|can|has|have|if|whether|there|any|me)\b).*?(?:{_THERE})",
                20,
                only=EXISTS_WORDS,
            ),
        )),
    "what_is_on": Kind("naming", "open", 1, score=lambda r, reference: r.on[:, reference], several_right=True,
        may_be_empty=SURFACES.__contains__, of_namesakes=True,
        patterns=(
            Pattern(r"@ (?:carrying|supporting|holding|carry|support|hold)(?: up)?$", 20),
            Pattern(r"\b(?:on|upon|atop|on top of|on the top of) @$", 80),
        )),
    "what_is_under": Kind("naming", "open", 1, score=lambda r, reference: r.under[:, reference], several_right=True,
        may_be_empty=SURFACES.__contains__, of_namesakes=True,
        patterns=(Pattern(r"\b(?:under|underneath|beneath|below) @$", 70),)),
    # What stands on nothing stands on the floor, or hangs on a wall: never empty.
    "standing_on": Kind("naming", "open", 1, score=lambda r, reference: r.on[reference], of_namesakes=True,
        patterns=(
            Pattern(
                r"@ (?:is |been )?(?:(?:standing|resting|lying|sitting|placed|put|stands?|rests?|lies?|sits?) )?"
                r"(?:on|upon|on top of)$", 10),
            Pattern(r"^on (?:what|which)\b", 10),
            Pattern(r"\b(?:carries|supports|holds|(?:is )?(?:carrying|supporting|holding)) (?:up )?@$", 10),
        )),
    "what_is_left_of": _side(lambda r: r.left_of, Pattern(r"\bleft(?: hand)?(?: side)? of @$", 30)),
    "what_is_right_of": _side(lambda r: r.left_of.T, Pattern(r"\bright(?: hand)?(?: side)? of @$", 40)),
    "what_is_in_front_of": _side(lambda r: r.in_front_of, Pattern(r"\b(?:in front of|before) @$", 50)),
    "what_is_behind": _side(lambda r: r.in_front_of.T,
        Pattern(r"\b(?:behind|(?:at|in) the back of|at back of|in back of) @$", 60)),
    "nearest_to": Kind("naming", "open", 1, preference="nearest_to", may_be_empty=lambda label: True,
        patterns=(
            Pattern(
                r"\b(?:(?:nearest|closest|next|close)(?: (?:thing|object|item))?(?: to)?|"
                r"near|nearby|beside|by|vicinity of) @$", 90),
        )),
    "nearest_to_me": Kind("naming", "open", 0, preference="nearest",
        patterns=(_word("(?:nearest|closest|next to me|near me|close to me|in front of me)", 40),)),
    "farthest_thing": Kind("naming", "open", 0, preference="farthest",
        patterns=(_word("(?:farthest|furthest|most distant)", 30),)),
    "largest_thing": Kind("naming", "open", 0, preference="largest",
        patterns=(_word("(?:largest|biggest|most space|most room)", 20),)),
    "tallest_thing": Kind("naming", "open", 0, preference="tallest",
        patterns=(_word("(?:tallest|highest|most height)", 10),)),
}  # fmt: skip
"""Every kind, by name, in a fixed order."""


def drawn(way: str) -> tuple[str, ...]:
    """The kinds that are drawn in a way (see ``Drawn``), in the order of their places."""
    places = {name: kind.drawn.place for name, kind in KINDS.items() if kind.drawn and kind.drawn.way == way}
    return tuple(sorted(places, key=places.__getitem__))
