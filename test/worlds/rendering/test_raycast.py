"""Ray casting where there is no OpenGL: OpenGL's picture within the tolerance of docs/renderers.md."""

from __future__ import annotations

import numpy as np
import pytest
from support.furniture_pack import real_pack
from support.simple_rooms import simple_camera, simple_room

from distill3d_ros.cli import doctor
from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.worlds.cameras import sample_cameras
from distill3d_ros.worlds.layout.layout import make_room
from distill3d_ros.worlds.rendering import gl_renderer
from distill3d_ros.worlds.rendering.factory import ENVIRONMENT_VARIABLE, make_renderer, renderer_kind
from distill3d_ros.worlds.rendering.pixel_rays import cast_rays
from distill3d_ros.worlds.rendering.raycast import RayCaster
from distill3d_ros.worlds.room import Room

MEDIAN_DEPTH = 0.001
"""Metres: the tolerance between OpenGL (of whatever kind) and ray casting, ..."""
SAME_IDS = 0.98
"""... the share of pixels with the same id, ..."""
COLOUR = 5.0
"""... and the mean difference of colours, of 255. Shadows and ambient occlusion differ."""


@pytest.fixture(scope="module")
def gl():
    try:
        one = make_renderer("gl", threads=0)
    except Exception as error:
        pytest.skip(f"nothing to compare with: {error}")
    yield one
    one.close()


def rooms() -> list[Room]:
    pack = real_pack()
    return [simple_room(), make_room(pack, seed=3, varied=True), make_room(pack, seed=4, split="test")]


@pytest.mark.parametrize("number", range(3))
def test_the_same_picture_as_opengl_within_the_tolerance(gl, number: int):
    """Also a test of the driver: hardware OpenGL is held to the same tolerance as software OpenGL."""
    room, caster = rooms()[number], RayCaster()
    gl.set_room(room)
    caster.set_room(room)
    cameras = [simple_camera(width=120, height=96)]
    if number:
        cameras = sample_cameras(room, np.random.default_rng(number), 2, renderer=gl, size=(120, 96))
    for camera in cameras:
        true, cast = gl.render(camera), caster.render(camera)
        assert (cast.rgb.dtype, cast.depth.dtype, cast.ids.dtype) == (np.uint8, np.float32, np.uint16)
        assert len(np.unique(true.ids)) > 3
        assert (true.ids == cast.ids).mean() > SAME_IDS
        assert np.median(np.abs(true.depth - cast.depth)) < MEDIAN_DEPTH
        assert np.abs(true.rgb.astype(float) - cast.rgb).mean() < COLOUR
        assert true.rgb.std() > 4 * COLOUR  # or any grey picture would do
        depth, ids = caster.measure(camera)
        assert (depth == cast.depth).all()
        assert (ids == cast.ids).all()


def test_things_nearer_than_near_and_farther_than_far_are_not_seen():
    camera = Intrinsics.from_fov(width=9, height=7, horizontal_fov=1.0)
    square = np.array([[-9.0, -9.0, 0], [9.0, -9.0, 0], [9.0, 9.0, 0], [-9.0, 9.0, 0]])
    points = np.concatenate([square + np.array([0, 0, z]) for z in (0.02, 3.0, 2.0, 50.0)])
    faces = np.concatenate([np.array([[0, 1, 2], [0, 2, 3]]) + 4 * i for i in range(4)])
    hits = cast_rays(points, faces, camera, near=0.04, far=40.0)
    assert np.allclose(hits.depth, 2.0)
    assert set(np.unique(hits.triangle)) <= {4, 5}
    assert np.allclose(hits.weights.sum(-1), 1.0)
    at = np.einsum("hwc,hwck->hwk", hits.weights, points[faces][hits.triangle])
    assert np.allclose(at / at[..., 2:], camera.rays(), atol=1e-6)
    assert (cast_rays(points, faces[:2], camera, near=0.04).triangle == -1).all()
    with pytest.raises(ValueError, match=r"near must be positive and below far\. Got near 0"):
        cast_rays(points, faces, camera, near=0.0)


def test_more_samples_change_the_colours_only():
    caster, camera = RayCaster(), simple_camera(width=48, height=32)
    caster.set_room(simple_room())
    one, two, three = (caster.render(camera, supersample=n) for n in (1, 2, 3))
    assert (one.depth == three.depth).all()
    assert (one.ids == two.ids).all()
    assert 0 < np.abs(two.rgb.astype(float) - three.rgb).mean() < np.abs(one.rgb.astype(float) - three.rgb).mean() < 8


# ---------------------------------------------------------------------------------------------------- the fallback


@pytest.fixture
def broken_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without OpenGL."""

    def fail(**settings):
        raise OSError("libEGL.so.1: cannot open shared object file")

    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setattr(gl_renderer.moderngl, "create_context", fail)


def test_without_opengl_rooms_are_cast_with_one_warning(broken_driver, monkeypatch: pytest.MonkeyPatch):
    told: list[str] = []
    assert isinstance(make_renderer(warn=told.append), RayCaster)
    (text,) = told
    assert "no OpenGL (libEGL.so.1: cannot open" in text
    assert "0.5 s a picture" in text
    assert text.endswith("apt install libegl1 libgl1-mesa-dri")
    with pytest.warns(RuntimeWarning, match="rooms are ray-cast on the CPU"):
        assert renderer_kind() == "raycast"
    for asked in ("argument", "variable"):
        if asked == "variable":
            monkeypatch.setenv(ENVIRONMENT_VARIABLE, "gl")
        with pytest.raises(RuntimeError, match=r"no OpenGL 3\.3 through EGL.*apt install libegl1"):
            make_renderer("gl" if asked == "argument" else None)


def test_the_variable_asks_for_a_renderer(monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder):
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "raycast")
    assert renderer_kind() == "raycast"
    assert not recwarn.list
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "vulkan")
    with pytest.raises(ValueError, match=r"DISTILL3D_RENDERER must be gl or raycast, or not set\. Got 'vulkan'"):
        make_renderer()


def test_the_doctor_says_which_renderer(broken_driver, monkeypatch: pytest.MonkeyPatch):
    found = [str(f) for f in doctor.check_worlds() if "rooms are drawn" in f.what]
    assert len(found) == 1
    assert found[0].startswith("warn  rooms are drawn by ray casting on the CPU: no OpenGL (libEGL.so.1")
    assert "-> apt-get install libegl1 libgl1-mesa-dri" in found[0]
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "raycast")
    found = [str(f) for f in doctor.check_worlds() if "rooms are drawn" in f.what]
    assert found == ["  ok  rooms are drawn by ray casting on the CPU (DISTILL3D_RENDERER=raycast)"]
