"""Lens distortion of pictures, depth and ids."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from support.simple_rooms import look_at, simple_room

from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.worlds.contacts import contact_truth
from distill3d_ros.worlds.rendering.distortion import Distortion, covering_pinhole, distort, sample_distortion
from distill3d_ros.worlds.rendering.factory import make_renderer
from distill3d_ros.worlds.rendering.render_view import render_view

LENS = Intrinsics.from_fov(width=160, height=120, horizontal_fov=1.2)
BARREL, PINCUSHION = Distortion(k1=-0.08, k2=0.01, p1=0.002, p2=-0.003), Distortion(k1=0.06)


def shown_at(distortion: Distortion, points: np.ndarray, k: Intrinsics = LENS) -> np.ndarray:
    """(N, 2) pixels at which OpenCV's camera model shows points (N, 3) of the optical frame."""
    matrix = np.array([[k.fx, 0, k.cx], [0, k.fy, k.cy], [0, 0, 1]])
    return cv2.projectPoints(points, np.zeros(3), np.zeros(3), matrix, distortion.coefficients)[0].reshape(-1, 2)


@pytest.mark.parametrize("distortion", [BARREL, PINCUSHION])
def test_depth_lies_where_the_camera_model_shows_it(distortion: Distortion) -> None:
    """Each pixel of the undistorted picture, mapped by OpenCV's model, has the same depth in the distorted one."""
    room = simple_room()
    camera = look_at(LENS, eye=np.array([0.5, 0.5, 1.3]), target=np.array([2.0, 2.2, 0.4]), roll=0.2)
    renderer = make_renderer(threads=0)
    try:
        renderer.set_room(room)
        straight = renderer.render(camera)
        seen = render_view(renderer, room, contact_truth(room), camera, distortion=distortion)
        plain = render_view(renderer, room, contact_truth(room), camera)
    finally:
        renderer.close()
    depth = np.asarray(seen.scene.depth)
    points = (LENS.rays() * straight.depth[..., None]).reshape(-1, 3)
    u, v = np.rint(shown_at(distortion, points)).astype(int).T
    inside = (u >= 0) & (u < LENS.width) & (v >= 0) & (v < LENS.height)
    found = depth[v[inside], u[inside]]
    error = np.abs(found - points[inside, 2]) / points[inside, 2]
    assert inside.mean() > 0.8
    assert np.median(error) < 0.005
    assert (error < 0.05).mean() > 0.97
    assert (depth > 0).all()
    assert not np.array_equal(seen.ids, plain.ids)
    assert seen.frame.intrinsics == plain.frame.intrinsics == LENS
    for o in seen.scene.objects:
        assert int((seen.ids == o.id).sum()) == o.visible_pixels
        twin = next((p for p in plain.scene.objects if p.id == o.id), o)
        np.testing.assert_allclose(o.box.center, twin.box.center)


def test_a_lens_that_bends_nothing_changes_nothing() -> None:
    room, straight = simple_room(), Distortion()
    camera = look_at(LENS, eye=np.array([0.5, 0.5, 1.3]), target=np.array([2.0, 2.2, 0.4]))
    assert covering_pinhole(LENS, straight).fx == pytest.approx(LENS.fx, rel=1e-6)
    renderer = make_renderer(threads=0)
    try:
        renderer.set_room(room)
        seen = renderer.render(camera)
    finally:
        renderer.close()
    again = distort(seen, LENS, LENS, straight)
    np.testing.assert_array_equal(again.depth, seen.depth)
    np.testing.assert_array_equal(again.ids, seen.ids)
    assert np.abs(again.rgb.astype(int) - seen.rgb).max() <= 1


def test_corners_move_as_far_as_was_asked() -> None:
    rng = np.random.default_rng(0)
    for degrees in (35, 60, 95):
        k = Intrinsics.from_fov(width=224, height=160, horizontal_fov=math.radians(degrees))
        corner = np.array([[(0 - k.cx) / k.fx, (0 - k.cy) / k.fy, 1.0]])
        moved = [
            np.linalg.norm(shown_at(sample_distortion(rng, k), corner, k)) / np.hypot(k.cx, k.cy) for _ in range(200)
        ]
        assert 0.02 < max(moved) < 0.09


def test_a_wider_camera_sees_all_of_a_bent_picture() -> None:
    for distortion in (BARREL, PINCUSHION):
        drawn = covering_pinhole(LENS, distortion)
        edge = np.array([[u, v] for u in (0, 159) for v in (0, 60, 119)], float)
        matrix = np.array([[LENS.fx, 0, LENS.cx], [0, LENS.fy, LENS.cy], [0, 0, 1]])
        straight = cv2.undistortPoints(edge[:, None], matrix, distortion.coefficients).reshape(-1, 2)
        u, v = straight.T * [[drawn.fx], [drawn.fy]] + [[drawn.cx], [drawn.cy]]
        assert u.min() >= -0.51
        assert u.max() <= 159.51
        assert v.min() >= -0.51
        assert v.max() <= 119.51
    assert covering_pinhole(LENS, BARREL).fx < LENS.fx
    assert covering_pinhole(LENS, PINCUSHION).fx == LENS.fx
