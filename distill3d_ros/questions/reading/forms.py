"""Forms of composed questions: patterns that a whole sentence must match, so that no word of it goes unnoticed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from distill3d_ros.questions.parsing import ParsedQuestion, parse
from distill3d_ros.questions.reading.places import Apart, Between, Sizes, Where
from distill3d_ros.questions.reading.queries import Anything, CountLimit, MoreOf, Query

Match = re.Match[str]
Builder = Callable[[Match, str], "Query | None"]

_SIDE = re.compile(
    r"^(?:the |that |this |my |your )?(.+?)(?: that is| which is| standing)? (?:on|to|at) (?:the|your|my) (left|right)"
    r"(?: hand)?(?: side)?$"
)
_ONE_THING = re.compile(r"how far away is @(?: in (?:the|this) (?:room|picture|image|scene|view|photo|frame))?")
_BESIDE = re.compile(r" (?:that is |which is )?(?:near|nearby|by|beside|close to) (?=the |a |an |your |my )")
_DIGITS = "zero one two three four five six seven eight nine ten"
_NUMBERS: Final = {word: n for n, word in enumerate(_DIGITS.split())}
_NUMBER = rf"(?P<n>\d{{1,3}}|{'|'.join(_NUMBERS)})"
_HOW_MUCH = (
    r"(?P<op>at least|more than|less than|fewer than|at most|up to|exactly|only|just|not more than|no more than)"
)


def one_thing(words: str, kind: str = "distance_to") -> ParsedQuestion | None:
    """A question of a kind about the one thing that some words stand for; None if they stand for none, or for two."""
    side = _SIDE.match(words)
    if side is not None:  # "the box on the left" among several
        words = f"the {side[2]} {side[1]}"
    asked = parse("how far away is " + _BESIDE.sub(" next to ", words))
    if asked is None or asked.kind != "distance_to" or not _ONE_THING.fullmatch(asked.pattern):
        return None
    if kind == "distance_to":
        return asked
    template = {"height_of": "how tall is ", "width_of": "how wide is "}.get(kind)
    return replace(asked, kind=kind) if template is None else parse(template + _BESIDE.sub(" next to ", words))


def two_things(first: str, second: str) -> ParsedQuestion | None:
    """The question how far one thing is from another."""
    asked = parse(f"how far is {first} from {second}")
    return asked if asked is not None and asked.kind == "distance_between" else None


def counted_things(words: str) -> ParsedQuestion | None:
    """The question how many there are of the things that some words stand for."""
    asked = parse(f"how many {words} are there") or parse(f"how many {words}")
    return asked if asked is not None and asked.kind == "count" else None


@dataclass(frozen=True, slots=True)
class Form:
    """A way of asking."""

    pattern: re.Pattern[str]
    build: Builder


def _where(match: Match, unit: str) -> Query | None:
    thing = one_thing(match["a"], "left_side")
    return None if thing is None else Where(thing=thing, unit=unit)


def _sizes(match: Match, unit: str) -> Query | None:
    thing = one_thing(match["a"], "left_side")
    return None if thing is None else Sizes(thing=thing, unit=unit)


def _depth(match: Match, unit: str) -> Query | None:
    thing = one_thing(match["a"], "left_side")
    return None if thing is None else Sizes(thing=thing, depth_alone=True, unit=unit)


def _between(match: Match, unit: str) -> Query | None:
    names = [one_thing(match[name], "left_side") for name in ("m", "a", "b") if match.groupdict().get(name)]
    things = [asked for asked in names if asked is not None]
    if len(things) != len(names) or len({asked.labels for asked in things}) != len(things):
        return None
    *middle, a, b = things
    return Between(middle=middle[0] if middle else None, ends=(a, b))


def _apart(match: Match, unit: str) -> Query | None:
    words = re.sub(r"^(?:the |these |those |both )?(?:two )?", "", match["a"])
    thing = counted_things(words)
    plural = re.search(r"\btwo\b|s$|shelves$|people$", match[0]) is not None
    if thing is None or thing.references or not plural:
        return None
    single = one_thing("the " + words, "left_side")
    return None if single is None else Apart(thing=single, unit=unit)


def _count_limit(match: Match, unit: str) -> Query | None:
    asked = counted_things(match["a"])
    if asked is None:
        return None
    number = int(match["n"]) if match["n"].isdigit() else _NUMBERS[match["n"]]
    least, most = {
        "at least": (number, None),
        "more than": (number + 1, None),
        "less than": (0, number - 1),
        "fewer than": (0, number - 1),
        "at most": (0, number),
        "up to": (0, number),
        "not more than": (0, number),
        "no more than": (0, number),
    }.get(match["op"] or "", (number, number))
    return CountLimit(asked=asked, least=least, most=most)


def _more_of(match: Match, unit: str) -> Query | None:
    first, second = counted_things(match["a"]), counted_things(match["b"])
    if first is None or second is None or first.labels == second.labels:
        return None
    sense = {"less": "fewer", "as many": "as many"}.get(match["op"], match["op"])
    which = match.groupdict().get("which")
    return MoreOf(first=first, second=second, sense=f"which {sense}" if which else sense)  # type: ignore[arg-type]


def _anything(match: Match, unit: str) -> Query | None:
    asked = parse(f"what is {match['rest']}")
    if asked is None or asked.form != "open":
        return None
    return Anything(asked=asked, negated=match["any"] == "nothing")


_A, _B = "(?P<a>.+?)", "(?P<b>.+?)"
_BE = "(?:is|are|was|were)"
_SEEN = r"(?:are there|is there|do you see|can you see|have you got|do you have|do we have|there are|there is)"
_IN_SIGHT = r"(?: here| visible| in (?:the|this) (?:room|picture|image|scene|view)| in sight| in view)?"
_TABLE: Final[tuple[tuple[str, Builder], ...]] = (
    # where a thing is
    (rf"where(?:abouts)? (?:exactly )?{_BE} {_A}(?: (?:located|placed|standing|lying|at|to be found))?", _where),
    (
        rf"where(?:abouts)? (?:can|could|do|would|should|did|have) (?:i|you|we) (?:find|see|look"
        rf" for|seen|spot) {_A}",
        _where,
    ),
    (rf"where(?:abouts)? (?:does|do|did) {_A} (?:stand|lie|sit|hang)", _where),
    (rf"where(?:abouts)? {_A} {_BE}(?: located)?", _where),
    (rf"(?:find|locate|spot|detect|look for|search for|seek|identify)(?: me| us)? {_A}", _where),
    (rf"show(?: me| us)?(?: where)? {_A}(?: is| are)?", _where),
    (rf"point(?: me| us)?(?: out)?(?: to| at| towards| toward)? {_A}", _where),
    (
        rf"(?:in |to )?(?:which|what) (?:direction|way|place) (?:is|are|do i find|can i find|does)"
        rf" {_A}(?: in| lie)?",
        _where,
    ),
    (rf"(?:on|at|to) (?:which|what) side (?:is|are) {_A}", _where),
    (rf"(?:which|what) side (?:is|are) {_A} (?:on|at)", _where),
    (
        r"(?:what is |give me |get |get me |i need )?(?:the )?(?:exact |current )?"
        rf"(?:position|location|place|pose|coordinates|whereabouts|direction|bearing)(?: of| to| towards) {_A}",
        _where,
    ),
    (rf"(?:i am )?(?:looking|searching) for {_A}", _where),
    (rf"i can not (?:find|see) {_A}", _where),
    # sizes
    (rf"(?:what (?:is|are) |give me )?(?:the )?(?:dimensions?|measurements?|measures|sizes?|extents?) of {_A}", _sizes),
    (rf"how (?:big|large) (?:is|are) {_A}", _sizes),
    (rf"what (?:size|dimensions) (?:is|are|does|do|has|have) {_A}(?: have)?", _sizes),
    (
        rf"how (?:wide|tall|high|deep|long)(?:(?:,| and|, and) (?:how )?(?:wide|tall|high|deep|long))+"
        rf" (?:is|are) {_A}",
        _sizes,
    ),
    (rf"how deep (?:is|are) {_A}", _depth),
    (rf"(?:what is )?the depth of {_A}", _depth),
    # between
    (
        rf"(?:is|are|is there|are there) (?P<m>.+?)(?: (?:standing|located|placed))? (?:in )?between {_A}"
        rf" and {_B}",
        _between,
    ),
    (rf"what (?:is|stands|lies|do you see|can you see) (?:there )?(?:in )?between {_A} and {_B}", _between),
    (rf"how far apart (?:are|is) {_A}(?: from each other)?", _apart),
    (rf"how close (?:together )?are {_A}(?: together| to each other)?", _apart),
    (rf"how far (?:away )?are {_A} from each other", _apart),
    (rf"(?:what is )?(?:the )?(?:distance|gap|space) between {_A}", _apart),
    # numbers of things
    (
        rf"(?:which|what|of which|of what) (?P<which>are there|do you see|is there)"
        rf" (?P<op>more|fewer|less)(?: of)?[:,]? {_A} or {_B}",
        _more_of,
    ),
    (rf"{_SEEN} (?P<op>more|fewer|less|as many) {_A} (?:than|as) {_B}{_IN_SIGHT}", _more_of),
    (rf"{_SEEN} (?:{_HOW_MUCH} )?{_NUMBER} {_A}{_IN_SIGHT}", _count_limit),
    (
        r"(?:is|are) (?:there )?(?P<any>anything|something|nothing|any thing|some thing) (?:standing"
        r" |lying )?(?P<rest>.+)",
        _anything,
    ),
    (r"(?:do|can) you see (?P<any>anything|something|nothing) (?P<rest>.+)", _anything),
)  # fmt: skip
FORMS: Final = tuple(Form(re.compile(pattern), build) for pattern, build in _TABLE)


def read_form(words: str, unit: str = "") -> Query | None:
    """The composed question of a sentence in plain words without courtesies; None if it is of no form.

    Args:
        unit: in which lengths are to be told; empty for metres.
    """
    for form in FORMS:
        match = form.pattern.fullmatch(words)
        if match is not None and (query := form.build(match, unit)) is not None:
            return query
    return None
