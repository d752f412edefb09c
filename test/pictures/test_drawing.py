"""Pictures for people: what must be where, on scenes whose projection is known by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from distill3d_ros.pictures.drawing import (
    UNKNOWN,
    depth_picture,
    draw_scene,
    enlarged,
    id_picture,
    label_color,
    top_down,
)
from distill3d_ros.pictures.sheets import PAPER, encode_png, tiled, with_caption
from distill3d_ros.questions.answer import Answer
from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.scene.labels import LABELS
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject

SIZE = 640
GRAY = np.full((SIZE, SIZE, 3), 128, np.uint8)
# fx = 320, principal point in the middle: a point (x, y, z) falls on (320 x / z + 319.5, 320 y / z + 319.5).
INTRINSICS = Intrinsics.from_fov(width=SIZE, height=SIZE, horizontal_fov=np.pi / 2)


def thing(number: int, label: str, center: list[float], size: list[float], yaw: float = 0.0, **more) -> SceneObject:
    return SceneObject(id=number, label=label, box=Box3D(center=center, size=size, yaw=yaw), **more)


def scene(*objects: SceneObject, intrinsics: Intrinsics = INTRINSICS) -> Scene:
    return Scene(objects=objects, intrinsics=intrinsics)


CUBE = thing(1, "box", [0.0, 0.0, 3.0], [2.0, 2.0, 2.0])


def changed(picture: np.ndarray, before: np.ndarray = GRAY) -> np.ndarray:
    """(H, W) whether a pixel was drawn on."""
    return (picture[: before.shape[0], : before.shape[1]] != before).any(-1)


def like(picture: np.ndarray, color: tuple[int, int, int], tolerance: int = 40) -> np.ndarray:
    return (np.abs(picture.astype(int) - color) < tolerance).all(-1)


def test_labels_have_colours_of_their_own():
    colors = np.array([label_color(label) for label in LABELS], float)
    apart = np.linalg.norm(colors[:, None] - colors[None], axis=-1) + 1e9 * np.eye(len(colors))
    assert apart.min() > 8
    assert label_color("no such label") == label_color("no such label")


def test_box_edges_lie_where_the_corners_project():
    # The near face is at z = 2, so its corners are at 319.5 +- 160; the far face at z = 4, so +- 80.
    marks = changed(draw_scene(GRAY, scene(CUBE)))
    rows, columns = np.nonzero(marks)
    assert columns.min() == pytest.approx(159.5, abs=3)
    assert columns.max() == pytest.approx(479.5, abs=3)
    assert rows.max() == pytest.approx(479.5, abs=3)
    assert marks[318:322, 157:162].any(), "the left edge of the near face"
    assert marks[318:322, 237:242].any(), "the left edge of the far face"
    assert not marks[310:330, 190:220].any(), "between the two edges nothing is drawn"


def test_a_pitched_camera_sees_the_box_where_it_is():
    # Pitched down by 30 degrees, the horizon is 320 tan(30 deg) = 185 pixels above the middle of the image.
    c, s = np.cos(np.pi / 6), np.sin(np.pi / 6)
    level_from_optical = np.array([[1.0, 0.0, 0.0], [0.0, c, s], [0.0, -s, c]])
    small = thing(1, "box", [0.0, 0.0, 4.0], [0.1, 0.1, 0.1])
    picture = draw_scene(GRAY, Scene(objects=(small,), intrinsics=INTRINSICS, level_from_optical=level_from_optical))
    rows = np.nonzero(changed(picture))[0]
    assert rows.max() == pytest.approx(319.5 - 185 + 5, abs=6)


def test_what_is_behind_the_camera_is_not_drawn():
    behind = thing(1, "chair", [0.0, 0.0, -3.0], [1.0, 1.0, 1.0], has_front=True)
    assert not changed(draw_scene(GRAY, scene(behind))).any()


def test_a_box_around_the_camera_is_cut_at_the_image_plane():
    around = thing(1, "bed", [0.0, 0.5, 0.2], [2.0, 1.5, 2.0], yaw=0.3)
    assert changed(draw_scene(GRAY, scene(around))).any()


def test_small_images_are_enlarged_and_the_original_is_untouched():
    small = np.full((56, 100, 3), 90, np.uint8)
    before = small.copy()
    narrow = Intrinsics.from_fov(width=100, height=56, horizontal_fov=1.0)
    picture = draw_scene(small, scene(CUBE, intrinsics=narrow))
    assert picture.shape == (56 * 4, 100 * 4, 3)
    assert (small == before).all()
    assert enlarged(GRAY).shape == GRAY.shape
    assert enlarged(GRAY) is not GRAY


def test_an_answer_makes_its_objects_stand_out_and_is_written_below():
    left = thing(1, "chair", [-1.0, 0.0, 3.0], [0.8, 0.8, 0.8])
    right = thing(2, "table", [1.0, 0.0, 3.0], [0.8, 0.8, 0.8])
    answer = Answer(text="the chair", value="chair", object_ids=(1,))
    plain = draw_scene(GRAY, scene(left, right))
    picture = draw_scene(GRAY, scene(left, right), answer, question="Which is closer?")
    assert picture.shape[0] > SIZE
    assert (picture[SIZE:] != PAPER).any(), "the words"
    strength = np.abs(picture[:SIZE].astype(int) - GRAY).sum(-1), np.abs(plain.astype(int) - GRAY).sum(-1)
    assert strength[0][:, : SIZE // 2].sum() > strength[1][:, : SIZE // 2].sum(), "the chair is bolder than without"
    assert strength[0][:, SIZE // 2 :].sum() < 0.6 * strength[1][:, SIZE // 2 :].sum(), "the table is fainter"


def test_names_do_not_cover_each_other():
    crowd = scene(*(thing(i, "vase", [0.0, 0.0, 3.0 + 0.01 * i], [0.4, 0.4, 0.4]) for i in range(1, 5)))
    plates = like(draw_scene(GRAY, crowd), label_color("vase"), 10).astype(np.uint8)
    plates = cv2.morphologyEx(plates, cv2.MORPH_OPEN, np.ones((4, 8), np.uint8))  # thin lines go, plates stay
    one = like(draw_scene(GRAY, scene(crowd.objects[0])), label_color("vase"), 10).astype(np.uint8)
    one = cv2.morphologyEx(one, cv2.MORPH_OPEN, np.ones((4, 8), np.uint8))
    assert one.sum() > 0
    assert plates.sum() > 3.2 * one.sum()


def test_depth_is_brighter_the_nearer_and_gray_where_unknown():
    depth = np.tile(np.linspace(1.0, 5.0, 640, dtype=np.float32), (480, 1))
    depth[:60, :60] = np.nan
    depth[-60:, :60] = 0.0
    picture = depth_picture(depth)
    assert picture.shape[0] == 480
    assert picture.shape[1] > 640, "the scale stands beside it"
    brightness = picture[240, :640].astype(int).sum(-1)
    assert brightness[20] > brightness[320] > brightness[620]
    assert (picture[5:50, 5:50] == UNKNOWN).all()
    assert (picture[-50:-5, 5:50] == UNKNOWN).all()


def test_depth_pictures_with_one_scale_can_be_compared():
    near, far = (depth_picture(np.full((480, 640), d), near=0.0, far=10.0) for d in (2.0, 8.0))
    assert (near[:, 640:] == far[:, 640:]).all(), "the scale"
    assert near[240, 320].astype(int).sum() > far[240, 320].astype(int).sum()


def test_depth_without_a_known_pixel_is_a_picture_too():
    picture = depth_picture(np.zeros((48, 64), np.float32))
    assert (picture[5:40, 5:60] == UNKNOWN).all()


def test_ids_tint_the_pixels_of_their_object_only():
    ids = np.zeros((SIZE, SIZE), np.uint16)
    ids[100:200, 100:200] = 1
    ids[300:400, 300:400] = 7  # clutter: in no list of objects
    picture = id_picture(GRAY, ids, scene(CUBE))
    tinted = changed(picture)
    assert tinted[110:190, 110:190].all()
    tinted[95:205, 95:205] = False
    assert not tinted.any()


def test_plan_shows_things_to_scale_with_right_on_the_right():
    right = thing(1, "table", [1.5, 0.5, 2.0], [1.0, 0.8, 1.0])
    far = thing(2, "chair", [-1.5, 0.5, 4.0], [0.5, 0.9, 0.5])
    picture = top_down(scene(right, far))
    masks = {name: like(picture, _plan_color(name)) for name in ("table", "chair")}
    centers = {name: np.argwhere(mask).mean(0) for name, mask in masks.items()}
    assert centers["table"][1] > centers["chair"][1], "x grows to the right"
    assert centers["table"][0] > centers["chair"][0], "what is far is higher up"
    # 2 m lie between the centres along z and 3 m along x, to the same scale.
    down, across = centers["table"] - centers["chair"]
    assert across / down == pytest.approx(3.0 / 2.0, rel=0.05)


def _plan_color(label: str) -> tuple[int, int, int]:
    """A filled box lets 55 % of the paper, or of the camera's yellow wedge, through."""
    mixed = 0.45 * np.array(label_color(label)) + 0.55 * np.array([250, 247, 232])
    return tuple(int(x) for x in mixed)


