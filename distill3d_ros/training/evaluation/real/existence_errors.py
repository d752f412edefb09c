"""Errors of "Is there a ...?": what is absent called present, what is in plain sight called absent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from distill3d_ros.engine.engine import Engine
from distill3d_ros.questions.answer_text import with_article
from distill3d_ros.scene.labels import LABELS
from distill3d_ros.scene.objects import Scene
from distill3d_ros.training.evaluation.confidence_calibration import calibration
from distill3d_ros.training.evaluation.metrics import wilson_interval

ASKED: Final = (
    *("chair", "sofa", "table", "desk", "bed", "cabinet", "shelf", "lamp"),
    *("television", "sink", "toilet", "bathtub", "door", "window", "box", "bag"),
)
"""Classes that a robot's user asks about and that published sets of real rooms mark."""
PLAIN_SHARE: Final = 2000 / (640 * 480)
"""Share of the picture from which a class is in plain sight: 2,000 pixels of 640 x 480."""


@dataclass(slots=True)
class ExistenceErrors:
    """Running tallies over frames, for the classes of ``ASKED`` that the annotation marks and the student knows.

    Present: things of the class show ``PLAIN_SHARE`` of the picture or more. Absent: none is marked. Between the two
    nothing is asked. An answer without a value is counted as withheld, as neither error.
    """

    absent: dict[str, list[bool]] = field(default_factory=dict)
    """Class -> for each frame in which it is absent, whether it was called present."""
    present: dict[str, list[bool]] = field(default_factory=dict)
    """Class -> for each frame in which it is in plain sight, whether it was called absent."""
    confidence: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    withheld: int = 0

    def add(self, engine: Engine, scene: Scene, true: Scene) -> None:
        """Asks about one perceived frame."""
        pixels = true.intrinsics.width * true.intrinsics.height
        cases: list[tuple[str, bool]] = []
        for label in ASKED:
            if not true.annotation.tells_of(label) or label not in engine.labels:
                continue
            things = true.labelled(label)
            if not things:
                cases.append((label, False))
            elif sum(o.visible_pixels or 0 for o in things) >= PLAIN_SHARE * pixels:
                cases.append((label, True))
        asked = [f"Is there {_a(label)}?" for label, _ in cases]
        answers = engine.ask_many(scene, asked, min_confidence=engine.calibration.min_confidence)
        for (label, there), answer in zip(cases, answers, strict=True):
            if not isinstance(answer.value, bool):
                self.withheld += 1
                continue
            (self.present if there else self.absent).setdefault(label, []).append(answer.value != there)
            self.confidence.append(answer.confidence)
            self.right.append(answer.value == there)

    def figures(self) -> dict[str, Any]:
        return {
            "classes": [label for label in ASKED if label in self.absent or label in self.present],
            "absent_called_present": _rate(self.absent),
            "present_called_absent": _rate(self.present),
            "withheld": self.withheld,
            "calibration": calibration(self.confidence, self.right),
        }


def _a(label: str) -> str:
    return with_article(LABELS[label].singular)


def _rate(errors: dict[str, list[bool]]) -> dict[str, Any]:
    every: Sequence[bool] = [wrong for rows in errors.values() for wrong in rows]
    return {
        "n": len(every),
        "rate": sum(every) / len(every) if every else float("nan"),
        "interval": list(wilson_interval(sum(every), len(every))),
        "by_class": {label: sum(rows) / len(rows) for label, rows in errors.items()},
    }
