"""Accuracy of a teacher that perceives alone, measured before it teaches: its depth and its rectangles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.scene.objects import Scene
from distill3d_ros.training.data.answers.teacher_answer import TeacherPerception
from distill3d_ros.training.data.mixture import Reader
from distill3d_ros.training.data.reading import evenly_spaced
from distill3d_ros.training.evaluation.metrics import DepthScore, depth_score, mean_depth_score
from distill3d_ros.training.inputs.rectangle_overlap import rectangle_iou
from distill3d_ros.training.teachers.teacher import Teacher

_HIT = 0.5
"""Intersection over union from which a rectangle marks a thing."""
_LARGE = 0.0065
"""Share of the picture that a thing must show to be looked for: 2,000 pixels of 640 x 480."""


def measure_perception(
    teacher: Teacher, reader: Reader, *, split: str, samples: int, min_score: float
) -> dict[str, Any]:
    """Depth against the true depth, and how many of the things that are marked and large it finds.

    Returns:
        ``split``, ``samples``, and ``overall`` and ``families`` of no questions, as of teachers that answer; ``depth``
        (``absrel``, ``delta1``, ``samples``, ``aligned``) and ``rectangles`` (``found``, ``marked``), each None where
        nothing can be compared. Relative depth is aligned with the truth first, by the scale and the shift of its
        inverse that fit best.
    """
    scores: list[DepthScore | None] = []
    found = marked = 0
    aligned = False
    picked = evenly_spaced(len(reader), samples)
    for number in picked:
        sample = reader[number]
        seen = teacher.perceive(sample)
        if seen is None:
            continue
        if seen.depth is not None and sample.scene.annotation.depth in ("rendered", "measured"):
            scores.append(_depth(seen, np.asarray(sample.scene.depth, np.float32)))
            aligned = aligned or seen.depth_is_relative
        if seen.rectangles is not None:
            hits = _hits(seen, sample.scene, min_score)
            found, marked = found + sum(hits), marked + len(hits)
    depth = mean_depth_score(scores)
    return {
        "split": split,
        "samples": len(picked),
        "overall": {"right": 0, "asked": 0},
        "families": {},
        "depth": None
        if depth is None
        else {"absrel": depth.absrel, "delta1": depth.delta1, "samples": len(scores), "aligned": aligned},
        "rectangles": {"found": found, "marked": marked} if marked else None,
    }


def describe_perception(accuracy: Mapping[str, Any]) -> str:
    """ "depth AbsRel 0.120, delta1 0.850 in 100 samples; 310 of 402 large things found"."""
    parts = []
    if accuracy.get("depth"):
        depth = accuracy["depth"]
        how = " after its inverse was aligned" if depth["aligned"] else ""
        parts.append(
            f"depth AbsRel {depth['absrel']:.3f}, delta1 {depth['delta1']:.3f} in {depth['samples']} samples{how}"
        )
    if accuracy.get("rectangles"):
        parts.append(f"{accuracy['rectangles']['found']} of {accuracy['rectangles']['marked']} large things found")
    if not parts:
        return "not measured: nothing is known about these pictures to compare with"
    return f"{'; '.join(parts)} ({accuracy['split']})"


def aligned_depth(relative: FloatArray, true: FloatArray) -> FloatArray:
    """(H, W) metres: relative depth with the scale and the shift of its inverse that fit the true one best, by least
    squares (Ranftl et al. 2020, eq. 4); ``true`` is 0 where unknown."""
    known = (true > 0) & (relative > 0)
    if known.sum() < 2:
        return np.zeros_like(relative)
    columns = np.stack([1 / relative[known], np.ones(int(known.sum()))], 1)
    scale, shift = np.linalg.lstsq(columns, 1 / true[known], rcond=None)[0]
    inverse = scale / np.where(relative > 0, relative, 1.0) + shift
    return np.where(relative > 0, 1 / np.maximum(inverse, 1e-3), 0.0)


def _depth(seen: TeacherPerception, true: FloatArray) -> DepthScore | None:
    height, width = true.shape
    resized = cv2.resize(np.asarray(seen.depth, np.float32), (width, height), interpolation=cv2.INTER_NEAREST)
    depth = np.asarray(resized, np.float32)
    true = np.nan_to_num(true, nan=0.0, posinf=0.0)
    return depth_score(aligned_depth(depth, true) if seen.depth_is_relative else depth, true)


def _hits(seen: TeacherPerception, scene: Scene, min_score: float) -> list[bool]:
    """Whether each marked thing that is large, and of a class of the teacher, has a rectangle of that class."""
    k, annotation = scene.intrinsics, scene.annotation
    sides = np.array([k.width, k.height, k.width, k.height], float)
    probs, hits = np.asarray(seen.class_probs), []
    for o in scene.objects if annotation.boxes != "none" else ():
        enough = o.visible_pixels is not None and o.visible_pixels >= _LARGE * k.width * k.height
        if o.image_box is None or not enough or o.label not in seen.labels:
            continue
        named = {o.label, *annotation.covers.get(o.label, ())}
        columns = [c for c, label in enumerate(seen.labels) if label in named]
        candidates = np.asarray(seen.rectangles)[probs[:, columns].max(1, initial=0.0) >= min_score]
        outline = (np.asarray(o.image_box) + 0.5) / sides
        hits.append(bool((rectangle_iou(outline[None], candidates) >= _HIT).any()))
    return hits
