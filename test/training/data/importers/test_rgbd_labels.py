"""Labels of one's own pictures: COCO's layout, masks, what they become, and labels that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.scene.geometry import image_rectangle
from distill3d_ros.training.data.importers.import_options import RgbdOptions
from distill3d_ros.training.data.importers.published_files import SourceError
from distill3d_ros.training.data.importers.rgbd.import_rgbd import divided, import_rgbd
from distill3d_ros.training.data.importers.rgbd.registration import edge_agreement
from distill3d_ros.training.data.importers.rgbd.rgbd_samples import covers_of
from distill3d_ros.training.data.importers.visible_boxes import NOWHERE, rectangle_box
from distill3d_ros.training.data.sample import UNKNOWN_ID
from distill3d_ros.training.data.shards import ShardReader

CALIBRATION = "image_width: 64\nimage_height: 48\ncamera_matrix: {data: [60, 0, 31.5, 0, 60, 23.5, 0, 0, 1]}\n"
CHAIR, DOG = (10, 20, 20, 15), (40, 5, 10, 10)
"""Left, top, width, height of two things 1.2 m and 2 m away; behind them is a wall at 3 m."""
SQUARE = [10, 20, 30, 20, 30, 35, 10, 35]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    depth = np.full((48, 64), 3.0)
    for (left, top, width, height), metres in ((CHAIR, 1.2), (DOG, 2.0)):
        depth[top : top + height, left : left + width] = metres
    for name in ("a", "b"):
        for kind in ("rgb", "depth"):
            (folder / kind).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / "rgb" / f"{name}.png"), np.full((48, 64, 3), 90, np.uint8))
        cv2.imwrite(str(folder / "depth" / f"{name}.png"), (1000 * depth).astype(np.uint16))
    (folder / "camera.yaml").write_text(CALIBRATION)
    return folder


def coco(*annotations: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Labels of picture a."""
    return {
        "images": [{"id": 7, "file_name": "a.png", "width": 64, "height": 48}],
        "categories": [{"id": 1, "name": "Office-Chair"}, {"id": 2, "name": "dog"}, {"id": 3, "name": "lamp"}],
        "annotations": [{"id": i, "image_id": 7, **entry} for i, entry in enumerate(annotations)],
    } | more


def labelled(source: Path, data: Any, **options: Any) -> tuple[dict[str, Any], list[str]]:
    (source / "labels.json").write_text(json.dumps(data))
    lines: list[str] = []
    given = {"camera": source / "camera.yaml", "labels": source / "labels.json", "size": (64, 48), "split": "train"}
    out = source.parent / "out"
    import_rgbd(RgbdOptions(folder=source, out=out, **(given | options)), report=lines.append)
    return {sample.key: sample for sample in ShardReader(out, "train")}, lines


def test_polygons_become_masks_and_boxes(source: Path):
    dog = {"category_id": 2, "bbox": list(DOG), "segmentation": [[40, 5, 50, 5, 50, 15, 40, 15]]}
    chair = {"category_id": 1, "bbox": list(CHAIR), "segmentation": [SQUARE]}
    samples, lines = labelled(source, coco(dog, chair))
    sample = samples["a-00"]
    (thing,) = sample.scene.objects
    assert thing.label == "chair"
    assert sample.ids[27, 20] == thing.id
    assert sample.ids[10, 45] == UNKNOWN_ID, "a dog is of no class that is known"
    assert sample.ids[45, 5] == 0
    assert thing.box.center[2] == pytest.approx(1.2, abs=0.03)
    rectangle = image_rectangle(thing.box, sample.scene.level_from_optical, sample.frame.intrinsics)
    assert np.abs(np.array(rectangle) - (9.5, 19.5, 29.5, 34.5)).max() < 1.5
    annotation = sample.scene.annotation
    assert (annotation.depth, annotation.boxes, annotation.masks) == ("measured", "visible", True)
    assert annotation.classes == {"chair", "lamp"}
    assert annotation.covers == {"chair": ("armchair", "stool")}
    assert any(
        '1 names of the labels are of no class that is known and count as unknown: dog. Add "classes"' in line
        for line in lines
    )
    other = samples["b-00"]
    assert other.scene.annotation.boxes == "none", "nobody labelled it"
    assert (other.ids == UNKNOWN_ID).all()


