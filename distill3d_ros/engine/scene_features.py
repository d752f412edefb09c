"""Features of a scene: what the engine keeps of its perception to answer questions about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from distill3d_ros.engine.box_decoding import RawBoxes
from distill3d_ros.engine.runtimes.runtime import Runtime
from distill3d_ros.student.arrays import to_numpy
from distill3d_ros.student.outputs import Perception, map_tensors


@dataclass(slots=True)
class SceneFeatures:
    """A scene's perception, and the language model's reading of it. Used by the engine's one thread only."""

    perception: Perception
    boxes: RawBoxes
    """All that were perceived, whatever their score."""
    object_of_query: dict[int, int]
    """Index of a box in ``perception`` -> id of the scene's object."""
    _reading: Any = None

    def reading(self, runtime: Runtime) -> Any:
        """The scene as the language model reads it: computed for the first question, kept for the others.

        Most frames of a robot are never asked about, and a large language model reads as long as the encoder looks.
        """
        if self._reading is None:
            self._reading = runtime.read(self.perception)
        return self._reading


def deduplicate_views(
    perception: Perception, owner: dict[int, int], max_objects: int
) -> tuple[Perception, dict[int, int]]:
    """The perception of several frames in the form of one frame's: one box a thing, and as many boxes as usual.

    Args:
        owner: index of a box -> id of its object, the best box of an object first; see ``decode_objects``.
        max_objects: boxes of one frame.

    Returns:
        the perception, and ``owner`` for its boxes.
    """
    best = {object_id: box for box, object_id in reversed(owner.items())}
    chosen = [box for box, object_id in owner.items() if best[object_id] == box][:max_objects]
    certainty = to_numpy(perception.detections.scores[0]).max(-1)
    faint = [box for box in np.argsort(-certainty, kind="stable").tolist() if box not in owner]
    chosen += faint[: max_objects - len(chosen)]
    boxes = map_tensors(perception.detections, lambda x: x[:, chosen])
    objects = {place: owner[box] for place, box in enumerate(chosen) if box in owner}
    return replace(perception, detections=boxes, query_patch=perception.query_patch[:, chosen]), objects
