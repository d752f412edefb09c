"""Links from the names in a question to the detected objects that they mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from distill3d_ros.questions.ground_truth.question import Question
from distill3d_ros.scene.objects import Scene, SceneObject
from distill3d_ros.student.outputs import ObjectSet, QuestionText
from distill3d_ros.training.inputs.question_sampling import question_text


def link_names_to_objects(
    questions: Sequence[Question],
    scene: Scene,
    found: dict[int, tuple[int, ...]],
    label_index: dict[str, int],
) -> list[QuestionText]:
    """Questions with their names linked to the object tokens that report the true objects."""

    def members(label: str) -> tuple[int, ...] | None:
        tokens: tuple[int, ...] = ()
        for o in scene.labelled(label):
            if o.id not in found:
                return None
            tokens += found[o.id]
        return tokens

    every: Callable[[int], tuple[int, ...]] = lambda i: found.get(i, ())  # noqa: E731
    return [question_text(q, label_index, every, members) for q in questions]


@torch.no_grad()
def match_objects(objects: ObjectSet, b: int, scene: Scene, label_index: dict[str, int]) -> dict[int, tuple[int, ...]]:
    """True object -> numbers of the object tokens that report it: near enough, and of its class.

    Of the tokens whose centre lies within half the object's diagonal plus a tenth of its distance, those count that
    have at least half the class score of the best of them, if that is above 0.1.
    """
    center, probs = objects.center[b].float().cpu().numpy(), objects.class_probs[b].float().cpu().numpy()
    found: dict[int, tuple[int, ...]] = {}
    for o in scene.objects:
        if o.label in label_index:
            tokens = _reporting_tokens(o, center, probs[:, label_index[o.label]])
            if tokens:
                found[o.id] = tokens
    return found


def _reporting_tokens(o: SceneObject, center: NDArray[np.float32], scores: NDArray[np.float32]) -> tuple[int, ...]:
    reach = np.linalg.norm(o.box.size) / 2 + 0.1 * np.linalg.norm(o.box.center)
    near = np.linalg.norm(center - o.box.center, axis=1) < reach  # (N,)
    best = float(scores[near].max(initial=0.0))
    if best < 0.1:
        return ()
    return tuple(int(i) for i in np.nonzero(near & (scores >= best / 2))[0])
