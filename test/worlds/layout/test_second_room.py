"""Two rooms and the opening between them: what is seen through it, by both renderers, and what is made of it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from support.furniture_pack import real_pack
from support.simple_rooms import box_model, look_at, place, simple_room

from distill3d_ros.scene.frame import FloatArray, Intrinsics
from distill3d_ros.worlds.camera_pose import CameraPose
from distill3d_ros.worlds.cameras import sample_cameras
from distill3d_ros.worlds.contacts import contact_truth
from distill3d_ros.worlds.drive import Drive, clearance
from distill3d_ros.worlds.furniture.procedural import DOOR_LEAF, extra_models
from distill3d_ros.worlds.layout.layout import make_room
from distill3d_ros.worlds.layout.room_types import BELONGS
from distill3d_ros.worlds.materials import Light
from distill3d_ros.worlds.rendering.factory import make_renderer
from distill3d_ros.worlds.rendering.raycast import RayCaster
from distill3d_ros.worlds.rendering.render_view import render_view
from distill3d_ros.worlds.rendering.walls import portal_normals
from distill3d_ros.worlds.room import Opening, Room, SecondRoom

LENS = Intrinsics.from_fov(width=96, height=72, horizontal_fov=1.2)
SOFA = 7
"""The only thing in the second of the ``two_rooms``."""


def two_rooms(wall: int = 1, *, casing: float = 0.07) -> Room:
    """The simple room, 5 x 4 x 2.6 m, with an opening amid a wall to one of 3 x 3 x 2.4 m that holds a sofa."""
    room = simple_room()
    plane = float(room.size[1 - wall % 2]) if wall in (1, 2) else 0.0
    low = float(room.size[wall % 2]) / 2 - 0.45
    opening = Opening(wall=wall, plane=plane, low=low, high=low + 0.9, height=2.0, thickness=0.15, casing=casing)
    size, corner = np.array([3.0, 3.0, 2.4]), np.zeros(3)
    corner[wall % 2] = low - 1.2
    corner[1 - wall % 2] = plane + 0.15 if wall in (1, 2) else -3.15
    middle = corner + size / 2
    sofa = place(SOFA, box_model("sofa", "sofa", (1.2, 0.8, 0.8), (200, 40, 40)), (middle[0], middle[1], 0.0))
    second = SecondRoom(
        type="bedroom",
        corner=corner,
        size=size,
        opening=opening,
        surfaces=room.surfaces,
        frame=room.surfaces["floor"],
        lights=[Light(position=middle + np.array([0, 0, 1.0]), color=np.ones(3), intensity=0.5)],
        ambient=np.full(3, 0.3),
    )
    return replace(room, objects=[*room.objects, sofa], second=second)


def from_inside(room: Room, *, out: float = -1.8, aside: float = 0.3, lens: Intrinsics = LENS) -> CameraPose:
    """Looks at the middle of the opening from the first room."""
    assert room.second is not None
    opening = room.second.opening
    middle = (opening.low + opening.high) / 2
    eye, target = opening.to_world([(middle + aside, out, 1.3), (middle, 0.0, 0.9)])
    return look_at(lens, eye=eye, target=target)


def points_of(camera: CameraPose, depth: FloatArray) -> FloatArray:
    """(H, W, 3) world."""
    k = camera.intrinsics
    v, u = np.mgrid[: k.height, : k.width]
    own = np.stack([(u - k.cx) / k.fx * depth, (v - k.cy) / k.fy * depth, depth], axis=-1)
    return own @ camera.world_from_optical[:3, :3].T + camera.position


@lru_cache(maxsize=1)
def furnished() -> tuple[Room, ...]:
    """Training rooms, the first eight seeds."""
    return tuple(make_room(real_pack(), seed=seed, varied=True) for seed in range(8))


def with_second() -> list[Room]:
    rooms = [room for room in furnished() if room.second is not None]
    assert len(rooms) >= 2
    return rooms


# -- geometry ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wall", range(4))
def test_what_is_seen_through_the_opening_lies_in_the_second_room(renderer, wall: int):
    """Every ray ends at a surface, and beyond the wall only where it went through the opening."""
    room = two_rooms(wall)
    opening = room.second.opening
    camera = from_inside(room)
    renderer.set_room(room)
    seen = renderer.render(camera, supersample=1)
    assert (seen.depth > 0.1).all()
    points = points_of(camera, seen.depth)
    beyond = opening.out(points) > opening.thickness + 0.02
    assert 0.05 < beyond.mean() < 0.6
    share = (0.0 - opening.out(camera.position)) / (opening.out(points) - opening.out(camera.position))
    crossing = camera.position + share[..., None] * (points - camera.position)
    a, z = crossing[..., opening.along], crossing[..., 2]
    inside = (a > opening.low - 0.004) & (a < opening.high + 0.004) & (z < opening.height + 0.004)
    assert inside[beyond].all()
    held = room.second.corner - 0.02, room.second.corner + room.second.size + 0.02
    assert (points[beyond] > held[0]).all()
    assert (points[beyond] < held[1]).all()
    own = points[seen.ids == SOFA] - room.by_id(SOFA).box.center
    assert len(own) > 30
    assert (np.abs(own) < room.by_id(SOFA).box.size / 2 + 0.01).all()
    assert (np.abs(own[:, :2]).max(axis=0) > 0.2).any()


@pytest.mark.parametrize("casing", [0.0, 0.07])
def test_the_wall_has_no_gap_round_the_opening(renderer, casing: float):
    """Thousands of rays along its edges, from near by and aslant: each meets something within the two rooms."""
    room = two_rooms(2, casing=casing)
    renderer.set_room(room)
    lens = Intrinsics.from_fov(width=160, height=160, horizontal_fov=1.6)
    for out, aside in ((-0.5, 0.0), (-0.5, 0.6), (-1.2, -1.1)):
        depth, _ = renderer.measure(from_inside(room, out=out, aside=aside, lens=lens))
        assert (depth > 0).all()


def test_the_wall_is_as_thick_as_it_is_said_to_be(renderer):
    """A ray that meets the opening's side in the middle of the wall, and one that meets the lintel from below."""
    room = two_rooms(1, casing=0.0)
    opening, small = room.second.opening, Intrinsics.from_fov(width=3, height=3, horizontal_fov=0.01)
    renderer.set_room(room)
    middle = (opening.low + opening.high) / 2
    for eye, target in (
        ((middle, -0.6, 1.0), (opening.high, 0.08, 1.0)),
        ((middle, -0.6, 1.5), (middle, 0.08, opening.height)),
    ):
        start, end = opening.to_world([eye, target])
        depth, ids = renderer.measure(look_at(small, eye=start, target=end))
        assert depth[1, 1] == pytest.approx(np.linalg.norm(end - start), abs=0.003)
        assert (ids == 0).all()


