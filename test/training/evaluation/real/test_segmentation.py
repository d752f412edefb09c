"""Intersection over union of segmentations, and what counts nowhere."""

from __future__ import annotations

import numpy as np
import pytest

from distill3d_ros.scene.annotation import Annotation
from distill3d_ros.training.evaluation.real.segmentation import SegmentationScore

LABELS = ("chair", "armchair", "table")
NOTHING, UNKNOWN = 3, -100


def score(guessed: list[int], true: list[int], **known: object) -> dict[str, float]:
    found = SegmentationScore(LABELS)
    found.add(np.array([guessed]), np.array([true]), Annotation(**known))  # type: ignore[arg-type]
    return found.by_class()


def test_a_hand_computed_case() -> None:
    """Chair: two right, one missed, one guessed on the table; 2 / 4. Table: one right of two, none guessed: 1 / 2."""
    found = score([0, 0, 2, 0, 2, 3], [0, 0, NOTHING, 2, 2, 0])
    assert found["chair"] == pytest.approx(2 / 4)
    assert found["table"] == pytest.approx(1 / 3)  # and one guessed where there is nothing


def test_unknown_pixels_and_classes_that_nobody_looked_for_do_not_count() -> None:
    assert score([0, 2], [0, UNKNOWN]) == {"chair": 1.0}
    known = {"boxes": "visible", "classes": frozenset({"chair"})}
    assert score([0, 2], [0, NOTHING], **known) == {"chair": 1.0}
    assert score([0, 0], [0, NOTHING], **known) == {"chair": 0.5}


def test_a_finer_class_is_what_it_was_marked_as() -> None:
    known = {"boxes": "visible", "classes": frozenset({"chair", "table"}), "covers": {"chair": ("armchair",)}}
    assert score([1, 0, 1], [0, 0, NOTHING], **known) == {"chair": pytest.approx(2 / 3)}


def test_the_mean_is_over_the_classes_that_are_shown() -> None:
    found = SegmentationScore(LABELS)
    assert np.isnan(found.mean())
    found.add(np.array([[0, 0, 3]]), np.array([[0, 2, 3]]), Annotation())
    assert found.mean() == pytest.approx((1 / 2 + 0) / 2)
