"""Calibration of a student: what its detection scores and confidences mean on pictures that it did not learn from.

`distill3d calibrate` fits it and writes it into the student's ``config.json``; a student without one says what its
network says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from distill3d_ros.engine.box_decoding import RawBoxes
from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.parsing import ParsedQuestion
from distill3d_ros.questions.rules import MIN_SCORE
from distill3d_ros.student.description import read_description

LEAST, MOST = 0.005, 0.995
"""Confidences are kept within these before their logit is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Corrections of a student's scores and confidences; without entries they stay as they are."""

    thresholds: Mapping[str, float] = field(default_factory=dict)
    """Class -> score of the network from which its things are shown and counted, in (0, 1). A power of the score moves
    it to ``MIN_SCORE``, the default of everything that shows or counts things."""
    confidence: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Family of questions -> slope and offset of the logit of an answer's confidence (Platt, 1999); the slope is not
    negative."""
    min_confidence: float = 0.0
    """Confidence below which "I am not sure" serves a user better, by default."""

    def __post_init__(self) -> None:
        for label, threshold in self.thresholds.items():
            if not 0.0 < threshold < 1.0:
                raise ValueError(f"calibration threshold of {label!r} must lie between 0 and 1. Got {threshold}")
        for family, (slope, offset) in self.confidence.items():
            if not (math.isfinite(slope) and math.isfinite(offset) and slope >= 0):
                raise ValueError(
                    f"calibration of {family!r} must be finite, its slope not negative. Got {slope, offset}"
                )
        if not 0.0 <= self.min_confidence < 1.0:
            raise ValueError(f"calibration min_confidence must lie in 0..1. Got {self.min_confidence}")

    def of_boxes(self, boxes: RawBoxes, labels: Sequence[str]) -> RawBoxes:
        """The boxes with each class's scores corrected; their order within a class stays."""
        if not self.thresholds:
            return boxes
        powers = [math.log(MIN_SCORE) / math.log(self.thresholds.get(label, MIN_SCORE)) for label in labels]
        return replace(boxes, scores=np.asarray(boxes.scores) ** np.array(powers, np.float32))

    def of_answer(self, answer: Answer, asked: ParsedQuestion | None) -> Answer:
        """The answer with its confidence corrected. One to what was not understood has none."""
        if asked is None or asked.family not in self.confidence or not answer.understood:
            return answer
        slope, offset = self.confidence[asked.family]
        return replace(answer, confidence=float(sigmoid(slope * logit(np.array(answer.confidence)) + offset)))

    def to_dict(self) -> dict[str, Any]:
        return {
            "thresholds": dict(self.thresholds),
            "confidence": {family: list(pair) for family, pair in self.confidence.items()},
            "min_confidence": self.min_confidence,
        }

    @classmethod
    def of_student(cls, folder: Path) -> Calibration:
        """The calibration of the student in a folder; one that changes nothing where it has none."""
        data = read_description(folder).get("calibration")
        return cls() if data is None else cls.from_dict(data)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Calibration:
        """Reads ``to_dict``; further keys, such as how it was made, are left alone.

        Raises:
            ValueError: a value is missing or out of range.
        """
        try:
            return cls(
                thresholds={str(label): float(value) for label, value in data["thresholds"].items()},
                confidence={str(family): (float(a), float(b)) for family, (a, b) in data["confidence"].items()},
                min_confidence=float(data["min_confidence"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"the student's calibration cannot be read: {error!r}; calibrate it again") from error


def logit(confidence: np.ndarray) -> np.ndarray:
    c = np.clip(confidence, LEAST, MOST)
    return np.asarray(np.log(c / (1 - c)))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))


IDENTITY: Final = Calibration()