def test_both_renderers_see_the_same_through_a_door():
    """The tolerance is that of docs/renderers.md."""
    try:
        gl = make_renderer("gl", threads=0)
    except Exception as error:
        pytest.skip(f"nothing to compare with: {error}")
    caster = RayCaster()
    for room in (two_rooms(0), with_second()[0]):
        for one in (gl, caster):
            one.set_room(room)
        camera = from_inside(room, out=-1.5)
        true, cast = gl.render(camera), caster.render(camera)
        assert (true.ids == cast.ids).mean() > 0.98
        assert np.median(np.abs(true.depth - cast.depth)) < 0.001
        assert np.abs(true.rgb.astype(float) - cast.rgb).mean() < 5.0
        assert room.space_of(points_of(camera, true.depth)).mean() > 0.05
    gl.close()


def test_walls_keep_the_lamps_of_one_room_out_of_the_other(renderer):
    room = two_rooms()
    camera = from_inside(room)
    dark = replace(room, second=replace(room.second, lights=[], ambient=np.zeros(3)))
    pictures = []
    for one in (room, dark):
        renderer.set_room(one)
        pictures.append(renderer.render(camera, occlusion=0.0))
    beyond = room.second.opening.out(points_of(camera, pictures[0].depth)) > 0.2
    lit, unlit = (p.rgb.astype(float) for p in pictures)
    assert lit[beyond].mean() > 60
    assert unlit[beyond].mean() < 12  # pixels at outlines are mixed
    inner = np.roll(beyond, (2, 2), (0, 1)) | np.roll(beyond, (-2, -2), (0, 1)) | beyond
    assert np.abs(lit - unlit)[~inner].mean() < 1.0


def test_what_stands_between_is_known():
    room = two_rooms(3)
    opening = room.second.opening
    eye = opening.to_world([opening.low + 0.45, -1.0, 1.2])
    through, beside, above = opening.to_world([(2.0, 1.5, 0.5), (0.4, 1.0, 0.5), (2.0, 0.4, 2.3)])
    assert room.in_sight(eye, [through, beside, above, [1.0, 1.0, 1.0]]).tolist() == [True, False, False, True]
    assert room.space_of([through, eye]).tolist() == [1, 0]
    normals = portal_normals(room, eye)
    assert ((through - eye) @ normals.T > 0).all()
    assert (((beside - eye) @ normals.T).min(), ((above - eye) @ normals.T).min()) < (0, 0)
    assert portal_normals(room, through) is None
    assert portal_normals(simple_room(), eye) is None


# -- training rooms ------------------------------------------------------------------------------------------------


