"""Sources and class counts of the training frames, for the model card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distill3d_ros.scene.labels import LABELS
from distill3d_ros.training.data.shards import ShardReader

RENDERED = "rendered"


def learned_from(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """For each data folder its name, where its pictures come from, and what is marked in its training frames.

    ``source`` is ``rendered`` or the importer. ``things`` and ``frames_with`` count by class, ``marked_in`` counts the
    frames in which things of the class would have been marked; classes that were marked nowhere are left out.

    Raises:
        ShardError: a folder is no data set.
    """
    return [_counts(ShardReader(folder, "train")) for folder in folders]


def _counts(reader: ShardReader) -> dict[str, Any]:
    things, frames_with, marked_in = Counter[str](), Counter[str](), Counter[str]()
    for i in range(len(reader)):
        scene = reader.scene(i)
        labels = [o.label for o in scene.objects]
        things.update(labels)
        frames_with.update(set(labels))
        marked_in.update(scene.annotation.marked_classes())
    classes = [label for label in LABELS if marked_in[label] or things[label]]
    return {
        "name": reader.folder.name,
        "source": str(reader.manifest.recipe.get("importer", RENDERED)),
        "frames": len(reader),
        "classes": {
            label: {"things": things[label], "frames_with": frames_with[label], "marked_in": marked_in[label]}
            for label in classes
        },
    }
