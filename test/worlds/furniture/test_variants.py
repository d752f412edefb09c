"""Designs beyond the libraries: variants of models, more models made here, and the rooms that use them."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from support.furniture_pack import real_pack

from distill3d_ros.scene.labels import SIMULATED_LABELS
from distill3d_ros.worlds.furniture.furniture_model import FurnitureModel
from distill3d_ros.worlds.furniture.procedural import EXTRA_MODELS, extra_models, is_procedural, procedural_models
from distill3d_ros.worlds.furniture.variants import PER_MODEL, variant
from distill3d_ros.worlds.layout.layout import make_room
from distill3d_ros.worlds.room import Room


def library(label: str) -> FurnitureModel:
    return next(m for m in real_pack().by_label(label, "train") if not is_procedural(m))


@pytest.mark.parametrize("label", ["chair", "wardrobe", "bottle", "plant", "bed"])
def test_a_variant_is_another_design_of_about_the_same_size(label: str) -> None:
    model = library(label)
    looks = {model.face_colors.tobytes() + model.textures.tobytes()}
    for number in range(PER_MODEL):
        made, again = variant(model, number), variant(model, number)
        np.testing.assert_array_equal(made.vertices, again.vertices)
        np.testing.assert_array_equal(made.face_colors, again.face_colors)
        assert (made.name, made.label, made.kind) == (f"{model.name}~{number}", label, model.kind)
        assert made.vertices.shape == model.vertices.shape
        assert made.faces is model.faces
        assert np.isfinite(made.vertices).all()
        np.testing.assert_allclose(made.size, np.ptp(made.vertices, axis=0), atol=1e-6)
        np.testing.assert_allclose(made.vertices[:, 2].min(), 0, atol=1e-6)
        np.testing.assert_allclose((made.vertices.max(0) + made.vertices.min(0))[:2], 0, atol=1e-5)
        assert (made.size / model.size).max() < 1.9
        assert (made.size / model.size).min() > 0.5
        proportions = made.size / model.size
        assert not np.allclose(made.vertices, model.vertices * proportions, atol=1e-3)  # parts changed their share
        looks.add(made.face_colors.tobytes() + made.textures.tobytes())
    assert len(looks) > PER_MODEL / 2


def test_what_is_round_stays_round() -> None:
    model = next(m for m in procedural_models() if m.label == "vase")
    ring = np.hypot(*model.vertices[:, :2].T)
    made = variant(model, 3)
    for height in np.unique(np.round(model.vertices[:, 2], 4)):
        at = (np.abs(model.vertices[:, 2] - height) < 1e-4) & (ring > 1e-3)
        factor = np.hypot(*made.vertices[at, :2].T) / ring[at]
        if at.any():
            assert np.ptp(factor) < 1e-3


@pytest.mark.parametrize("label", SIMULATED_LABELS)
def test_every_label_has_many_more_designs(label: str) -> None:
    designs = extra_models(label)
    assert len(designs) == EXTRA_MODELS
    assert {m.label for m in designs} == {label}
    assert not {m.name for m in designs} & {m.name for m in procedural_models()}
    assert len({m.vertices.tobytes() for m in designs}) == EXTRA_MODELS
    sizes = np.array([m.size for m in designs])
    known = np.array([m.size for m in real_pack().by_label(label)])
    assert (np.median(sizes, 0) < 2.2 * np.median(known, 0)).all()
    assert (np.median(sizes, 0) > np.median(known, 0) / 2.2).all()
    for model in designs[:10]:
        assert model.split == "train"
        assert model.faces.max() < len(model.vertices)
        corners = model.vertices[model.faces].astype(float)
        area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
        assert (area > 0).mean() > 0.95


def test_every_design_is_found_by_the_name_that_scenes_give() -> None:
    pack = real_pack()
    for model in (library("chair"), variant(library("chair"), 3), extra_models("trash can")[5]):
        found = pack.by_name(model.name)
        assert found.name == model.name
        np.testing.assert_array_equal(found.vertices, model.vertices)
    for name in ("made#trash_can_9999", "nobody#chair", "nobody#chair~1"):
        with pytest.raises(KeyError, match="the pack has no model"):
            pack.by_name(name)


def test_labels_that_are_not_made_here_have_no_designs() -> None:
    assert extra_models("") == ()


def test_varied_rooms_use_designs_of_all_kinds_and_others_use_none() -> None:
    pack = real_pack()
    varied = [make_room(pack, seed=seed, varied=True) for seed in range(6)]
    names = [o.model.name for room in varied for o in room.objects]
    own = {m.name for m in pack.models}
    assert sum("~" in name for name in names) > len(names) / 5
    assert sum(name in own for name in names) > len(names) / 10
    more = [name for name in names if name not in own and "~" not in name]
    assert len(more) > len(names) / 5
    assert {o.model.split for room in varied for o in room.objects} == {"train"}
    plain = [make_room(pack, seed=seed) for seed in range(6)]
    assert {o.model.name for room in plain for o in room.objects} <= own
    with pytest.raises(ValueError, match="varied must be False where split is 'test'"):
        make_room(pack, seed=0, split="test", varied=True)


def fingerprint(room: Room) -> str:
    text = "|".join(f"{o.model.name} {np.round(o.position, 3) + 0.0}" for o in room.objects)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def colours(room: Room) -> str:
    """Of everything in a room: a design's own, what was drawn over them, its walls, its lights."""
    parts = [o.model.face_colors.tobytes() + np.round(o.tint, 6).tobytes() for o in room.objects]
    parts += [room.surfaces[part].image.tobytes() for part in sorted(room.surfaces)]
    parts += [np.round([*light.position, *light.color, light.intensity], 6).tobytes() for light in room.lights]
    return hashlib.sha256(b"".join(parts)).hexdigest()[:12]


def test_test_rooms_are_what_they_were() -> None:
    """Figures of earlier students compare only if the rooms that they were tested in stay the same."""
    rooms = [make_room(real_pack(), seed=seed, split=split) for seed in (1, 2) for split in ("train", "test")]
    assert [colours(room) for room in rooms] == ["4974f5191cd2", "39a341e8c6db", "3384a4f7c942", "8217c44c9370"]
    assert [fingerprint(room) for room in rooms] == ["e9ad82ff6226", "4c2acb6cf532", "011f866d8825", "e86aabb6f621"]
