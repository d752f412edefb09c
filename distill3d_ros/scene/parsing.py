"""Reads a question as people type it: which kind it is and which things it names.

Names are found first, longest first, in every form of ``labels.known_names``; what is left of the sentence is matched
by ``grammar`` against the words that carry a relation, not against whole phrases. A sentence with a word that the
grammar does not know is not understood: better to say so than to answer another question.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from distill3d_ros.scene.grammar import VOCABULARY, classify
from distill3d_ros.scene.kinds import KINDS, Mention
from distill3d_ros.scene.labels import known_names

MAX_LENGTH = 300
"""Characters; nobody asks for a place in more."""

_NAMES = {tuple(words.split()): label for words, label in known_names().items()}
_LONGEST = max(map(len, _NAMES))
_PLAIN = str.maketrans("\u2019\u2018\u02bc`\u00b4-\u00a0", "'''''  ")
_WORD = re.compile(r"[a-z0-9']+|[,:;.]")
_FOREIGN = re.compile(r"[^a-z0-9'\s,:;.?!\"()\u201c\u201d\u2026/]")
_SHORT = {
    "what's": "what is", "whats": "what is", "which's": "which is", "there's": "there is", "it's": "it is",
    "how's": "how is", "who's": "who is", "what're": "what are", "i'd": "i would", "i'm": "i am",
}  # fmt: skip
_DETERMINERS = frozenset(
    {"the", "a", "an", "any", "some", "my", "your", "our", "that", "this", "those", "these", "all", "another"}
)


@dataclass(frozen=True, slots=True)
class ParsedQuestion:
    """What a typed question asks."""

    text: str
    kind: str
    labels: tuple[str, ...]
    """In the order of the kind's slots."""
    mentions: tuple[Mention, ...]
    """Where the names stand, in the order of the text."""

    @property
    def family(self) -> str:
        return KINDS[self.kind].family

    @property
    def form(self) -> str:
        return KINDS[self.kind].form


def parse(text: str) -> ParsedQuestion | None:
    """The kind and the names of a typed question; None if it is not understood."""
    if len(text) > MAX_LENGTH:
        return None
    # One character stays one character, so that spans hold in the original.
    plain = "".join(c.lower() if len(c.lower()) == 1 else c for c in text).translate(_PLAIN)
    if _FOREIGN.search(plain):
        return None
    tokens = [(m.group(), m.start(), m.end()) for m in _WORD.finditer(plain)]
    words, mentions = _find_names(tokens)
    labels = [m.label for m in mentions]
    if len(set(labels)) != len(labels) or len(labels) > 3:
        return None
    understood = classify(" ".join(_SHORT.get(w, w) for w in words), len(labels))
    if understood is None:
        return None
    kind, order = understood
    return ParsedQuestion(text, kind, tuple(labels[i] for i in order), tuple(mentions))


def _find_names(tokens: list[tuple[str, int, int]]) -> tuple[list[str], list[Mention]]:
    """The words with every name, articles included, replaced by "@"; and the names."""
    words: list[str] = []
    mentions: list[Mention] = []
    i = 0
    while i < len(tokens):
        for length in range(min(_LONGEST, len(tokens) - i), 0, -1):
            label = _NAMES.get(tuple(word for word, _, _ in tokens[i : i + length]))
            if label is not None:
                while words and words[-1] in _DETERMINERS and (len(words) > 1 or words[-1] != "any"):
                    words.pop()
                words.append("@")
                mentions.append(Mention(tokens[i][1], tokens[i + length - 1][2], label))
                i += length
                break
        else:
            words.append(tokens[i][0])
            i += 1
    return words, mentions


__all__ = ["MAX_LENGTH", "VOCABULARY", "ParsedQuestion", "parse"]
