"""How people put each kind of question.

``{0}`` becomes "the chair", ``{0a}`` "a chair", ``{0s}`` "chairs"; the number is the slot. ``(a|b)`` stands for either.
Phrases after ``HELD`` are held back from training: they test whether a model understands words, not phrases.
"""

from __future__ import annotations

import re
from functools import cache

from distill3d_ros.questions.wordings_open import OPEN_WORDINGS
from distill3d_ros.questions.wordings_pairs import PAIR_WORDINGS
from distill3d_ros.scene.labels import LABELS, plural_of

SLOT = re.compile(r"\{(\d)([as]?)\}")
"""A name's place in a phrase: the number of the slot, and the form."""

_WHICH = """
        which is {more}, {0} or {1}?
        what is {more}, {0} or {1}?
        is {0} or {1} {more}?
        which one is {more}, {0} or {1}?
        which one is {more}: {0} or {1}?
        of {0} and {1}, which is {more}?
        between {0} and {1}, which is {more}?
        {0} or {1}: which is {more}?
        which of the two is {more}, {0} or {1}?
        can you tell me which is {more}, {0} or {1}?
        what's {more}, {0} or {1}?
        would you say {0} or {1} is {more}?
        which thing is {more}, {0} or {1}?
        HELD out of {0} and {1}, which one is {more}?
        HELD tell me which is {more}, {0} or {1}
        HELD {more}: {0} or {1}?
        """

_MORE = {
    "which_larger": "(larger|bigger)",
    "which_smaller": "smaller",
    "which_taller": "taller",
    "which_shorter": "(shorter|less tall)",
    "which_wider": "(wider|broader)",
    "which_narrower": "(narrower|less wide)",
    "which_left": "(further left|further to the left|more to the left)",
    "which_right": "(further right|further to the right|more to the right)",
    "nearer_to_me": "(nearer to me|closer to you|closer|nearer to the camera)",
    "farther_from_me": "(farther from me|further away|farther away|further from the camera)",
}
"""The comparative of each choice between two things."""

_AROUND_STATEMENT = """
        do you think <said>?
        do you know if <said>?
        is it true that <said>?
        am i right that <said>?
        i would like to know if <said>
        could you check if <said>?
        does it look like <said>?
        so <said>?
        <said>, correct?
        i think <said>, is that so?
        <asked> or not?
        hey, <asked>?
        please check: <asked>?
        quick question: <asked>?
        as far as you can tell, <asked>?
        """
_AROUND_QUESTION = """
        do you know <indirect>?
        could you tell me <indirect>?
        i would like to know <indirect>
        i need to know <indirect>
        any idea <indirect>?
        let me know <indirect>
        please say <indirect>
        can you say <indirect>?
        <direct>, please?
        <direct> right now?
        hey, <direct>?
        so <direct>?
        quick question: <direct>?
        as far as you can tell, <direct>?
        """

_STATED = {
    "near": "close to {1}",
    "far": "far from {1}",
    "touching": "touching {1}",
    "on": "on {1}",
    "against": "leaning against {1}",
    "larger": "larger than {1}",
    "taller": "taller than {1}",
    "wider": "wider than {1}",
    "left_of": "left of {1}",
    "right_of": "right of {1}",
    "in_front_of": "in front of {1}",
    "behind": "behind {1}",
    "above": "above {1}",
    "below": "below {1}",
    "under": "under {1}",
    "left_side": "on the left",
    "right_side": "on the right",
}
"""What is said of the first thing by questions to which yes or no is the answer."""

_ASKED = {
    "closer": "which is closer to {0}, {1} or {2}",
    "farther": "which is farther from {0}, {1} or {2}",
    "height_of": "how tall is {0} / how tall {0} is",
    "width_of": "how wide is {0} / how wide {0} is",
    "distance_to": "how far away is {0} / how far away {0} is",
    "distance_between": "how far is {0} from {1} / how far {0} is from {1}",
    "count": "how many {0s} are there / how many {0s} there are",
    "what_is_on": "what is on {0}",
    "what_is_under": "what is under {0}",
    "standing_on": "what is {0} standing on / what {0} is standing on",
    "what_is_left_of": "what is left of {0}",
    "what_is_right_of": "what is right of {0}",
    "what_is_in_front_of": "what is in front of {0}",
    "what_is_behind": "what is behind {0}",
    "nearest_to": "what is nearest to {0}",
    "nearest_to_me": "what is nearest to you",
    "farthest_thing": "what is farthest from you",
    "largest_thing": "what is the largest thing",
    "tallest_thing": "what is the tallest thing",
}
"""The other questions, straight and after "do you know"."""


@cache
def templates(kind: str, held_out: bool) -> tuple[str, ...]:
    """Every phrase of a kind, alternatives spelt out."""
    text = _WHICH.replace("{more}", _MORE[kind]) if kind in _MORE else {**PAIR_WORDINGS, **OPEN_WORDINGS}[kind]
    lines = [line.strip() for line in text.strip().splitlines()]
    wanted = [line.removeprefix("HELD ") for line in lines if line.startswith("HELD ") == held_out]
    own = [phrase for line in wanted for phrase in _spelt_out(line)]
    return tuple(dict.fromkeys(own if held_out else own + _framed(kind)))


def before_name(name: str, form: str) -> str:
    """What stands before a name in a slot of this form."""
    if form == "s":
        return ""
    if form == "a":
        return "an " if name[0] in "aeiou" else "a "
    return "the "


def in_form(name: str, form: str) -> str:
    """The name as a slot of this form has it."""
    if form != "s":
        return name
    return LABELS[name].plural if name in LABELS else plural_of(name)


def _framed(kind: str) -> list[str]:
    """The ways of asking that fit any question, around the kind's plainest words."""
    if kind in _MORE:
        which = f"which is {_spelt_out(_MORE[kind])[0]}, {{0}} or {{1}}"
        return _fill(_AROUND_QUESTION, direct=which, indirect=which)
    if kind in _STATED:
        stated = _STATED[kind]
        return _fill(_AROUND_STATEMENT, said=f"{{0}} is {stated}", asked=f"is {{0}} {stated}")
    if kind == "exists":
        return _fill(_AROUND_STATEMENT, said="there is {0a}", asked="is there {0a}")
    direct, _, indirect = _ASKED[kind].partition(" / ")
    return _fill(_AROUND_QUESTION, direct=direct, indirect=indirect or direct)


def _fill(frames: str, **words: str) -> list[str]:
    filled = []
    for frame in frames.strip().splitlines():
        for place, phrase in words.items():
            frame = frame.replace(f"<{place}>", phrase)
        filled.append(frame.strip())
    return filled


def _spelt_out(line: str) -> list[str]:
    match = re.search(r"\(([^()]*)\)", line)
    if match is None:
        return [line]
    before, after = line[: match.start()], line[match.end() :]
    return [whole for option in match[1].split("|") for whole in _spelt_out(before + option + after)]
