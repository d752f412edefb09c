"""Furniture: catalogue, models in their own axes, splits, the cached pack."""

from __future__ import annotations

import zipfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from support.furniture_pack import real_pack

from distill3d_ros.scene.labels import SIMULATED_LABELS
from distill3d_ros.worlds.furniture import build as pack_module
from distill3d_ros.worlds.furniture.catalogue import FurnitureMissingError, library_files, read_catalogue
from distill3d_ros.worlds.furniture.categories import category_of
from distill3d_ros.worlds.furniture.decimate import decimate
from distill3d_ros.worlds.furniture.furniture_model import FurnitureModel
from distill3d_ros.worlds.furniture.obj_file import read_obj
from distill3d_ros.worlds.furniture.procedural import LIBRARY, procedural_models
from distill3d_ros.worlds.furniture.simplify import MAX_FACES, shrink
from distill3d_ros.worlds.furniture.splits import assign_splits

CATALOGUE = """\
license=Creative Commons Attribution 3.0
id#1=Lib#seat
name#1=Chair
model#1=/lib/seat.obj
width#1=40
depth#1=50
height#1=90
dropOnTopElevation#1=-1
creator#1=Somebody
id#2=Lib#lane
name#2=Rail crossing
model#2=/lib/lane.obj
width#2=1
depth#2=1
height#2=1
"""
# A chair: a seat, and a back at its rear (negative z in the library's axes, where +z is the front). The red square
# lies on the left of somebody who looks at its front, so a mirrored model would show it on the right.
OBJ = """\
mtllib seat.mtl
v -1 1 -1
v 1 1 -1
v 1 1 1
v -1 1 1
v -1 3 -1
v 1 3 -1
v -1 0 1
v -0.5 0 1
v -0.5 0.5 1
usemtl wood
f 1 2 3 4
f 1 2 6 5
usemtl red
f 7 8 9
"""
MTL = "newmtl wood\nKd 0.6 0.4 0.2\nnewmtl red\nKd 1 0 0\n"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    path = tmp_path / "Lib.sh3f"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("PluginFurnitureCatalog.properties", CATALOGUE.encode("latin-1"))
        archive.writestr("lib/seat.obj", OBJ)
        archive.writestr("lib/seat.mtl", MTL)
    return path


def test_catalogue_gives_metres_and_licence(library: Path) -> None:
    seat, _ = read_catalogue(library)
    assert seat.size == (0.4, 0.5, 0.9)
    assert seat.drop_top is None
    assert (seat.creator, seat.license) == ("Somebody", "CC-BY 3.0")


def test_missing_library_names_the_package(tmp_path: Path) -> None:
    with pytest.raises(FurnitureMissingError, match="apt install sweethome3d-furniture"):
        library_files(tmp_path)


