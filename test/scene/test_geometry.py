"""Geometry against brute force: sampling, Monte Carlo, round trips."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.scene_samples import CAMERA, box, box_contains

from distill3d_ros.scene import geometry as g
from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.scene.objects import Box3D

coordinate = st.floats(-2, 2, allow_nan=False)
extent = st.floats(0.05, 2, allow_nan=False)
angle = st.floats(-7, 7, allow_nan=False)
boxes = st.builds(
    lambda x, y, z, sx, sy, sz, yaw: Box3D(center=np.array([x, y, z]), size=np.array([sx, sy, sz]), yaw=yaw),
    coordinate, coordinate, coordinate, extent, extent, extent, angle,
)  # fmt: skip


def gap_between(a: Box3D, b: Box3D) -> float:
    return float(g.box_gaps([a, b])[0, 1])


directions = st.tuples(coordinate, coordinate, coordinate).map(np.array).filter(lambda v: np.linalg.norm(v) > 0.1)


@given(directions)
def test_level_rotation_is_a_rotation_with_y_along_gravity(up: np.ndarray) -> None:
    rotation = g.level_rotation(up)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(rotation) == pytest.approx(1)
    np.testing.assert_allclose(rotation @ (up / np.linalg.norm(up)), [0, -1, 0], atol=1e-9)
    # The viewing direction has no part to the side.
    assert (rotation @ [0, 0, 1])[0] == pytest.approx(0, abs=1e-6)


def test_level_rotation_of_a_level_camera_is_the_identity() -> None:
    np.testing.assert_allclose(g.level_rotation(np.array([0.0, -1.0, 0.0])), np.eye(3), atol=1e-12)


@pytest.mark.parametrize("pitch", [np.pi / 2, -np.pi / 2])
def test_level_rotation_looking_straight_down_or_up_continues_the_pitch(pitch: float) -> None:
    def up(p: float) -> np.ndarray:  # a camera pitched down by p
        return np.array([0, -np.cos(p), -np.sin(p)])

    np.testing.assert_allclose(g.level_rotation(up(pitch)), g.level_rotation(up(pitch * 0.999)), atol=0.01)


@pytest.mark.parametrize("bad", [np.zeros(3), np.array([np.nan, 0, 1]), np.ones(4)])
def test_level_rotation_rejects_what_is_no_direction(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="up must be"):
        g.level_rotation(bad)


@given(coordinate, coordinate, st.floats(0.2, 9))
def test_project_then_ray_gives_the_point_back(x: float, y: float, z: float) -> None:
    uv, depth = g.project(np.array([x, y, z]), CAMERA)
    assert depth == pytest.approx(z)
    back = np.array([(uv[0] - CAMERA.cx) / CAMERA.fx, (uv[1] - CAMERA.cy) / CAMERA.fy, 1.0]) * z
    np.testing.assert_allclose(back, [x, y, z], atol=1e-9)


def test_unproject_then_project_gives_the_pixels_back() -> None:
    small = Intrinsics(fx=20, fy=25, cx=7.2, cy=4.9, width=16, height=10)
    depth = np.random.default_rng(0).uniform(0.5, 5, (10, 16)).astype(np.float32)
    uv, z = g.project(g.unproject(depth, small), small)
    v, u = np.mgrid[0:10, 0:16]
    np.testing.assert_allclose(uv, np.stack([u, v], -1), atol=1e-4)
    np.testing.assert_allclose(z, depth)


def test_unproject_names_the_wrong_shape() -> None:
    with pytest.raises(ValueError, match=r"\(224, 224\).*\(3, 4\)"):
        g.unproject(np.ones((3, 4)), CAMERA)


def test_points_behind_the_camera_have_no_pixel() -> None:
    uv, _ = g.project(np.array([[0.0, 0, 1], [0, 0, -1], [1, 0, 0]]), CAMERA)
    assert np.isfinite(uv[0]).all()
    assert np.isnan(uv[1:]).all()


def test_level_from_world_puts_the_camera_at_the_origin_and_up_at_minus_y() -> None:
    # Optical axes in a z-up world: looking along world x, tilted down by 30 degrees.
    tilt = np.radians(30)
    forward = np.array([np.cos(tilt), 0, -np.sin(tilt)])
    right = np.array([0.0, -1, 0])
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], 1)
    pose[:3, 3] = [1, 2, 1.5]
    level = g.level_from_world(pose)
    np.testing.assert_allclose(g.transform_points(level, np.array([1, 2, 1.5])), 0, atol=1e-12)
    np.testing.assert_allclose(g.transform_points(level, np.array([3, 2, 0.0])), [0, 1.5, 2], atol=1e-12)
    np.testing.assert_allclose(g.transform_points(level, np.array([1, 1, 1.5])), [1, 0, 0], atol=1e-12)


@given(boxes, angle, coordinate, coordinate)
def test_transform_box_moves_the_corners(a: Box3D, yaw: float, x: float, z: float) -> None:
    move = np.eye(4)
    move[:3, :3] = box(0, 0, 0, yaw=yaw).rotation
    move[:3, 3] = [x, 0.3, z]
    np.testing.assert_allclose(g.transform_box(a, move).corners(), g.transform_points(move, a.corners()), atol=1e-9)


@given(boxes, directions)
def test_nearest_point_is_on_the_box_and_nearer_than_samples(a: Box3D, point: np.ndarray) -> None:
    nearest = g.box_nearest_point(a, point)
    assert box_contains(a, nearest, margin=1e-9)
    inside = a.center + (np.random.default_rng(0).uniform(-0.5, 0.5, (300, 3)) * a.size) @ a.rotation.T
    assert np.linalg.norm(nearest - point) <= np.linalg.norm(inside - point, axis=1).min() + 1e-9


def test_distance_to_a_box_ahead_is_to_its_front() -> None:
    assert g.box_distance(box(0, 0, 3, (1, 1, 1))) == pytest.approx(2.5)
    assert g.box_distance(box(0, 0, 0, (1, 1, 1))) == 0


@given(boxes, boxes)
@settings(max_examples=60, deadline=None)
def test_gap_against_sampling(a: Box3D, b: Box3D) -> None:
    gap = gap_between(a, b)
    assert gap == pytest.approx(gap_between(b, a))
    # Alternating projection onto two convex sets converges to the distance between them.
    point = a.center
    for _ in range(400):
        other = g.box_nearest_point(b, point)
        point = g.box_nearest_point(a, other)
    assert gap == pytest.approx(np.linalg.norm(point - other), abs=2e-3)
    surface = a.center + (np.random.default_rng(1).uniform(-0.5, 0.5, (200, 3)) * a.size) @ a.rotation.T
    nearest = np.array([g.box_nearest_point(b, p) for p in surface])
    assert gap <= np.linalg.norm(nearest - surface, axis=1).min() + 1e-9


def test_gaps_of_all_pairs_agree_with_single_ones() -> None:
    rng = np.random.default_rng(2)
    some = [box(*rng.uniform(-1, 1, 3), tuple(rng.uniform(0.1, 1, 3)), rng.uniform(-3, 3)) for _ in range(6)]
    all_pairs = g.box_gaps(some)
    for i, a in enumerate(some):
        for j, b in enumerate(some):
            if i != j:
                assert all_pairs[i, j] == pytest.approx(gap_between(a, b))
    assert g.box_gaps([]).shape == (0, 0)


def test_crossed_boxes_overlap_though_no_corner_is_inside() -> None:
    assert gap_between(box(0, 0, 0, (4, 1, 0.2)), box(0, 0, 0, (4, 1, 0.2), yaw=np.pi / 2)) == 0


@given(boxes, boxes)
@settings(max_examples=30, deadline=None)
def test_iou_against_monte_carlo(a: Box3D, b: Box3D) -> None:
    corners = np.concatenate([a.corners(), b.corners()])
    low, high = corners.min(0), corners.max(0)
    points = np.random.default_rng(3).uniform(low, high, (60_000, 3))
    in_a, in_b = box_contains(a, points), box_contains(b, points)
    cell = np.prod(high - low) / len(points)
    shared = (in_a & in_b).sum() * cell
    # Three standard deviations of the count, and exact volumes below the line.
    error = 4 * np.sqrt((in_a & in_b).sum() + 1) * cell
    union = a.volume + b.volume - shared
    assert g.box_iou(a, b) == pytest.approx(shared / union, abs=2 * error / max(union - error, 1e-9) + 1e-6)


@given(boxes)
def test_iou_of_a_box_with_itself_is_one(a: Box3D) -> None:
    assert g.box_iou(a, a) == pytest.approx(1)


def test_iou_of_known_overlap() -> None:
    # Half of each cube is shared: 0.5 / 1.5.
    assert g.box_iou(box(0, 0, 0, (1, 1, 1)), box(0.5, 0, 0, (1, 1, 1))) == pytest.approx(1 / 3)
    assert [g.box_iou(box(0, 0, 0), other) for other in (box(0, 0, 0), box(0, 5, 0))] == [pytest.approx(1.0), 0.0]


def test_clip_polygon_accepts_either_winding() -> None:
    square = np.array([[0, 0], [2, 0], [2, 2], [0, 2.0]])
    other = square + 1
    for window in (other, other[::-1]):
        assert g.polygon_area(g.clip_polygon(square, window)) == pytest.approx(1)
    assert len(g.clip_polygon(square, square + 10)) == 0


def test_image_rectangle_of_a_box_ahead() -> None:
    # A 1 m cube whose front is 2 m away and centred: its front face is 0.5 / 2 * f to each side.
    left, top, right, bottom = g.image_rectangle(box(0, 0, 2.5, (1, 1, 1)), np.eye(3), CAMERA) or (0,) * 4
    assert right - CAMERA.cx == pytest.approx(CAMERA.fx / 4)
    assert CAMERA.cy - top == pytest.approx(CAMERA.fy / 4)
    assert (left + right) / 2 == pytest.approx(CAMERA.cx)
    assert (top + bottom) / 2 == pytest.approx(CAMERA.cy)


def test_image_rectangle_is_cut_at_the_camera_and_the_border() -> None:
    around = g.image_rectangle(box(0, 0.5, 0, (1, 0.4, 8)), np.eye(3), CAMERA)
    assert around is not None
    assert around[3] == pytest.approx(CAMERA.height - 0.5)
    assert g.image_rectangle(box(0, 0, -3), np.eye(3), CAMERA) is None
    assert g.image_rectangle(box(9, 0, 3), np.eye(3), CAMERA) is None
