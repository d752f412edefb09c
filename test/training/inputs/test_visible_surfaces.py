"""What an image shows of objects whose boxes are unknown: rectangle, which sides end them, near and far depth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.training.known_views import CHAIR, TABLE, view

from distill3d_ros.training.data.sample import UNKNOWN_ID
from distill3d_ros.training.inputs.augmentation import View
from distill3d_ros.training.inputs.visible_surfaces import VisibleSurfaces, rectangles_as_ids, visible_surfaces

LEFT, TOP, RIGHT, BOTTOM = range(4)


def measured(shown: View) -> VisibleSurfaces:
    return visible_surfaces(shown.ids, shown.depth, shown.scene.objects, shown.scene.annotation)


def test_rectangles_are_the_outer_edges_of_the_masks() -> None:
    found = measured(view(boxes="visible"))
    edges = [np.array(mask) - 0.5 for mask in (CHAIR, TABLE)]
    assert found.rectangle == pytest.approx(np.stack(edges))
    assert found.near.tolist() == [2.0, 3.0]
    assert found.far.tolist() == [2.0, 3.0]


def test_the_edge_of_the_picture_cuts_an_object_off() -> None:
    found = measured(view(boxes="visible"))
    assert found.free[0].all()
    assert found.free[1].tolist() == [True, True, False, True]


def test_a_nearer_thing_hides_a_side_and_what_is_behind_does_not() -> None:
    shown = view(boxes="visible")
    shown.ids[20:44, 28:34] = 2  # the table now touches the chair's right side
    shown.depth[20:44, 28:34] = 1.5
    free = measured(shown).free[0]
    assert free.tolist() == [True, True, False, True]
    shown.depth[20:44, 28:34] = 2.5
    assert measured(shown).free[0].all()


def test_a_floor_that_comes_nearer_does_not_hide_what_stands_on_it() -> None:
    shown = view(boxes="visible")
    shown.depth[44:] = 2.0 - 0.04 * np.arange(1, 21)[:, None]  # 4 cm a row, as of a floor
    assert measured(shown).free[0, BOTTOM]
    shown.depth[44:] = 1.0
    assert not measured(shown).free[0, BOTTOM]


def test_without_depth_a_side_beside_another_thing_may_go_on() -> None:
    shown = replace(view(boxes="visible", depth="none"), depth=np.zeros((64, 64), np.float32))
    shown.ids[20:44, 4:12] = UNKNOWN_ID
    found = measured(shown)
    assert found.free[0].tolist() == [False, True, True, True]
    assert not found.near.any()
    assert not found.far.any()


def test_depth_at_a_masks_edge_and_a_few_wild_pixels_do_not_count() -> None:
    shown = view(boxes="visible")
    left, top, right, bottom = CHAIR
    part = shown.depth[top:bottom, left:right]
    part[:] = np.linspace(2.0, 3.0, bottom - top)[:, None]
    part[0], part[-1], part[:, 0], part[:, -1] = 9.0, 9.0, 9.0, 9.0
    part[5, 5] = 0.2
    found = measured(shown)
    assert found.near[0] == pytest.approx(2.1, abs=0.06)  # the 10th percentile
    assert found.far[0] == pytest.approx(2.9, abs=0.06)


def test_rectangles_alone_are_objects_in_the_middle_and_unknown_around() -> None:
    shown = view(boxes="visible", masks=False)
    ids = rectangles_as_ids((64, 64), shown.scene.objects)
    assert ids[32, 20] == 1
    assert ids[21, 13] == UNKNOWN_ID
    assert ids[0, 0] == 0
    assert not (rectangles_as_ids((64, 64), shown.scene.objects, cores=False) == 1).any()
    found = measured(shown)
    assert found.rectangle[0] == pytest.approx(np.array(CHAIR) - 0.5)
    assert found.free.tolist() == [[True] * 4, [True, True, False, True]]
    assert found.near.tolist() == [2.0, 3.0]
