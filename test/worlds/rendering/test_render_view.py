"""The truth that goes with a picture, and what the camera does to the picture."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from support.scene_samples import box_contains
from support.simple_rooms import box_model, place, simple_camera, simple_room

from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.scene.geometry import image_rectangle, transform_points, unproject
from distill3d_ros.scene.objects import Scene
from distill3d_ros.worlds.cameras import pose_along
from distill3d_ros.worlds.contacts import contact_truth
from distill3d_ros.worlds.photometry import Photometry, augment
from distill3d_ros.worlds.rendering.factory import make_renderer
from distill3d_ros.worlds.rendering.render_view import MIN_VISIBLE_PIXELS, render_frame, render_view, visible_parts


@pytest.fixture(scope="module")
def renderer():
    one = make_renderer(threads=0)
    yield one
    one.close()


@pytest.fixture(scope="module")
def seen(renderer):
    room = simple_room()
    return render_view(renderer, room, contact_truth(room), simple_camera())


def test_every_visible_point_of_an_object_lies_in_its_box(seen):
    points = transform_points(seen.scene.level_from_optical, unproject(seen.scene.depth, seen.scene.intrinsics))
    assert len(seen.scene.objects) >= 4
    for found in seen.scene.objects:
        own = points[seen.ids == found.id]
        assert len(own) == found.visible_pixels
        assert box_contains(found.box, own, margin=0.003).all(), found.label


def test_image_boxes_lie_in_the_projection_of_the_box(seen):
    for found in seen.scene.objects:
        left, top, right, bottom = found.image_box
        outer = image_rectangle(found.box, seen.scene.level_from_optical, seen.scene.intrinsics)
        assert outer[0] - 1 <= left < right <= outer[2] + 1
        assert outer[1] - 1 <= top < bottom <= outer[3] + 1
        assert found.visible_pixels <= (right - left) * (bottom - top)


def test_a_box_and_its_front_in_the_level_frame(renderer):
    """A chair two metres ahead of a level camera that looks along +y of the world; it faces the camera."""
    chair = box_model("chair", "chair", (0.4, 0.5, 0.9), (90, 90, 90))
    room = replace(simple_room(), objects=[place(7, chair, (2.5, 3.0, 0.0), yaw=math.pi)])
    k = Intrinsics.from_fov(width=64, height=64, horizontal_fov=1.2)
    camera = pose_along(k, eye=np.array([2.0, 1.0, 1.0]), yaw=math.pi / 2, pitch=-0.2, roll=0.05)
    frame, scene = render_frame(renderer, room, contact_truth(room), camera)
    (found,) = scene.objects
    assert found.id == 7
    assert found.has_front
    assert np.allclose(found.box.center, [0.5, 1.0 - 0.45, 2.0])
    assert np.allclose(found.box.size, [0.4, 0.9, 0.5])
    assert np.allclose(found.box.rotation[:, 2], [0, 0, -1])  # its front looks back at the camera
    assert np.allclose(scene.level_from_optical @ frame.up, [0, -1, 0])
    assert np.array_equal(frame.world_from_camera, camera.world_from_optical)
    turned = replace(room, objects=[place(7, chair, (2.5, 3.0, 0.0), yaw=math.pi / 2)])
    _, scene = render_frame(renderer, turned, contact_truth(turned), camera)
    assert np.allclose(scene.objects[0].box.rotation[:, 2], [-1, 0, 0])  # world -x is left of this camera


def test_hidden_and_tiny_objects_are_left_out_with_their_relations(renderer):
    screen = box_model("screen", "wardrobe", (3.0, 0.05, 2.4), (90, 90, 90))
    room = simple_room()
    room.objects.append(place(9, screen, (2.5, 1.6, 0.0)))
    truth = contact_truth(room)
    k = Intrinsics.from_fov(width=96, height=72, horizontal_fov=1.0)
    frame, scene = render_frame(
        renderer, room, truth, pose_along(k, eye=np.array([2.4, 0.3, 1.2]), yaw=1.57, pitch=0.0)
    )
    shown = {o.id for o in scene.objects}
    assert 9 in shown
    assert not shown & {2, 3, 5}
    assert all(shown.issuperset(key) for key in scene.gaps)
    assert all(shown.issuperset(key) for key in scene.contacts)
    assert all(o.visible_pixels >= MIN_VISIBLE_PIXELS for o in scene.objects)
    assert truth.supports
    assert scene.supports == {}
    assert frame.image.shape == (72, 96, 3)


def test_contacts_and_gaps_reach_the_scene_and_survive_a_file(seen):
    assert seen.scene.contacts
    assert seen.scene.supports
    again = Scene.from_dict(seen.scene.to_dict(), depth=seen.scene.depth)
    assert again.contacts == seen.scene.contacts
    assert again.supports == seen.scene.supports
    assert [o.label for o in again.objects] == [o.label for o in seen.scene.objects]
    assert seen.scene.depth.dtype == np.float32


def test_visible_parts_have_outer_edges():
    ids = np.zeros((6, 8), np.uint16)
    ids[5, 3] = 4
    ids[1:3, 2:7] = 9
    assert visible_parts(ids) == {4: (1, (2.5, 4.5, 3.5, 5.5)), 9: (10, (1.5, 0.5, 6.5, 2.5))}
    assert visible_parts(np.zeros((3, 3), np.uint16)) == {}


# -- photometry ----------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_picture(seen):
    image = seen.frame.image
    first, second, other = (augment(image, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.tobytes() == second.tobytes()
    assert first.tobytes() != other.tobytes()
    assert first.shape == image.shape
    assert first.dtype == np.uint8


def test_all_effects_off_changes_nothing(seen):
    off = Photometry(
        exposure=0, auto_exposure=0, white_balance=0, saturation=0, contrast=0, vignette=0, blur=0, motion=0, noise=0,
        jpeg=(0, 0),
    )  # fmt: skip
    image = np.minimum(seen.frame.image, 215)  # brighter values lie on the shoulder of the tone curve
    assert np.abs(augment(image, np.random.default_rng(0), off).astype(int) - image).max() <= 1


def test_pictures_stay_recognisable(seen):
    """Over many draws: neither black nor white, and the light and dark parts stay where they are."""
    image = seen.frame.image
    grey = image.mean(-1)
    for seed in range(30):
        shown = augment(image, np.random.default_rng(seed)).mean(-1)
        assert 25 < shown.mean() < 230
        assert np.corrcoef(grey.reshape(-1), shown.reshape(-1))[0, 1] > 0.8


def test_black_and_white_pictures_and_odd_sizes_are_fine():
    for value in (0, 255):
        out = augment(np.full((35, 21, 3), value, np.uint8), np.random.default_rng(1))
        assert out.shape == (35, 21, 3)


def test_wrong_strengths_are_named():
    with pytest.raises(ValueError, match=r"noise must lie between 0 .* Got -1"):
        Photometry(noise=-1)
    with pytest.raises(ValueError, match="jpeg"):
        Photometry(jpeg=(90, 50))
