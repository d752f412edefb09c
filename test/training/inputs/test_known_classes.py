"""Knowledge about classes: what is judged, what may be finer, what each pixel and patch shows."""

from __future__ import annotations

import numpy as np
import pytest
from support.training.known_views import SIDE, label_index, view

from distill3d_ros.scene.annotation import Annotation
from distill3d_ros.student.outputs import IGNORE
from distill3d_ros.training.inputs.box_matching import IGNORED, NOBODY
from distill3d_ros.training.inputs.known_classes import finer_classes, judged_classes
from distill3d_ros.training.inputs.targets import PerceptionBatch, perception_batch

LABELS = ("chair", "armchair", "table", "lamp")
INDEX = label_index(LABELS)
NYU_LIKE = Annotation(
    depth="measured", boxes="visible", classes=frozenset({"chair", "table"}), covers={"chair": ("armchair",)}
)
GRID = (8, 8)


def batch(**known: object) -> PerceptionBatch:
    return perception_batch([view(**known)], INDEX, min_visible_pixels=10, grid=GRID)


def test_with_rectangles_alone_only_marked_classes_are_judged() -> None:
    marked = {"boxes": "visible", "masks": False, "classes": frozenset({"chair", "table"})}
    assert judged_classes(Annotation(**marked), INDEX).tolist() == [True, False, True, False]
    covers = {"chair": ("armchair",)}
    assert judged_classes(Annotation(**marked, covers=covers), INDEX).tolist() == [True, True, True, False]
    assert not judged_classes(Annotation(boxes="none"), INDEX).any()


def test_what_is_marked_may_be_finer() -> None:
    finer = finer_classes(NYU_LIKE, INDEX)
    assert finer[0].tolist() == [False, True, False, False]
    assert not finer[1:].any()


def test_unknown_pixels_are_neither_targets_nor_background() -> None:
    found = batch(boxes="visible")
    cells, shown = found.cells.view(GRID), found.shown.view(GRID)
    assert (cells[7] == IGNORED).all()  # the lowest rows
    assert (shown[7] == IGNORE).all()
    assert cells[0, 0] == NOBODY
    assert shown[0, 0] == len(LABELS)
    assert shown[4, 2] == INDEX["chair"]
    assert (found.semantics[0, 7] == IGNORE).all()
    assert found.semantics[0, 4, 2] == INDEX["chair"]
    assert found.semantics[0, 0, 0] == len(LABELS)


def test_things_that_the_student_does_not_know_are_not_judged() -> None:
    found = perception_batch([view(boxes="visible")], {"table": 0}, min_visible_pixels=10, grid=GRID)
    assert found.cells.view(GRID)[4, 2] == IGNORED
    assert found.semantics[0, 4, 2] == IGNORE
    assert found.mask.sum() == 1


def test_where_nobody_looked_nothing_is_judged() -> None:
    found = batch(boxes="none")
    assert (found.cells == IGNORED).all()
    assert not found.judged.any()
    assert not found.mask.any()
    assert (found.semantics == IGNORE).all()


def test_rectangles_have_their_middle_as_target_and_background_outside_alone() -> None:
    found = batch(boxes="visible", masks=False)
    cells = found.cells.view(GRID)
    assert cells[3, 2] == 0  # the middle of the chair
    assert cells[0, 0] == NOBODY
    inside = cells[3:5, 2:3]
    assert not (inside == NOBODY).any()
    assert (found.semantics[0, 3:5, 2] == IGNORE).all()
    assert found.semantics[0, 0, 0] == len(LABELS)


def test_depth_and_gravity_that_are_unknown_are_not_given() -> None:
    assert not batch(boxes="visible", depth="none").depth.any()
    found = perception_batch(
        [view(), view(boxes="visible", gravity=False)], INDEX, min_visible_pixels=10, grid=GRID, up_given=True
    )
    assert found.gravity.tolist() == [True, False]
    assert not found.up_given
    assert batch().up_given


def test_visible_objects_are_located_by_what_is_seen_of_them() -> None:
    found = batch(boxes="visible", depth="measured")
    assert not found.amodal[0, :2].any()
    # The chair's rectangle has its middle at pixel (19.5, 31.5); its surface is 2 m away.
    assert found.center[0, 0].tolist() == pytest.approx([(19.5 - 31.5) / 64 * 2, 0.0, 2.0])
    assert found.size[0, 0, :2].tolist() == pytest.approx([0.5, 0.75])
    assert found.ranged[0, :2].all()
    without = batch(boxes="visible", depth="none")
    assert not without.ranged[0, :2].any()
    assert np.prod(found.semantics.shape) == (SIDE // 8) ** 2
