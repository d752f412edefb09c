"""Data folders of pictures about which little is known: no labels, perhaps measured depth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from support.training.tiny_training import six_objects

from distill3d_ros.scene.annotation import Annotation
from distill3d_ros.training.data.manifest import Manifest, write_manifest
from distill3d_ros.training.data.sample import Sample
from distill3d_ros.training.data.shards import ShardWriter

PICTURE_ALONE = Annotation(depth="none", boxes="none", masks=False, gravity=False)
WITH_DEPTH = Annotation(depth="measured", boxes="none", masks=False, gravity=True)


def unlabelled(number: int, annotation: Annotation, *, split: str = "train", share_known: float = 0.7) -> Sample:
    """The picture of ``six_objects`` without its truth; measured depth has holes."""
    whole = six_objects(split, number)
    rng = np.random.default_rng(number)
    depth = np.zeros((64, 64), np.float32)
    if annotation.depth == "measured":
        depth = np.where(rng.random((64, 64)) < share_known, whole.scene.depth, 0).astype(np.float32)
        depth[:, :9] = 0  # as wide as two cells of a quarter of the picture's side
    level = whole.scene.level_from_optical if annotation.gravity else np.eye(3)
    scene = replace(
        whole.scene,
        objects=(),
        contacts=None,
        gaps=None,
        supports=None,
        depth=depth,
        level_from_optical=level,
        annotation=annotation,
    )
    frame = replace(whole.frame, up=whole.frame.up if annotation.gravity else None, depth=depth)
    return replace(whole, frame=frame, scene=scene, ids=np.zeros((64, 64), np.uint16), room=f"picture-{number}")


def picture_folder(folder: Path, splits: Mapping[str, int], annotation: Annotation = PICTURE_ALONE) -> Path:
    """A data folder with so many such samples of each split."""
    folder.mkdir(parents=True, exist_ok=True)
    shards = []
    for split, count in splits.items():
        with ShardWriter(folder, split=split, number=0, first_room=0, rooms=count) as writer:
            for number in range(count):
                writer.add(unlabelled(number, annotation, split=split))
        shards.append(writer.info)
    recipe = {"pictures": annotation.depth}
    write_manifest(folder, Manifest(recipe=recipe, planned_rooms=dict(splits), shards=tuple(shards), complete=True))
    return folder
