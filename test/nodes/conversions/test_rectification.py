"""Distorted lenses: a picture of a checkerboard through each model becomes the one that a pinhole camera takes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, RegionOfInterest

from distill3d_ros.nodes.conversions.camera_info import info_from
from distill3d_ros.nodes.conversions.rectification import PictureCamera, Rectifier
from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.system.camera_messages import intrinsics_from
from distill3d_ros.system.ros_messages import BadMessageError

WIDTH, HEIGHT = 160, 120
LENSES = {
    "plumb_bob": (90.0, [-0.3, 0.1, 0.001, -0.002, 0.0]),
    "rational_polynomial": (90.0, [0.2, -0.1, 0.001, 0.0, 0.01, 0.5, -0.05, 0.01]),
    "equidistant": (60.0, [0.02, -0.005, 0.001, 0.0]),
}


def info(model: str, focal: float, d: list[float]) -> CameraInfo:
    camera = Intrinsics(fx=focal, fy=focal, cx=81.0, cy=58.0, width=WIDTH, height=HEIGHT)
    message = info_from(camera)
    message.distortion_model, message.d = model, d
    return message


def wall(rays: np.ndarray) -> np.ndarray:
    """(N,) brightness of a wall at z = 1, smooth in x / z and y / z."""
    return 127 + 90 * np.sin(9 * rays[:, 0]) * np.cos(11 * rays[:, 1] + 0.5)


def photograph(message: CameraInfo) -> np.ndarray:
    """(H, W, 3) of the wall through the distorted lens, by inverting the lens model for every pixel."""
    k, d = np.array(message.k).reshape(3, 3), np.array(message.d)
    u, v = np.meshgrid(np.arange(WIDTH, dtype=float), np.arange(HEIGHT, dtype=float))
    pixels = np.stack([u, v], -1).reshape(1, -1, 2)
    if message.distortion_model == "equidistant":
        rays = cv2.fisheye.undistortPoints(pixels, k, d)[0]
    else:
        rays = np.zeros((HEIGHT * WIDTH, 2))
        for _ in range(30):  # fixed point: what OpenCV's undistortPoints does five times
            points = np.column_stack([rays, np.ones(len(rays))])
            seen = cv2.projectPoints(points, np.zeros(3), np.zeros(3), k, d)[0][:, 0]
            rays += 0.6 * (pixels[0] - seen) / k[0, 0]
    return np.rint(wall(rays)).astype(np.uint8).reshape(HEIGHT, WIDTH, 1).repeat(3, 2)


def camera_of(message: CameraInfo, **options: bool) -> PictureCamera:
    return Rectifier().camera(message, width=WIDTH, height=HEIGHT, **{"rectified": False} | options)


@pytest.mark.parametrize("model", LENSES)
def test_a_picture_is_undistorted_to_what_a_pinhole_camera_sees(model: str) -> None:
    message = info(model, *LENSES[model])
    camera = camera_of(message)
    expected = wall(camera.intrinsics.rays().reshape(-1, 3)[:, :2].astype(float)).reshape(HEIGHT, WIDTH)
    seen = photograph(message)
    straight = camera.picture(seen)
    error = np.abs(straight[..., 0] - expected)
    assert np.percentile(error, 99) < 6, "all over the picture, up to its edge"
    assert np.median(error) < 1
    assert np.abs(seen[..., 0] - expected).max() > 100, "it was another picture before"
    assert f"the lens is distorted ({model}): pictures are undistorted" in camera.note
    assert 0.7 < camera.intrinsics.horizontal_fov < 2.0


def test_depth_is_moved_along_without_mixing() -> None:
    camera = camera_of(info("plumb_bob", *LENSES["plumb_bob"]))
    depth = np.full((HEIGHT, WIDTH), 2.0, np.float32)
    depth[:, WIDTH // 2 :] = 3.0
    depth[10, 10] = np.nan
    moved = camera.depth(depth)
    assert set(np.unique(moved[np.isfinite(moved)])) == {2.0, 3.0}
    assert moved.shape == depth.shape


def test_a_very_wide_fisheye_keeps_a_field_of_view_that_a_picture_can_have() -> None:
    camera = camera_of(info("equidistant", 48.0, [0.0, 0.0, 0.0, 0.0]))  # 191 degrees across
    assert 1.4 < camera.intrinsics.horizontal_fov < 1.93
    assert camera.maps is not None


def test_lenses_that_need_nothing_are_left_alone() -> None:
    for message in (info("plumb_bob", 90.0, [0.0] * 5), info("plumb_bob", 90.0, [1e-4] * 4), info("", 90.0, [])):
        camera = camera_of(message)
        assert (camera.maps, camera.note, camera.intrinsics.fx) == (None, "", 90.0)
    strong = info("plumb_bob", *LENSES["plumb_bob"])
    assert camera_of(strong, rectified=True).maps is None


def test_a_changed_camera_info_is_noticed() -> None:
    rectifier = Rectifier()
    options = {"width": WIDTH, "height": HEIGHT, "rectified": False}
    first = rectifier.camera(info("plumb_bob", 90.0, [0.0] * 5), **options)
    assert rectifier.camera(info("plumb_bob", 90.0, [0.0] * 5), **options) is first
    second = rectifier.camera(info("plumb_bob", *LENSES["plumb_bob"]), **options)
    assert second.maps is not None
    assert rectifier.camera(info("plumb_bob", 95.0, [0.0] * 5), **options).intrinsics.fx == 95.0


def test_a_resized_stream_is_undistorted_at_its_own_size() -> None:
    message = info("equidistant", *LENSES["equidistant"])
    camera = Rectifier().camera(message, width=WIDTH // 2, height=HEIGHT // 2, rectified=False)
    full = camera_of(message)
    assert camera.picture(np.zeros((HEIGHT // 2, WIDTH // 2, 3), np.uint8)).shape == (60, 80, 3)
    assert camera.intrinsics.horizontal_fov == pytest.approx(full.intrinsics.horizontal_fov, abs=0.05)


def test_a_model_that_is_not_known_is_told() -> None:
    camera = camera_of(info("double_sphere", 90.0, [0.1, 0.5]))
    assert camera.maps is None
    assert "a model that is not known here, 'double_sphere'" in camera.note


def test_without_k_the_projection_serves() -> None:
    message = info("plumb_bob", *LENSES["plumb_bob"])
    message.k = [0.0] * 9
    camera = camera_of(message)
    assert camera.intrinsics.fx == 90.0
    assert camera.maps is None
    assert "K is all zeros: its P is used" in camera.note


def changed(**fields: object) -> CameraInfo:
    message = info("plumb_bob", 90.0, [0.0] * 5)
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def matrix(fx: float, fy: float, cx: float, cy: float) -> list[float]:
    return [fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (changed(k=matrix(1.0, 1.0, 0.0, 0.0)), "K cannot be used: it is the identity matrix"),
        (changed(k=matrix(2.0, 2.0, 80.0, 60.0)), r"horizontal field of view must lie between 3 and 170 .* Got 177\.1"),
        (changed(k=matrix(9000.0, 9000.0, 80.0, 60.0)), r"horizontal field of view .* Got 1\.0 from fx = 9000"),
        (
            changed(k=matrix(90.0, 90.0, 500.0, 60.0)),
            "principal point must lie inside the picture. Got cx = 500 of 160",
        ),
        (
            changed(k=matrix(90.0, 90.0, 80.0, -30.0)),
            "principal point must lie inside the picture. Got cy = -30 of 120",
        ),
        (changed(k=matrix(90.0, 900.0, 80.0, 60.0)), "fx and fy must be alike. Got 90 and 900"),
        (
            changed(roi=RegionOfInterest(x_offset=100, width=100, height=75)),
            r"roi must lie inside .* 100x75 at \(100, 0\)",
        ),
        (changed(k=[0.0] * 9, p=[0.0] * 12), "K cannot be used: camera fx must be a positive number"),
    ],
)
def test_numbers_that_no_camera_has_are_refused(message: CameraInfo, says: str) -> None:
    with pytest.raises(BadMessageError, match=says):
        intrinsics_from(message, width=WIDTH, height=HEIGHT, rectified=False)
