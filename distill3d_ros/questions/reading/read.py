"""Reader of texts as people type them: all of a text becomes questions, or the part that does not is named."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache

from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.questions.parsing import MAX_QUESTION_CHARACTERS, parse
from distill3d_ros.questions.reading.forms import read_form
from distill3d_ros.questions.reading.lengths import take_unit
from distill3d_ros.questions.reading.limits import read_limit
from distill3d_ros.questions.reading.places import on_its_side
from distill3d_ros.questions.reading.queries import Direct, Query
from distill3d_ros.questions.reading.refusals import not_understood, unknown_thing
from distill3d_ros.questions.reading.spelling import PRONOUNS, corrections, unknown_words
from distill3d_ros.questions.reading.wording import halves, plain_words, sentences, without_courtesies
from distill3d_ros.scene.labels import known_names

MOST_QUESTIONS = 4
"""Of one text."""
_MOST_CORRECTIONS = 2
_NAME = "|".join(sorted((re.escape(name) for name in known_names()), key=len, reverse=True))
_NEGATIVE = re.compile(r"^(is|are|does|do|can|could|has|have|was)(?:n't|nt| not) ")
_NONE = re.compile(r"^(is there|are there|do you see|can you see|have you got) (?:no|not an?|not any)(?: more)? ")
_NOT = re.compile(r"^((?:is|are|does|do) .+?) not (?!as |more |less )")
_PAIR = re.compile(rf"\b((?:the |an? |any |some )?(?:{_NAME})),? (?:and|or) ((?:the |an? |any |some )?(?:{_NAME}))\b")
_PRONOUN = re.compile(r"\b(?:it|that one|that|them|they|these)\b")
_NO_MEANING = "is are how what the a an you me it there"
_EMPTY = frozenset(_NO_MEANING.split())
_THING_AFTER = re.compile(r"\b(?:the|an?|any|some|many|my|your|no|see|find|locate|where is) ((?:[a-z']+ )?[a-z']+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a text asks."""

    queries: tuple[Query, ...] = ()
    texts: tuple[str, ...] = ()
    """For each query its part of the text."""
    notes: tuple[str, ...] = ()
    """What was read instead of what stands there, to be said back: "I read 'chair'"."""
    refusal: Answer | None = None
    """Why nothing is answered; None when the text was understood."""


@dataclass(frozen=True, slots=True)
class _Read:
    query: Query
    text: str
    notes: tuple[str, ...] = ()


def read(text: str, *, known: Collection[str] | None = None) -> Reading:
    """The questions of a text of at most ``MAX_QUESTION_CHARACTERS``.

    Args:
        known: the labels of things that can be told; None for all. A question about others is refused by name.
    """
    return _refuse_unknown(_read(" ".join(text.split())), text, known)


@cache
def _read(text: str) -> Reading:
    if len(text) > MAX_QUESTION_CHARACTERS:
        return Reading(refusal=not_understood(text))
    found: list[_Read] = []
    for sentence in sentences(text):
        more = _sentence(sentence, found)
        if more is None:
            return Reading(refusal=_refusal(text, sentence))
        found += more
    if not found or len(found) > MOST_QUESTIONS:
        part = f"more than {MOST_QUESTIONS} questions at once" if found else ""
        return Reading(refusal=not_understood(text, part))
    notes = tuple(dict.fromkeys(note for one in found for note in one.notes))
    return Reading(queries=tuple(r.query for r in found), texts=tuple(r.text for r in found), notes=notes)


def _refuse_unknown(reading: Reading, text: str, known: Collection[str] | None) -> Reading:
    if known is None or reading.refusal is not None:
        return reading
    strangers = [label for query in reading.queries for label in query.labels if label not in known]
    return Reading(refusal=unknown_thing(strangers[0], tuple(known))) if strangers else reading


def _sentence(sentence: str, before: list[_Read]) -> list[_Read] | None:
    """The questions of a sentence, corrected where only typing errors stand in the way."""
    found = _questions(sentence, before)
    if found is not None:
        return found
    for corrected, notes in _corrected(sentence):
        found = _questions(corrected, before)
        if found is not None:
            return [_Read(r.query, r.text, (*r.notes, *notes)) for r in found]
    return None


def _questions(sentence: str, before: list[_Read]) -> list[_Read] | None:
    query = _one(sentence)
    if query is not None:
        return [_Read(query, sentence)]
    for first, second in halves(sentence):
        one = _questions(first, before)
        two = _questions(_with_its_noun(second, first), [*before, *(one or ())]) if one is not None else None
        if one is not None and two is not None:
            return one + two
    if before and (told := _with_its_noun(sentence, before[-1].text)) != sentence:
        return _questions(told, [])
    return _for_each(sentence)


def _one(sentence: str) -> Query | None:
    """The question of a sentence that asks one."""
    asked = parse(sentence)
    if asked is not None:
        return Direct(asked=asked)
    words = without_courtesies(plain_words(sentence))
    if not words:
        return None
    plain, unit = take_unit(words)
    return read_limit(words) or _plain(plain, unit) or _negative(plain, unit)


