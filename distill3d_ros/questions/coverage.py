"""Words of a question that its kind makes no use of: with one of them it asks something else.

Words that mean the same stand in groups. A kind uses the groups of which a template of it has a word, and every word
that is in no group: articles, prepositions, forms of "to be".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from distill3d_ros.questions.kind_record import Kind
from distill3d_ros.questions.templates import SLOT, templates

_GROUPS: dict[str, str] = {
    "left": "left",
    "right": "right",
    "side": "side sides",
    "front": "front before",
    "behind": "behind back",
    "above": "above over",
    "below": "below down",
    "under": "under underneath beneath",
    "higher": "higher highest high",
    "lower": "lower lowest low",
    "top": "top upon atop bottom",
    "touching": "touch touches touching contact",
    "against": "against lean leans leaning leaned leant propped pushed",
    "carrying": "carry carries carrying carried hold holds holding held support supports supporting supported",
    "near": "near close closer closest nearer nearest nearby next beside vicinity",
    "together": "together",
    "far": "far distant distance away nowhere farthest furthest",
    "apart": "apart separate separates",
    "me": "me",
    "farther": "further farther",
    "between": "between",
    "gap": "gap space room lot much",
    "large": "big large larger largest bigger biggest size volume greater greatest",
    "small": "small smaller smallest",
    "tall": "tall taller tallest height",
    "short": "short shorter shortest",
    "wide": "wide wider widest broad broader broadest width breadth",
    "narrow": "narrow narrower narrowest thinner",
    "deep": "deep depth",
    "long": "long",
    "many": "many number count total",
    "all": "all both every altogether whole",
    "each": "each",
    "most": "most",
    "less": "less",
    "two": "two",
    "another": "another",
    "other": "other",
    "half": "half",
    "how": "how",
    "how much": "metres metre meters meter",
}
_GROUP_OF = {word: group for group, words in _GROUPS.items() for word in words.split()}

_ADVERB = re.compile(
    r"\bright (?=next|near|beside|behind|before|in front|under|underneath|beneath|above|over|below|up|on)"
)
"""As in "right next to": not a side."""


def unused_words(kind: str, record: Kind, sentence: str, plain: Callable[[str], str | None]) -> tuple[str, ...]:
    """The words of a sentence, whose names are written "@", that a question of this kind makes no use of.

    Args:
        plain: takes politeness away from a template, as it was from the sentence.
    """
    used = _groups_of(kind, record.vocabulary, plain)
    words = _ADVERB.sub("", sentence).split()
    return tuple(word for word in words if _GROUP_OF.get(word, "") and _GROUP_OF[word] not in used)


@cache
def _groups_of(kind: str, vocabulary: str, plain: Callable[[str], str | None]) -> frozenset[str]:
    used = {_GROUP_OF[word] for word in vocabulary.split() if word in _GROUP_OF}
    for held_out in (False, True):
        for template in templates(kind, held_out):
            sentence = plain(re.sub(r"[?]", "", SLOT.sub("@", template).replace("'s", " is"))) or ""
            words = _ADVERB.sub("", sentence).split()
            used |= {_GROUP_OF[word] for word in words if word in _GROUP_OF}
    return frozenset(used)
