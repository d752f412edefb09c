"""The camera's known height gives depth and boxes their scale."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from distill3d_ros.cli.main import main
from distill3d_ros.engine.engine import Engine
from distill3d_ros.engine.metric_scale import scaled_by_floor
from distill3d_ros.scene.floor import FARTHEST, TABLE, floor_distance, scale_by_floor
from distill3d_ros.scene.frame import Frame, Intrinsics
from distill3d_ros.student.outputs import Perception

CAMERA = Intrinsics.from_fov(width=96, height=72, horizontal_fov=1.2)


def tilted(pitch: float, roll: float = 0.0) -> np.ndarray:
    """Up in the optical frame of a camera that looks ``pitch`` degrees down."""
    return Rotation.from_euler("zx", [roll, pitch], degrees=True).apply([0.0, -1.0, 0.0])


def room(height: float, up: np.ndarray, *, table: float | None = None, wall: float = 4.0) -> np.ndarray:
    """Depth of a floor, a wall square to the view, and a table top over the left half."""
    rays = CAMERA.rays()
    down = -(rays @ up)  # metres below the camera, for each metre of depth
    with np.errstate(divide="ignore"):
        depth = np.where(down > 0, height / down, np.inf)
        if table is not None:
            top = np.where(down > 0, (height - table) / down, np.inf)
            top[:, CAMERA.width // 2 :] = np.inf
            depth = np.minimum(depth, np.where(top < 2.0, top, np.inf))
    return np.minimum(depth, wall).astype(np.float32)


@pytest.mark.parametrize("height", [0.12, 0.4, 1.3])
@pytest.mark.parametrize(("pitch", "roll"), [(20, 0), (35, 15), (50, -20)])
@pytest.mark.parametrize("table", [None, 0.5])
def test_the_floor_is_found_below_a_table(height: float, pitch: float, roll: float, table: float | None) -> None:
    up = tilted(pitch, roll)
    depth = room(height, up, table=None if table is None else table * height)
    assert floor_distance(depth, CAMERA, up) == pytest.approx(height, rel=0.04)


def test_without_a_level_surface_there_is_no_floor() -> None:
    up = tilted(0)
    assert floor_distance(np.full((72, 96), 2.0), CAMERA, up) is None, "a wall"
    assert floor_distance(np.zeros((72, 96)), CAMERA, up) is None, "nothing is known"
    assert floor_distance(np.full((72, 96), np.nan), CAMERA, up) is None
    ceiling = room(1.0, -tilted(40))
    assert floor_distance(ceiling, CAMERA, tilted(40)) is None, "it is level, and above"


def test_how_far_the_floor_is_trusted() -> None:
    assert scale_by_floor(None, 1.0) == 1.0
    assert scale_by_floor(1.0, 1.0) == 1.0
    assert scale_by_floor(1.1, 1.0) == pytest.approx(1.1**-0.5), "half of a small difference"
    assert scale_by_floor(2.0, 1.0) == pytest.approx(math.exp(0.15) / 2), "nearly all of a large one"
    assert scale_by_floor(0.8, 1.0) == pytest.approx(math.exp(math.log(1 / 0.8) / 2))
    assert scale_by_floor(0.5, 1.2) == 1.0, "a table top: the floor is out of sight"
    assert scale_by_floor(9.0, 1.0) == 1.0, "no floor is that wrong"


@given(st.floats(0.05, 3.0), st.floats(0.05, 3.0))
def test_what_is_corrected_comes_nearer_and_never_passes(seen: float, known: float) -> None:
    before = math.log(seen / known)
    after = math.log(seen * scale_by_floor(seen, known) / known)
    assert abs(after) <= abs(before) + 1e-9
    assert before * after >= -1e-12
    if -TABLE < before < FARTHEST:
        assert abs(after) <= 0.15 + 1e-9


def perceive(engine: Engine, **changes) -> Perception:
    image = np.random.default_rng(0).integers(0, 256, (72, 96, 3), np.uint8)
    frame = Frame(image=image, intrinsics=CAMERA, up=tilted(30), **changes)
    perception = engine.perceive(frame, min_score=0.0).features.perception
    assert isinstance(perception, Perception)
    return perception


def test_everything_in_metres_is_scaled_alike(engine: Engine) -> None:
    small = perceive(engine)
    large = small.scaled(2.5)
    for name in ("depth", "patch_points"):
        torch.testing.assert_close(getattr(large, name), 2.5 * getattr(small, name))
    torch.testing.assert_close(large.log_depth.exp(), 2.5 * small.log_depth.exp())
    for a, b in ((small.detections, large.detections), (small.proposals, large.proposals)):
        for name in ("depth", "center", "center_level", "size"):
            torch.testing.assert_close(getattr(b, name), 2.5 * getattr(a, name))
        torch.testing.assert_close(b.log_size.exp(), 2.5 * a.log_size.exp())
        assert torch.equal(a.yaw, b.yaw)
        assert torch.equal(a.scores, b.scores)


def test_a_perceived_floor_is_put_where_it_is(engine: Engine) -> None:
    """The student's own depth is replaced by a room that is twice too large."""
    seen = perceive(engine)
    height, width = seen.log_depth.shape[-2:]
    fx, fy, cx, cy = seen.intrinsics[0, 0].tolist()
    at = Intrinsics(fx=fx, fy=fy, cx=cx, cy=cy, width=seen.image_size[1], height=seen.image_size[0])
    down = -(at.resized(width=width, height=height).rays() @ tilted(30))
    with np.errstate(divide="ignore"):
        depth = np.minimum(np.where(down > 0, 0.6 / down, np.inf), 4.0)
    seen = replace(seen, log_depth=torch.tensor(np.log(depth), dtype=torch.float32)[None, None])
    factor = scaled_by_floor(seen, 0.3)[0].depth / seen.depth
    torch.testing.assert_close(factor, torch.full_like(factor, math.exp(0.15) / 2), rtol=0.04, atol=0)
    assert scaled_by_floor(seen, 0.3)[1]
    assert scaled_by_floor(seen, None) == (seen, False)
    assert scaled_by_floor(replace(seen, depth_measured=True), 0.3)[0].depth is seen.depth


def test_the_scene_follows_the_height(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distill3d_ros.engine.metric_scale.floor_distance", lambda depth, camera, up: 1.0)
    image = np.random.default_rng(0).integers(0, 256, (72, 96, 3), np.uint8)
    frame = Frame(image=image, intrinsics=CAMERA)
    unknown, known = (engine.perceive(replace(frame, camera_height=h), min_score=0.0) for h in (None, 0.25))
    factor = 0.25 * math.exp(0.15)
    np.testing.assert_allclose(known.depth, unknown.depth * factor, rtol=1e-4)
    sizes = [{tuple(np.round(o.box.size, 3)) for o in s.objects} for s in (unknown, known)]
    assert sizes[0] != sizes[1]


def test_a_wrong_height_is_an_error(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = np.zeros((72, 96, 3), np.uint8)
    for wrong in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="camera_height must be a positive number of metres"):
            Frame(image=image, intrinsics=CAMERA, camera_height=wrong)
    import cv2

    picture = tmp_path / "a.png"
    cv2.imwrite(str(picture), image)
    options = ["--model", str(folder), "--fov", "60"]
    assert main(["ask", str(picture), "Is there a chair?", *options, "--camera-height", "-1"]) != 0
    assert "camera_height must be a positive number of metres" in capsys.readouterr().err
    assert main(["ask", str(picture), "Is there a chair?", *options, "--camera-height", "0.3"]) == 0
