"""Relations of things of which only the visible surface is known: what every plausible hidden part leaves true.

Each thing has two boxes: the one around its visible surface, and one that reaches as far as the largest usual thing of
its class may reach where it is hidden: behind its surface, beyond the picture's edge, and behind what stands before it.
A relation is decided if it holds, with its margin, for both boxes of both things.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.questions.ground_truth.usual_sizes import MEASURED, usual_size
from distill3d_ros.questions.relations import Relations
from distill3d_ros.questions.thresholds import THRESHOLDS, Thresholds
from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject

SIDES = ("left", "top", "right", "bottom")
LEAST_BEYOND = 0.3
"""A thing that is cut off may go on by this share of its visible extent at least, however large that is."""


class VisibleRelations(Relations):
    """Scores on which every completion of the visible surfaces agrees, 0 where they do not; NaN for such metres.

    Contact, support and the size of what is partly hidden are never decided; without gravity no height is.
    """

    def __init__(
        self, scene: Scene, objects: Sequence[SceneObject] | None = None, thresholds: Thresholds = THRESHOLDS
    ) -> None:
        super().__init__(scene, objects, thresholds)
        self._visible = Relations(scene, self.objects, thresholds)
        self._completed = Relations(scene, [completed(o, scene, thresholds) for o in self.objects], thresholds)
        self._either = Relations(scene, (*self._visible.objects, *self._completed.objects), thresholds)

    def bounds(self, measure: Callable[[Relations], FloatArray]) -> tuple[FloatArray, FloatArray]:
        """The least and the largest that a measure may be."""
        a, b = measure(self._visible), measure(self._completed)
        return np.minimum(a, b), np.maximum(a, b)

    # ---- measures of single objects, (N,)

    @cached_property
    def distance(self) -> FloatArray:
        """Metres to the nearest visible surface; NaN where a nearer part may be hidden or out of the picture."""
        return self._known(lambda r: r.distance)

    @property
    def height(self) -> FloatArray:
        """Metres; NaN where the lower or upper end is hidden, or where masks of the class often show a part."""
        return np.where(self._measured, self._known(lambda r: r.height), np.nan)

    @property
    def width(self) -> FloatArray:
        return np.full(self._n, np.nan)

    @cached_property
    def left_side(self) -> FloatArray:
        return _agreed(np.stack([self._visible.left_side, self._completed.left_side]))

    # ---- pairs, (N, N)

    @cached_property
    def gap(self) -> FloatArray:
        """Metres between the visible surfaces; NaN where hidden parts may be much nearer to each other."""
        return self._known(lambda r: r.gap)

    @cached_property
    def near(self) -> FloatArray:
        return self._sure(lambda r: r.near)

    @cached_property
    def left_of(self) -> FloatArray:
        return self._sure(lambda r: r.left_of)

    @cached_property
    def in_front_of(self) -> FloatArray:
        return self._sure(lambda r: r.in_front_of)

    @cached_property
    def above(self) -> FloatArray:
        return self._sure(lambda r: r.above) if self.scene.annotation.gravity else self._undecided

    @cached_property
    def taller(self) -> FloatArray:
        both = self._measured[:, None] & self._measured[None]
        return np.where(both, self._sure(lambda r: r.taller), 0.0)

    @cached_property
    def nearer(self) -> FloatArray:
        return self._sure(lambda r: r.nearer)

    def closer(self, anchor: int) -> FloatArray:
        low, high = self.bounds(lambda r: r.gap[anchor])
        t = self.thresholds
        margin = np.maximum(t.closer_gap, t.closer_gap_share * (high[:, None] + high[None]) / 2)
        sure = (low[None] - high[:, None]) / margin  # i at its farthest is closer than j at its closest
        return np.where(sure > 0, sure, np.where(sure.T > 0, -sure.T, 0.0))

    @property
    def touching(self) -> FloatArray:
        return self._undecided

    on = under = against = larger = wider = touching

    # ---- helpers

    @property
    def _n(self) -> int:
        return len(self.objects)

    @property
    def _measured(self) -> NDArray[np.bool_]:
        gravity = self.scene.annotation.gravity
        return np.array([gravity and o.label in MEASURED for o in self.objects], bool)

    @property
    def _undecided(self) -> FloatArray:
        return np.zeros((self._n, self._n))

    def _known(self, measure: Callable[[Relations], FloatArray]) -> FloatArray:
        low, high = self.bounds(measure)
        return np.where(high <= low * self.thresholds.hidden_share, (low + high) / 2, np.nan)

    def _sure(self, score: Callable[[Relations], FloatArray]) -> FloatArray:
        n = self._n
        both = score(self._either)
        return _agreed(np.stack([both[:n, :n], both[:n, n:], both[n:, :n], both[n:, n:]]))


def _agreed(scores: FloatArray) -> FloatArray:
    """(K, ...) scores -> the weakest of them where all have one sign, else 0."""
    low, high = scores.min(0), scores.max(0)
    return np.where(low > 0, low, np.where(high < 0, high, 0.0))


def open_sides(o: SceneObject, scene: Scene, thresholds: Thresholds = THRESHOLDS) -> frozenset[str]:
    """The sides of the visible part where the thing may go on: at the picture's edge, or behind a nearer thing."""
    if o.image_box is None:
        return frozenset(SIDES)
    margin = thresholds.cut_margin * scene.intrinsics.width
    left, top, right, bottom = o.image_box
    found = set(_at_edge(o.image_box, scene, margin))
    far = _farthest_depth(o.box, scene)
    for other in scene.objects:
        if other.id == o.id or other.image_box is None or _nearest_depth(other.box, scene) >= far:
            continue
        if not rectangles_meet(o, other, margin):
            continue
        x0, y0, x1, y1 = other.image_box
        covers = (x0 <= left + margin <= x1 + 2 * margin, y0 <= top + margin <= y1 + 2 * margin,
                  x0 - 2 * margin <= right - margin <= x1, y0 - 2 * margin <= bottom - margin <= y1)  # fmt: skip
        found |= {side for side, covered in zip(SIDES, covers, strict=True) if covered}
    return frozenset(found)