def test_library_folder_from_environment(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTILL3D_FURNITURE", str(library.parent))
    assert library_files() == [library]


def test_broken_library_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.sh3f").write_bytes(b"not a zip")
    with pytest.raises(ValueError, match=r"bad\.sh3f is not a Sweet Home 3D furniture library"):
        read_catalogue(tmp_path / "bad.sh3f")


def test_model_in_own_axes(library: Path) -> None:
    with zipfile.ZipFile(library) as archive:
        small = shrink(read_obj(archive, "lib/seat.obj"), np.eye(3), (0.4, 0.5, 0.9), 0, 128)
    low, high = small.vertices.min(axis=0), small.vertices.max(axis=0)
    np.testing.assert_allclose(low, (-0.2, -0.25, 0), atol=1e-6)
    np.testing.assert_allclose(high, (0.2, 0.25, 0.9), atol=1e-6)
    top = small.vertices[small.vertices[:, 2] > 0.8]
    assert (top[:, 1] < -0.2).all(), "the back of a chair is at -y"
    red = small.faces[small.face_colors[:, 0] == 255]
    # whoever looks at the front looks along -y; their left is +x
    assert (small.vertices[red.reshape(-1), 0] > 0).all()
    assert (small.face_layers == -1).all()


def test_turn_makes_another_side_the_front(library: Path) -> None:
    with zipfile.ZipFile(library) as archive:
        small = shrink(read_obj(archive, "lib/seat.obj"), np.eye(3), (0.4, 0.5, 0.9), 90, 128)
    np.testing.assert_allclose(np.ptp(small.vertices, axis=0), (0.5, 0.4, 0.9), atol=1e-6)
    assert (small.vertices[small.vertices[:, 2] > 0.8][:, 0] > 0.2).all()


def test_decimation_keeps_thin_scattered_parts() -> None:
    rng = np.random.default_rng(0)
    leaves, steps = 300, 8  # strips of 16 triangles, which quadric decimation alone thins out
    strip = np.array([[x, y, 0.0] for x in np.linspace(0, 0.25, steps + 1) for y in (-0.03, 0.03)])
    k = 2 * np.arange(steps)[:, None]
    strip_faces = np.vstack([k + np.array([0, 1, 2]), k + np.array([1, 3, 2])])
    points = np.vstack([strip @ np.linalg.qr(rng.normal(size=(3, 3)))[0] + rng.uniform(0, 1, 3) for _ in range(leaves)])
    source = np.vstack([strip_faces + len(strip) * n for n in range(leaves)])
    out, faces, kept = decimate(points, source, MAX_FACES)
    assert len(faces) <= MAX_FACES
    assert kept > 0.8
    np.testing.assert_allclose(np.ptp(out, axis=0), np.ptp(points, axis=0), atol=1e-6)


def test_pack_is_cached_and_rebuilt_when_damaged(library: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = pack_module.load_or_build(library.parent, cache, workers=1, progress=False)
    assert first[0].name == "Lib#seat"
    assert first[0].label == "chair"
    (file,) = cache.iterdir()
    file.write_bytes(file.read_bytes()[:200])
    again = pack_module.load_or_build(library.parent, cache, workers=1, progress=False)
    np.testing.assert_array_equal(first[0].vertices, again[0].vertices)
    np.testing.assert_array_equal(first[0].face_colors, again[0].face_colors)
    assert [p.suffix for p in cache.iterdir()] == [".npz"], "no temporary file is left"


def test_titles_that_mislead() -> None:
    assert category_of("Scopia#box_room", "Box") == ("cabinet", "")
    assert category_of("Scopia#tv", "TV 16:9") == ("television", "")
    assert category_of("Blend Swap CC-0#armchair", "Armchair") == ("chair", "office")
    assert category_of("Scopia#x", "Rail crossing") is None


def test_splits_keep_families_together() -> None:
    models = procedural_models()
    for k, model in enumerate(models):
        model.family = f"family {k // 2}"
    splits = assign_splits(models)
    share = np.mean([splits[m.family, m.label] == "test" for m in models])
    assert 0.15 < share < 0.3
    assert splits == assign_splits(models[::-1]), "the order of the models does not matter"


@pytest.mark.parametrize("model", procedural_models(), ids=lambda m: m.name)
def test_made_models_are_sound(model: FurnitureModel) -> None:
    assert model.label in SIMULATED_LABELS
    assert model.split == "train"
    assert len(model.faces) <= MAX_FACES
    assert model.faces.max() < len(model.vertices)
    assert len(model.face_colors) == len(model.faces)
    np.testing.assert_allclose(model.vertices.min(axis=0), (-model.size[0] / 2, -model.size[1] / 2, 0), atol=1e-5)
    assert (model.size > 0.01).all()
    assert (model.size < 2.3).all()


def test_real_pack_covers_every_label_in_both_splits() -> None:
    pack = real_pack()
    assert len([m for m in pack.models if m.label]) > 500
    for label in SIMULATED_LABELS:
        assert len(pack.by_label(label, "train")) >= 6, label
        assert len(pack.by_label(label, "test")) >= 2, label
    by_family = defaultdict(set)
    for model in pack.models:
        by_family[model.family, model.label].add(model.split)
    assert all(len(sides) == 1 for sides in by_family.values())
    assert not any(m.name.startswith(LIBRARY) for m in pack.models if m.split == "test")


def test_real_models_stand_at_their_origin() -> None:
    for model in real_pack().models:
        assert len(model.faces) <= MAX_FACES, model.name
        low, high = model.vertices.min(axis=0), model.vertices.max(axis=0)
        np.testing.assert_allclose(low, (-high[0], -high[1], 0.0), atol=1e-4, err_msg=model.name)
        assert model.face_layers.max(initial=-1) < len(model.textures), model.name
        assert np.isfinite(model.face_uvs).all(), model.name


def test_seats_have_their_backs_behind() -> None:
    """What rises highest is at -y; in the middle at most, where the arms are as high as the back."""
    wrong = []
    for label in ("chair", "armchair", "sofa"):
        for model in real_pack().by_label(label):
            high = model.vertices[model.vertices[:, 2] > 0.88 * model.size[2]]
            if high[:, 1].mean() > 0.02 * model.size[1]:
                wrong.append(model.name)
    assert wrong == []


def test_the_notice_names_all_creators_whose_licence_asks_for_it() -> None:
    notice = " ".join((Path(__file__).parents[3] / "NOTICE").read_text().split())
    creators = {model.creator for model in real_pack().models if "CC0" not in model.license}
    assert creators
    assert [creator for creator in sorted(creators) if creator not in notice] == []
