"""A text in plain words: lower case, without contractions and courtesies, cut into its sentences."""

from __future__ import annotations

import re

_SIGNS = str.maketrans("\u2019\u2018\u02bc`\u00b4\u00a0\u201c\u201d\u2033", "'''''" + ' """')
_CONTRACTIONS = (
    (re.compile(r"\b(where|what|which|who|how|there|that|it)'?s\b(?! (?:left|right) )"), r"\1 is"),
    (re.compile(r"\b(where|what|how)'?re\b"), r"\1 are"),
    (re.compile(r"\bi'm\b"), "i am"),
    (re.compile(r"\bi'd\b"), "i would"),
    (re.compile(r"\bcannot\b|\bcan't\b"), "can not"),
    (re.compile(r"\bwhats\b"), "what is"),
    (re.compile(r"\bwheres\b"), "where is"),
    (re.compile(r"\b(?:the |this )?(?:robot|camera)'s (left|right)\b"), r"your \1"),
)
_ACT = r"tell|find|locate|show|point|say|look|detect|spot|search|identify|give|help|name|count|describe|check"
_FRONT = re.compile(
    rf"^(?:(?:hey|hello|hi|ok|okay|well|so|and|then|also|please|kindly|robot|computer|dear robot|sir|"
    rf"(?:can|could|would|will) you(?: please)?(?= (?:please )?(?:{_ACT})\b)|"
    r"(?:i want|i need|i would like|help me|i am trying|try)(?: you)? to(?: know)?|"
    r"tell me(?: please)?|let me know|do you know|any idea|quick question|one question|say|just)(?:\b ?,?|,)\s*)+"
)
_BACK = re.compile(r"(?:,? (?:please|thanks|thank you|now|right now|at the moment|here|for me|or not|currently))+$")
_ENDS = re.compile(r"[?!;]+|\.(?=\s|$)")
_OPENERS = (
    "how|what|which|where|whereabouts|is|are|isn't|aren't|does|do|can|could|name|count|find|locate|show|tell|"
    "there is|there are"
)
_JOINTS = re.compile(rf"(?:,|,? (?:and then|and also|and|then|also|or|but))\s+(?={_OPENERS}\b)")
_COURTESY = re.compile(
    r"(?:hey|hello|hi|ok|okay|good (?:morning|evening|day)|thanks|thank you|please|robot|there|very much|a lot|sir|"
    r"[ ,])+"
)


def plain_words(text: str) -> str:
    """In lower case, with plain signs and single blanks, without contractions that stand for "is" and "are"."""
    plain = " ".join(text.lower().translate(_SIGNS).split())
    for pattern, words in _CONTRACTIONS:
        plain = pattern.sub(words, plain)
    return plain


def without_courtesies(plain: str) -> str:
    """Without greetings, "please", "can you tell me" and marks around the question."""
    plain = plain.strip(" ?!.,;:\"'")
    plain = _FRONT.sub("", plain)
    return _BACK.sub("", plain).strip(" ,:")


def sentences(text: str) -> list[str]:
    """The sentences of a text, each with its mark, without those that only greet or thank."""
    found, start = [], 0
    for match in (*_ENDS.finditer(text), None):
        end = len(text) if match is None else match.end()
        part = text[start:end].strip()
        words = part.strip(" ?!.;,").lower()
        if words and not _COURTESY.fullmatch(words):
            found.append(part)
        start = end
    return found


def halves(text: str) -> list[tuple[str, str]]:
    """The ways to cut a sentence in two where a second question may begin, the first possible place first."""
    cuts = ((text[: m.start()], text[m.end() :]) for m in _JOINTS.finditer(text))
    return [(a.strip(), b.strip()) for a, b in cuts if a.strip() and b.strip()]
