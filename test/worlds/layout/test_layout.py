"""Rooms: what is in them, that it fits, touches and stays out of each other; support by the meshes."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

import fcl
import numpy as np
import pytest
from support.furniture_pack import real_pack

from distill3d_ros.scene.labels import SIMULATED_LABELS
from distill3d_ros.worlds.furniture.procedural import procedural_models
from distill3d_ros.worlds.furniture.support_map import heights_under, highest_within, support_map
from distill3d_ros.worlds.layout.layout import ROOM_TYPES, make_room
from distill3d_ros.worlds.layout.looks import STRETCH, Instance, vary
from distill3d_ros.worlds.layout.space import footprint, overlap
from distill3d_ros.worlds.layout.touch import TOUCH, slide
from distill3d_ros.worlds.materials import make_surface, room_lights
from distill3d_ros.worlds.room import PlacedObject, Room

SEEDS = range(24)


@lru_cache(maxsize=1)
def rooms() -> tuple[Room, ...]:
    return tuple(make_room(real_pack(), seed=seed, split="test" if seed % 4 == 3 else "train") for seed in SEEDS)


def solid(placed: PlacedObject) -> fcl.CollisionObject:
    vertices, faces = placed.mesh()
    shape = fcl.BVHModel()
    shape.beginModel(len(vertices), len(faces))
    shape.addSubModel(vertices, faces)
    shape.endModel()
    return fcl.CollisionObject(shape, fcl.Transform())


def cube(size: float = 1.0, label: str = "box") -> Instance:
    model = next(m for m in procedural_models() if m.label == "box")
    corners = np.array([[x, y, z] for z in (0.0, 1.0) for y in (-0.5, 0.5) for x in (-0.5, 0.5)], np.float32)
    sides = ((0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5))
    model.vertices, model.size, model.label = corners, np.ones(3), label
    model.faces = np.array([f for a, b, c, d in sides for f in ((a, b, c), (a, c, d))], np.int32)
    return Instance(model=model, scale=np.full(3, size), tint=np.ones(3), flat_color=None)


def test_same_seed_same_room() -> None:
    a, b = (make_room(real_pack(), seed=5) for _ in range(2))
    assert [o.model.name for o in a.objects] == [o.model.name for o in b.objects]
    for one, other in zip(a.objects, b.objects, strict=True):
        np.testing.assert_array_equal(one.position, other.position)
        np.testing.assert_array_equal(one.tint, other.tint)
    np.testing.assert_array_equal(a.surfaces["floor"].image, b.surfaces["floor"].image)
    assert [o.model.name for o in make_room(real_pack(), seed=6).objects] != [o.model.name for o in a.objects]


@pytest.mark.parametrize("room_type", ROOM_TYPES)
def test_room_types(room_type: str) -> None:
    core = {
        "living room": "sofa",
        "bedroom": "bed",
        "kitchen": "oven",
        "office": "desk",
        "bathroom": "toilet",
        "tabletop": "table",
    }[room_type]
    made = [make_room(real_pack(), seed=seed, room_type=room_type) for seed in range(4)]
    assert all(room.type == room_type for room in made)
    has_core = sum(any(o.label == core for o in room.objects) for room in made)
    assert has_core >= 2


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"room_type must be one of .* Got 'attic'"):
        make_room(real_pack(), seed=0, room_type="attic")
    with pytest.raises(ValueError, match=r"split must be 'train' or 'test'. Got 'val'"):
        make_room(real_pack(), seed=0, split="val")  # type: ignore[arg-type]


def test_rooms_are_furnished_and_balanced() -> None:
    per_room = [len(room.labelled()) for room in rooms()]
    assert 10 <= np.mean(per_room) <= 19
    unique = [sum(n == 1 for n in Counter(o.label for o in room.labelled()).values()) for room in rooms()]
    assert np.mean(unique) >= 6
    in_rooms = Counter(label for room in rooms() for label in {o.label for o in room.labelled()})
    assert set(in_rooms) == set(SIMULATED_LABELS)
    for room in rooms():
        assert all(o.model.split == room.split for o in room.objects)
        assert [o.id for o in room.objects] == list(range(1, len(room.objects) + 1))


def test_things_stay_inside() -> None:
    for room in rooms():
        for placed in room.objects:
            vertices, _ = placed.mesh()
            assert vertices.min() > -0.003, (room.seed, placed.model.name)
            assert (vertices.max(axis=0) < room.size + 0.003).all(), (room.seed, placed.model.name)


def test_meshes_do_not_cut_each_other() -> None:
    cut = []
    for room in rooms():
        solids = [solid(o) for o in room.objects]
        boxes = [
            footprint(
                o.box.center, o.box.size, o.box.yaw, *(o.box.center[2] + o.box.size[2] * np.array([-0.5, 0.5])), o.id
            )
            for o in room.objects
        ]
        for i in range(len(solids)):
            for j in range(i):
                if overlap(boxes[i], boxes[j]):
                    hit = fcl.collide(solids[i], solids[j], fcl.CollisionRequest(), fcl.CollisionResult())
                    if hit:
                        cut.append((room.seed, room.objects[i].model.name, room.objects[j].model.name))
    assert cut == []


def test_supported_things_rest_on_their_support() -> None:
    checked = 0
    for room in rooms():
        for placed in room.objects:
            if placed.support is None:
                continue
            checked += 1
            gap = fcl.distance(
                solid(placed), solid(room.by_id(placed.support)), fcl.DistanceRequest(), fcl.DistanceResult()
            )
            assert -0.001 < gap < 0.002, (room.seed, placed.model.name, room.by_id(placed.support).model.name)
            assert placed.position[2] > 0.03
    assert checked > 40


def test_floor_things_stand_on_the_floor() -> None:
    for room in rooms():
        for placed in room.objects:
            if placed.support is None and placed.model.mount == "floor":
                assert abs(placed.mesh()[0][:, 2].min()) < 0.002 or placed.label == "sink"


def test_some_things_lean_touch_and_turn_freely() -> None:
    objects = [o for room in rooms() for o in room.objects]
    leaning = [o for o in objects if o.leaning]
    assert len(leaning) >= 3
    for placed in leaning:
        tilt = np.degrees(np.arccos(placed.rotation[2, 2]))
        assert 4 < tilt < 30
        box, (vertices, _) = placed.box, placed.mesh()
        c, s = np.cos(box.yaw), np.sin(box.yaw)
        own = (vertices - box.center) @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        np.testing.assert_allclose(own.max(axis=0), box.size / 2, atol=1e-6)
        np.testing.assert_allclose(own.min(axis=0), -box.size / 2, atol=1e-6)
    off = [abs((o.yaw + np.pi / 4) % (np.pi / 2) - np.pi / 4) > 0.05 for o in objects]
    assert np.mean(off) > 0.2


def test_box_fits_the_scaled_model() -> None:
    for placed in rooms()[0].objects:
        if placed.leaning:
            continue
        box, (vertices, _) = placed.box, placed.mesh()
        own = (vertices - box.center) @ placed.rotation
        np.testing.assert_allclose(np.abs(own).max(axis=0), box.size / 2, rtol=1e-4, atol=1e-5)


def test_chairs_go_under_tables() -> None:
    """Their boxes overlap in the plan, their meshes do not (which another test checks)."""
    pushed = 0
    for room in rooms():
        for chair in room.objects:
            if chair.label not in ("chair", "stool", "armchair"):
                continue
            for table in room.objects:
                if table.label in ("table", "desk"):
                    a = footprint(chair.box.center, chair.box.size, chair.box.yaw, 0, 1, chair.id)
                    b = footprint(table.box.center, table.box.size, table.box.yaw, 0, 1, table.id)
                    pushed += overlap(a, b)
    assert pushed >= 5


def test_overlap_of_turned_boxes() -> None:
    a = footprint((0, 0), (1, 1), 0.0, 0, 1, 1)
    assert overlap(a, footprint((1.1, 0), (1, 1), np.pi / 4, 0, 1, 2))  # half diagonals .5 + .707 reach 1.207
    assert not overlap(a, footprint((1.25, 0), (1, 1), np.pi / 4, 0, 1, 2))
    assert not overlap(a, footprint((0, 0), (1, 1), 0.0, 1.0, 2, 2)), "one stands on the other"


def test_slide_stops_at_contact() -> None:
    target = PlacedObject(id=1, model=cube().model, position=np.zeros(3), rotation=np.eye(3), yaw=0.0, scale=np.ones(3))
    moved, met = slide(cube(0.5), np.eye(3), np.array([2.0, 0.1, 0.2]), np.array([-1.0, 0, 0]), target, 5.0)
    assert met
    assert 2.0 - 0.75 - TOUCH < moved < 2.0 - 0.75
    moved, met = slide(cube(0.5), np.eye(3), np.array([2.0, 0.9, 0.2]), np.array([-1.0, 0, 0]), target, 1.5)
    assert (moved, met) == (1.5, False), "it passes beside"


def test_support_height_is_that_of_the_surface() -> None:
    made = support_map(cube().model)
    np.testing.assert_allclose(heights_under(made, np.array([[0.1, 0.2], [0.6, 0.0]])), [1.0, -np.inf])
    assert np.isclose(made.heights, 1.0).all()


def test_highest_point_of_a_ridge_between_the_corners() -> None:
    """A ridge along x at y = 0 that rises from 1 to 3; the rectangle sees x in 0.5 .. 1.5, so 2.5 is its highest."""
    ridge = np.array([[[0.0, 0, 1], [2, 0, 3], [1, 9, 0]], [[0, 0, 1], [2, 0, 3], [1, -9, 0]]])
    made = support_map(cube().model)
    made.triangles = ridge
    top = highest_within(made, np.eye(2), np.array([-1.0, 0.0]), np.array([0.5, 0.2]))
    assert np.isclose(top, 2.5)


def test_variation_is_bounded() -> None:
    rng = np.random.default_rng(0)
    model = procedural_models()[0]
    drawn = [vary(model, rng) for _ in range(200)]
    scales = np.array([i.scale for i in drawn])
    assert abs(scales - 1).max() <= STRETCH
    assert 10 < sum(i.flat_color is not None for i in drawn) < 60
    assert all((i.tint > 0).all() and (i.tint < 2).all() for i in drawn)


@pytest.mark.parametrize("kind", ["plain", "planks", "tiles", "carpet", "stripes"])
def test_surfaces_tile_without_a_seam(kind: str) -> None:
    surface = make_surface(kind, np.array([0.6, 0.5, 0.4]), np.random.default_rng(1))
    image = surface.image.astype(float)
    assert image.shape == (256, 256, 3)
    for axis in (0, 1):
        steps = np.abs(np.diff(image, axis=axis)).mean(axis=(1 - axis, 2))
        seam = np.abs(np.take(image, 0, axis) - np.take(image, -1, axis)).mean()
        assert seam <= steps.max() + 1.0


def test_unknown_surface_is_named() -> None:
    with pytest.raises(ValueError, match=r"surface kind must be one of .* Got 'marble'"):
        make_surface("marble", np.ones(3), np.random.default_rng(0))


def test_lights_add_up() -> None:
    for seed in range(20):
        lights, ambient = room_lights(np.array([4.0, 3.0, 2.5]), np.random.default_rng(seed))
        assert 1 <= len(lights) <= 3
        assert np.isclose(sum(light.intensity for light in lights) + ambient.mean(), 1.0, atol=1e-6)
        assert all((light.position < [4.0, 3.0, 2.5]).all() and (light.position > 0).all() for light in lights)
