"""Which words carry which relation: from a sentence whose names are "@" to a kind of question.

The rules look for the words that matter (left, under, closer, how many ...) and for which name stands on which side of
them; everything else must be a word that changes nothing.
"""

from __future__ import annotations

import re

Understood = tuple[str, tuple[int, ...]]
"""A kind and, for each of its slots, the index of the name in the order of the text."""

_FILLERS = re.compile(
    r"\b(?:as far as (?:you|i) can (?:tell|see)|(?:is it|it is) true(?: that)?|am i right(?: that)?|does it look like|"
    r"(?:can|could|would|will) you (?:please )?(?:tell me|say|estimate|name|check|confirm)|do you (?:know|think)|"
    r"(?:do you have )?any idea|quick question|one question|please check|check|would you say|so|"
    r"measuring from the (?:closest|nearest) points? of (?:each|the) objects?|in (?:meters|metres)|"
    r"please|tell me|i (?:want|would like|need) to know|let me know|give me|say|estimate|"
    r"as seen from here|seen from here|as seen from me|from here|from where you (?:are|stand)|right now|now|currently|"
    r"at the moment|just|exactly|about|roughly|approximately|around about|really|actually|also|quite a bit|quite|"
    r"somewhere|hey|hello|hi|ok|okay|in your opinion|it looks like|i think)\b"
)
_TAGS = re.compile(
    r"(?: ,)? (?:correct|true|yes|or not|is that so|am i right|is it|isn't it|doesn't it|aren't they|don't they|"
    r"thanks|thank you)$| , right$"
)
_SEE = re.compile(
    r"\b(?:(?:do|can|could) you (?:see|spot|find|make out|detect|recognise|recognize)|"
    r"(?:that )?you (?:can )?(?:see|spot)|(?:can|could) (?:i|we) see|i see|we see|have you got|"
    r"do you have|do we have|have we got|you have|can be seen)\b"
)
_SELF = re.compile(r"\b(?:you|me|us|here|yourself|myself|(?:the |this |your )?(?:robot|camera|viewer|observer))\b")
_PLACE = re.compile(
    r"\b(?:in|inside|on|within) (?:the |this |your |that )?(?:room|picture|image|scene|photo|frame|view|sight)\b|"
    r"\bvisible\b|\banywhere\b|\baround me\b"
)
_ORDERS = re.compile(
    r"^(?:(?:can|could|would|do) )?(?:me )?(?:put|set|show|carry|hold|lean|touch|support|take|make|come|reach|stand|"
    r"sit|lie|rest|hang|fit|position|separate) "
)

_WORDS = """
    @ is are was be been being does do did has have am it there that they the a an of to from than and or by as
    at in on me my your see what which name if whether one ones thing things object objects item items two each
    other most more less how many number count metres meters meter metre far distant distance close near away
    off apart gap space room much lot big large wide tall high long broad height width breadth deep size volume
    closer closest nearer nearest nearby next beside vicinity right left side sides hand half further farther
    furthest farthest well way nowhere between separate separates together located positioned placed set put
    standing stand stands lying lie lies resting rest rests sitting sit sits hang hangs hanging laid found kept
    position touch touching touches contact make makes come comes into against lean leaning leans leaned leant
    propped pushed up upon top atop carrying carry carries holding hold holds support supports supporting
    supported carried held larger largest bigger biggest smaller smallest greater greatest taller tallest higher
    highest shorter shortest lower lowest wider widest broader broadest narrower narrowest thinner compared
    comparison take takes taking out among both front before behind back above over below under underneath
    beneath down level reach reaches fit fits bottom these those them with can could would seen image picture
    photo got show shows not any some total all whole altogether immediately directly
"""
VOCABULARY = frozenset(_WORDS.split())
"""Every word that may stand beside names; with any other a sentence is not understood."""

