"""Knowledge about classes in an image: which are absent where nothing is marked, and the class that each pixel shows.

Letters: C classes of the student, H W pixels, P patch cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.annotation import Annotation
from distill3d_ros.scene.objects import SceneObject
from distill3d_ros.student.outputs import IGNORE
from distill3d_ros.training.data.sample import UNKNOWN_ID

SEMANTIC_STRIDE = 8
"""Pixels of the picture a pixel of the semantic segmentation."""


def judged_classes(annotation: Annotation, label_index: Mapping[str, int]) -> NDArray[np.bool_]:
    """(C,) classes that are absent where nothing is marked.

    Where masks say of every pixel what it shows or that it is unknown, a pixel of no category shows none of any class.
    With rectangles alone those are the marked classes; a finer class is, too, where its things would have been marked
    as a coarser one: without a chair there is no armchair.
    """
    if annotation.masks:
        return np.full(len(label_index), annotation.boxes != "none")
    judged = np.zeros(len(label_index), bool)
    for label, number in label_index.items():
        judged[number] = annotation.tells_of(label) or annotation.tells_of(annotation.marked_as(label))
    return judged


def finer_classes(annotation: Annotation, label_index: Mapping[str, int]) -> NDArray[np.bool_]:
    """(C, C) [marked class, finer class]: what is marked as the one may be the other."""
    finer = np.zeros((len(label_index), len(label_index)), bool)
    for marked, others in annotation.covers.items():
        for other in others:
            if marked in label_index and other in label_index:
                finer[label_index[marked], label_index[other]] = True
    return finer


def class_image(
    ids: NDArray[np.uint16], objects: Sequence[SceneObject], annotation: Annotation, label_index: Mapping[str, int]
) -> NDArray[np.int64]:
    """(H, W) class that each pixel shows, C for no category, ``IGNORE`` where unknown or none of the student's.

    Args:
        ids: object id a pixel; of rectangles alone those of ``rectangles_as_ids``.
        objects: every marked object.
    """
    if annotation.boxes == "none":
        return np.full(ids.shape, IGNORE, np.int64)
    # Other ids of a rendered picture are clutter, such as a book, where the student knows no class that was not marked;
    # in a real one they are scraps of a class that was not kept.
    count = len(label_index)
    clutter = annotation.boxes == "amodal" and all(map(annotation.tells_of, label_index))
    table = np.full(UNKNOWN_ID + 1, count if clutter else IGNORE, np.int64)
    table[0], table[UNKNOWN_ID] = count, IGNORE
    table[[o.id for o in objects]] = [label_index.get(o.label, IGNORE) for o in objects]
    return table[ids]


def shown_classes(classes: NDArray[np.int64], count: int, grid: tuple[int, int]) -> NDArray[np.int64]:
    """(P,) class that each patch cell mostly shows, or ``count`` for anything else, ``IGNORE`` where mostly unknown.

    Args:
        classes: (H, W) from ``class_image``.
        count: number of classes.
    """
    height, width = classes.shape
    rows, columns = grid
    cell = ((np.arange(height) * rows) // height)[:, None] * columns + (np.arange(width) * columns) // width
    kinds = count + 2
    code = np.where(classes == IGNORE, count + 1, classes)
    share = np.bincount((cell * kinds + code).ravel(), minlength=rows * columns * kinds).reshape(-1, kinds)
    share = share / (height * width / (rows * columns))
    shown = np.where(share[:, :count].max(1, initial=0.0) > 0.5, share[:, : max(count, 1)].argmax(1), count)
    return np.where(share[:, count + 1] > 0.5, IGNORE, shown)


def semantic_targets(classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """(H / stride, W / stride) of a class image: at the middle of each cell."""
    half = SEMANTIC_STRIDE // 2
    return classes[half::SEMANTIC_STRIDE, half::SEMANTIC_STRIDE]
