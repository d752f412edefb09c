"""Gain and cost of more views of a room for a student."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from distill3d_ros.engine.box_decoding import MIN_BOX_SCORE
from distill3d_ros.engine.engine import Engine
from distill3d_ros.scene.objects import Scene
from distill3d_ros.training.data.reading import evenly_spaced
from distill3d_ros.training.data.shards import ShardReader
from distill3d_ros.training.evaluation.metrics import box_score

NUMBERS = (1, 2, 4, 8)


def view_figures(
    engine: Engine, reader: ShardReader, *, scenes: int, numbers: Sequence[int] = NUMBERS
) -> dict[str, Any]:
    """Average precision of the first frame's objects from 1, 2, ... frames of its room with their true poses.

    Returns:
        ``scenes``: how many; ``numbers``: a row for each number of frames with map25, map50 and the median
        milliseconds of ``perceive``.
    """
    rooms: dict[str, list[int]] = defaultdict(list)
    for i, key in enumerate(reader.keys):
        rooms[key.rsplit("-", 1)[0]].append(i)
    enough = [frames for frames in rooms.values() if len(frames) >= max(numbers)]
    if not enough:
        raise ValueError(f"no room of split {reader.split!r} has {max(numbers)} frames; make data with more a room")
    chosen = [enough[i] for i in evenly_spaced(len(enough), scenes)]
    found: dict[int, list[Scene]] = {n: [] for n in numbers}
    took: dict[int, list[float]] = {n: [] for n in numbers}
    true: list[Scene] = []
    for frames in chosen:
        samples = [reader[i] for i in frames[: max(numbers)]]
        true.append(replace(samples[0].scene, depth=None))
        for n in numbers:
            began = time.perf_counter()
            scene = engine.perceive([s.frame for s in samples[:n]], min_score=MIN_BOX_SCORE)
            took[n].append(1e3 * (time.perf_counter() - began))
            # What only the other frames show is no false alarm of the first.
            inside = tuple(o for o in scene.objects if o.image_box is not None)
            found[n].append(replace(scene, objects=inside, depth=None, depth_confidence=None, features=None))
    rows = []
    for n in numbers:
        boxes = box_score(found[n], true)
        rows.append(
            {"frames": n, "map25": boxes.mean(0.25), "map50": boxes.mean(0.5), "perceive_ms": float(np.median(took[n]))}
        )
    return {"scenes": len(true), "split": reader.split, "numbers": rows}


def view_lines(figures: dict[str, Any]) -> list[str]:
    """For the report."""
    lines = [
        "## Several views",
        "",
        f"Boxes of what the first frame shows, found from it alone or with other frames of the room and their poses; "
        f"{figures['scenes']} scenes of `{figures['split']}`.",
        "",
        "| frames | mAP@0.25 | mAP@0.5 | perceive |",
        "|---|---|---|---|",
    ]
    for row in figures["numbers"]:
        lines.append(f"| {row['frames']} | {row['map25']:.3f} | {row['map50']:.3f} | {row['perceive_ms']:.0f} ms |")
    return lines
