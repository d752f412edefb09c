"""The same view through several lenses: a metric student must see the same distances through each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from distill3d_ros.engine.engine import Engine
from distill3d_ros.scene.frame import FloatArray, Frame, Intrinsics
from distill3d_ros.training.evaluation.metrics import depth_score, mean_depth_score
from distill3d_ros.worlds.camera_pose import CameraPose
from distill3d_ros.worlds.cameras import sample_cameras
from distill3d_ros.worlds.furniture.pack import FurniturePack
from distill3d_ros.worlds.layout.layout import make_room
from distill3d_ros.worlds.rendering.factory import make_renderer
from distill3d_ros.worlds.rendering.interface import RoomRenderer
from distill3d_ros.worlds.rendering.render_view import frame_of

DEGREES = (45.0, 60.0, 80.0)
"""Horizontal fields of view: narrow, usual, wide."""
VIEWS_PER_ROOM = 2
_SIZE = (224, 224)


def lens_figures(
    engine: Engine, pack: FurniturePack, *, rooms: int, seed: int, degrees: Sequence[float] = DEGREES
) -> dict[str, Any]:
    """Depth errors through each lens, and the ratio between lenses where both look.

    Renders views of rooms with unseen furniture. A pixel of the narrowest lens has its counterpart, along the same
    ray, in every wider one; the ratio of a view is the median over these pixels of depth through the wider lens over
    depth through the narrowest.

    Returns:
        ``views``: their number; ``lenses``: a row for each field of view with absrel, delta1 and rmse, and for the
        wider ones the ratio's median, low and high (5 and 95 %) over the views.
    """
    if rooms < 1:
        raise ValueError(f"lenses must look at one room or more. Got {rooms}")
    rng = np.random.default_rng([seed, 11])
    narrow, *wider = sorted(degrees)
    errors: dict[float, list[Any]] = {d: [] for d in degrees}
    ratios: dict[float, list[float]] = {d: [] for d in wider}
    renderer = make_renderer(threads=0)
    try:
        for number in range(rooms):
            room_seed = int(np.random.SeedSequence([seed, 12, number]).generate_state(1)[0])
            room = make_room(pack, seed=room_seed, split="test")
            renderer.set_room(room)
            for camera in sample_cameras(room, rng, VIEWS_PER_ROOM, renderer=renderer, size=_SIZE):
                seen = {d: _through(renderer, camera, d) for d in degrees}
                depth = {d: np.asarray(engine.perceive(frame).depth) for d, (frame, _) in seen.items()}
                for d, (_, true) in seen.items():
                    errors[d].append(depth_score(depth[d], true))
                for d in wider:
                    other = _seen_from(depth[d], seen[d][0].intrinsics, seen[narrow][0].intrinsics)
                    ratios[d].append(float(np.median(other / depth[narrow])))
    finally:
        renderer.close()
    rows = []
    for d in degrees:
        score, ratio = mean_depth_score(errors[d]), ratios.get(d)
        row: dict[str, Any] = {"degrees": d} | ({} if score is None else score.to_dict())
        if ratio:
            low, median, high = (float(np.quantile(ratio, q)) for q in (0.05, 0.5, 0.95))
            row["ratio"] = {"median": median, "low": low, "high": high}
        rows.append(row)
    return {"views": len(errors[narrow]), "narrowest": narrow, "lenses": rows}


def _through(renderer: RoomRenderer, camera: CameraPose, degrees: float) -> tuple[Frame, FloatArray]:
    """The camera's frame with another lens, and its true depth."""
    lens = Intrinsics.from_fov(width=_SIZE[0], height=_SIZE[1], horizontal_fov=np.radians(degrees))
    camera = replace(camera, intrinsics=lens)
    seen = renderer.render(camera)
    depth = np.asarray(seen.depth)
    return replace(frame_of(seen, camera), depth=depth), depth


def _seen_from(depth: FloatArray, lens: Intrinsics, other: Intrinsics) -> FloatArray:
    """A depth image resampled to the pixels of another lens at the same place."""
    u, v = np.meshgrid(np.arange(other.width, dtype=np.float32), np.arange(other.height, dtype=np.float32))
    x = ((u - other.cx) / other.fx * lens.fx + lens.cx).astype(np.float32)
    y = ((v - other.cy) / other.fy * lens.fy + lens.cy).astype(np.float32)
    return np.asarray(cv2.remap(depth.astype(np.float32), x, y, cv2.INTER_LINEAR), np.float32)


def lens_lines(figures: dict[str, Any]) -> list[str]:
    """For the report."""
    lines = [
        "## The same view through several lenses",
        "",
        f"{figures['views']} views of rooms with unseen furniture, each rendered through every lens. Ratio: depth "
        f"over depth through the {figures['narrowest']:g} degree lens, along the same rays; median of the views, and "
        "the range of 90 % of them.",
        "",
        "| horizontal field of view | AbsRel | delta1 | ratio |",
        "|---|---|---|---|",
    ]
    for row in figures["lenses"]:
        ratio = row.get("ratio")
        shown = "1" if ratio is None else f"{ratio['median']:.3f} [{ratio['low']:.3f}, {ratio['high']:.3f}]"
        lines.append(f"| {row['degrees']:g} | {row['absrel']:.3f} | {row['delta1']:.3f} | {shown} |")
    return lines
