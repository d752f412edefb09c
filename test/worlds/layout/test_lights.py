"""The lamps of training rooms: where they are, and the shadow of each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.furniture_pack import real_pack
from support.simple_rooms import box_model, look_at, place, simple_room

from distill3d_ros.scene.frame import FloatArray, Intrinsics
from distill3d_ros.worlds.camera_pose import CameraPose
from distill3d_ros.worlds.layout.layout import make_room
from distill3d_ros.worlds.layout.lights import training_lights
from distill3d_ros.worlds.materials import Light
from distill3d_ros.worlds.rendering.factory import make_renderer
from distill3d_ros.worlds.rendering.interface import RoomRenderer
from distill3d_ros.worlds.rendering.lamps import shadow_casters, strongest_lights
from distill3d_ros.worlds.room import Room

PLACES = ((0.6, 2.2, 2.3), (4.4, 2.2, 2.3), (2.5, 0.4, 2.3))
SIZE = np.array([5.0, 4.0, 2.6])


def post_and_lamps(*, shadow: bool, lamps: int = 3) -> Room:
    """A post amid a room with lamps around it, the first the strongest."""
    powers = (0.3, 0.25, 0.2)
    lights = [
        Light(position=np.array(at), color=np.ones(3), intensity=power, shadow=shadow)
        for at, power in zip(PLACES[:lamps], powers, strict=False)
    ]
    post = place(1, box_model("post", "box", (0.3, 0.3, 1.4), (120, 120, 120)), (2.5, 2.2, 0.0))
    return replace(simple_room(), objects=[post], lights=lights)


def floor_from_above(renderer: RoomRenderer, room: Room) -> tuple[FloatArray, CameraPose]:
    """(H, W) brightness of the picture of the floor, seen from below the ceiling."""
    k = Intrinsics.from_fov(width=96, height=96, horizontal_fov=1.9)
    camera = look_at(k, eye=np.array([2.5, 2.0, 2.55]), target=np.array([2.5, 2.01, 0.0]))
    renderer.set_room(room)
    return renderer.render(camera, occlusion=0.0).rgb.mean(-1), camera


def brightness_at(picture: FloatArray, camera: CameraPose, place: tuple[float, float, float]) -> float:
    seen = np.linalg.inv(camera.world_from_optical) @ np.array([*place, 1.0])
    k = camera.intrinsics
    u, v = (round(float(seen[i] / seen[2] * f + c)) for i, f, c in ((0, k.fx, k.cx), (1, k.fy, k.cy)))
    return float(picture[v - 1 : v + 2, u - 1 : u + 2].mean())


def behind_post(number: int) -> tuple[float, float, float]:
    """On the floor, 0.8 m from the post, on the side away from a lamp."""
    away = np.array([2.5, 2.2]) - np.array(PLACES[number][:2])
    x, y = np.array([2.5, 2.2]) + 0.8 * away / np.linalg.norm(away)
    return float(x), float(y), 0.0


def test_every_lamp_that_says_so_casts_its_own_shadow(renderer):
    with_shadows, camera = floor_from_above(renderer, post_and_lamps(shadow=True))
    one_shadow, _ = floor_from_above(renderer, post_and_lamps(shadow=False))
    ratios = [
        brightness_at(with_shadows, camera, behind_post(n)) / brightness_at(one_shadow, camera, behind_post(n))
        for n in range(3)
    ]
    assert ratios[0] == pytest.approx(1.0, abs=0.02)  # the strongest lamp's shadow is there in both
    assert ratios[1] < 0.97
    assert ratios[2] < 0.97
    outside = (1.0, 3.2, 0.0)  # no straight line from a lamp to here passes the post
    assert brightness_at(with_shadows, camera, outside) == pytest.approx(
        brightness_at(one_shadow, camera, outside), rel=0.01
    )


def test_rooms_with_one_shadow_look_as_they_always_did(renderer):
    """What is looked up for further lamps must not touch rooms that have none: test rooms keep their bytes."""
    lone = post_and_lamps(shadow=False, lamps=1)
    first, _ = floor_from_above(renderer, lone)
    floor_from_above(renderer, post_and_lamps(shadow=True))
    again, _ = floor_from_above(renderer, lone)
    marked, _ = floor_from_above(renderer, post_and_lamps(shadow=True, lamps=1))
    assert (first == again).all()
    assert (first == marked).all()


def test_shadow_edges_are_smooth_and_without_a_pattern():
    """Along the edge of a weaker lamp's shadow neighbouring pixels never jump back and forth."""
    gl = make_renderer("gl", threads=0)
    try:
        picture, _ = floor_from_above(gl, post_and_lamps(shadow=True))
    finally:
        gl.close()
    rows = picture[30:40].astype(float)
    step = np.diff(rows, axis=1)
    zigzag = (step[:, 1:] * step[:, :-1] < 0) & (np.minimum(np.abs(step[:, 1:]), np.abs(step[:, :-1])) > 6)
    assert zigzag.mean() < 0.02


def test_shadow_maps_cover_the_room_that_their_lamp_is_in():
    pack = real_pack()
    rooms = (make_room(pack, seed=seed, varied=True) for seed in range(40))
    room = next(room for room in rooms if room.second is not None)
    lights, casters = strongest_lights(room), shadow_casters(room)
    assert casters[0].number == 0
    assert np.allclose(casters[0].size, room.size)
    last = casters[-1]
    assert lights[last.number] is room.second.lights[0]
    assert np.allclose(last.corner, room.second.corner)
    assert np.allclose(last.size, room.second.size)
    assert (last.position > last.corner).all()
    assert (last.position < last.corner + last.size).all()


def test_lights_are_where_lamps_and_windows_are():
    lamp = place(1, box_model("lamp", "lamp", (0.3, 0.3, 1.6), (200, 200, 200)), (1.0, 1.0, 0.0))
    hanging = place(2, box_model("pendant", "lamp", (0.4, 0.4, 0.5), (200, 200, 200)), (2.5, 2.0, 2.1))
    window = place(3, box_model("window", "window", (1.2, 0.1, 1.2), (200, 200, 200)), (2.5, 3.95, 0.9))
    found = {"lamp": 0, "hanging": 0, "window": 0, "anywhere": 0}
    for seed in range(60):
        lights, ambient = training_lights(SIZE, [lamp, hanging, window], np.random.default_rng(seed))
        strongest = max(light.intensity for light in lights)
        assert (ambient > 0).all()
        for light in lights:
            assert light.shadow == (light.intensity >= 0.25 * strongest)
            assert (light.position >= 0.14).all()
            assert (light.position <= SIZE - 0.09).all()
            assert light.color.mean() == pytest.approx(1.0)
            x, y, z = light.position
            if np.allclose((x, y, z), (1.0, 1.0, 1.2)):
                found["lamp"] += 1
            elif np.allclose((x, y), (2.5, 2.0)) and z == pytest.approx(2.07):
                found["hanging"] += 1
            elif x == pytest.approx(2.5) and y == pytest.approx(3.65):
                found["window"] += 1
            else:
                found["anywhere"] += 1
    assert min(found.values()) >= 10
    assert found["anywhere"] < 60