def touches_edge(o: SceneObject, scene: Scene, thresholds: Thresholds = THRESHOLDS) -> bool:
    """Whether the thing may go on beyond the picture."""
    return o.image_box is None or bool(_at_edge(o.image_box, scene, thresholds.cut_margin * scene.intrinsics.width))


def rectangles_meet(a: SceneObject, b: SceneObject, margin: float) -> bool:
    """Whether two things are less than so many pixels apart in the picture; True where that is unknown."""
    if a.image_box is None or b.image_box is None:
        return True
    (x0, y0, x1, y1), (u0, v0, u1, v1) = a.image_box, b.image_box
    return max(u0 - x1, x0 - u1, v0 - y1, y0 - v1) < margin


def _at_edge(rectangle: tuple[float, float, float, float], scene: Scene, margin: float) -> list[str]:
    left, top, right, bottom = rectangle
    k = scene.intrinsics
    cut = (left <= margin, top <= margin, right >= k.width - 1 - margin, bottom >= k.height - 1 - margin)
    return [side for side, is_cut in zip(SIDES, cut, strict=True) if is_cut]


def completed(o: SceneObject, scene: Scene, thresholds: Thresholds = THRESHOLDS) -> SceneObject:
    """The thing with a box that reaches as far as the largest usual one of its class may reach where it is hidden."""
    length, height, depth = usual_size(o.label)
    sides, box = open_sides(o, scene, thresholds), o.box
    right = scene.level_from_optical @ np.array([1.0, 0.0, 0.0])
    right = np.array([right[0], 0.0, right[2]])
    away = np.array([box.center[0], 0.0, box.center[2]])
    away = away / max(float(np.linalg.norm(away)), 1e-6)
    corners = box.corners()

    def missing(direction: FloatArray, usual: float, least: float = LEAST_BEYOND) -> FloatArray:
        """The vector from the visible part's end to where the thing would end."""
        reach = corners @ direction
        visible = float(reach.max() - reach.min())
        return direction * max(least * visible, usual - visible)

    down = np.array([0.0, 1.0, 0.0])
    moves = [missing(away, depth, 0.0)]
    moves += [-missing(right, length)] if "left" in sides else []
    moves += [missing(right, length)] if "right" in sides else []
    moves += [-missing(down, height)] if "top" in sides else []
    moves += [missing(down, height)] if "bottom" in sides else []
    if "bottom" in sides:  # what goes on below the picture comes nearer, too
        moves.append(-missing(away, max(length, depth)))
    reached = np.concatenate([corners, *(corners + move for move in moves)])
    own = (reached - box.center) @ box.rotation
    low, high = own.min(0), own.max(0)
    return replace(o, box=Box3D(center=box.center + box.rotation @ ((low + high) / 2), size=high - low, yaw=box.yaw))


def _nearest_depth(box: Box3D, scene: Scene) -> float:
    return float((box.corners() @ scene.level_from_optical)[:, 2].min())


def _farthest_depth(box: Box3D, scene: Scene) -> float:
    return float((box.corners() @ scene.level_from_optical)[:, 2].max())
