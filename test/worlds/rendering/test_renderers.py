"""Both renderers against ray casting written here, and against what a picture of such a room must show."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from support.simple_rooms import ball_model, box_model, look_at, model_from_mesh, place, simple_camera, simple_room

from distill3d_ros.scene.frame import FloatArray, Intrinsics
from distill3d_ros.worlds.camera_pose import CameraPose
from distill3d_ros.worlds.rendering.gl_renderer import Renderer
from distill3d_ros.worlds.rendering.meshes import corner_normals, wall_corners
from distill3d_ros.worlds.rendering.raycast import RayCaster
from distill3d_ros.worlds.room import Room


def triangles_of(room: Room) -> tuple[FloatArray, FloatArray]:
    """(T, 3, 3) world corners and (T,) object ids of everything in the room."""
    corners, ids = [], []
    for rectangle in wall_corners(room.size).values():
        corners += [rectangle[[0, 1, 2]], rectangle[[0, 2, 3]]]
        ids += [0, 0]
    for placed in room.objects:
        vertices, faces = placed.mesh()
        corners += list(vertices[faces])
        ids += [placed.id] * len(faces)
    return np.stack(corners), np.array(ids)


def cast(room: Room, camera: CameraPose, uv: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Depth (P,) and id (P,) of the nearest triangle behind each pixel position (P, 2): Moeller and Trumbore, 1997."""
    corners, ids = triangles_of(room)
    k = camera.intrinsics
    rays = np.stack([(uv[:, 0] - k.cx) / k.fx, (uv[:, 1] - k.cy) / k.fy, np.ones(len(uv))], axis=1)
    rays = rays @ camera.world_from_optical[:3, :3].T  # z = 1 in the optical frame, so that t is the depth
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    depth, found = np.empty(len(uv)), np.empty(len(uv), int)
    offset = camera.position - corners[:, 0]
    q = np.cross(offset, first)
    for i, ray in enumerate(rays):
        p = np.cross(ray, second)
        determinant = (first * p).sum(1)
        with np.errstate(divide="ignore", invalid="ignore"):
            a = (offset * p).sum(1) / determinant
            b = (q @ ray) / determinant
            t = (second * q).sum(1) / determinant
        hit = (a >= -1e-9) & (b >= -1e-9) & (a + b <= 1 + 1e-9) & (t > 0.04)
        best = int(np.argmin(np.where(hit, t, np.inf)))
        depth[i], found[i] = t[best], ids[best]
    return depth, found


@pytest.mark.parametrize(("width", "height"), [(224, 224), (160, 121)])
def test_depth_and_ids_agree_with_ray_casting(renderer, width, height):
    room, camera = simple_room(), simple_camera(width=width, height=height)
    renderer.set_room(room)
    seen = renderer.render(camera)
    rng = np.random.default_rng(3)
    pixels = np.stack([rng.integers(0, width, 500), rng.integers(0, height, 500)], axis=1)
    depth, ids = cast(room, camera, pixels.astype(float))
    got = seen.depth[pixels[:, 1], pixels[:, 0]]
    same = seen.ids[pixels[:, 1], pixels[:, 0]] == ids
    assert same.mean() >= 0.99
    error = np.abs(got - depth)[same]
    assert np.median(error) < 2e-5
    assert np.quantile(error, 0.99) < 2e-3


def test_pixel_centres_are_not_shifted(renderer):
    """Depth errors on slanted walls and floor tell by how much the samples lie beside the pixel centres."""
    room, camera = simple_room(), simple_camera()
    room = replace(room, objects=[place(1, ball_model("far", "cup", 0.05, (9, 9, 9)), (4.9, 3.9, 0.0))])
    renderer.set_room(room)
    depth, ids = renderer.measure(camera)
    rng = np.random.default_rng(0)
    pixels = np.stack([rng.integers(2, 222, 600), rng.integers(2, 222, 600)], axis=1)
    pixels = pixels[ids[pixels[:, 1], pixels[:, 0]] == 0].astype(float)
    step = 0.05
    true, _ = cast(room, camera, pixels)
    along_u = (cast(room, camera, pixels + np.array([step, 0]))[0] - true) / step
    along_v = (cast(room, camera, pixels + np.array([0, step]))[0] - true) / step
    smooth = (np.abs(along_u) < 0.3) & (np.abs(along_v) < 0.3)
    slopes = np.stack([along_u, along_v], axis=1)[smooth]
    error = (depth[pixels[:, 1].astype(int), pixels[:, 0].astype(int)] - true)[smooth]
    shift, *_ = np.linalg.lstsq(slopes, error, rcond=None)
    assert np.abs(slopes).max() > 0.01  # or no shift could be seen
    assert np.abs(shift).max() < 1e-4


def test_winding_of_faces_does_not_matter(renderer):
    room, camera = simple_room(), simple_camera()
    renderer.set_room(room)
    first = renderer.render(camera).rgb.astype(int)
    for placed in room.objects:
        model = placed.model
        placed.model = replace(model, name=model.name + " reversed", faces=model.faces[:, ::-1].copy())
    renderer.set_room(room)
    second = renderer.render(camera).rgb.astype(int)
    assert np.abs(first - second).max() <= 2
    assert first.std() > 20