_MEASURES = r"\b(?:how|distance|gap|height|width|breadth|number|count)\b"
_LARGE = r"(?:larger|bigger|largest|biggest|more space|most space|greater in (?:size|volume))"
_SMALL = r"(?:smaller|smallest|less space|less room)"
_TALL = r"(?:taller|tallest|more height|most height|greater height|greater in height)"
_SHORT = r"(?:shorter|shortest|less tall|lower in height|less height)"
_WIDE = r"(?:wider|widest|broader|broadest|more width|greater width|greater in width)"
_NARROW = r"(?:narrower|narrowest|thinner|less wide|less broad|less width)"
_CLOSER = r"(?:closer|closest|nearer|nearest|near|close|next)"
_FARTHER = r"(?:farther|further|farthest|furthest|more distant|most distant|far)"


def is_measure(sentence: str) -> bool:
    """Whether it asks for metres or a number."""
    return re.search(_MEASURES, sentence) is not None


def classify(sentence: str, names: int) -> Understood | None:
    """The kind of a sentence with ``names`` names, written "@", and the order of the names in its slots."""
    s = _plain(sentence)
    if s is None:
        return None
    asks_open = re.search(r"^(?:and )?(?:what|which|name|on what|on which|to @ which|from @ which)\b", s) is not None
    alternatives = _alternatives(s, names, asks_open)
    if re.search(_MEASURES, s) and not re.search(r"^(?:is|are|does|do|which) ", s):
        found = _measure(s, names)
    elif alternatives is not None:
        found = _choice(s, names, alternatives)
    elif asks_open:
        found = _open(s, names)
    elif names == 1:
        found = _about_one(s)
    else:
        found = _about_two(s) if names == 2 else None
    return found


def _plain(sentence: str) -> str | None:
    """The sentence without politeness and punctuation; None if it has unknown words."""
    s = re.sub(r"[.;:]", " ,", sentence).strip(" ,")
    s = re.sub(r"\s+", " ", s)
    s = _TAGS.sub("", s)
    s = _FILLERS.sub(" ", s)
    s = _SEE.sub(" see ", s)
    s = re.sub(r"^[ ,]*(?:robot|computer)[ ,]+", "", s)
    s = _SELF.sub("me", s)
    s = _PLACE.sub(" see ", s)
    s = " ".join(s.replace(",", " ").split())
    words = s.split()
    if not words or any(word not in VOCABULARY for word in words):
        return None
    if re.search(r"\bm[ye] position\b", s):  # of the one who asks, not of the camera
        return None
    if _ORDERS.search(s):  # a robot that is told to put something somewhere is not asked anything
        return None
    # "not" turns a question round; only "not as tall as" is known.
    return None if "not" in words and not re.search(r"\bnot as (?:tall|high|wide|broad|large|big) as\b", s) else s


def _alternatives(s: str, names: int, asks_open: bool) -> tuple[int, int] | None:
    """The indices of the two things between which to choose."""
    match = re.search(r"@ or @", s)
    if (match is None and asks_open) or re.search(r"^(?:out of|of|between|among) @ and @", s):
        match = match or re.search(r"\b(?:of|between|among) @ and @", s)
    if match is None:
        return None
    first = s[: match.start()].count("@")
    return (first, first + 1) if names in (2, 3) else None


def _measure(s: str, names: int) -> Understood | None:
    """How far, how tall, how wide, how many."""
    if re.search(r"\b(?:how many|number of|count)\b(?! (?:metres?|meters?)\b)", s):
        return ("count", (0,)) if names == 1 and _only(s, _COUNT_WORDS) else None
    if names == 1 and re.search(r"\b(?:tall|high|height)\b", s):
        return "height_of", (0,)
    if names == 1 and re.search(r"\b(?:wide|broad|long|width|breadth)\b", s):
        return "width_of", (0,)
    if re.search(r"\b(?:far|distant|distance|close|near|gap|space|room|metres?|meters?)\b", s):
        return {1: ("distance_to", (0,)), 2: ("distance_between", (0, 1))}.get(names)
    return None


def _choice(s: str, names: int, alternatives: tuple[int, int]) -> Understood | None:
    if names == 3:
        anchor = ({0, 1, 2} - set(alternatives)).pop()
        if re.search(rf"\b{_FARTHER}\b", s):
            return "farther", (anchor, *alternatives)
        return ("closer", (anchor, *alternatives)) if re.search(rf"\b{_CLOSER}\b", s) else None
    for kind, words in _CHOICES:
        if re.search(rf"\b{words}\b", s):
            return kind, alternatives
    return None


