"""However a view is cut, turned and mirrored, each pixel shows the point in the room that it showed before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from support.data_samples import make_sample

from distill3d_ros.questions.ground_truth.question_candidates import question_candidates
from distill3d_ros.scene.annotation import Annotation
from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.scene.geometry import level_rotation
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject
from distill3d_ros.training.augment_config import AugmentConfig
from distill3d_ros.training.config import StageConfig
from distill3d_ros.training.data.sample import UNKNOWN_ID
from distill3d_ros.training.inputs.augmentation import (
    View,
    augment,
    augment_batch,
    cutout,
    mirrored,
    mirrored_scene,
    rotated,
    view_from_sample,
)

CELL = 0.1
"""Metres: the walls of the room below are painted with squares of this size, each with an id of its own."""
CAMERA = Intrinsics(fx=150.0, fy=146.0, cx=70.0, cy=52.0, width=160, height=120)
REAL = Annotation(depth="measured", boxes="visible")


def painted_view() -> View:
    """A slanted wall 2 m before a camera that looks down and rolls; ids and colours tell the point in the level frame.

    Colour: red is x, green is y, 20 grey levels a decimetre.
    """
    up = np.array([0.1, -0.9, -0.3])
    up /= np.linalg.norm(up)
    level = level_rotation(up)
    normal = np.array([0.2, -0.3, 1.0])  # of the wall, optical frame
    rays = CAMERA.rays().astype(np.float64)
    depth = 2.0 / (rays @ normal)
    x, y, _ = np.moveaxis((rays * depth[..., None]) @ level.T, -1, 0)
    ids = (np.floor(x / CELL) + 50) * 100 + np.floor(y / CELL) + 50
    image = np.stack([128 + 100 * x, 128 + 100 * (y - 0.6), np.full_like(x, 60)], -1).clip(0, 255)
    scene = Scene(objects=(), intrinsics=CAMERA, level_from_optical=level)
    return View(
        key="a",
        image=image.astype(np.uint8),
        depth=depth.astype(np.float32),
        ids=ids.astype(np.uint16),
        intrinsics=CAMERA,
        up=up,
        scene=scene,
    )


def cutout_of(view: View) -> View:
    return cutout(view, left=20, top=10, width=110, height=90, size=(64, 96))


CHANGES: dict[str, Callable[[View], View]] = {
    "unchanged": lambda view: view,
    "smaller, other shape": cutout_of,
    "larger": lambda view: cutout(view, left=50, top=40, width=50, height=40, size=(96, 128)),
    "turned": lambda view: rotated(view, 0.12),
    "turned and cut out": lambda view: cutout(view, left=20, top=10, width=110, height=90, size=(64, 96), angle=-0.2),
    "turned, then cut out": lambda view: cutout_of(rotated(view, 0.1)),
    "mirrored": mirrored,
    "cut out, mirrored": lambda view: mirrored(cutout_of(view)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_pixel_shows_the_point_that_it_showed_before(change: Callable[[View], View]) -> None:
    view = change(painted_view())
    check_points(view, mirror=change in (CHANGES["mirrored"], CHANGES["cut out, mirrored"]))


def check_points(view: View, *, mirror: bool) -> None:
    """Each pixel's ray, depth and level frame lead to the square and to the colour that are painted there."""
    known = view.depth > 0
    assert known.mean() > 0.75
    assert np.array_equal(known, view.ids != UNKNOWN_ID)
    points = (view.intrinsics.rays() * view.depth[..., None])[known] @ view.scene.level_from_optical.T
    points[:, 0] *= -1 if mirror else 1
    squares = np.stack([view.ids[known] // 100, view.ids[known] % 100], -1).astype(int) - 50
    pixel = 2.3 / min(view.intrinsics.fx, CAMERA.fx)  # metres on the wall
    assert (points[:, :2] >= squares * CELL - 1.5 * pixel).all()
    assert (points[:, :2] <= (squares + 1) * CELL + 1.5 * pixel).all()
    painted = view.image[known][:, :2].astype(float)
    expected = np.stack([128 + 100 * points[:, 0], 128 + 100 * (points[:, 1] - 0.6)], -1).clip(0, 255)
    assert np.quantile(np.abs(painted - expected), 0.98) < 100 * 1.5 * pixel + 1
    assert np.allclose(view.scene.level_from_optical, level_rotation(view.up))


@pytest.mark.parametrize("seed", range(6))
def test_a_random_augmentation_is_a_true_view(seed: int) -> None:
    """With everything that moves pixels; flipped or not, as the seed decides."""
    config = AugmentConfig(zoom=(0.5, 1.0), aspect=0.1, rotate=6, flip=0.5, color=0.0, noise=0.0)
    view = augment(painted_view(), config, (96, 128), np.random.default_rng(seed))
    mirror = bool(np.mean(np.diff(view.image[..., 0].astype(float), axis=1)) < 0)
    check_points(view, mirror=mirror)
    assert view.intrinsics.fx / view.intrinsics.fy != pytest.approx(CAMERA.fx / CAMERA.fy, abs=1e-6)


def test_a_quarter_turn_by_hand() -> None:
    """Clockwise: what was on top is at the right, and up points there."""
    rng = np.random.default_rng(0)
    camera = Intrinsics.from_fov(width=32, height=32, horizontal_fov=1.0)
    scene = Scene(objects=(), intrinsics=camera, level_from_optical=np.eye(3))
    view = View(
        key="a",
        image=rng.integers(0, 255, (32, 32, 3), dtype=np.uint8),
        depth=rng.uniform(1, 3, (32, 32)).astype(np.float32),
        ids=rng.integers(0, 9, (32, 32)).astype(np.uint16),
        intrinsics=camera,
        up=np.array([0.0, -1.0, 0.0]),
        scene=scene,
    )
    turned = rotated(view, np.pi / 2)
    for name in ("image", "depth", "ids"):
        np.testing.assert_array_equal(getattr(turned, name), np.rot90(getattr(view, name), -1))
    assert turned.up == pytest.approx(np.array([1.0, 0.0, 0.0]))
    assert turned.intrinsics == camera


def test_what_turns_into_the_picture_is_unknown() -> None:
    turned = rotated(painted_view(), np.pi / 4)
    assert turned.ids[0, 0] == turned.ids[-1, -1] == UNKNOWN_ID
    assert turned.depth[0, 0] == turned.depth[-1, -1] == 0
    assert turned.image[0, 0].max() > 0, "the picture itself has no black corners that would tell how it was turned"


def test_without_gravity_nothing_is_turned() -> None:
    view = painted_view()
    unknown = replace(view, scene=replace(view.scene, annotation=Annotation(depth="measured", gravity=False)))
    config = AugmentConfig(sizes=((96, 128),), zoom=(1, 1), rotate=20, flip=0, color=0, noise=0)
    turned, kept = (augment(v, config, (96, 128), np.random.default_rng(0)) for v in (view, unknown))
    assert (turned.ids == UNKNOWN_ID).any()
    assert not (kept.ids == UNKNOWN_ID).any()
    np.testing.assert_array_equal(kept.up, view.up)


def test_depth_is_never_changed_but_by_choosing_pixels() -> None:
    view = painted_view()
    config = AugmentConfig(zoom=(0.5, 0.8), rotate=5, aspect=0.05)
    for seed in range(3):
        depth = augment(view, config, (96, 128), np.random.default_rng(seed)).depth
        assert np.isin(depth, np.append(view.depth, 0)).all(), "zooming in changes the lens, not the distance"


def wall_view(*, masks: bool) -> View:
    """A poster of 1.2 x 0.6 m on a wall 3 m before a level camera."""
    camera = Intrinsics(fx=100.0, fy=100.0, cx=79.5, cy=59.5, width=160, height=120)
    ids = np.zeros((120, 160), np.uint16)
    ids[50:70, 60:100] = 4
    thing = SceneObject(
        id=4,
        label="picture",
        box=Box3D(center=[0.0, 0.0, 3.0], size=[1.2, 0.6, 0.02], yaw=0.0),
        visible_pixels=800,
        image_box=(59.5, 49.5, 99.5, 69.5),
    )
    scene = Scene(objects=(thing,), intrinsics=camera, annotation=replace(REAL, masks=masks))
    return View(
        key="a",
        image=np.zeros((120, 160, 3), np.uint8),
        depth=np.full((120, 160), 3, np.float32),
        ids=ids if masks else np.full_like(ids, UNKNOWN_ID),
        intrinsics=camera,
        up=np.array([0.0, -1.0, 0.0]),
        scene=scene,
    )


def only(view: View) -> SceneObject:
    [thing] = view.scene.objects
    return thing


@pytest.mark.parametrize("masks", [True, False], ids=["masks", "rectangles"])
def test_the_rectangle_of_an_object_follows_by_hand(masks: bool) -> None:
    """Columns 80 to 159 at twice the size: columns 80 to 99 are left, now 0 to 39, rows 50 to 69 of 20 to 79."""
    part = cutout(wall_view(masks=masks), left=80, top=20, width=80, height=60, size=(120, 160))
    assert only(part).image_box == pytest.approx((-0.5, 59.5, 39.5, 99.5))
    assert only(part).visible_pixels == 1600
    assert only(mirrored(part)).image_box == pytest.approx((119.5, 59.5, 159.5, 99.5))
    gone = cutout(wall_view(masks=masks), left=101, top=20, width=59, height=60, size=(64, 64))
    assert gone.scene.objects == ()


def test_a_turned_rectangle_by_hand() -> None:
    """A quarter turn swaps its sides; an eighth gives the bounds of its ellipse, not those of its corners."""
    turned = only(rotated(wall_view(masks=False), np.pi / 2)).image_box
    assert turned == pytest.approx((69.5, 39.5, 89.5, 79.5))
    left, _, right, _ = only(rotated(wall_view(masks=False), np.pi / 4)).image_box
    assert right - left == pytest.approx(2 * np.sqrt(0.5 * (20**2 + 10**2)))


def test_what_a_cut_leaves_of_a_visible_surface_is_its_box() -> None:
    """0.6 m of the poster's 1.2 m are left of x = 0; the whole box stays where the whole poster is."""
    view = wall_view(masks=True)
    part = only(cutout(view, left=0, top=20, width=80, height=60, size=(120, 160)))
    assert part.box.size == pytest.approx(np.array([0.6, 0.6, 0.02]), abs=0.05)
    assert part.box.center == pytest.approx(np.array([-0.3, 0.0, 3.0]), abs=0.03)
    whole = only(cutout(view, left=40, top=30, width=80, height=60, size=(120, 160)))
    assert whole.box == view.scene.objects[0].box
    amodal = replace(view, scene=replace(view.scene, annotation=Annotation()))
    cut = only(cutout(amodal, left=0, top=20, width=80, height=60, size=(120, 160)))
    assert cut.box == view.scene.objects[0].box, "the box of a whole thing encloses what is cut off, too"


def test_rendered_and_real_pictures_have_settings_of_their_own() -> None:
    rendered = make_sample()
    real = replace(rendered, scene=replace(rendered.scene, annotation=Annotation(depth="measured")))
    stage = StageConfig(
        name="p",
        kind="perception",
        augment=AugmentConfig(sizes=((32, 64),), zoom=(1, 1), flip=0, color=0, noise=0),
        augment_real={"flip": 1, "zoom": [0.6, 0.6]},
    )
    views = augment_batch(
        [rendered, real, rendered], stage.augment, np.random.default_rng(0), real=stage.augmentation_of_real
    )
    left, mirror, _ = (view.scene.by_id(1).box.center[0] for view in views)
    assert left == pytest.approx(-0.6)
    assert mirror == pytest.approx(0.6)
    whole = view_from_sample(rendered).intrinsics.horizontal_fov
    assert views[0].intrinsics.horizontal_fov == pytest.approx(whole)
    assert np.tan(views[1].intrinsics.horizontal_fov / 2) < 0.75 * np.tan(whole / 2)


def test_left_and_right_change_places_in_the_questions_too() -> None:
    scene = make_sample().scene
    for annotation in (Annotation(), REAL):
        known = replace(scene, annotation=annotation)
        (left, right), (left_in_mirror, right_in_mirror) = (beside(s) for s in (known, mirrored_scene(known)))
        assert left == {1: "nothing", 2: "chair"}
        assert left_in_mirror == right == {1: "table", 2: "nothing"}
        assert right_in_mirror == left


def beside(scene: Scene) -> tuple[dict[int | None, object], dict[int | None, object]]:
    """Object -> what is left of it, and what is right of it, as the questions about a scene are answered."""
    facts = [f for f in question_candidates(scene) if f.answer.reason == ""]
    left, right = (
        {f.object_ids[0]: f.answer.value for f in facts if f.kind == kind}
        for kind in ("what_is_left_of", "what_is_right_of")
    )
    return left, right


def test_settings_for_real_pictures_are_checked() -> None:
    with pytest.raises(ValueError, match=r"augment_real must leave out sizes, which all pictures of a batch share"):
        StageConfig(name="p", kind="perception", augment_real={"sizes": [[64, 64]]})
    with pytest.raises(ValueError, match=r"stage 'p': augment_real: unknown key 'blurr'; did you mean 'blur'"):
        StageConfig(name="p", kind="perception", augment_real={"blurr": 1})
    with pytest.raises(ValueError, match=r"augment.jpeg must be \(least, most\) within 1 to 100.*Got \(90, 20\)"):
        StageConfig(name="p", kind="perception", augment_real={"jpeg": [90, 20]})
    with pytest.raises(ValueError, match=r"augment.rotate must lie between 0 \(off\) and 45. Got 90"):
        AugmentConfig(rotate=90)
    with pytest.raises(ValueError, match=r"leave out rotate. Got 3"):
        AugmentConfig(rotate=3, zoom=(1, 1), flip=0).check_whole("augment")
