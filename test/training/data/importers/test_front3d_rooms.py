"""3D-FRONT's rooms: axes, labels, splits and what is skipped, on small houses in the published format."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from support.front_houses import (
    CHAIR,
    GONE,
    HOUSE,
    LAMP,
    TABLE,
    UNSEEN,
    HouseFile,
    dining_room,
    flat,
    write_houses,
    write_models,
)

from distill3d_ros.scene.labels import LABELS
from distill3d_ros.training.data.importers.front3d import furniture_models
from distill3d_ros.training.data.importers.front3d.furniture_models import (
    OWN_FROM_OBJ,
    FrontError,
    FrontModels,
    ModelError,
    label_of,
    split_of_model,
)
from distill3d_ros.training.data.importers.front3d.house import floor_fill, read_house
from distill3d_ros.training.data.importers.front3d.room_shards import HOUSE_SHARES, house_groups
from distill3d_ros.training.data.importers.front3d.rooms import RoomSkippedError, front_room
from distill3d_ros.worlds.contacts import contact_truth


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> FrontModels:
    """Read-only, as shrinking models takes longest here."""
    return FrontModels(write_models(tmp_path_factory.mktemp("published") / "3D-FUTURE-model"))


@pytest.fixture
def models(published: FrontModels, tmp_path: Path) -> Path:
    """A folder of models to be damaged."""
    return Path(shutil.copytree(published.folder, tmp_path / "3D-FUTURE-model"))


@pytest.fixture
def houses(tmp_path: Path) -> Path:
    return write_houses(tmp_path / "3D-FRONT")


def only_room(path: Path, models: FrontModels, number: int = 0, **options):
    return front_room(read_house(path), number, models, **{"split": "train", "seed": 1, **options})


# -------------------------------------------------------------------------------------------------------- the axes


@pytest.mark.parametrize("number", [0, 1])
def test_furniture_stands_where_the_house_has_it(houses: Path, published: FrontModels, number: int):
    """By hand: our x is the house's x less the corner's; our y runs against z, from the floor's far edge."""
    room, left_out = only_room(houses / f"{HOUSE}.json", published, number)
    np.testing.assert_allclose(room.size, (4.0, 3.0, 2.6), atol=1e-9)
    assert room.type == "living dining room"
    assert not left_out
    chair, table, lamp, other = room.objects
    assert [o.label for o in room.objects] == ["chair", "table", "lamp", "chair"]
    assert [o.id for o in room.objects] == [1, 2, 3, 4]
    assert not any(o.leaning for o in room.objects)

    # Twice as wide and turned by 90 degrees about y, the offset (0.1, 0, 0) of its base becomes (0, 0, -0.2): it stands
    # at z + 0.8, which is 2.2 from the far edge at z + 3.
    np.testing.assert_allclose(chair.position, (1.0, 2.2, 0.0), atol=1e-6)
    np.testing.assert_allclose(chair.box.size, (1.0, 0.4, 0.9), atol=1e-6)
    np.testing.assert_allclose(front_of(chair), (1.0, 0.0), atol=1e-6)
    assert chair.yaw == pytest.approx(-np.pi / 2)

    np.testing.assert_allclose(table.position, (2.5, 1.8, 0.0), atol=1e-6)
    np.testing.assert_allclose(front_of(table), (0.0, -1.0), atol=1e-6)
    np.testing.assert_allclose(lamp.position, (2.4, 1.7, 0.7), atol=1e-6)

    # Turned by 180 degrees and scaled (2, 1, 1.5) along width, height, depth: the offset becomes (-0.2, 0, 0).
    np.testing.assert_allclose(other.position, (2.3, 0.5, 0.0), atol=1e-6)
    np.testing.assert_allclose(other.box.size, (1.0, 0.6, 0.9), atol=1e-6)
    np.testing.assert_allclose(front_of(other), (0.0, 1.0), atol=1e-6)


def front_of(placed) -> np.ndarray:
    return np.array([-np.sin(placed.box.yaw), np.cos(placed.box.yaw)])


def test_the_published_front_is_the_front_of_the_mesh(houses: Path, published: FrontModels):
    """The red side of the chair, +z in its file, looks along +x in the room; nothing is mirrored."""
    room, _ = only_room(houses / f"{HOUSE}.json", published)
    chair = room.objects[0]
    vertices, faces = chair.mesh()
    texture = chair.model.textures[chair.model.face_layers]  # (F, side, side, 3)
    at = np.clip(chair.model.face_uvs.mean(axis=1) * 128, 0, 127).astype(int)
    colours = texture[np.arange(len(faces)), at[:, 1], at[:, 0]]
    red = (colours[:, 0] > 200) & (colours[:, 2] < 50)
    assert red.sum() == 2
    np.testing.assert_allclose(vertices[faces[red]][..., 0], 1.2, atol=1e-6)
    assert np.linalg.det(chair.rotation) == pytest.approx(1.0)


