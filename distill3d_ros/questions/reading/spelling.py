"""Words that nobody taught: those one letter away from a known word, and names of things that are not known."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from functools import cache

from distill3d_ros.questions.grammar import VOCABULARY
from distill3d_ros.scene.labels import known_names

SHORTEST_TYPO = 4
"""Letters of a word that may be a typing error; among shorter ones too many are each other's neighbours."""

_WORD = re.compile(r"[a-z']+")
_REAL_WORDS = """
    ball wall hall hair chain chairman floor flour ceiling door moon room stairs stair stain steps cable wire rope
    car cart card cat coat cot cow dog doll fork form book boot boat bird bread bike brick bust knife knives spoon
    pan pot pots socket phone keys keyboard mouse screen clock rug mat carpet toy toys tap tape tool tools truck
    tree roof root ladder leader letter lumber lump cap cape camp lamb land loft lock log open opened over oxen
    green brown black white blue yellow pink purple orange grey gray red color colour shade shape clean dirty heavy
    light soft hard warm cold empty full broken wooden metal plastic glass paper made used mine yours his hers their
    where when why who whom whose will shall should must never always only even still already without except besides
    beneath through along across around toward towards inside outside onto within until after during since while
    because although first second third fourth last same different similar bell belt bend band sand sofas stove
    stool pool cool coal sock sick wink link think thing sing ring king fan van fox ox fix mix six box bag beg bug
    rag tag wag cub cut bud bad bid breed fold hold gold bold tabled able fable stable label labels
"""
_REAL = frozenset(_REAL_WORDS.split())
"""English words that lie next to known ones and are no typing errors of them."""


_SWAPPED = {"teh": "the", "hte": "the", "si": "is", "aer": "are", "rae": "are", "hwo": "how", "form": "from"}
"""The commonest slips in short words."""
_NO_NAMES = "everything everyone everybody nothing nobody anything anyone anybody who whom second third"
PRONOUNS = frozenset(_NO_NAMES.split())
"""Words that stand where a name could, and are none."""


@cache
def _known_words() -> frozenset[str]:
    names = {word for words in known_names() for word in words.split()}
    more = "where find locate show which direction point many there metres feet inches between near under behind"
    return frozenset(word for word in names | VOCABULARY | set(more.split()) if len(word) >= 3 and word.isalpha())


def unknown_words(text: str) -> list[str]:
    """The words of a text in plain words that are neither part of a known name nor of a question."""
    known = _known_words() | VOCABULARY
    return [word for word in _WORD.findall(text) if word not in known]


def corrections(word: str) -> list[str]:
    """The known words that are one edit away: a letter left out, put in, exchanged, or two swapped. Names first."""
    if word in _SWAPPED:
        return [_SWAPPED[word]]
    if len(word) < SHORTEST_TYPO or word in _REAL:
        return []
    names = {part for words in known_names() for part in words.split()}
    found = {edit for edit in _edits(word) if edit in _known_words() and len(edit) >= SHORTEST_TYPO}
    return sorted(found, key=lambda edit: (edit not in names, edit))


def _edits(word: str) -> Iterator[str]:
    for i in range(len(word) + 1):
        head, tail = word[:i], word[i:]
        if tail:
            yield head + tail[1:]
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]
        for letter in string.ascii_lowercase:
            yield head + letter + tail
            if tail:
                yield head + letter + tail[1:]
