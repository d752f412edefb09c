"""Each set's published score of an answer, 0 to 1. An empty prediction (no answer) scores 0 everywhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from distill3d_ros.training.evaluation.benchmarks.question import (
    CHOICE,
    EXACT_MATCH,
    NORMALISED_MATCH,
    RELATIVE_ACCURACY,
    BenchmarkQuestion,
)

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""Of the mean relative accuracy."""

_NUMBERS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
_WORDS = {
    **{str(number): word for number, word in enumerate(_NUMBERS)},
    "23": "twenty-three",
    "none": "zero",
    "tv": "TV",
    "oclock": "o'clock",
    "backwards": "backward",
    **dict.fromkeys(("letf", "let"), "left"),
    **dict.fromkeys(("rigth", "rght"), "right"),
    "tehre": "there",
    "behine": "behind",
    "chai": "chair",
    "wasing": "washing",
    "waslked": "walked",
}
"""What SQA3D's ``clean_answer`` puts in place of a word: numbers, spellings, and slips of its annotators."""


def score(question: BenchmarkQuestion, prediction: str) -> float:
    """By the question's metric.

    Args:
        prediction: in the set's own form, see ``predictions``.
    """
    return _SCORES[question.metric](prediction, question.answers)


def refined_score(question: BenchmarkQuestion, prediction: str) -> float | None:
    """``refined_match`` of questions with a free answer; None for the others."""
    if question.metric not in (EXACT_MATCH, NORMALISED_MATCH):
        return None
    return refined_match(prediction, question.answers)


def exact_match(prediction: str, accepted: Sequence[str]) -> float:
    """ScanQA's EM@1: 1 if the text is one of the accepted ones, letter by letter (its ``scripts/score.py``)."""
    return float(bool(prediction) and prediction in accepted)


def normalised_match(prediction: str, accepted: Sequence[str]) -> float:
    """SQA3D's exact match: 1 if the texts are equal after ``normalised``."""
    said = normalised(prediction)
    return float(bool(said) and said in map(normalised, accepted))


def refined_match(prediction: str, accepted: Sequence[str]) -> float:
    """EM-refined of LEO (Huang et al., ICML 2024, ``answer_match``), for ScanQA and SQA3D: 1 if, after ``normalised``
    and without spaces, one of the texts contains the other. It is lenient: "no" lies in "nothing"."""
    said, texts = _without_spaces(prediction), filter(None, map(_without_spaces, accepted))
    return float(bool(said) and any(said in text or text in said for text in texts))


def mean_relative_accuracy(prediction: float, truth: float) -> float:
    """VSI-Bench's score of numbers: the share of thresholds t in 0.50, 0.55, ... 0.95 with

        |prediction - truth| / truth <= 1 - t

    (Yang et al., "Thinking in Space", CVPR 2025, equation 1; with <= as its ``lmms_eval/tasks/vsibench/utils.py`` has
    it, where the paper has <).

    Raises:
        ValueError: the true number is not above 0.
    """
    if not truth > 0:
        raise ValueError(f"the truth of a relative accuracy must be above 0. Got {truth}")
    return float((abs(prediction - truth) / truth <= 1 - THRESHOLDS).mean())


@lru_cache(maxsize=100_000)
def normalised(text: str) -> str:
    """An answer as SQA3D's ``clean_answer`` (``LLM/eval_sqa3d_llm.py`` of its repository) leaves it.

    Lower case but "TV"; no characters but letters, digits, comma, apostrophe, colon and hyphen; numbers up to twenty as
    words; no articles before a word; a digit at the end of a word dropped; known slips corrected. Spaces are tidied up
    at the end, too, which the original forgets.
    """
    plain = re.sub(r"[^a-z0-9,'\s:-]+", "", text.lower())
    plain = re.sub(r"[a-z0-9]+", lambda word: _WORDS.get(word[0], word[0]), plain)
    plain = re.sub(r"\bo' +clock\b", "o'clock", plain)
    plain = re.sub(r"\b([a-zA-Z]+)[0-9]\b", r"\1", plain)
    plain = re.sub(r"\b(?:an?|the) +(?=[a-zA-Z])", "", plain)
    return " ".join(plain.split())


def _without_spaces(text: str) -> str:
    return "".join(normalised(text).split())


def _right_letter(prediction: str, accepted: Sequence[str]) -> float:
    return float(prediction in accepted)


def _near(prediction: str, accepted: Sequence[str]) -> float:
    return mean_relative_accuracy(float(prediction), float(accepted[0])) if prediction else 0.0


_SCORES = {
    EXACT_MATCH: exact_match,
    NORMALISED_MATCH: normalised_match,
    CHOICE: _right_letter,
    RELATIVE_ACCURACY: _near,
}