def test_plan_is_not_shrunk_by_one_wild_guess():
    wild = thing(2, "lamp", [0.0, 0.0, 500.0], [0.3, 0.3, 0.3])
    assert top_down(scene(CUBE, wild)).shape == top_down(scene(CUBE)).shape


def test_plan_of_an_empty_scene_and_with_truth():
    assert top_down(scene()).shape[2] == 3
    inside = thing(1, "box", [0.0, 0.0, 3.0], [1.0, 1.0, 1.0])
    alone, with_truth = top_down(scene(CUBE)), top_down(scene(CUBE), scene(inside))
    assert alone.shape == with_truth.shape
    assert (alone != with_truth).any(), "the outline of the truth"


def test_captions_wrap_to_the_width():
    short, long = with_caption(GRAY, ["one"]), with_caption(GRAY, ["word " * 60])
    assert short.shape[1] == long.shape[1] == SIZE
    assert long.shape[0] > short.shape[0] > SIZE
    ink = (long[SIZE:] != PAPER).any(-1).any(0)
    assert not ink[-3:].any(), "no line runs out of the picture"


def test_sheet_keeps_every_picture_whole():
    pictures = [np.full((h, w, 3), 10 * i, np.uint8) for i, (h, w) in enumerate([(20, 30), (40, 10), (5, 5)], 1)]
    sheet = tiled(pictures, columns=2, gap=3)
    assert sheet.shape == (3 + 40 + 3 + 5 + 3, 3 + 30 + 3 + 10 + 3, 3)
    for i, (h, w) in enumerate([(20, 30), (40, 10), (5, 5)], 1):
        assert (sheet == 10 * i).all(-1).sum() == h * w
    with pytest.raises(ValueError, match="at least one picture"):
        tiled([], columns=2)


def test_png_keeps_the_colours():
    picture = draw_scene(GRAY, scene(CUBE))
    back = cv2.imdecode(np.frombuffer(encode_png(picture), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert (back == picture).all()


def test_a_thing_that_is_half_in_the_image_has_its_name_there():
    # The middle of its top lies at u = 319.5 + 320 x 3.6 / 2.5 = 780, beyond the right edge; its left end is inside.
    half_out = thing(1, "sofa", [3.6, 0.0, 2.5], [4.0, 0.8, 1.0])
    plate = like(draw_scene(GRAY, scene(half_out)), label_color("sofa"), 10).astype(np.uint8)
    plate = cv2.morphologyEx(plate, cv2.MORPH_OPEN, np.ones((4, 8), np.uint8))
    assert plate.sum() > 200
