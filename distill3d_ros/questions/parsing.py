"""Parser of questions as people type them: the kind, and the things that are named.

Names are found first, longest first, in every form of ``labels.known_names``; what is left of the sentence is matched
by ``grammar`` against the words that carry a relation, not against whole phrases. A sentence with a word that the
grammar does not know is not understood: better to say so than to answer another question. What tells one of several
things of a name ("the nearest chair", "the lamp on the desk") becomes a reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, pairwise

from distill3d_ros.questions.grammar import classify, is_measure
from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.questions.phrases import REFERENCE_FIRST, RELATIVE_WORDS, SUPERLATIVE_WORDS
from distill3d_ros.questions.references import Reference
from distill3d_ros.scene.labels import known_names

MAX_QUESTION_CHARACTERS = 500
"""Longest question that is read, the same for service, topics, parameter, command line and Python."""

_NAMES = {tuple(words.split()): label for words, label in known_names().items()}
_LONGEST = max(map(len, _NAMES))
_PLAIN = str.maketrans("\u2019\u2018\u02bc`\u00b4-\u00a0", "'''''  ")
_WORD = re.compile(r"[a-z0-9']+|[,:;.]")
_FOREIGN = re.compile(r"[^a-z0-9'\s,:;.?!\"()\u201c\u201d\u2026/]")
_SHORT = {
    "what's": "what is", "whats": "what is", "which's": "which is", "there's": "there is", "it's": "it is",
    "how's": "how is", "who's": "who is", "what're": "what are", "i'd": "i would", "i'm": "i am",
}  # fmt: skip
_DETERMINERS = frozenset({"the", "a", "an", "any", "some", "my", "your", "our", "that", "this", "those", "these"})


@dataclass(frozen=True, slots=True)
class Mention:
    """A name in a question."""

    start: int
    """First character of the name, its article not included."""
    end: int
    """One past its last character."""
    label: str
    object_id: int | None = None
    """The thing meant; None when it is absent, or when the name stands for a category."""


@dataclass(frozen=True, slots=True)
class ParsedQuestion:
    """The meaning of a typed question."""

    text: str
    kind: str
    labels: tuple[str, ...]
    """In the order of the kind's slots."""
    mentions: tuple[Mention, ...]
    """Where the names stand, in the order of the text."""
    references: tuple[Reference | None, ...] = ()
    """For each of ``labels`` which of several is meant, None where the name says it all; empty where all do."""
    plain: str = ""
    """The text without what makes the references."""
    pattern: str = ""
    """The words, in lower case and without marks, with "@" for every name and its article."""

    @property
    def family(self) -> str:
        return KINDS[self.kind].family

    @property
    def form(self) -> str:
        return KINDS[self.kind].form

    @property
    def named(self) -> tuple[str, ...]:
        """``labels``, and the names by which references tell things apart."""
        others = (r.other for r in self.references if r is not None and r.other is not None)
        return tuple(dict.fromkeys((*self.labels, *others)))


def parse(text: str) -> ParsedQuestion | None:
    """The kind and the names of a typed question; None if it is not understood."""
    if len(text) > MAX_QUESTION_CHARACTERS:
        return None
    # One character stays one character, so that spans hold in the original.
    plain = "".join(c.lower() if len(c.lower()) == 1 else c for c in text).translate(_PLAIN).replace("(s)", "   ")
    if _FOREIGN.search(plain):
        return None
    tokens = [(m.group(), m.start(), m.end()) for m in _WORD.finditer(plain)]
    sentence = _find_names(tokens)
    with_reference = list(_with_a_reference(sentence))
    # "how far is the lamp on the desk" asks about one thing; "is the lamp on the desk" about two.
    tries = chain(with_reference, [sentence]) if is_measure(sentence.text) else chain([sentence], with_reference)
    for candidate in tries:
        parsed = _understand(text, candidate)
        if parsed is not None:
            return parsed
    return None


@dataclass(frozen=True, slots=True)
class _Sentence:
    """The words of a question with every name, articles and references included, replaced by "@"."""

    words: tuple[str, ...]
    names: tuple[Mention, ...]
    references: tuple[Reference | None, ...]
    cuts: tuple[tuple[int, int], ...] = ()
    """Parts of the text that make references."""

    @property
    def text(self) -> str:
        return " ".join(_SHORT.get(word, word) for word in self.words)


def _understand(text: str, sentence: _Sentence) -> ParsedQuestion | None:
    labels = [m.label for m in sentence.names]
    if len(set(labels)) != len(labels) or len(labels) > 3:
        return None
    understood = classify(sentence.text, len(labels))
    if understood is None:
        return None
    kind, order = understood
    references = tuple(sentence.references[i] for i in order)
    any_reference = any(references)
    if any_reference and KINDS[kind].family in ("existence", "counting"):
        if kind != "count" or references[0] is None or references[0].other is None:
            return None
        references = (replace(references[0], every=True),)
    plain = text
    for start, end in sorted(sentence.cuts, reverse=True):
        plain = plain[:start] + plain[end:]
    return ParsedQuestion(
        text,
        kind,
        tuple(labels[i] for i in order),
        sentence.names,
        references if any_reference else (),
        plain,
        sentence.text,
    )