def test_run_lengths_are_read(source: Path):
    pytest.importorskip("pycocotools", reason="pycocotools is not installed")
    from pycocotools import mask as run_lengths

    mask = np.zeros((48, 64), np.uint8)
    mask[20:35, 10:30] = 1
    coded = run_lengths.encode(np.asfortranarray(mask))
    coded["counts"] = coded["counts"].decode()
    plain = {"size": [48, 64], "counts": [10 * 48 + 20, *([15, 33] * 19), 15, 64 * 48 - 29 * 48 - 35]}
    for segmentation in (coded, plain):
        sample = labelled(source, coco({"category_id": 1, "segmentation": segmentation}))[0]["a-00"]
        assert ((sample.ids == 1) == (mask > 0)).all()
        for file in (source.parent / "out").iterdir():
            file.unlink()


def test_rectangles_alone_have_boxes_from_the_depth_in_their_middle(source: Path):
    """The rectangle takes in some of the wall behind."""
    entry = {"category_id": 1, "bbox": [8, 18, 24, 19]}
    sample = labelled(source, coco(entry))[0]["a-00"]
    (thing,) = sample.scene.objects
    assert not sample.scene.annotation.masks
    assert thing.image_box == (7.5, 17.5, 31.5, 36.5)
    assert thing.visible_pixels is None
    assert thing.box.center[2] == pytest.approx(1.2, abs=0.03)
    assert thing.box.size[0] == pytest.approx(20 / 60 * 1.2, rel=0.1)
    assert sample.ids[20, 20] == UNKNOWN_ID, "what in the rectangle shows it is not known"
    assert sample.ids[45, 5] == 0


def test_pictures_without_depth_can_be_labelled(source: Path):
    (source / "depth" / "a.png").unlink()
    sample = labelled(source, coco({"category_id": 1, "bbox": list(CHAIR)}))[0]["a-00"]
    assert sample.scene.annotation.depth == "none"
    (thing,) = sample.scene.objects
    rectangle = image_rectangle(thing.box, sample.scene.level_from_optical, sample.frame.intrinsics)
    assert np.abs(np.array(rectangle) - thing.image_box).max() < 0.6
    assert thing.box.center[2] == NOWHERE


def test_masks_beside_the_pictures(source: Path):
    mask = np.zeros((48, 64), np.uint8)
    mask[20:35, 10:20] = mask[20:35, 22:30] = 4
    mask[:3], mask[40:] = 9, 5
    (source / "labels").mkdir()
    cv2.imwrite(str(source / "labels" / "a.png"), mask)
    samples, _ = labelled(source, {"names": {"4": "chair", "5": "floor", "9": "whatnot"}})
    sample = samples["a-00"]
    assert [o.label for o in sample.scene.objects] == ["chair", "chair"], "areas that do not touch are two things"
    assert (sample.ids[:3] == UNKNOWN_ID).all()
    assert (sample.ids[40:] == 0).all()
    assert (sample.ids[10] == UNKNOWN_ID).all(), "no value: nobody said what it is"


def test_masks_that_tell_things_apart(source: Path):
    mask = np.zeros((48, 64), np.uint16)
    mask[20:35, 10:20], mask[20:35, 20:30], mask[5:15, 40:50] = 4001, 4002, 7000
    (source / "labels").mkdir()
    cv2.imwrite(str(source / "labels" / "a.png"), mask)
    names = {"names": {"4": "chair", "7": "dog"}, "instances": 1000, "classes": {"dog": None}}
    samples, lines = labelled(source, names)
    sample = samples["a-00"]
    assert sorted(o.id for o in sample.scene.objects) == [1, 2]
    assert (sample.ids[5:15, 40:50] == 0).all(), "the file says that a dog is of no class"
    assert not any("unknown" in line for line in lines)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "must have 'images', 'categories' and 'annotations'"),
        (coco({"category_id": 5, "bbox": [1, 1, 2, 2]}), "annotation 0 has an unknown category_id"),
        (coco({"category_id": 1}), "annotation 0 cannot be used: it has neither bbox nor segmentation"),
        (coco({"category_id": 1, "bbox": [1, 1, 0, 2]}), "bbox must have a width and a height"),
        (coco(images=[{"id": 7, "file_name": "a.png", "width": 640, "height": 480}]), "is labelled at 640x480"),
        (coco(categories=[{"id": 1, "name": "dog"}]), "none of its names is a class that is known"),
        (coco(classes={"dog": "hound"}), "classes must map names to chair, .* Got dog: hound"),
        ({"names": {"one": "chair"}}, "names must be"),
        ({"names": {"1": "chair"}, "instances": 0}, "instances must be at least 1"),
    ],
)
def test_labels_that_cannot_be_used(source: Path, data: Any, message: str):
    with pytest.raises(SourceError, match=message):
        labelled(source, data)
    assert not list((source.parent / "out").glob("*.tar*"))


