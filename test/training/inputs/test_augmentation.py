"""Cutting out, mirroring and turning views into targets keep picture and geometry together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.data_samples import make_sample

from distill3d_ros.questions.relations import Relations
from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.scene.geometry import level_rotation, project
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject
from distill3d_ros.training.augment_config import AugmentConfig
from distill3d_ros.training.inputs.augmentation import (
    View,
    augment,
    cutout,
    mirrored,
    mirrored_scene,
    view_from_sample,
)
from distill3d_ros.training.inputs.box_matching import IGNORED, NOBODY, assign_cells, match_sets
from distill3d_ros.training.inputs.camera_effects import jitter_color
from distill3d_ros.training.inputs.targets import perception_batch

torch = pytest.importorskip("torch")

SIZE = 64


def tilted_view() -> View:
    """A camera that looks down and rolls; a small red box whose pixels are where its centre projects to."""
    intrinsics = Intrinsics.from_fov(width=SIZE, height=SIZE, horizontal_fov=1.2)
    up = np.array([0.1, -0.9, -0.35])
    up /= np.linalg.norm(up)
    level = level_rotation(up)
    box = Box3D(center=level @ np.array([0.4, 0.2, 2.0]), size=[0.3, 0.2, 0.1], yaw=0.7)
    uv, depth = project(level.T @ box.center, intrinsics)
    u, v = int(uv[0]), int(uv[1])
    ids = np.zeros((SIZE, SIZE), np.uint16)
    ids[v - 2 : v + 4, u - 2 : u + 4] = 7
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    image[ids == 7] = [200, 0, 0]
    thing = SceneObject(id=7, label="chair", box=box, visible_pixels=36, image_box=(u - 2, v - 2, u + 3, v + 3))
    scene = Scene(objects=(thing,), intrinsics=intrinsics, level_from_optical=level)
    depths = np.where(ids == 7, np.float32(depth), np.float32(4.0)).astype(np.float32)
    return View(key="a", image=image, depth=depths, ids=ids, intrinsics=intrinsics, up=up, scene=scene)


def pixels_agree(view: View) -> None:
    """The middle of the object's pixels is where the centre of its box projects to, at the depth of the image."""
    thing = view.scene.objects[0]
    uv, depth = project(view.scene.level_from_optical.T @ thing.box.center, view.intrinsics)
    v, u = np.nonzero(view.ids == thing.id)
    scale = view.intrinsics.fx / 47
    assert np.allclose([u.mean(), v.mean()], uv, atol=1.2 * max(1.0, scale))
    assert view.depth[int(uv[1]), int(uv[0])] == pytest.approx(depth, rel=1e-5)
    assert thing.visible_pixels == len(u)
    assert np.allclose(view.scene.level_from_optical, level_rotation(view.up))
    assert (view.image[view.ids == thing.id][:, 0] > 100).mean() > 0.6


def test_a_mirrored_view_is_a_true_view() -> None:
    view = tilted_view()
    pixels_agree(view)
    pixels_agree(mirrored(view))
    back = mirrored(mirrored(view))
    assert np.array_equal(back.image, view.image)
    assert np.allclose(back.scene.objects[0].box.center, view.scene.objects[0].box.center)
    assert back.scene.objects[0].image_box == view.scene.objects[0].image_box
    assert back.intrinsics == view.intrinsics


def test_the_corners_of_a_mirrored_box_are_the_mirrored_corners() -> None:
    view = tilted_view()
    corners = view.scene.objects[0].box.corners() * [-1, 1, 1]
    found = mirrored(view).scene.objects[0].box.corners()
    for corner in corners:
        assert np.abs(found - corner).sum(1).min() < 1e-9


def test_left_and_right_change_places_in_a_mirror() -> None:
    scene = make_sample().scene
    straight, turned = Relations(scene), Relations(mirrored_scene(scene))
    assert straight.left_of[0][1] > 1.0
    assert turned.left_of[0][1] == -straight.left_of[0][1]
    assert turned.gap[0][1] == straight.gap[0][1]
    assert mirrored_scene(scene).contacts == scene.contacts


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (64, 96)])
def test_a_resized_cutout_is_a_true_view(size: tuple[int, int]) -> None:
    view = tilted_view()
    v, u = np.nonzero(view.ids == 7)
    left, top = max(0, int(u.mean()) - 22), max(0, int(v.mean()) - 20)
    width, height = min(48, SIZE - left), min(32, SIZE - top)
    part = cutout(view, left=left, top=top, width=width, height=height, size=size)
    assert part.image.shape == (*size, 3)
    assert (part.intrinsics.height, part.intrinsics.width) == size
    pixels_agree(part)


def test_what_is_cut_away_is_gone() -> None:
    view = tilted_view()
    empty = cutout(view, left=0, top=0, width=16, height=16, size=(32, 32))
    assert empty.scene.objects == ()


def test_augmentation_is_decided_by_the_generator() -> None:
    view = replace(tilted_view(), image=np.full((SIZE, SIZE, 3), 90, np.uint8))
    config = AugmentConfig(sizes=((64, 64),))
    first, again, other = (augment(view, config, (64, 64), np.random.default_rng(s)) for s in (1, 1, 2))
    assert np.array_equal(first.image, again.image)
    assert first.intrinsics == again.intrinsics
    assert not np.array_equal(first.image, other.image)


def test_no_colour_change_leaves_the_picture_alone() -> None:
    image = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    assert np.array_equal(jitter_color(image, 0.0, 0.0, np.random.default_rng(0)), image)