_CHOICES = (
    ("which_left", "left"),
    ("which_right", "right"),
    ("which_larger", _LARGE),
    ("which_smaller", _SMALL),
    ("which_shorter", rf"(?:{_SHORT}|lower|lowest)"),
    ("which_taller", rf"(?:{_TALL}|higher|highest)"),
    ("which_narrower", _NARROW),
    ("which_wider", _WIDE),
    ("farther_from_me", rf"(?:{_FARTHER}|behind)"),
    ("nearer_to_me", rf"(?:{_CLOSER}|in front)"),
)


def _open(s: str, names: int) -> Understood | None:
    """What stands where."""
    s = " ".join(word for word in s.split() if word != "see")
    if names == 0:
        for kind, words in _SUPERLATIVES:
            if re.search(rf"\b{words}\b", s):
                return kind, ()
        return None
    if names != 1:
        return None
    for kind, pattern in _OPEN:
        if re.search(pattern, s):
            return kind, (0,)
    return None


_SUPERLATIVES = (
    ("tallest_thing", r"(?:tallest|highest|most height)"),
    ("largest_thing", r"(?:largest|biggest|most space|most room)"),
    ("farthest_thing", r"(?:farthest|furthest|most distant)"),
    ("nearest_to_me", r"(?:nearest|closest|next to me|near me|close to me|in front of me)"),
)

_OPEN = (
    ("standing_on", r"@ (?:is |been )?(?:(?:standing|resting|lying|sitting|placed|put|stands?|rests?|lies?|sits?) )?"
                    r"(?:on|upon|on top of)$"),
    ("standing_on", r"^on (?:what|which)\b"),
    ("standing_on", r"\b(?:carries|supports|holds|(?:is )?(?:carrying|supporting|holding)) (?:up )?@$"),
    ("what_is_on", r"@ (?:carrying|supporting|holding|carry|support|hold)(?: up)?$"),
    ("what_is_left_of", r"\bleft(?: hand)?(?: side)? of @$"),
    ("what_is_right_of", r"\bright(?: hand)?(?: side)? of @$"),
    ("what_is_in_front_of", r"\b(?:in front of|before) @$"),
    ("what_is_behind", r"\b(?:behind|(?:at|in) the back of|at back of|in back of) @$"),
    ("what_is_under", r"\b(?:under|underneath|beneath|below) @$"),
    ("what_is_on", r"\b(?:on|upon|atop|on top of|on the top of) @$"),
    ("nearest_to", r"\b(?:(?:nearest|closest|next|close)(?: (?:thing|object|item))?(?: to)?|"
                   r"near|nearby|beside|by|vicinity of) @$"),
)  # fmt: skip


def _about_one(s: str) -> Understood | None:
    left, right = (re.search(rf"\b{side}\b", s) is not None for side in ("left", "right"))
    if left != right and not re.search(r"\bin front\b", s) and _only(s, _SIDE_WORDS):
        return ("left_side" if left else "right_side"), (0,)
    if not re.search(r"^(?:is|are|see|does|do|can|has|have|if|whether|there|any|me|@)\b", s) or s.strip() == "@":
        return None
    return ("exists", (0,)) if _only(s, _EXISTS_WORDS) and re.search(_EXISTS_SIGNS, s) else None


_COUNT_WORDS = frozenset(
    {
        "how", "many", "number", "of", "count", "the", "a", "what", "is", "are", "there", "see", "do", "does",
        "have", "has", "got", "be", "in", "front", "me", "all", "total", "show", "view", "can", "could",
        "image", "picture", "photo", "room", "would", "@",
    }
)  # fmt: skip
_SIDE_WORDS = frozenset(
    {
        "is", "are", "was", "does", "do", "stand", "stands", "standing", "located", "see", "on", "to", "at",
        "in", "the", "my", "your", "me", "of", "side", "hand", "half", "left", "right", "if", "whether", "@",
        "there", "a", "placed", "positioned", "lie", "lies", "lying", "sit", "sits", "sitting", "image", "or",
        "it",
    }
)  # fmt: skip
_EXISTS_WORDS = frozenset(
    {
        "is", "are", "there", "see", "any", "a", "an", "do", "does", "can", "be", "has", "have", "got", "in",
        "front", "of", "me", "if", "whether", "image", "picture", "photo", "room", "show", "seen", "could",
        "the", "it", "thing", "@",
    }
)  # fmt: skip
_EXISTS_SIGNS = r"\b(?:there|see|show|have|has|any|in front of me)\b|\bbe\b"


