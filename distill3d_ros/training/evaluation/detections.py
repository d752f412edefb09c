"""Detected objects of a batch, decoded as the engine decodes them, beside the true scenes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from distill3d_ros.engine.box_decoding import MIN_BOX_SCORE, DecodingConfig, RawBoxes, decode_objects
from distill3d_ros.engine.engine import Engine
from distill3d_ros.scene.objects import Scene
from distill3d_ros.student.outputs import Perception


def detected_scenes(perception: Perception, labels: Sequence[str], true: Sequence[Scene]) -> list[Scene]:
    """The true scenes with the detected objects in place of theirs, down to MIN_BOX_SCORE, for ``metrics.box_score``.

    Args:
        labels: of the student, in the order of its classes.
        true: one scene for each of the batch, in the level frame of its perception.
    """
    found = []
    for number, scene in enumerate(true):
        objects, _ = decode_objects(
            RawBoxes.of(perception, number),
            labels,
            level_from_optical=scene.level_from_optical,
            intrinsics=scene.intrinsics,
            config=DecodingConfig(),
            min_score=MIN_BOX_SCORE,
        )
        found.append(replace(scene, objects=objects, contacts=None, gaps=None, supports=None))
    return found


def with_all_boxes(engine: Engine, scene: Scene) -> Scene:
    """A perceived scene with all its boxes down to MIN_BOX_SCORE, for ``metrics.box_score``, and nothing else."""
    objects = engine.objects(scene, min_score=MIN_BOX_SCORE)
    return replace(scene, objects=objects, depth=None, depth_confidence=None, features=None)