def test_models_are_turned_not_mirrored(models: Path):
    """A corner of a box: x to the left of who looks at its front, the front forward, up."""
    (models / CHAIR / "raw_model.obj").write_text(
        "v 0 0 0\nv 1 0 0\nv 0 0.8 0\nv 0 0 0.6\nf 1 2 3\nf 1 3 4\nf 1 4 2\nf 2 3 4\n"
    )
    model = FrontModels(models).get(CHAIR)
    np.testing.assert_allclose(model.base, (0.5, 0.0, 0.3), atol=1e-9)
    found = sorted(np.round(model.furniture.vertices, 5).tolist())
    np.testing.assert_allclose(found, [(-0.5, -0.3, 0), (0.5, -0.3, 0), (0.5, -0.3, 0.8), (0.5, 0.3, 0)], atol=1e-5)
    published = np.array([(1, 0, 0), (0, 0, 0), (0, 0.8, 0), (0, 0, 0.6)]) - model.base
    np.testing.assert_allclose(published @ OWN_FROM_OBJ.T, found, atol=1e-5)


def test_a_tilted_thing_leans(tmp_path: Path, published: FrontModels):
    house = HouseFile()
    dining_room(house)
    house.data["scene"]["room"][0]["children"][2]["rot"] = [np.sin(0.1), 0.0, 0.0, np.cos(0.1)]  # 0.2 rad about x
    room, _ = only_room(house.write(tmp_path), published)
    lamp = room.objects[2]
    assert lamp.leaning
    assert np.linalg.det(lamp.rotation) == pytest.approx(1.0)
    # About x, +y turns to +z: the top leans to the lamp's front, which looks along -y in the room.
    np.testing.assert_allclose(lamp.to_world([0, 0, 0.4]) - lamp.position, (0, -0.4 * np.sin(0.2), 0.4 * np.cos(0.2)))
    np.testing.assert_allclose(front_of(lamp), (0.0, -1.0), atol=1e-6)


def test_what_stands_on_what_and_what_touches(houses: Path, published: FrontModels):
    room, _ = only_room(houses / f"{HOUSE}.json", published)
    assert [o.support for o in room.objects] == [None, None, 2, None]
    truth = contact_truth(room)
    assert truth.supports == {3: 2}
    # The chair's box ends at x = 1.2, the table's begins at 1.9.
    assert truth.gaps[1, 2] == pytest.approx(0.7, abs=1e-5)


# --------------------------------------------------------------------------------------------- labels and models


@pytest.mark.parametrize(
    ("super_category", "category", "label"),
    [
        ("Sofa", "armchair", "armchair"),
        ("Sofa", "Three-seat / Multi-seat Sofa", "sofa"),
        ("Cabinet/Shelf/Desk", "Bookcase / jewelry Armoire", "shelf"),
        ("Cabinet/Shelf/Desk", "Corner/Side Table", "table"),
        ("Pier/Stool", "Footstool/Sofastool/Bed End Stool/Stool", "stool"),
        ("Lighting", None, "lamp"),
        ("Cabinet/Shelf/Desk", None, ""),
        ("Table", "Bar", ""),
        ("Others", "Others", ""),
        (None, None, ""),
    ],
)
def test_categories_become_labels(super_category, category, label):
    assert label_of(super_category, category) == label


def test_every_category_has_a_label_of_ours():
    assert set(furniture_models._CATEGORIES) - {""} <= set(LABELS)
    assert set(furniture_models._SUPER_CATEGORIES.values()) <= set(LABELS)


def test_the_house_names_what_the_list_of_models_lacks(models: Path):
    (models / "model_info.json").write_text("[]")
    assert FrontModels(models).label(CHAIR, "Desk") == "desk"
    assert FrontModels(models).get(CHAIR, "Desk").furniture.label == "desk"


def test_the_texture_covers_models_whose_materials_name_none(models: Path):
    (models / TABLE / "model.mtl").unlink()
    assert FrontModels(models).get(TABLE).furniture.textures.shape == (1, 128, 128, 3)


def test_models_are_shrunk_once_and_forgotten_when_there_are_too_many(models: Path):
    two = FrontModels(models, limit=2)
    chair = two.get(CHAIR)
    assert two.get(CHAIR) is chair
    for jid in (TABLE, LAMP):
        two.get(jid)
    assert two.get(CHAIR) is not chair


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("v 0 0 zero\n", "could not convert"),
        ("", "no faces"),
        ("v 0 0 0\nv 1 0 0\nv 1 1 0\nf 1 2 9\n", "vertex that is not among its 3"),
        ("v 0 0 0\nv 0 0 0\nv 0 0 0\nf 1 2 3\n", "has an area"),
        ("v 0 0 0\nv 100 0 0\nv 0 80 0\nf 1 2 3\n", "must be in metres"),
    ],
)
def test_a_broken_model_is_named(models: Path, text: str, message: str):
    (models / CHAIR / "raw_model.obj").write_text(text)
    broken = FrontModels(models)
    for _ in range(2):  # the second time from memory
        with pytest.raises(ModelError, match=rf"model {CHAIR} cannot be used.*raw_model\.obj.*{message}"):
            broken.get(CHAIR)


