"""Grammar of questions: from a sentence with "@" for its names to a kind of question.

The rules look for the words that matter (left, under, closer, how many ...) and for which name stands on which side of
them; everything else must be a word that changes nothing.
"""

from __future__ import annotations

import re
from functools import cache

from distill3d_ros.questions.coverage import unused_words
from distill3d_ros.questions.kind_record import Pattern
from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.questions.vocabulary import WORDS

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
    r"\b(?:in|inside|on|within) (?:the |this |your |that )?(?:whole |entire )?"
    r"(?:room|picture|image|scene|photo|frame|view|sight)\b|\bvisible\b|\banywhere\b|\baround me\b"
)
_ORDERS = re.compile(
    r"^(?:(?:can|could|would|do) )?(?:me )?(?:put|set|show|carry|hold|lean|touch|support|take|make|come|reach|stand|"
    r"sit|lie|rest|hang|fit|position|separate) "
)

_SECOND_CLAUSE = re.compile(
    r"\b(?:and|or) (?:is|are|does|do|has|have|how|what|which|can|if|there)\b|@ or @ or @|\bseen? by @"
)
"""Another question after the first, a third thing to choose from, another one who sees."""

VOCABULARY = frozenset(WORDS.split()).union(*(kind.vocabulary.split() for kind in KINDS.values()))
"""Every word that may stand beside names; with any other a sentence is not understood."""

_MEASURES = r"\b(?:how|distance|gap|height|width|breadth|number|count)\b"


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
        return _first_that_fits(s, ("metric", "count"), names)
    if alternatives is not None:
        found = _first_that_fits(s, ("choice",), names)
        others = sorted({*range(names)} - {*alternatives})
        if others and not re.search(r"(?:\b(?:to|from|than|is|are) |^)$", _before_name(s, others[0])):
            return None
        return None if found is None else (found[0], (*others, *alternatives))
    if asks_open:
        return _first_that_fits(" ".join(word for word in s.split() if word != "see"), ("open",), names)
    if re.search(r"^(?:is|are|does|do) (?:the )?(?:left|right)(?: hand)? sides? of @", s) and names == 2:
        return None  # a part of a thing
    return _first_that_fits(s, ("yes_no",), names)


def _plain(sentence: str) -> str | None:
    """The sentence without politeness and punctuation; None if it has unknown words."""
    s = re.sub(r"[.;:]", " ,", sentence).strip(" ,")
    s = re.sub(r"\s+", " ", s)
    s = _TAGS.sub("", s)
    s = _FILLERS.sub(" ", s)
    s = _SEE.sub(" see ", s)
    s = re.sub(r"^[ ,]*(?:robot|computer)[ ,]+", "", s)
    s = re.sub(r"(?<!from )(?<!to )\bhere\b", " ", s)
    s = _SELF.sub("me", s)
    s = _PLACE.sub(" see ", s)
    s = " ".join(s.replace(",", " ").split())
    words = s.split()
    if not words or any(word not in VOCABULARY for word in words):
        return None
    if re.search(r"\bm[ye] position\b", s):  # of the one who asks, not of the camera
        return None
    if _SECOND_CLAUSE.search(s):
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


def _before_name(s: str, index: int) -> str:
    """The sentence before its name of this index."""
    return "@".join(s.split("@")[: index + 1])


@cache
def _patterns(forms: tuple[str, ...], names: int) -> tuple[tuple[Pattern, str], ...]:
    """The patterns of all kinds of these forms that name so many things, each with its kind, by rank."""
    fitting = ((name, kind) for name, kind in KINDS.items() if kind.form in forms and kind.slots == names)
    return tuple(sorted(((p, name) for name, kind in fitting for p in kind.patterns), key=lambda item: item[0].rank))


def _first_that_fits(s: str, forms: tuple[str, ...], names: int) -> Understood | None:
    for pattern, kind in _patterns(forms, names):
        match = re.search(pattern.words, s)
        if match is None or (pattern.unless and re.search(pattern.unless, s)):
            continue
        if pattern.only is not None and not pattern.only.issuperset(s.split()):
            continue
        order = _order(s, match, pattern, names)
        if order is not None and not unused_words(kind, KINDS[kind], s, _plain):
            return kind, order
    return None


def _order(s: str, match: re.Match[str], pattern: Pattern, names: int) -> tuple[int, ...] | None:
    """The order of the names in the slots; None if there is no name where the pattern's reference must stand."""
    order = tuple(range(names))
    if pattern.reference != "last":
        if pattern.reference == "than":
            than = re.search(r"\b(?:than|as|compared (?:to|with)|in comparison (?:to|with)) @", s)
            if than is None:
                return None
            match = than
        reference = s[: match.end()].count("@") - 1
        order = (1 - reference, reference)
    return order[::-1] if pattern.swapped else order
