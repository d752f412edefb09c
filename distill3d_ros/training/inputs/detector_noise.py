"""Detector-like errors on true scenes: noisy boxes, doubtful classes, misses, duplicates, false positives.

With them the language model learns without pixels, and learns how far boxes can be relied on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.objects import Scene, SceneObject
from distill3d_ros.training.config import NoiseConfig

ALIKE = (
    ("chair", "armchair", "stool", "sofa"),
    ("table", "desk", "bed", "shelf"),
    ("cabinet", "wardrobe", "shelf", "fridge", "box", "washing machine", "oven", "radiator", "desk"),
    ("television", "computer", "window", "door"),
    ("cup", "bowl", "bottle", "vase", "plant", "lamp"),
    ("sink", "toilet", "bathtub", "bowl"),
    ("box", "bag", "trash can", "stool", "vase"),
    ("wardrobe", "door", "fridge", "window"),
)
"""Groups of things that are taken for one another."""


@dataclass(kw_only=True, slots=True)
class NoisyObjects:
    """N things as a detector reports them, in the level frame."""

    center: NDArray[np.float32]  # (N, 3)
    size: NDArray[np.float32]  # (N, 3)
    yaw: NDArray[np.float32]  # (N,)
    class_probs: NDArray[np.float32]  # (N, C)
    score: NDArray[np.float32]  # (N,)
    origin: NDArray[np.int64]  # (N,) id of the true object, 0 for a false positive

    def found(self, object_id: int) -> tuple[int, ...]:
        """Numbers of the reports of a true object."""
        return tuple(int(i) for i in np.nonzero(self.origin == object_id)[0])


class Detector:
    """Draws detector-like reports of scenes.

    Args:
        labels: the student's classes.
        max_objects: most reports a scene can have; the least certain are dropped.
        min_visible_pixels: objects that show fewer pixels of a 224 x 224 image are reported only now and then.
    """

    def __init__(
        self, config: NoiseConfig, labels: Sequence[str], *, max_objects: int = 32, min_visible_pixels: float = 40
    ) -> None:
        self.config, self.labels, self.max_objects = config, tuple(labels), max_objects
        self.min_visible_pixels = min_visible_pixels
        self.index = {name: i for i, name in enumerate(labels)}
        self.alike = _alike(self.labels)

    def observe(self, scene: Scene, rng: np.random.Generator) -> NoisyObjects:
        """One draw; a share of ``clean`` scenes comes without noise."""
        clean = rng.random() < self.config.clean
        known = [o for o in scene.objects if o.label in self.index]
        rows = self._clean(known, scene, rng) if clean else self._noisy(known, scene, rng)
        rows.sort(key=lambda row: -row.score)
        rows = rows[: self.max_objects]
        order = rng.permutation(len(rows))
        return _stack([rows[i] for i in order], len(self.labels))

    def _visible(self, o: SceneObject, scene: Scene) -> float:
        """Pixels it would show in a 224 x 224 image, as a multiple of the least that matters."""
        if o.visible_pixels is None:
            return 10.0
        pixels = scene.intrinsics.width * scene.intrinsics.height
        return o.visible_pixels * (224 * 224) / pixels / self.min_visible_pixels

    def _clean(self, objects: Sequence[SceneObject], scene: Scene, rng: np.random.Generator) -> list[_Row]:
        rows = []
        for o in objects:
            if self._visible(o, scene) >= 1.0:
                probs = np.full(len(self.labels), 0.01, np.float32)
                probs[self.index[o.label]] = 0.95
                rows.append(_Row(o.box.center, o.box.size, o.box.yaw, probs, 0.95, o.id))
        return rows

    def _noisy(self, objects: Sequence[SceneObject], scene: Scene, rng: np.random.Generator) -> list[_Row]:
        c = self.config
        ray, size = rng.uniform(*c.ray), rng.uniform(*c.size)
        # Depth errors of one image are mostly one error: the scale of the whole scene is off.
        shared = rng.normal(0, ray * 0.6)
        rows: list[_Row] = []
        for o in objects:
            visible = self._visible(o, scene)
            missed = c.miss * (1 + 3 * np.exp(-(visible - 1) / 4)) if visible >= 1.0 else 0.7
            if rng.random() < missed:
                continue
            rows.append(self._report(o, ray, size, shared, rng))
            if rng.random() < c.duplicate:
                duplicate = self._report(o, ray * 1.5, size * 1.5, shared, rng)
                duplicate.score *= float(rng.uniform(0.2, 0.9))
                rows.append(duplicate)
        for _ in range(int(rng.poisson(c.false_positives))):
            rows.append(self._false_positive(objects, rng))
        # A set predictor always fills all its queries; most of them are duplicates of which it is quite unsure.
        for _ in range(int(rng.integers(0, max(1, self.max_objects - len(rows))))):
            faint = self._false_positive(objects, rng)
            faint.class_probs *= np.float32(rng.uniform(0.02, 0.3))
            faint.score *= 0.3
            rows.append(faint)
        return rows

    def _report(self, o: SceneObject, ray: float, size: float, shared: float, rng: np.random.Generator) -> _Row:
        c = self.config
        distance = float(np.linalg.norm(o.box.center)) + 1e-6
        center = o.box.center * np.exp(shared + rng.normal(0, ray * 0.8))
        center = center + rng.normal(0, c.lateral * distance, 3)
        extent = o.box.size * np.exp(rng.normal(0, size, 3) + rng.normal(0, size * 0.4))
        # Where an object stands is estimated better than its height: its base mostly stays where it was.
        center[1] += float(rng.uniform(0, 1)) * (o.box.size[1] - extent[1]) / 2
        yaw = o.box.yaw + rng.normal(0, c.yaw)
        if rng.random() < (0.1 if o.has_front else 0.5):
            yaw += np.pi
        return _Row(center, extent, yaw, self._names(o.label, rng), float(rng.beta(5, 1.5)), o.id)

    def _names(self, label: str, rng: np.random.Generator) -> NDArray[np.float32]:
        """Independent class scores; sometimes another name scores highest."""
        probs = rng.beta(0.5, 30, len(self.labels)).astype(np.float32)
        true = self.index[label]
        sure = float(rng.beta(5, 2))
        probs[true] = sure
        rivals = self.alike[true]
        wrong = rng.random() < self.config.confusion
        if len(rivals) and (wrong or rng.random() < 0.4):
            rival = int(rivals[int(rng.integers(len(rivals)))])
            probs[rival] = sure * float(rng.uniform(0.2, 0.95))
            if wrong:
                probs[true], probs[rival] = probs[rival], probs[true]
        return probs

    def _false_positive(self, objects: Sequence[SceneObject], rng: np.random.Generator) -> _Row:
        """A thing that is not there, near something that is, with a low score."""
        label = self.labels[int(rng.integers(len(self.labels)))]
        if objects:
            o = objects[int(rng.integers(len(objects)))]
            center = o.box.center * rng.uniform(0.8, 1.2) + rng.normal(0, 0.3, 3)
            label = o.label if rng.random() < 0.5 else label
        else:
            center = np.array([rng.normal(0, 1), rng.normal(0.3, 0.5), rng.uniform(1, 4)])
        extent = np.exp(rng.normal(-0.7, 0.6, 3))
        probs = self._names(label, rng) * np.float32(rng.uniform(0.3, 0.9))
        return _Row(center, extent, float(rng.uniform(-np.pi, np.pi)), probs, float(rng.beta(1.5, 5)), 0)


@dataclass(slots=True)
class _Row:
    center: NDArray[np.floating]
    size: NDArray[np.floating]
    yaw: float
    class_probs: NDArray[np.float32]
    score: float
    origin: int


def _stack(rows: Sequence[_Row], classes: int) -> NoisyObjects:
    n = len(rows)
    return NoisyObjects(
        center=np.array([r.center for r in rows], np.float32).reshape(n, 3),
        size=np.array([r.size for r in rows], np.float32).reshape(n, 3),
        yaw=np.array([r.yaw for r in rows], np.float32).reshape(n),
        class_probs=np.array([r.class_probs for r in rows], np.float32).reshape(n, classes),
        score=np.array([r.score for r in rows], np.float32).reshape(n),
        origin=np.array([r.origin for r in rows], np.int64).reshape(n),
    )


def _alike(labels: Sequence[str]) -> Mapping[int, NDArray[np.int64]]:
    """Class number -> the classes it may be taken for."""
    index = {name: i for i, name in enumerate(labels)}
    found: dict[int, set[int]] = {i: set() for i in range(len(labels))}
    for group in ALIKE:
        there = [index[name] for name in group if name in index]
        for i in there:
            found[i].update(j for j in there if j != i)
    return {i: np.array(sorted(others), np.int64) for i, others in found.items()}
