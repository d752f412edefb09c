"""Boxes in the picture against the rectangles of what is visible: hits, and what is neither hit nor false alarm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from support.training.known_views import BOX, CHAIR, TABLE, view

from distill3d_ros.scene.annotation import Annotation
from distill3d_ros.scene.objects import Scene, SceneObject
from distill3d_ros.training.evaluation.real.marked_predictions import Rectangle, marked_predictions
from distill3d_ros.training.evaluation.real.marked_things import MarkedThings

LABELS = ("chair", "armchair", "table", "lamp")
KNOWN = {"boxes": "visible", "classes": frozenset({"chair", "table"}), "covers": {"chair": ("armchair",)}}


def edges(mask: tuple[int, int, int, int]) -> Rectangle:
    left, top, right, bottom = mask
    return left - 0.5, top - 0.5, right - 0.5, bottom - 0.5


def precision(*found: tuple[str, float, Rectangle], known: dict[str, object] = KNOWN) -> dict[str, float]:
    shown = view(**known)
    objects = tuple(
        SceneObject(id=i, label=label, box=BOX, score=score, image_box=rectangle)
        for i, (label, score, rectangle) in enumerate(found, 1)
    )
    return measured(replace(shown.scene, objects=objects), shown.scene, shown.ids)


def measured(found: Scene, true: Scene, ids: np.ndarray) -> dict[str, float]:
    things = MarkedThings(known=LABELS)
    things.add(found, true, ids, shown=())
    return {label: row["ap50"] for label, row in things.figures()["classes"].items()}


def test_what_lies_on_an_object_of_its_class_is_a_hit() -> None:
    assert precision(("chair", 0.5, edges(CHAIR)), ("table", 0.4, edges(TABLE))) == {"chair": 1.0, "table": 1.0}
    assert precision(("chair", 0.5, edges(TABLE)), ("chair", 0.4, edges(CHAIR))) == {"chair": 0.5, "table": 0.0}
    twice = precision(("chair", 0.5, edges(CHAIR)), ("chair", 0.6, edges(CHAIR)))
    assert twice["chair"] == 1.0  # the second comes too late to cost recall
    assert np.isnan(MarkedThings(known=LABELS).figures()["map50"])


def test_an_armchair_that_was_marked_as_a_chair_is_one() -> None:
    assert precision(("armchair", 0.5, edges(CHAIR)))["chair"] == 1.0
    assert "armchair" not in precision(("armchair", 0.5, edges(CHAIR)))


def test_what_nobody_looked_for_and_unknown_places_are_no_false_alarms() -> None:
    hit = ("chair", 0.4, edges(CHAIR))
    assert precision(("lamp", 0.9, edges((0, 0, 8, 8))), hit)["chair"] == 1.0
    assert precision(("chair", 0.9, edges((0, 57, 30, 64))), hit)["chair"] == 1.0  # the lowest rows are unknown
    assert precision(("chair", 0.9, edges((0, 0, 8, 8))), hit)["chair"] == 0.5


def test_what_may_have_been_marked_as_either_is_a_false_alarm_of_neither() -> None:
    either = Annotation(
        boxes="visible", classes=frozenset({"chair", "sofa"}), covers={"chair": ("armchair",), "sofa": ("armchair",)}
    )
    armchair = SceneObject(id=1, label="armchair", box=BOX, score=0.5, image_box=edges(CHAIR))
    ids = np.zeros((64, 64), np.uint16)
    (found,) = marked_predictions([armchair], either, ids)
    assert found.scores == {"chair": (0.5, False), "sofa": (0.5, False)}
    assert set(found.own) == {"chair", "sofa"}
    (found,) = marked_predictions([replace(armchair, label_scores={"armchair": 0.5, "chair": 0.7})], either, ids)
    assert found.scores["chair"] == (0.7, True)
    known = {"boxes": "visible", "classes": either.classes | {"table"}, "covers": dict(either.covers)}
    assert precision(("armchair", 0.9, edges(TABLE)), ("chair", 0.4, edges(CHAIR)), known=known)["chair"] == 1.0


def test_an_object_that_shows_too_little_is_not_asked_for() -> None:
    shown = view(**KNOWN)
    few = tuple(replace(o, visible_pixels=2) if o.label == "chair" else o for o in shown.scene.objects)
    true: Scene = replace(shown.scene, objects=few)
    found = replace(true, objects=(SceneObject(id=1, label="table", box=BOX, score=0.5, image_box=edges(TABLE)),))
    assert measured(found, true, shown.ids) == {"table": 1.0}
