"""Forms of questions that compare a length with a limit: "closer than 2 metres", "taller than me at 1.80"."""

from __future__ import annotations

import re
from typing import Final

from distill3d_ros.questions.reading.forms import counted_things, one_thing, two_things
from distill3d_ros.questions.reading.lengths import MARK, find_lengths
from distill3d_ros.questions.reading.places import Within
from distill3d_ros.questions.reading.queries import Limit, Query, Sense

_LESS = (
    r"(?:closer|nearer)(?: to (?:me|you|us|here))? than|(?:not|no) (?:more|farther|further)(?: away)? than|"
    r"less than|fewer than|within|under|below|at most|up to|smaller than|inside"
)
_MORE = (
    r"(?:farther|further)(?: away)?(?: from (?:me|you|us|here))? than|(?:not|no) (?:less|closer|nearer) than|"
    r"more than|over|above|beyond|at least|greater than|larger than|bigger than|wider than"
)
_ABOUT = r"about|around|roughly|approximately|exactly"
_OP = rf"(?P<op>{_LESS}|{_MORE}|{_ABOUT})"
_AWAY = r"(?: (?:away|off|distant|ahead|(?:from|of|to) (?:me|you|us|here|the robot|the camera|where you are)))*"
_TALL = r"(?P<size>tall|high|wide|broad|long)"
_ME = r"(?:(?:me|i|i am|someone|somebody|a person|a man|a woman)(?:,? (?:at|of|who am|i am|who is|with|am))? )?"
_A, _B = "(?P<a>.+?)", "(?P<b>.+?)"
_SPACE = r"(?:of )?(?:space|room|gap|clearance|distance)"
_PASS = r"(?:fit|pass|get|go|drive|walk|squeeze)(?: through)?(?: in)?"

_ONE: Final = (
    rf"(?:is|are) {_A} {_OP} (?:a distance of )?{MARK}{_AWAY}",
    rf"(?:is|are) {_A} {MARK}(?: away| off| distant| ahead| from (?:me|you|us|here|the robot|the camera))+",
    rf"(?:is|are) the distance (?:to|from (?:me|you|here) to) {_A} {_OP} {MARK}",
)
_SIZE: Final = (
    rf"(?:is|are) {_A} (?P<more>taller|higher|wider|broader|longer) than {_ME}{MARK}(?: tall| high)?",
    rf"(?:is|are) {_A} (?P<less>shorter|lower|narrower) than {_ME}{MARK}(?: tall| high)?",
    rf"(?:is|are) {_A} (?:{_OP} )?{MARK} {_TALL}",
    rf"(?:is|are) the (?P<size>height|width) of {_A} (?:{_OP} )?{MARK}",
)
_TWO: Final = (
    rf"(?:is|are) {_A} (?:{_OP} )?{MARK} (?:away )?(?:from|of) {_B}",
    rf"(?:is|are) {_A} (?P<op>closer|nearer) than {MARK} to {_B}",
    rf"(?:is|are) {_A} (?P<op>closer|nearer|farther|further)(?: away)? (?:to|from) {_B} than {MARK}",
    rf"(?:is|are) {_A} and {_B} (?:{_OP} )?{MARK} (?:apart|of each other|(?:away )?from each other)",
    rf"(?:is|are) {_A} and {_B} (?P<op>closer|nearer|farther|further)(?: together| apart)? than {MARK}",
    rf"is the (?:distance|gap|space)(?: between| from) {_A} (?:and|to) {_B} {_OP} {MARK}",
    rf"(?:is|are) there (?P<space>at least |more than |over |less than |under |about |exactly )?{MARK}"
    rf"(?: {_SPACE})?(?: left)? between {_A} and {_B}",
    rf"(?:can|could|would|does|do|will) (?:i|we|you|it|something|a robot|the robot|one|a box|a cart)"
    rf"(?:,? (?:of|with|that is|at|who is|i am|being)(?: a width of)?)? (?P<fit>{MARK})(?: wide)? "
    rf"{_PASS} between {_A} and {_B}",
    rf"(?:can|could|would|does|do|will) (?:a|the|my) (?P<fit>{MARK})(?: wide)? (?:robot|box|cart|thing|wheelchair) "
    rf"{_PASS} between {_A} and {_B}",
)
_SOME: Final = (
    rf"(?:is there|are there|do you see|can you see|is|are) (?:a|an|any|some) {_A} {_OP} {MARK}{_AWAY}",
    rf"(?P<count>how many) {_A}(?: are| are there| do you see| can you see)? {_OP} {MARK}{_AWAY}",
)
_NEAREST: Final = (rf"(?:is|are) (?:there )?(?:anything|something|any thing|any object) {_OP} {MARK}{_AWAY}",)


def read_limit(words: str) -> Query | None:
    """The question of a sentence with one length in it; None if it is of no form."""
    plain, lengths = find_lengths(words)
    if len(lengths) != 1:
        return None
    (limit, unit), query = lengths[0], None
    plain = " ".join(plain.split())
    for pattern, build in _BUILDERS:
        match = re.fullmatch(pattern, plain)
        if match is not None and (query := build(match, limit, unit)) is not None:
            break
    return query


def _sense(op: str | None) -> Sense:
    if not op or re.fullmatch(_ABOUT, op.strip()):
        return "about"
    less = re.fullmatch(rf"{_LESS}|closer|nearer", op.strip()) is not None
    return "less" if less else "more"


def _one(match: re.Match[str], limit: float, unit: str) -> Query | None:
    op = match.groupdict().get("op")
    if op in ("larger than", "bigger than", "smaller than", "wider than", "greater than"):
        return None  # of its volume? Of a distance it says nothing.
    asked = one_thing(match["a"])
    return None if asked is None else Limit(asked=asked, sense=_sense(op), limit=limit, unit=unit)


def _size(match: re.Match[str], limit: float, unit: str) -> Query | None:
    groups = match.groupdict()
    word = groups.get("more") or groups.get("less") or groups.get("size") or ""
    kind = "width_of" if re.match("wid|broad|narrow|long", word) else "height_of"
    asked = one_thing(match["a"], kind)
    if asked is None:
        return None
    sense: Sense = "more" if groups.get("more") else "less" if groups.get("less") else _sense(groups.get("op"))
    return Limit(asked=asked, sense=sense, limit=limit, unit=unit)


def _two(match: re.Match[str], limit: float, unit: str) -> Query | None:
    groups = match.groupdict()
    asked = two_things(match["a"], match["b"])
    if asked is None:
        return None
    sense: Sense = _sense(groups.get("op"))
    if groups.get("fit") or "space" in groups:
        sense = _sense(groups.get("space")) if groups.get("space") else "more"
    return Limit(asked=asked, sense=sense, limit=limit, unit=unit)


def _some(match: re.Match[str], limit: float, unit: str) -> Query | None:
    counts = bool(match.groupdict().get("count"))
    asked = counted_things(match["a"])
    if asked is None or asked.references:
        return None
    return Within(thing=asked, sense=_sense(match["op"]), limit=limit, counts=counts, unit=unit)


def _nearest(match: re.Match[str], limit: float, unit: str) -> Query | None:
    return Within(thing=None, sense=_sense(match["op"]), limit=limit, counts=False, unit=unit)


_BUILDERS: Final = tuple(
    (re.compile(pattern), build)
    for patterns, build in ((_SOME, _some), (_NEAREST, _nearest), (_TWO, _two), (_SIZE, _size), (_ONE, _one))
    for pattern in patterns
)