def _only(s: str, words: frozenset[str]) -> bool:
    return all(word in words for word in s.split())


def _about_two(s: str) -> Understood | None:
    """Yes or no about two things: the first relation whose words are there."""
    if re.search(r"^(?:is|are|does|do) (?:the )?(?:left|right)(?: hand)? sides? of @", s):  # a part of a thing
        return None
    for kind, pattern in _SYMMETRIC_FIRST:
        if re.search(pattern, s):
            return kind, (0, 1)
    for kind, pattern in _COMPARED:
        if re.search(rf"\b{pattern}\b", s):
            order = _compared(s)
            if order is not None:
                return kind.lstrip("-"), order[::-1] if kind.startswith("-") else order
    for kind, pattern in _DIRECTED:
        match = re.search(rf"\b{pattern} @", s)
        if match:
            reference = s[: match.end()].count("@") - 1
            return kind, (1 - reference, reference)
    if re.search(r"@ (?:is )?(?:carry|carries|carrying|supports?|supporting|holds?|holding)(?: up)? @", s):
        return "on", (1, 0)
    for kind, pattern in _SYMMETRIC_LAST:
        if re.search(pattern, s):
            return kind, (0, 1)
    return None


def _compared(s: str) -> tuple[int, int] | None:
    """(subject, reference) of a comparison: the reference follows "than", "as" or "compared with"."""
    match = re.search(r"\b(?:than|as|compared (?:to|with)|in comparison (?:to|with)) @", s)
    if match is None:
        return None
    reference = s[: match.end()].count("@") - 1
    return 1 - reference, reference


_SYMMETRIC_FIRST = (
    ("against", r"\bagainst\b|\b(?:lean|leans|leaning|leaned) (?:on|at|to)\b|\bpushed (?:right )?up to\b|"
                r"side by side.*touch"),
    ("touching", r"\b(?:touch|touching|touches|contact)\b"),
    ("far", r"\b(?:nowhere near|far from|far away from|apart|long way|well away|distant from|far off from)\b|"
            r"\b(?:lot of|much|big|large|wide) (?:space|gap|room|distance)\b|\bfar (?:away )?from each other\b"),
)  # fmt: skip
_COMPARED = (
    ("-taller", rf"(?:{_SHORT}|not as (?:tall|high) as)"),
    ("-wider", rf"(?:{_NARROW}|not as (?:wide|broad) as)"),
    ("-larger", rf"(?:{_SMALL}|not as (?:large|big) as)"),
    ("larger", rf"(?:{_LARGE}|(?:larger|bigger|greater) (?:size|volume))"),
    ("taller", _TALL),
    ("wider", _WIDE),
    ("left_of", "left"),
    ("right_of", "right"),
    ("above", r"higher"),
    ("below", r"(?:lower|(?:further|farther) down)"),
    ("in_front_of", r"(?:closer|nearer)"),
    ("behind", r"(?:farther|further|more distant)"),
)
_DIRECTED = (
    ("left_of", r"left(?: hand)?(?: side)?(?: of| from)"),
    ("right_of", r"right(?: hand)?(?: side)?(?: of| from)"),
    ("in_front_of", r"(?:in front of|before)"),
    ("behind", r"(?:behind|(?:at|in) (?:the )?back of)"),
    ("under", r"(?:under|underneath|beneath)"),
    ("below", r"below"),
    ("above", r"(?:above|over)"),
    ("on", r"(?:on|upon|atop|on (?:the )?top of|(?:supported|carried|held|held up) by)"),
)
_SYMMETRIC_LAST = (
    ("near", r"\b(?:near|close|next|beside|nearby|by|vicinity|side by side|together)\b"),
)  # fmt: skip
