"""Referents of a question: a perception in which only the things that the question means bear their name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from distill3d_ros.scene.objects import Scene
from distill3d_ros.student.arrays import copied
from distill3d_ros.student.outputs import Perception, map_tensors

_NEVER = -20.0
"""Logit of a class that a box is not."""


def keep_referents(
    perception: Perception,
    chosen: Mapping[str, frozenset[int]],
    scene: Scene,
    labels: Sequence[str],
    object_of_query: Mapping[int, int],
) -> tuple[Perception, dict[int, int]]:
    """The perception of one scene (B = 1) in which only the chosen objects bear each of some names.

    Boxes of other objects of the name are left out; boxes of objects of other names can no longer be taken for one.

    Args:
        chosen: label -> ids of objects of ``scene``; see ``questions.references.single_out``.
        labels: of the student, in the order of its classes.
        object_of_query: index of a box -> id of the scene's object that it is.

    Returns:
        the perception, and ``object_of_query`` for its boxes.
    """
    logits = copied(perception.detections.class_logits)  # (1, N, C)
    own = {o.id: o.label for o in scene.objects}
    kept = list(range(logits.shape[1]))
    for label, ids in chosen.items():
        others = {box for box, owner in object_of_query.items() if owner not in ids}
        kept = [box for box in kept if box not in others or own.get(object_of_query[box]) != label]
        logits[0, sorted(others), labels.index(label)] = _NEVER
    boxes = map_tensors(replace(perception.detections, class_logits=logits), lambda x: x[:, kept])
    objects = {n: object_of_query[box] for n, box in enumerate(kept) if box in object_of_query}
    return replace(perception, detections=boxes, query_patch=perception.query_patch[:, kept]), objects