def test_cells_go_to_the_object_that_they_show() -> None:
    ids = np.zeros((64, 64), np.uint16)
    ids[:, :32] = 1  # the left half: a large thing
    ids[20:28, 20:28] = 2  # a small thing in front of it
    ids[48:64, 48:64] = 3  # too little of it shows elsewhere: not a target
    cells = assign_cells(ids, [1, 2], [3], grid=(4, 4), per_object=3).reshape(4, 4)
    assert cells[1, 1] == 1  # the small thing's cell is the small thing's
    assert (cells == 0).sum() >= 2
    assert set(np.unique(cells[:, 2:])) == {NOBODY, IGNORED}
    assert cells[3, 3] == IGNORED
    assert (cells[:, :2] == NOBODY).sum() == 0  # these touch the chosen cells and could as well have been chosen


def test_a_large_object_is_one_object() -> None:
    ids = np.ones((128, 128), np.uint16)
    cells = assign_cells(ids, [1], [], grid=(8, 8), per_object=3).reshape(8, 8)
    chosen = np.argwhere(cells == 0)
    assert 1 <= len(chosen) <= 3
    assert np.abs(chosen - 3.5).max() <= 1.5, "in the middle of what is seen"
    for cell in np.argwhere(cells != 0):
        beside = np.abs(chosen - cell).max(1).min() == 1
        assert cells[tuple(cell)] == (IGNORED if beside else NOBODY)


def test_matching_prefers_the_right_place_and_name() -> None:
    logits = torch.full((1, 3, 2), -4.0)
    logits[0, 0, 0] = logits[0, 1, 0] = logits[0, 2, 1] = 4.0
    centers = torch.tensor([[[0.0, 0.0, 2.0], [1.0, 0.0, 2.0], [1.0, 0.0, 2.1]]])
    true = torch.tensor([[[1.0, 0.0, 2.05], [0.1, 0.0, 2.0], [9.0, 9.0, 9.0]]])
    labels, mask = torch.tensor([[1, 0, 0]]), torch.tensor([[True, True, False]])
    sizes = torch.full((1, 3, 3), 0.5)
    [(queries, truths)] = match_sets(logits, centers, labels, true, sizes, mask)
    assert dict(zip(truths.tolist(), queries.tolist(), strict=True)) == {0: 2, 1: 0}
    [(none, _)] = match_sets(logits, centers, labels, true, sizes, torch.zeros(1, 3, dtype=torch.bool))
    assert len(none) == 0


def test_what_was_not_found_is_not_matched() -> None:
    """Reach: half the diagonal, 0.43 m, and a fifth of the distance, 0.4 m."""
    logits, labels = torch.zeros(1, 1, 2), torch.tensor([[0]])
    mask, sizes = torch.ones(1, 1, dtype=torch.bool), torch.full((1, 1, 3), 0.5)
    true = torch.tensor([[[0.0, 0.0, 2.0]]])
    for sideways, matched in ((0.8, 1), (0.9, 0)):
        [(queries, truths)] = match_sets(logits, torch.tensor([[[sideways, 0.0, 2.0]]]), labels, true, sizes, mask)
        assert len(queries) == len(truths) == matched


def test_matching_agrees_with_trying_all() -> None:
    from itertools import permutations

    generator = torch.Generator().manual_seed(0)
    logits, centers = torch.randn(1, 5, 3, generator=generator), torch.rand(1, 5, 3, generator=generator) * 3
    true, labels = torch.rand(1, 4, 3, generator=generator) * 3, torch.tensor([[0, 2, 1, 0]])
    everywhere = torch.full((1, 4, 3), 100.0)
    [(queries, truths)] = match_sets(logits, centers, labels, true, everywhere, torch.ones(1, 4, dtype=torch.bool))

    def cost(pairs: list[tuple[int, int]]) -> float:
        p = logits.sigmoid()[0]
        total = 0.0
        for n, m in pairs:
            c = p[n, labels[0, m]]
            total += (0.25 * (1 - c) ** 2 * -(c + 1e-8).log() - 0.75 * c**2 * -(1 - c + 1e-8).log()).item()
            total += 3.0 * ((centers[0, n] - true[0, m]).norm() / true[0, m].norm().clamp_min(0.5)).item()
        return total

    best = min(cost(list(zip(p, range(4), strict=True))) for p in permutations(range(5), 4))
    assert cost(list(zip(queries.tolist(), truths.tolist(), strict=True))) == pytest.approx(best, abs=1e-5)


def test_targets_of_a_sample() -> None:
    sample = make_sample()
    batch = perception_batch([view_from_sample(sample)], {"table": 0, "chair": 1}, min_visible_pixels=1, grid=(3, 4))
    assert batch.images.shape == (1, 1, 3, 48, 64)
    assert batch.labels[0].tolist() == [1, 0]
    assert batch.mask.all()
    assert batch.center[0].numpy() == pytest.approx(np.array([[-0.6, 0.7, 2.5], [0.7, 0.8, 2.2]]), abs=1e-5)
    assert batch.has_front[0].tolist() == [True, False]
    assert batch.fov[0, 1].item() == pytest.approx(1.1, abs=1e-6)
    assert batch.up[0, 0].tolist() == [0.0, -1.0, 0.0]


def test_a_centre_beside_the_camera_has_no_pixel() -> None:
    sample = make_sample()
    bed = SceneObject(
        id=1,
        label="chair",
        box=Box3D(center=[2.0, 0.5, 0.1], size=[2, 1, 2], yaw=0),
        visible_pixels=400,
        has_front=True,
    )
    view = replace(view_from_sample(sample), scene=replace(sample.scene, objects=(bed,), contacts=None, gaps=None))
    batch = perception_batch([view], {"chair": 0}, min_visible_pixels=1, grid=(3, 4))
    assert batch.mask.tolist() == [[True]]
    assert batch.located.tolist() == [[False]]