def test_ids_do_not_leave_the_folder(models: Path):
    some = FrontModels(models)
    (models.parent / "raw_model.obj").write_text("")
    assert CHAIR in some
    assert ".." not in some
    assert f"../3D-FUTURE-model/{CHAIR}" not in some
    assert "" not in some


def test_models_without_their_list(tmp_path: Path, models: Path):
    with pytest.raises(FrontError, match=r"model_info\.json does not exist; --models must name"):
        FrontModels(tmp_path)
    (models / "model_info.json").write_text('{"a": 1}')
    with pytest.raises(FrontError, match=r"model_info\.json is no list of models"):
        FrontModels(models)


# ------------------------------------------------------------------------------------- rooms that are not imported


def skip_reason(house: HouseFile, folder: Path, models: FrontModels, **options) -> RoomSkippedError:
    with pytest.raises(RoomSkippedError) as caught:
        only_room(house.write(folder), models, **options)
    return caught.value


def test_the_share_of_its_rectangle_that_a_floor_fills():
    def corners(rectangles):
        xyz, faces = flat(rectangles, 0.0)
        return np.array(xyz).reshape(-1, 3)[np.array(faces).reshape(-1, 3)][:, :, [0, 2, 1]]

    assert floor_fill(corners([(0, 0, 4, 3)])) == 1.0
    assert floor_fill(corners([(0, 0, 4, 3), (1, 1, 2, 2)])) == 1.0, "overlaps count once"
    assert floor_fill(corners([(0, 0, 4, 1.5), (0, 1.5, 2, 3)])) == pytest.approx(0.75)


def test_an_l_shaped_room_is_skipped_unless_it_is_wanted(houses: Path, published: FrontModels):
    with pytest.raises(RoomSkippedError, match="floor not rectangular"):
        only_room(houses / f"{HOUSE}.json", published, 2)
    room, _ = only_room(houses / f"{HOUSE}.json", published, 2, min_fill=0.7)
    np.testing.assert_allclose(room.size, (4.0, 3.0, 2.6))


def test_missing_models_are_named(tmp_path: Path, published: FrontModels):
    house = HouseFile()
    dining_room(house, second=GONE)
    skipped = skip_reason(house, tmp_path, published)
    assert skipped.reason == "models missing"
    assert skipped.detail.startswith(f"{GONE}; unpack all of 3D-FUTURE into")


def change_mesh(house: HouseFile, key: str, value) -> None:
    house.data["mesh"][0][key] = value


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda h: h.data["scene"]["room"][0]["children"][0].pop("pos"), "broken room"),
        (lambda h: h.data["scene"]["room"][0]["children"][0].update(rot=[0, 0, 0, 0]), "broken room"),
        (lambda h: h.data["scene"]["room"][0]["children"][0].update(pos=[9.0, 0, 0]), "furniture through walls"),
        (lambda h: h.data["scene"]["room"][0]["children"][0].update(scale=[-1, 1, 1]), "mirrored or flat furniture"),
        (lambda h: h.data["furniture"][0].pop("valid") and h.data["furniture"][1].pop("valid"), "fewer than 3 named"),
        (lambda h: [f.pop("valid") for f in h.data["furniture"]], "no usable furniture"),
        (lambda h: change_mesh(h, "type", "SlabTop"), "no floor"),
        (lambda h: change_mesh(h, "faces", [0, 1, 99]), "broken room"),
        (lambda h: h.data["mesh"][0]["xyz"].__setitem__(1, 0.3), "floor not level"),
        (lambda h: h.data["mesh"][1].update(xyz=[0.0, 12.0, 0.0]), "no room height"),
    ],
)
def test_reasons_to_skip_a_room(tmp_path: Path, published: FrontModels, change, reason: str):
    house = HouseFile()
    dining_room(house)
    change(house)
    assert skip_reason(house, tmp_path, published).reason.startswith(reason)


# --------------------------------------------------------------------------------------------------------- splits


def test_held_out_models_are_in_no_room_of_the_other_splits(tmp_path: Path, published: FrontModels):
    house = HouseFile()
    dining_room(house, second=UNSEEN)
    path = house.write(tmp_path)
    room, left_out = only_room(path, published)
    assert [o.model.name for o in room.objects] == [f"3D-FUTURE#{jid}" for jid in (CHAIR, TABLE, LAMP)]
    assert left_out == {"model of the other split": 1}
    assert skip_reason(house, tmp_path, published, split="test").reason == "fewer than 3 named things"


def test_shares_of_the_splits():
    models = Counter(split_of_model(f"model {i}") for i in range(4000))
    assert 0.17 < models["test"] / 4000 < 0.23
    groups = house_groups([Path(f"{i}.json") for i in range(4000)], 8)
    found = Counter()
    for group in groups:
        found[group.split] += len(group.houses)
    assert sum(found.values()) == 4000
    for split, share in HOUSE_SHARES.items():
        assert found[split] / 4000 == pytest.approx(share, abs=0.015)
    assert [g.first_house for g in groups if g.split == "val"][:3] == [0, 8, 16]
    assert groups == house_groups([Path(f"{i}.json") for i in reversed(range(4000))], 8)
