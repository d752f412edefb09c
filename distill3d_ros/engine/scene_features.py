"""Features of a scene: what the engine keeps of its perception to answer questions about it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from distill3d_ros.engine.box_decoding import RawBoxes
from distill3d_ros.student.language.language import PrefixCache
from distill3d_ros.student.outputs import Perception, map_tensors
from distill3d_ros.student.student import Student


@dataclass(slots=True)
class SceneFeatures:
    """A scene's perception, and the language model's reading of it. Used by the engine's one thread only."""

    perception: Perception
    boxes: RawBoxes
    """All that were perceived, whatever their score."""
    object_of_query: dict[int, int]
    """Index of a box in ``perception`` -> id of the scene's object."""
    _prefix: PrefixCache | None = None

    @torch.inference_mode()
    def prefix(self, student: Student) -> PrefixCache:
        """The visual tokens as the language model reads them: computed for the first question, kept for the others.

        Most frames of a robot are never asked about, and a large language model reads as long as the encoder looks.
        """
        if self._prefix is None:
            self._prefix = student.cache(student.prefix(self.perception))
        return self._prefix


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
    certainty = perception.detections.scores[0].amax(-1)
    faint = [box for box in certainty.argsort(descending=True).tolist() if box not in owner]
    chosen += faint[: max_objects - len(chosen)]
    index = torch.tensor(chosen, device=certainty.device)
    boxes = map_tensors(perception.detections, lambda x: x[:, index])
    objects = {place: owner[box] for place, box in enumerate(chosen) if box in owner}
    return replace(perception, detections=boxes, query_patch=perception.query_patch[:, index]), objects