def _plain(words: str, unit: str) -> Query | None:
    query = read_form(words, unit)
    if query is not None:
        return on_its_side(query, words)
    asked = parse(_beside_in_measures(words))
    if asked is None or (unit and asked.form != "metric"):
        return None
    direct = Direct(asked=asked, unit=unit)
    return on_its_side(direct, words) if any(asked.references) else direct


def _beside_in_measures(words: str) -> str:
    """ "how far is the box on the left / near the door" with what tells which one in the words of references."""
    if not re.match(r"(?:how|what is the (?:height|width|distance)|distance|height|width)\b", words):
        return words
    words = re.sub(
        rf"\b((?:the )?)({_NAME}) (?:on|to) (?:the|your|my) (left|right)(?! of)(?: side)?", r"\1\3 \2", words
    )
    return re.sub(rf"\b({_NAME}) (?:near|nearby|by|beside) (?=the |a )", r"\1 next to ", words)


def _negative(words: str, unit: str) -> Query | None:
    """ "isn't there a chair?" asks whether there is one; "is there no chair?" whether there is none."""
    positive = _NEGATIVE.sub(r"\1 ", words)
    if positive != words and " not " not in positive:
        return read_limit(positive) or _plain(positive, unit)
    for pattern, replacement in ((_NONE, r"\1 a "), (_NOT, r"\1 ")):
        positive = pattern.sub(replacement, words, count=1)
        asked = parse(positive) if positive != words else None
        if asked is not None and asked.form == "yes_no" and not re.search(r"\b(?:not|no)\b", positive):
            return Direct(asked=asked, negated=True)
    return None


def _with_its_noun(second: str, first: str) -> str:
    """The second question with the first's thing for "it"."""
    noun = re.search(rf"\b(?:{_NAME})\b", plain_words(first))
    if noun is None or re.search(rf"\b(?:{_NAME})\b", plain_words(second)):
        return second
    return _PRONOUN.sub(f"the {noun[0]}", second, count=1)


def _for_each(sentence: str) -> list[_Read] | None:
    """A question about "the chair and the table" that can only be asked of one thing, asked of each."""
    plain = plain_words(sentence)
    for match in _PAIR.finditer(plain):
        if all(re.search(rf"\b(?:{_NAME})\b", side) for side in (plain[: match.start()], plain[match.end() :])):
            continue  # "is A near B and C on D": the second half may be a question of its own
        texts = [plain[: match.start()] + match[n] + plain[match.end() :] for n in (1, 2)]
        queries = [_one(text) for text in texts]
        if all(query is not None and _about_one(query) for query in queries):
            return [_Read(query, text) for query, text in zip(queries, texts, strict=True) if query is not None]
    return None


def _about_one(query: Query) -> bool:
    return not isinstance(query, Direct) or len(query.asked.labels) == 1 or KINDS[query.asked.kind].form == "yes_no"


def _corrected(sentence: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The sentence with its unknown words corrected, likelier ways first; what they read, for each."""
    plain = plain_words(sentence)
    unknown = list(dict.fromkeys(unknown_words(plain)))
    if not 1 <= len(unknown) <= _MOST_CORRECTIONS:
        return
    ways: list[tuple[str, tuple[str, ...]]] = [(plain, ())]
    for word in unknown:
        better = corrections(word)
        ways = [(re.sub(rf"\b{re.escape(word)}\b", new, text), (*notes, f"I read '{new}'"))
                for text, notes in ways for new in better][:24]  # fmt: skip
    yield from ways


def _refusal(text: str, sentence: str) -> Answer:
    """Why a sentence was not understood: an unknown thing, unknown words, or what its question makes no use of."""
    plain = plain_words(sentence)
    unknown = unknown_words(plain)
    if (stranger := _stranger(plain, unknown)) is not None:
        return unknown_thing(stranger, ())
    if unknown and len(unknown) <= 3:
        return not_understood(text, ", ".join(f'"{word}"' for word in dict.fromkeys(unknown)))
    if not unknown and (part := _needless(plain)):
        return not_understood(text, f'"{part}"')
    return not_understood(text)


def _stranger(plain: str, unknown: list[str]) -> str | None:
    """The name of an unknown thing: unknown words in whose place a known name makes a question."""
    if not 1 <= len(unknown) <= 2:
        return None
    names = [name for name in ("radiator", "bathtub", "vase") if name not in plain]
    for match in _THING_AFTER.finditer(plain):
        words = [word for word in match[1].split() if word not in ("the", "a", "an", "any", "my", "your")]
        for some in (words[:1], words[1:], words):
            if some and set(unknown) <= set(some) and not set(some) & (set(known_names()) | PRONOUNS):
                phrase = " ".join(some)
                if _one(re.sub(rf"\b{re.escape(phrase)}\b", names[0], plain, count=1)) is not None:
                    return phrase
    return None


def _needless(plain: str) -> str:
    """The word without which the sentence would be understood; of several the first."""
    words = without_courtesies(plain).split()
    for length in (1, 2, 3):
        for start in range(len(words) - length + 1):
            rest = " ".join(words[:start] + words[start + length :])
            part = words[start : start + length]
            if set(part) <= _EMPTY or re.search(rf"\b(?:{_NAME})\b", " ".join(part)):
                continue
            if _one(rest) is not None:
                return " ".join(part)
    return ""
