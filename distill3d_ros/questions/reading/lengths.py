"""Lengths in words: read from a question in any unit, and said in the unit that was asked for."""

from __future__ import annotations

import re
from typing import Final

from distill3d_ros.questions.answer_text import metres_text

_UNITS: Final[dict[str, tuple[float, str]]] = {
    "metres": (1.0, "metres?|meters?|mtrs?|m"),
    "centimetres": (0.01, "centimet(?:re|er)s?|cms?"),
    "millimetres": (0.001, "millimet(?:re|er)s?|mm"),
    "feet": (0.3048, "feet|foot|ft"),
    "inches": (0.0254, "inch(?:es)?|in"),
    "yards": (0.9144, "yards?|yds?"),
}
"""Unit -> metres of one, and the words for it."""
_LONG = r"(?:met(?:re|er)s?|centimet(?:re|er)s?|millimet(?:re|er)s?|feet|foot|inch(?:es)?|yards?)"
_SHORT = r"(?:mtrs?|m|cms?|mm|ft|in|yds?)"
_DIGIT_WORDS = "zero one two three four five six seven eight nine ten"
_WORDS: Final = {
    **{word: float(n) for n, word in enumerate(_DIGIT_WORDS.split())},
    **{"a": 1.0, "an": 1.0, "half a": 0.5, "one and a half": 1.5, "two and a half": 2.5, "a couple of": 2.0},
    **{"twelve": 12.0, "twenty": 20.0, "thirty": 30.0, "forty": 40.0, "fifty": 50.0, "sixty": 60.0, "eighty": 80.0},
    "a hundred": 100.0,
}
_DIGITS = r"\d+(?:[.,]\d+)?"
_COUNT = "|".join(sorted((re.escape(word) for word in _WORDS), key=len, reverse=True))
_PATTERNS: Final = (
    (re.compile(r"(?<![\w.])(\d+) ?(?:ft|feet|foot|') ?(\d+)(?: ?(?:inches|inch|in\b|\"|''))?"), "feet and inches"),
    (re.compile(r"(?<![\w.])(\d) ?m ?(\d\d)\b"), "metres and centimetres"),
    (re.compile(rf"(?<![\w.])({_DIGITS}) ?({_LONG}|{_SHORT})\b"), "number"),
    (re.compile(rf"\b({_COUNT}) ({_LONG})\b"), "word"),
    (re.compile(r"(?<= (?:at|of|am|be|is) )(\d[.,]\d+)\b|(?<= than )(\d[.,]\d+)\b"), "bare"),
)
_LARGEST_BARE_M = 4.0
"""Above it a number without a unit is not a person's or a piece of furniture's height in metres."""
MARK = "#"
"""Stands for a length in a text without its lengths."""
_ASKED_IN = re.compile(rf"(?: |^)(?:in|measured in|expressed in) ({_LONG}|cm|mm|ft|yds?|inch)\b")
_HOW_MANY = re.compile(rf"\bhow many ({_LONG}|cm|mm|ft)\b")


def unit_of(word: str) -> str:
    """The unit that a word stands for; empty for none."""
    return next((unit for unit, (_, words) in _UNITS.items() if re.fullmatch(words, word)), "")


def find_lengths(text: str) -> tuple[str, tuple[tuple[float, str], ...]]:
    """The text with ``MARK`` for every length, and the lengths in their order: metres, and the unit of the text."""
    found: list[tuple[int, int, float, str]] = []
    for pattern, form in _PATTERNS:
        for match in pattern.finditer(text):
            if any(match.start() < end and start < match.end() for start, end, *_ in found):
                continue
            length = _length(match, form)
            if length is not None:
                found.append((match.start(), match.end(), *length))
    found.sort()
    plain, last = "", 0
    for start, end, *_ in found:
        plain, last = plain + text[last:start] + MARK, end
    return plain + text[last:], tuple((metres, unit) for _, _, metres, unit in found)


def _length(match: re.Match[str], form: str) -> tuple[float, str] | None:
    if form == "feet and inches":
        return int(match[1]) * 0.3048 + int(match[2]) * 0.0254, "feet"
    if form == "metres and centimetres":
        return int(match[1]) + int(match[2]) / 100, "metres"
    if form == "bare":
        metres = float((match[1] or match[2]).replace(",", "."))
        return (metres, "metres") if metres <= _LARGEST_BARE_M else None
    number = _WORDS[match[1]] if form == "word" else float(match[1].replace(",", "."))
    unit = unit_of(match[2])
    return number * _UNITS[unit][0], unit


def take_unit(text: str) -> tuple[str, str]:
    """The text without the unit that the answer is wished in ("in feet", "how many inches"), and that unit."""
    match = _ASKED_IN.search(text)
    if match is not None:
        return text[: match.start()] + text[match.end() :], unit_of(match[1])
    match = _HOW_MANY.search(text)
    if match is not None:
        return text[: match.start()] + "how many metres" + text[match.end() :], unit_of(match[1])
    return text, ""


def length_text(metres: float, unit: str = "") -> str:
    """ "1.4 metres"; in another unit "4.6 feet", "55 inches", "140 centimetres"."""
    if unit in ("", "metres"):
        return metres_text(metres)
    value = metres / _UNITS[unit][0]
    return f"{value:.1f} {unit}" if unit in ("feet", "yards") else f"{value:.0f} {unit}"
