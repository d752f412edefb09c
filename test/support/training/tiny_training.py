"""A data folder of a few samples and a configuration of three short stages, for the tests of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from support.data_samples import make_sample

from distill3d_ros.scene.geometry import level_rotation, project
from distill3d_ros.scene.objects import Box3D, SceneObject
from distill3d_ros.student.student import Student
from distill3d_ros.training.augment_config import AugmentConfig
from distill3d_ros.training.config import PERCEPTION_PARTS, StageConfig, TrainConfig
from distill3d_ros.training.data.manifest import Manifest, write_manifest
from distill3d_ros.training.data.sample import SPLITS, Sample
from distill3d_ros.training.data.shards import ShardWriter

SAMPLES = 4
LABELS = ("chair", "table", "lamp", "sofa", "plant", "box")


def six_objects(split: str, number: int) -> Sample:
    """Six things in front of a camera; the pixels are patches around where their centres project to."""
    rng = np.random.default_rng([SPLITS.index(split), number])
    base = make_sample(f"{split}-{number:06d}-00", split=split, seed=number)
    up = np.array([0.0, -0.95, -0.3])
    up /= np.linalg.norm(up)
    level = level_rotation(up)
    ids = np.zeros((64, 64), np.uint16)
    depth = np.full((64, 64), 4.0, np.float32)
    intrinsics = base.frame.intrinsics.resized(width=64, height=64)
    objects = []
    for i, label in enumerate(LABELS, start=1):
        optical = np.array([(i - 3.5) * 0.35, rng.uniform(-0.5, 0.5), rng.uniform(1.5, 3)])
        uv, z = project(optical, intrinsics)
        u, v = (int(np.clip(x, 4, 59)) for x in uv)
        ids[v - 4 : v + 4, u - 3 : u + 4] = i
        depth[ids == i] = z
        box = Box3D(center=level @ optical, size=rng.uniform(0.2, 0.9, 3), yaw=float(rng.uniform(-3, 3)))
        objects.append(SceneObject(id=i, label=label, box=box, visible_pixels=56, has_front=i % 2 == 0))
    scene = replace(
        base.scene,
        objects=tuple(objects),
        intrinsics=intrinsics,
        level_from_optical=level,
        depth=depth,
        contacts=frozenset(),
        gaps=None,
        supports={},
    )
    image = rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)
    frame = replace(base.frame, image=image, intrinsics=intrinsics, up=up, world_from_camera=None)
    return Sample(key=base.key, frame=frame, scene=scene, ids=ids, room=base.room, room_type="office", split=split)


def data_folder(folder: Path, splits: Sequence[str]) -> Path:
    folder.mkdir(exist_ok=True)
    shards = []
    for split in splits:
        with ShardWriter(folder, split=split, number=0, first_room=0, rooms=SAMPLES) as writer:
            for n in range(SAMPLES):
                writer.add(six_objects(split, n))
        shards.append(writer.info)
    manifest = Manifest(recipe={"seed": 0}, planned_rooms=dict.fromkeys(splits, SAMPLES), shards=tuple(shards))
    write_manifest(folder, manifest)
    return folder


def tiny_config(**changes: object) -> TrainConfig:
    """All stages, two steps each, on 64 x 64 pixels."""
    common: dict[str, object] = {
        "steps": 2,
        "batch_size": 2,
        "questions_per_scene": 6,
        "warmup_steps": 1,
        "validate_samples": 2,
        "workers": 0,
        "augment": AugmentConfig(sizes=((64, 64),)),
        "min_visible_pixels": 20,
        **changes,
    }
    frozen = dict.fromkeys(PERCEPTION_PARTS, 0.0)
    return TrainConfig(
        student={
            "encoder": {"dim": 64, "pairs": 1, "heads": 2},
            "detection": {"hidden": 64, "layers": 2, "heads": 2, "queries": 12},
            "language": {"dim": 64, "layers": 1, "heads": 2, "mlp_dim": 128, "pointer_dim": 32},
            "image_area": 64 * 64,
        },
        stages=(
            StageConfig(name="perception", kind="perception", **common),  # type: ignore[arg-type]
            StageConfig(name="reasoning", kind="reasoning", weighting="uncertainty", **common),  # type: ignore[arg-type]
            StageConfig(name="joint", kind="joint", lr_scales=frozen, **common),  # type: ignore[arg-type]
        ),
    )


def changed_parts(student: Student) -> set[str]:
    return {
        name.split(".")[0] for name, p in student.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0
    }