def digest(room: Room) -> str:
    made = hashlib.sha256()
    for placed in room.objects:
        made.update(f"{placed.id} {placed.model.name} {placed.support}".encode())
        made.update(placed.position.tobytes() + placed.rotation.tobytes() + placed.scale.tobytes())
    if room.second is not None:
        made.update(f"{room.second.opening} {room.second.corner} {room.second.size}".encode())
        made.update(room.second.surfaces["floor"].image.tobytes() + room.second.frame.image.tobytes())
        made.update(room.second.lights[0].position.tobytes() + room.second.ambient.tobytes())
    return made.hexdigest()


def test_the_same_seed_gives_the_same_two_rooms():
    room = with_second()[0]
    again = make_room(real_pack(), seed=room.seed, varied=True)
    assert digest(again) == digest(room)
    assert len({digest(one) for one in furnished()}) == len(furnished())


def test_only_training_rooms_have_a_second_one():
    for split in ("train", "test"):
        assert all(make_room(real_pack(), seed=seed, split=split).second is None for seed in range(3))
    assert 0 < len(with_second()) < len(furnished())


def test_second_rooms_are_furnished_and_leave_the_way_free():
    leaves = 0
    for room in with_second():
        second, opening = room.second, room.second.opening
        assert second.type != room.type
        assert [o.id for o in room.objects] == list(range(1, len(room.objects) + 1))
        spaces = room.space_of(np.array([o.box.center for o in room.objects]))
        assert sum(bool(o.label) for o, space in zip(room.objects, spaces, strict=True) if space) >= 4
        bounds = ((np.zeros(3), room.size), (second.corner, second.corner + second.size))
        middle = (opening.low + opening.high) / 2
        for placed, space in zip(room.objects, spaces, strict=True):
            vertices = placed.mesh()[0]
            if placed.model.kind == "leaf":
                leaves += 1
                assert placed.label == "door"
                assert not placed.model.has_front
                assert 0.003 < vertices[:, 2].min() < vertices[:, 2].max() < opening.height
                # its hinges are in the opening, and it turns about them out of the wall
                a, out = vertices[:, opening.along], opening.out(vertices)
                out = out - opening.thickness if space else -out
                assert out.max() > 0.5
                assert min(abs(a[out < 0.05] - edge).max() for edge in (opening.low, opening.high)) < 0.1
                continue
            low, high = bounds[space]
            assert (vertices > low - 0.003).all(), (room.seed, placed.model.name)
            assert (vertices < high + 0.003).all(), (room.seed, placed.model.name)
            off = np.abs(opening.out(vertices) - opening.thickness / 2) < opening.thickness / 2 + 0.3
            way = off & (np.abs(vertices[:, opening.along] - middle) < 0.3) & (vertices[:, 2] < 1.9)
            assert not way.any(), (room.seed, placed.model.name)
        assert all(o.support is None or o.support < o.id for o in room.objects)
    assert leaves > 0


def test_views_see_the_second_room_and_the_truth_about_it():
    gl = make_renderer(threads=0)
    room = with_second()[0]
    gl.set_room(room)
    truth = contact_truth(room)
    cameras = sample_cameras(room, np.random.default_rng(1), 6, renderer=gl, size=(96, 72))
    assert all(room.space_of(camera.position) == 0 for camera in cameras)
    found = 0
    for camera in [*cameras, from_inside(room, out=-1.5)]:
        seen = render_view(gl, room, truth, camera)
        points = points_of(camera, seen.scene.depth)
        for thing in seen.scene.objects:
            box = room.by_id(thing.id).box
            if not room.space_of(box.center):
                continue
            found += 1
            c, s = np.cos(box.yaw), np.sin(box.yaw)
            own = (points[seen.ids == thing.id] - box.center) @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
            assert (np.abs(own) < box.size / 2 + 0.02).all(), thing.model
    assert found > 0
    gl.close()


def test_a_robot_stays_in_the_first_room():
    room = two_rooms()
    drive = Drive(room, seed=3)
    free = clearance(room, height=1.0)
    assert free.shape == clearance(simple_room(), height=1.0).shape
    places = np.array([drive.position(t) for t in np.arange(0.0, drive.duration, 0.5)])
    assert (places > 0).all()
    assert (places < room.size[:2]).all()


def test_the_leaves_are_designs_found_by_name():
    leaf = extra_models(DOOR_LEAF)[5]
    assert real_pack().by_name(leaf.name).name == leaf.name
    assert leaf.size[2] > 1.9
    assert leaf.size[1] < 0.16


def test_most_large_things_fit_the_type_of_their_room():
    """Those that do not are a share of the extras; in rooms of tests anything goes."""
    odd = []
    for room in furnished():
        if room.type == "tabletop":
            continue
        for placed in room.labelled():
            kind = room.second.type if room.second and room.space_of(placed.position) else room.type
            label = "sofas" if placed.label == "sofa" else placed.label
            if label in BELONGS and placed.support is None:
                odd.append(kind not in BELONGS[label])
    assert len(odd) > 30
    assert np.mean(odd) < 0.3