def test_furniture_casts_a_shadow(renderer):
    room = simple_room()
    k = Intrinsics.from_fov(width=64, height=64, horizontal_fov=0.4)
    # Beside the table, on the side away from the lamp.
    camera = look_at(k, eye=np.array([4.4, 3.2, 1.5]), target=np.array([3.25, 2.95, 0.0]))
    renderer.set_room(room)
    with_table = renderer.render(camera, occlusion=0.0)
    renderer.set_room(replace(room, objects=[o for o in room.objects if o.id not in (1, 2, 3)]))
    without = renderer.render(camera, occlusion=0.0)
    floor = (with_table.ids == 0) & (without.ids == 0)
    ratio = with_table.rgb[floor].mean(-1) / without.rgb[floor].mean(-1)
    assert (ratio < 0.8).mean() > 0.1, "no shadow"
    assert (ratio > 0.97).mean() > 0.1, "everything lies in the shadow"


def test_textures_are_upright_and_not_mirrored(renderer):
    model = box_model("poster", "television", (1.0, 0.02, 1.0), (0, 0, 0))
    picture = np.zeros((1, 128, 128, 3), np.uint8)
    picture[0, :64, :64] = (250, 20, 20)  # first rows, first columns: top left
    picture[0, :64, 64:] = (20, 250, 20)
    picture[0, 64:, :64] = (20, 20, 250)
    picture[0, 64:, 64:] = (250, 250, 20)
    corners = model.vertices[model.faces]  # (F, 3, 3)
    # Seen from its front (+y) the own x axis points to the left.
    uvs = np.stack([0.5 - corners[..., 0], 1.0 - corners[..., 2]], axis=-1)
    model = replace(model, face_layers=np.zeros(len(model.faces), np.int16), face_uvs=uvs, textures=picture)
    room = replace(simple_room(), objects=[place(1, model, (2.5, 1.0, 1.0))])
    k = Intrinsics.from_fov(width=64, height=64, horizontal_fov=1.0)
    renderer.set_room(room)
    seen = renderer.render(look_at(k, eye=np.array([2.5, 2.6, 1.5]), target=np.array([2.5, 1.0, 1.5])))
    top_left, top_right = seen.rgb[20, 20], seen.rgb[20, 44]
    bottom_left, bottom_right = seen.rgb[44, 20], seen.rgb[44, 44]
    assert top_left.argmax() == 0
    assert top_right.argmax() == 1
    assert bottom_left.argmax() == 2
    assert bottom_right[:2].min() > 2 * bottom_right[2]


def test_tint_scale_and_flat_colour_reach_the_picture(renderer):
    model = box_model("cube", "box", (0.5, 0.5, 0.5), (200, 200, 200))
    plain, wide = place(1, model, (1.5, 3.0, 0.0)), place(2, model, (3.2, 3.0, 0.0), scale=(2.0, 1.0, 1.0))
    plain.tint = np.array([1.0, 0.3, 0.3])
    wide.flat_color = np.array([0.1, 0.2, 0.9])
    room = replace(simple_room(), objects=[plain, wide])
    k = Intrinsics.from_fov(width=160, height=96, horizontal_fov=1.3)
    renderer.set_room(room)
    seen = renderer.render(look_at(k, eye=np.array([2.4, 0.5, 0.8]), target=np.array([2.4, 3.0, 0.3])))
    assert seen.rgb[seen.ids == 1].mean(0).argmax() == 0
    assert seen.rgb[seen.ids == 2].mean(0).argmax() == 2
    width = {i: np.ptp(np.nonzero(seen.ids == i)[1]) for i in (1, 2)}
    assert 1.6 < width[2] / width[1] < 2.4


@pytest.mark.parametrize("kind", [Renderer, RayCaster])
def test_same_room_same_bytes_also_after_other_rooms(kind):
    camera = simple_camera(width=96, height=64)
    first, second = kind(), kind(model_cache=1)
    try:
        first.set_room(simple_room())
        a = first.render(camera)
        other = replace(simple_room(), objects=simple_room().objects[:1], ambient=np.array([0.9, 0.2, 0.2]))
        second.set_room(other)
        second.render(camera)
        second.set_room(simple_room())
        b = second.render(camera)
    finally:
        first.close()
        second.close()
    assert a.rgb.tobytes() == b.rgb.tobytes()
    assert a.depth.tobytes() == b.depth.tobytes()
    assert a.ids.tobytes() == b.ids.tobytes()
    assert (a.rgb.dtype, a.depth.dtype, a.ids.dtype) == (np.uint8, np.float32, np.uint16)


def test_normals_are_smooth_on_a_ball_and_sharp_on_a_box():
    ball = ball_model("ball", "vase", 1.0, (1, 2, 3))
    normals = corner_normals(ball.vertices, ball.faces)
    radial = ball.vertices[ball.faces] - [0.0, 0.0, 1.0]
    assert np.abs((normals * radial).sum(-1)).min() > 0.99
    cube = model_from_mesh_of_box()
    sharp = corner_normals(cube.vertices, cube.faces)
    assert np.allclose(np.abs(sharp).max(-1), 1.0)


def model_from_mesh_of_box():
    import trimesh

    return model_from_mesh(trimesh.creation.box((1.0, 2.0, 3.0)), "b", "box", (1, 2, 3))


def test_wrong_use_is_explained(renderer):
    fresh = type(renderer)()
    with pytest.raises(RuntimeError, match="set_room"):
        fresh.render(simple_camera())
    fresh.close()
    renderer.set_room(simple_room())
    with pytest.raises(ValueError, match="Got 9"):
        renderer.render(simple_camera(), supersample=9)


def test_cameras_and_drives_need_no_graphics():
    code = (
        "import sys, distill3d_ros.worlds.drive, distill3d_ros.worlds.cameras; "
        "sys.exit('moderngl' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
