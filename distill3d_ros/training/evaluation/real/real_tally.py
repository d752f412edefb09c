"""Running figures on real frames, whose things are known by their visible surfaces alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from distill3d_ros.engine.box_decoding import filter_by_score
from distill3d_ros.engine.engine import Engine
from distill3d_ros.scene.frame import FloatArray, Frame, Intrinsics
from distill3d_ros.scene.objects import Scene
from distill3d_ros.training.data.sample import Sample
from distill3d_ros.training.evaluation.detections import with_all_boxes
from distill3d_ros.training.evaluation.metrics import DepthScore, depth_score, mean_depth_score
from distill3d_ros.training.evaluation.real.existence_errors import ExistenceErrors
from distill3d_ros.training.evaluation.real.marked_things import MarkedThings

NARROW_DEGREES = 45.0
"""Horizontal field of view to which pictures are cropped, to see whether the student knows other lenses."""
NARROW_EVERY = 4
"""Of so many frames one is looked at through the narrow lens and with the camera's height."""


@dataclass(slots=True)
class RealTally:
    """What only real frames are measured by."""

    things: MarkedThings
    existence: ExistenceErrors = field(default_factory=ExistenceErrors)
    narrow: list[tuple[DepthScore | None, DepthScore | None]] = field(default_factory=list)
    """Depth of the cropped picture, and of the whole picture inside the crop."""
    heights: list[tuple[DepthScore | None, DepthScore | None]] = field(default_factory=list)
    """Depth with the camera's height and without, of frames of which it is known."""
    frames: int = 0

    @classmethod
    def of(cls, engine: Engine) -> RealTally:
        return cls(things=MarkedThings(known=engine.labels))

    def add(self, engine: Engine, sample: Sample, scene: Scene) -> None:
        """One perceived frame."""
        true = sample.scene
        shown = {o.id for o in filter_by_score(scene).objects}
        if true.annotation.masks and true.annotation.boxes == "visible":
            self.things.add(with_all_boxes(engine, scene), true, sample.ids, shown=shown)
        if true.annotation.boxes != "none":
            self.existence.add(engine, scene, true)
        if self.frames % NARROW_EVERY == 0 and true.depth is not None:
            self._through_narrow_lens(engine, sample.frame, np.asarray(scene.depth), np.asarray(true.depth))
            self._with_height(engine, sample.frame, np.asarray(scene.depth), np.asarray(true.depth))
        self.frames += 1

    def _through_narrow_lens(self, engine: Engine, frame: Frame, whole: FloatArray, true: FloatArray) -> None:
        columns = narrow_columns(frame.intrinsics)
        if columns is None:
            return
        left, width = columns
        inside = slice(left, left + width)
        height = frame.intrinsics.height
        cropped = replace(
            frame,
            image=np.ascontiguousarray(frame.image[:, inside]),
            intrinsics=frame.intrinsics.cropped(left=left, top=0, width=width, height=height),
            depth=None if frame.depth is None else frame.depth[:, inside],
        )
        through = np.asarray(engine.perceive(cropped).depth)
        self.narrow.append((depth_score(through, true[:, inside]), depth_score(whole[:, inside], true[:, inside])))

    def _with_height(self, engine: Engine, frame: Frame, without: FloatArray, true: FloatArray) -> None:
        if frame.world_from_camera is None or frame.camera_height is not None:
            return
        told = replace(frame, camera_height=float(frame.world_from_camera[2, 3]))
        self.heights.append((depth_score(np.asarray(engine.perceive(told).depth), true), depth_score(without, true)))

    def figures(self) -> dict[str, Any]:
        """For ``report.json``, beside the depth and the answers of the split."""
        return {
            "boxes_2d": self.things.figures(),
            "existence": self.existence.figures(),
            "narrow_lens": {"degrees": NARROW_DEGREES, **_both(self.narrow, ("cropped", "whole"))},
            "camera_height": _both(self.heights, ("told", "not_told")),
        }


def narrow_columns(lens: Intrinsics) -> tuple[int, int] | None:
    """First column and width of the crop with ``NARROW_DEGREES``, centred on the principal point; None where the
    picture has no wider field of view."""
    half = lens.fx * np.tan(np.radians(NARROW_DEGREES / 2))
    left, right = int(np.ceil(lens.cx + 0.5 - half)), int(np.floor(lens.cx + 0.5 + half))
    if left <= 0 or right >= lens.width:
        return None
    return left, right - left


def _both(pairs: Sequence[tuple[DepthScore | None, DepthScore | None]], names: tuple[str, str]) -> dict[str, Any]:
    known = [pair for pair in pairs if None not in pair]
    result: dict[str, Any] = {"frames": len(known)}
    for name, scores in zip(names, zip(*known, strict=True), strict=False):
        mean = mean_depth_score(scores)
        result[name] = None if mean is None else mean.to_dict()
    return result
