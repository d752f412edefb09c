"""Figures on real frames, by hand-made cases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.scene_samples import box

from distill3d_ros.engine.calibration import Calibration
from distill3d_ros.questions import answer_text
from distill3d_ros.questions.ground_truth.ground_truth_qa import GroundTruthQA
from distill3d_ros.scene.annotation import Annotation
from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.scene.geometry import image_rectangle
from distill3d_ros.scene.labels import SIMULATED_LABELS
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject
from distill3d_ros.training.data.sample import UNKNOWN_ID
from distill3d_ros.training.evaluation.question_sets import is_about
from distill3d_ros.training.evaluation.real.existence_errors import ExistenceErrors
from distill3d_ros.training.evaluation.real.marked_predictions import rectangle_iou, unknown_share
from distill3d_ros.training.evaluation.real.marked_things import MarkedThings
from distill3d_ros.training.evaluation.real.real_tally import narrow_columns

CAMERA = Intrinsics.from_fov(width=200, height=150, horizontal_fov=1.2)
MARKED = Annotation(
    depth="measured",
    boxes="visible",
    classes=frozenset({"chair", "table", "bed", "pillow"}),
    covers={"chair": ("armchair",)},
)


def thing(number: int, label: str, where: Box3D, **values: object) -> SceneObject:
    rectangle = image_rectangle(where, np.eye(3), CAMERA)
    return replace(SceneObject(id=number, label=label, box=where, visible_pixels=1500, image_box=rectangle), **values)


def scene(*objects: SceneObject, annotation: Annotation = MARKED) -> Scene:
    return Scene(objects=objects, intrinsics=CAMERA, annotation=annotation)


def tally(found: Scene, true: Scene, ids: np.ndarray | None = None) -> MarkedThings:
    things = MarkedThings(known=SIMULATED_LABELS)
    ids = np.zeros((150, 200), np.uint16) if ids is None else ids
    things.add(found, true, ids, shown={o.id for o in found.objects if o.score >= 0.2})
    return things


LEFT, RIGHT = box(-0.6, 0, 3, (0.6, 0.6, 0.2)), box(0.6, 0, 3, (0.6, 0.6, 0.2))


def test_rectangles() -> None:
    assert rectangle_iou((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(50 / 150)
    assert rectangle_iou((0, 0, 10, 10), (10, 0, 15, 10)) == 0.0
    ids = np.zeros((10, 10), np.uint16)
    ids[:, 5:] = UNKNOWN_ID
    assert unknown_share(ids, (-0.5, -0.5, 9.5, 9.5)) == 0.5
    assert unknown_share(ids, (4.5, -0.5, 9.5, 9.5)) == 1.0


def test_a_finer_class_is_a_hit_for_the_class_that_covers_it() -> None:
    true = scene(thing(1, "chair", LEFT), thing(2, "table", RIGHT))
    found = scene(thing(1, "armchair", LEFT, score=0.9), thing(2, "bed", RIGHT, score=0.8))
    figures = tally(found, true).figures()
    assert {label: row["ap50"] for label, row in figures["classes"].items()} == {"chair": 1.0, "table": 0.0}
    assert figures["map50"] == 0.5
    assert figures["names"] == {"precision": 0.5, "recall": 0.5, "shown": 2, "marked": 2}


def test_a_class_that_nobody_marked_and_unknown_pixels_are_neither_hit_nor_miss() -> None:
    true = scene(thing(1, "chair", LEFT))
    unmarked = thing(2, "plant", RIGHT, score=0.9)
    assert tally(scene(thing(1, "chair", LEFT, score=0.5), unmarked), true).figures()["names"]["precision"] == 1.0
    false_alarm = scene(thing(1, "chair", LEFT, score=0.5), thing(2, "chair", RIGHT, score=0.9))
    figures = tally(false_alarm, true).figures()
    assert figures["names"]["precision"] == figures["map50"] == 0.5
    ids = np.zeros((150, 200), np.uint16)
    ids[:, 100:] = UNKNOWN_ID
    figures = tally(false_alarm, true, ids).figures()
    assert figures["names"]["precision"] == figures["map50"] == 1.0


def test_classes_that_the_student_does_not_know_are_not_measured() -> None:
    true = scene(thing(1, "chair", LEFT), thing(2, "pillow", RIGHT))
    assert set(tally(scene(), true).figures()["classes"]) == {"chair"}


def test_a_name_half_a_metre_off_is_wrong() -> None:
    true = scene(thing(1, "chair", LEFT))
    for metres, precision in ((0.4, 1.0), (0.8, 0.0)):
        away = box(-0.6, 0, 3.1 + metres, (0.6, 0.6, 0.2))
        assert tally(scene(thing(1, "chair", away, score=0.5)), true).figures()["names"]["precision"] == precision


class _SaysYes:
    """Stands in for an engine: says that there is everything, and is not sure of beds."""

    labels = SIMULATED_LABELS

    calibration = Calibration(min_confidence=0.95)

    def ask_many(self, _: Scene, questions: list[str], *, min_confidence: float) -> list[object]:
        answers = [answer_text.yes_no(True, confidence=0.9) for _ in questions]
        return [
            answer_text.too_unsure(a, min_confidence) if "bed" in q else a
            for a, q in zip(answers, questions, strict=True)
        ]


def test_existence_errors_are_of_marked_classes_in_plain_sight() -> None:
    errors = ExistenceErrors()
    true = scene(thing(1, "chair", LEFT), thing(2, "table", RIGHT, visible_pixels=100))
    errors.add(_SaysYes(), scene(), true)  # type: ignore[arg-type]
    assert errors.present == {"chair": [False]}
    assert errors.absent == {}  # a table is there, though too little of it shows; of the bed nothing was said
    assert errors.withheld == 1
    errors.add(_SaysYes(), scene(), scene(thing(1, "chair", LEFT)))  # type: ignore[arg-type]
    figures = errors.figures()
    assert figures["absent_called_present"]["by_class"] == {"table": 1.0}
    assert figures["present_called_absent"]["rate"] == 0.0


def test_questions_about_classes_that_the_student_lacks_are_left_out() -> None:
    nearest = GroundTruthQA("nearest_to", ("bed",), (1,), answer_text.naming("pillow"), "nearest_to:bed")
    assert not is_about(nearest, SIMULATED_LABELS)
    assert is_about(replace(nearest, answer=answer_text.naming("nothing")), SIMULATED_LABELS)
    assert is_about(nearest, (*SIMULATED_LABELS, "pillow"))
    assert not is_about(replace(nearest, labels=("pillow",)), SIMULATED_LABELS)


def test_the_narrow_crop_has_45_degrees() -> None:
    columns = narrow_columns(CAMERA)
    assert columns is not None
    left, width = columns
    cropped = CAMERA.cropped(left=left, top=0, width=width, height=150)
    assert np.degrees(cropped.horizontal_fov) == pytest.approx(45, abs=0.6)
    assert narrow_columns(Intrinsics.from_fov(width=200, height=150, horizontal_fov=0.7)) is None