def test_mask_of_another_size(source: Path):
    (source / "labels").mkdir()
    cv2.imwrite(str(source / "labels" / "a.png"), np.ones((24, 32), np.uint8))
    with pytest.raises(SourceError, match="must be an 8-bit or 16-bit PNG of one channel, 64x48 as its picture"):
        labelled(source, {"names": {"1": "chair"}})
    (source / "labels.json").write_text("{")
    with pytest.raises(SourceError, match="--labels must be a JSON file"):
        import_rgbd(
            RgbdOptions(
                folder=source, out=source.parent / "out", camera=source / "camera.yaml", labels=source / "labels.json"
            )
        )


def test_pictures_without_a_calibration(source: Path):
    with pytest.raises(ValueError, match="--camera must name the calibration"):
        import_rgbd(RgbdOptions(folder=source, out=source.parent / "out"))


def test_covers_are_of_finer_classes_that_were_not_looked_for():
    assert covers_of(frozenset({"chair", "armchair", "cabinet"})) == {"chair": ("stool",), "cabinet": ("wardrobe",)}


def test_a_rectangle_that_shows_no_depth():
    camera = Intrinsics(fx=60, fy=60, cx=31.5, cy=23.5, width=64, height=48)
    box = rectangle_box((9.5, 19.5, 29.5, 34.5), np.zeros((48, 64), np.float32), camera, np.eye(3))
    assert box.center == pytest.approx([(19.5 - 31.5) / 60 * NOWHERE, (27 - 23.5) / 60 * NOWHERE, NOWHERE])


# ----------------------------------------------------------------------------------------------- places, and the edges


def test_whole_places_are_held_out():
    places = {f"{room}{i}": room for room in "abcdefgh" for i in range(5)}
    splits = divided(places, split="train", val_share=0.3)
    rooms = [{name[0] for name in splits[split]} for split in ("train", "val")]
    assert not rooms[0] & rooms[1]
    assert len(splits["val"]) == 10
    assert divided(places, split="test", val_share=0.0) == {"test": list(places)}
    with pytest.raises(ValueError, match="leaves nothing for train"):
        divided(dict.fromkeys("ab", "here"), split="train", val_share=0.5)


def scene_with_edges(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    image, depth = np.full((240, 320, 3), 40, np.uint8), np.full((240, 320), 3.0, np.float32)
    for _ in range(8):
        left, top = rng.integers(20, 260), rng.integers(20, 180)
        cut = np.s_[top : top + 40, left : left + 40]
        image[cut], depth[cut] = rng.integers(80, 255, 3), rng.uniform(1, 2.5)
    return image, depth


@pytest.mark.parametrize(("shift", "state"), [(0, "right"), (5, "off"), (12, "wrong")])
def test_depth_that_is_not_registered_is_noticed(shift: int, state: str):
    rng = np.random.default_rng(0)
    frames = [scene_with_edges(rng) for _ in range(4)]
    found = edge_agreement([(image, np.roll(depth, shift, axis=1)) for image, depth in frames])
    assert found.is_known
    assert (found.is_off, found.is_wrong) == (state != "right", state == "wrong")
    assert abs(found.offset * 320 - shift) <= 1.5


def test_plain_walls_tell_nothing_of_registration():
    found = edge_agreement([(np.full((240, 320, 3), 9, np.uint8), np.ones((240, 320), np.float32))])
    assert not found.is_known
    assert not found.is_off


def test_recordings_that_are_not_registered_are_refused(source: Path):
    rng = np.random.default_rng(1)
    (source / "camera.yaml").write_text(CALIBRATION.replace("64", "320").replace("48", "240"))
    for name in ("a", "b"):
        image, depth = scene_with_edges(rng)
        cv2.imwrite(str(source / "rgb" / f"{name}.png"), image)
        cv2.imwrite(str(source / "depth" / f"{name}.png"), (1000 * np.roll(depth, 12, axis=1)).astype(np.uint16))
    with pytest.raises(SourceError, match=r"depth is not registered to the pictures: edges of depth lie 3\.\d % of"):
        import_rgbd(RgbdOptions(folder=source, out=source.parent / "out", camera=source / "camera.yaml"))
    assert not list((source.parent / "out").glob("*.tar*"))