def _find_names(tokens: list[tuple[str, int, int]]) -> _Sentence:
    """Every name with its articles, and with a word such as "nearest" between article and name."""
    words: list[str] = []
    names: list[Mention] = []
    references: list[Reference | None] = []
    cuts: list[tuple[int, int]] = []
    i = 0
    while i < len(tokens):
        for length in range(min(_LONGEST, len(tokens) - i), 0, -1):
            label = _NAMES.get(tuple(word for word, _, _ in tokens[i : i + length]))
            if label is not None and not _is_scenery(words, [word for word, _, _ in tokens[i : i + length + 1]]):
                how = _SUPERLATIVE.get(words[-1]) if len(words) > 1 and words[-2] in _THIS else None
                if how is not None:
                    words.pop()
                    cuts.append((tokens[i - 1][1], tokens[i][1]))
                while words and words[-1] in _DETERMINERS and (len(words) > 1 or words[-1] != "any"):
                    words.pop()
                words.append("@")
                names.append(Mention(tokens[i][1], tokens[i + length - 1][2], label))
                references.append(None if how is None else Reference(label=label, how=how))
                i += length
                break
        else:
            words.append(tokens[i][0])
            i += 1
    return _Sentence(tuple(words), tuple(names), tuple(references), tuple(cuts))


_IN_SIGHT = re.compile(r"(?:^| )(?:in|inside|within|half of)(?: (?:the|this|that|your|my|our))?(?: whole| entire)?$")
_ASKS_WHETHER = re.compile(r"^(?:(?:is|are) there|(?:do|can|could) you see|how many|count)\b")


def _is_scenery(before: list[str], words: list[str]) -> bool:
    """Whether "picture" means all that the camera sees ("is there a sink in the picture?"), not a thing on a wall.

    ``words``: the name and the word after it; ``before``: those before it.
    """
    if words[0] != "picture" or words[1:] == ["frame"]:
        return False
    text = " ".join(before)
    if _IN_SIGHT.search(text) or (_ASKS_WHETHER.search(text) and text.endswith((" on the", " on this", " on your"))):
        return True
    return words[1:] == ["show"] and text.endswith((" the", " this", " your"))


_SUPERLATIVE = {word: how for how, words in SUPERLATIVE_WORDS.items() for word in words}
_THIS = frozenset({"the", "that", "this", "my", "your", "our"})
_RELATIVE = {tuple(phrase.split()): how for how, phrases in RELATIVE_WORDS.items() for phrase in phrases}
_CLAUSES = (
    *(("that", "is"), ("which", "is"), ("that", "are"), ("which", "are"), ("that", "stands"), ("which", "stands")),
    *(("that's",), ("standing",), ()),
)
"""What may stand between a name and what tells which one is meant."""
_COUNTED = (("are", "there"), ("do", "you", "see"), ("can", "you", "see"), ("are",), ("is",), ("stand",), ("lie",))
"""Likewise where the things are counted."""


def _with_a_reference(sentence: _Sentence) -> Iterator[_Sentence]:
    """The sentence with one "the chair nearest to the window" taken as one name; the likelier readings first."""
    places = [i for i, word in enumerate(sentence.words) if word == "@"]
    clauses = (*_COUNTED, *_CLAUSES) if re.search(r"\b(?:how many|number of|count) @", sentence.text) else _CLAUSES
    readings = []
    for n, (start, end) in enumerate(pairwise(places)):
        between = sentence.words[start + 1 : end]
        clause = next(c for c in clauses if between[: len(c)] == c)
        how = _RELATIVE.get(between[len(clause) :])
        if how is None or sentence.references[n] is not None or sentence.references[n + 1] is not None:
            continue
        rank = 0 if clause else 1 + REFERENCE_FIRST.index(how) if how in REFERENCE_FIRST else len(REFERENCE_FIRST) + 1
        readings.append((rank, -n if rank > len(REFERENCE_FIRST) else n, n, start, end, how))
    for _, _, n, start, end, how in sorted(readings):
        thing, other = sentence.names[n : n + 2]
        reference = Reference(label=thing.label, how=how, other=other.label)
        yield replace(
            sentence,
            words=sentence.words[: start + 1] + sentence.words[end + 1 :],
            names=sentence.names[: n + 1] + sentence.names[n + 2 :],
            references=(*sentence.references[:n], reference, *sentence.references[n + 2 :]),
            cuts=(*sentence.cuts, (thing.end, other.end)),
        )
