"""The meaning of every spatial word in geometry; all thresholds stand in one table (``thresholds.py``).

Each relation is a *score*: +1 and above is a clear yes, -1 and below a clear no, and what lies between is the margin
band, where reasonable people differ and which is never asked. Somebody who must answer anyway takes the sign.
Where a scene carries mesh truth (contacts, gaps, supports) it is used, otherwise the boxes approximate it.

Letters in shape comments: N objects. Matrices read [subject, reference]: ``left_of[i, j]`` is "i is left of j".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.questions.thresholds import THRESHOLDS, Thresholds
from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.scene.geometry import box_distance, box_gap_parts
from distill3d_ros.scene.objects import Scene, SceneObject

CLEAR = 2.0
"""The score of what meshes say for certain."""
DECIDED = 1 - 1e-9
"""Score from which a relation clearly holds; below its negative it clearly does not."""


def band(value: FloatArray, *, yes: float, no: float) -> FloatArray:
    """Linear score that is +1 at ``yes`` and -1 at ``no``."""
    return (2 * value - yes - no) / (yes - no)


def decided(score: float) -> bool | None:
    """True, False, or None inside the margin band."""
    if score >= DECIDED:
        return True
    return False if score <= -DECIDED else None


class Relations:
    """Scores of every relation among some objects of a scene, computed when first asked for."""

    def __init__(
        self, scene: Scene, objects: Sequence[SceneObject] | None = None, thresholds: Thresholds = THRESHOLDS
    ) -> None:
        self.scene = scene
        self.objects = tuple(scene.objects if objects is None else objects)
        self.index = {o.id: i for i, o in enumerate(self.objects)}
        self.thresholds = thresholds
        boxes = [o.box for o in self.objects]
        n = len(boxes)
        self._center = np.array([b.center for b in boxes]).reshape(n, 3)
        self._size = np.array([b.size for b in boxes]).reshape(n, 3)
        yaw = np.array([b.yaw for b in boxes])
        self._cos, self._sin = np.cos(yaw), np.sin(yaw)

    @classmethod
    def of_pair(cls, scene: Scene, a: int, b: int, thresholds: Thresholds = THRESHOLDS) -> Relations:
        """Of two objects, given by their ids, with the indices 0 and 1."""
        if a == b:
            raise ValueError(f"a relation needs two different objects. Got {a} twice")
        return cls(replace(scene, features=None), (scene.by_id(a), scene.by_id(b)), thresholds)

    def bounds(self, measure: Callable[[Relations], FloatArray]) -> tuple[FloatArray, FloatArray]:
        """The least and the largest that a measure may be: one and the same where whole things are known."""
        value = measure(self)
        return value, value

    # ---- measures of single objects, (N,)

    @cached_property
    def distance(self) -> FloatArray:
        """Metres from the camera to the nearest surface."""
        return np.array([box_distance(o.box) for o in self.objects])

    @cached_property
    def volume(self) -> FloatArray:
        return self._size.prod(1)

    @cached_property
    def smallness(self) -> FloatArray:
        """Negative logarithm of the volume: the largest thing first."""
        return -np.log(self.volume)

    @property
    def height(self) -> FloatArray:
        return self._size[:, 1]

    @cached_property
    def width(self) -> FloatArray:
        """The longer horizontal side: which side is the front is not visible on everything."""
        return np.maximum(self._size[:, 0], self._size[:, 2])

    @cached_property
    def bearing(self) -> FloatArray:
        """Angle of the centre to the right of the viewing direction, radians."""
        return np.arctan2(self._center[:, 0], self._center[:, 2])

    @cached_property
    def left_side(self) -> FloatArray:
        """Score of being on the camera's left."""
        return -self.bearing / self.thresholds.own_side_bearing

    # ---- measures of pairs, (N, N)

    @cached_property
    def gap(self) -> FloatArray:
        """Metres between the surfaces: from the meshes where the scene has them, else between the boxes."""
        gap = np.hypot(*self._gap_parts)
        for (a, b), metres in (self.scene.gaps or {}).items():
            if a in self.index and b in self.index:
                i, j = self.index[a], self.index[b]
                gap[i, j] = gap[j, i] = metres
        return gap

    @cached_property
    def _gap_parts(self) -> tuple[FloatArray, FloatArray]:
        return box_gap_parts([o.box for o in self.objects])

    @cached_property
    def _covered(self) -> FloatArray:
        """Share of i's footprint over j's, from a grid of 25 points."""
        n = len(self.objects)
        steps = np.linspace(-0.4, 0.4, 5)
        own = np.stack(np.meshgrid(steps, steps), -1).reshape(1, 25, 2) * self._size[:, None, [0, 2]]  # (N, 25, 2)
        axes = np.array([[self._cos, -self._sin], [self._sin, self._cos]]).transpose(2, 0, 1)  # (N, own axis, x z)
        points = self._center[:, None, [0, 2]] + own @ axes  # (N, 25, 2)
        offset = points.reshape(1, n * 25, 2) - self._center[:, None, [0, 2]]  # (N reference, N * 25, 2)
        inside = (np.abs(offset @ axes.transpose(0, 2, 1)) <= self._size[:, None, [0, 2]] / 2).all(-1)
        return inside.reshape(n, n, 25).mean(-1).T

    @cached_property
    def stacked(self) -> NDArray[np.bool_]:
        """Pairs of which one is over the other: left, right, in front and behind mean little there."""
        return np.maximum(self._covered, self._covered.T) > 0.5

    # ---- scores of pairs, (N, N)

    @cached_property
    def near(self) -> FloatArray:
        return band(self.gap, yes=self.thresholds.near_gap, no=self.thresholds.far_gap)

    @cached_property
    def touching(self) -> FloatArray:
        t = self.thresholds
        if self.scene.contacts is None:
            return np.minimum(band(self.gap, yes=t.touch_box_gap[0], no=t.touch_box_gap[1]), CLEAR)
        score = np.minimum(-self.gap / t.apart_gap, -1e-3)
        for a, b in self.scene.contacts:
            if a in self.index and b in self.index:
                i, j = self.index[a], self.index[b]
                score[i, j] = score[j, i] = CLEAR
        return score

    @cached_property
    def on(self) -> FloatArray:
        if self.scene.supports is None:
            return self._on_by_boxes
        score = np.full((len(self.objects),) * 2, -CLEAR)
        for a in self.index:
            carrier = self.scene.supports.get(a)
            seen = {a}
            while carrier is not None and carrier not in seen:
                if carrier in self.index:
                    # A cup on a book on the table is on the table for some and not for others.
                    score[self.index[a], self.index[carrier]] = CLEAR if len(seen) == 1 else 0.0
                seen.add(carrier)
                carrier = self.scene.supports.get(carrier)
        return score

    @cached_property
    def _on_by_boxes(self) -> FloatArray:
        t = self.thresholds
        bottom = self._center[:, 1] + self._size[:, 1] / 2
        top = bottom - self._size[:, 1]
        lift = top[None] - bottom[:, None]  # bottom of i above the top of j
        sink = (bottom[None] - bottom[:, None]) / self._size[None, :, 1]
        return np.minimum.reduce([
            band(self._covered, no=t.support_overlap[0], yes=t.support_overlap[1]),
            band(lift, yes=t.support_lift[0], no=t.support_lift[1]),
            band(sink, no=t.support_sink[0], yes=t.support_sink[1]),
        ])  # fmt: skip

    @cached_property
    def against(self) -> FloatArray:
        """Touching or leaning side by side: contact in which neither carries the other."""
        vertical_overlap = np.where(self._gap_parts[1] > 0, -CLEAR, CLEAR)
        if self.scene.contacts is not None:
            vertical_overlap = np.full_like(vertical_overlap, CLEAR)
        return np.minimum.reduce([self.touching, vertical_overlap, -self.on, -self.on.T])

    @cached_property
    def under(self) -> FloatArray:
        """Below something that is over it: the box under the table, the table under the cup."""
        t = self.thresholds
        top = self._center[:, 1] - self._size[:, 1] / 2
        score = np.minimum.reduce([
            band(np.maximum(self._covered, self._covered.T), no=t.under_overlap[0], yes=t.under_overlap[1]),
            band(top[:, None] - top[None], no=t.under_drop[0], yes=t.under_drop[1]),
            -self.on,
        ])  # fmt: skip
        return np.maximum(score, self.on.T)

    @cached_property
    def above(self) -> FloatArray:
        t = self.thresholds
        middle = self._center[:, 1]
        bottom = middle + self._size[:, 1] / 2
        clearance = (middle[None] - bottom[:, None]) / (self._size[None, :, 1] / 2)
        return np.minimum(
            band(clearance, no=t.above_clearance[0], yes=t.above_clearance[1]),
            band(middle[None] - middle[:, None], no=t.above_center[0], yes=t.above_center[1]),
        )

    @cached_property
    def left_of(self) -> FloatArray:
        """Left in space and left as seen: both the offset and the bearing must agree."""
        t = self.thresholds
        x = self._center[:, 0]
        extent = np.abs(self._cos) * self._size[:, 0] + np.abs(self._sin) * self._size[:, 2]
        margin = np.maximum(t.side_offset, t.side_offset_of_size * (extent[:, None] + extent[None]) / 2)
        turn = self.bearing[None] - self.bearing[:, None]
        turn = (turn + np.pi) % (2 * np.pi) - np.pi
        return self._agreed((x[None] - x[:, None]) / margin, turn / t.side_bearing)

    @cached_property
    def in_front_of(self) -> FloatArray:
        """Closer to the camera, along the viewing direction and as the horizontal distance goes."""
        t = self.thresholds
        z = self._center[:, 2]
        reach = np.hypot(self._center[:, 0], z)
        extent = np.abs(self._sin) * self._size[:, 0] + np.abs(self._cos) * self._size[:, 2]
        margin = np.maximum.reduce([
            np.full((len(z),) * 2, t.depth_offset),
            t.depth_offset_of_size * (extent[:, None] + extent[None]) / 2,
            t.depth_offset_of_distance * (reach[:, None] + reach[None]) / 2,
        ])  # fmt: skip
        return self._agreed((z[None] - z[:, None]) / margin, (reach[None] - reach[:, None]) / margin)

    def _agreed(self, first: FloatArray, second: FloatArray) -> FloatArray:
        """The weaker of two scores of one sign; where signs differ, or one is over the other, the band."""
        weaker = np.sign(second) * np.minimum(np.abs(first), np.abs(second))
        in_band = np.clip(second, -0.9, 0.9) / 2
        return np.where((first * second > 0) & ~self.stacked, weaker, in_band)

    @cached_property
    def larger(self) -> FloatArray:
        return _log_ratio(self.volume, self.thresholds.volume_ratio)

    @cached_property
    def taller(self) -> FloatArray:
        return _log_ratio(self.height, self.thresholds.height_ratio)

    @cached_property
    def wider(self) -> FloatArray:
        return _log_ratio(self.width, self.thresholds.width_ratio)

    @cached_property
    def nearer(self) -> FloatArray:
        """Closer to the camera than the other, by the nearest surface."""
        d = self.distance
        t = self.thresholds
        margin = np.maximum(t.nearer_distance, t.nearer_distance_share * (d[:, None] + d[None]) / 2)
        return (d[None] - d[:, None]) / margin

    def closer(self, anchor: int) -> FloatArray:
        """Score of i being closer than j to the object with the index ``anchor``: (N, N)."""
        g = self.gap[anchor]
        t = self.thresholds
        margin = np.maximum(t.closer_gap, t.closer_gap_share * (g[:, None] + g[None]) / 2)
        return (g[None] - g[:, None]) / margin


def _log_ratio(measure: FloatArray, ratio: float) -> FloatArray:
    logs = np.log(measure) / math.log(ratio)
    return logs[:, None] - logs[None]


def gap(scene: Scene, a: int, b: int) -> float:
    """Metres between two objects' surfaces, given by their ids; 0 where they touch or overlap."""
    return float(Relations.of_pair(scene, a, b).gap[0, 1])
