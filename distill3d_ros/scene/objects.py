"""Boxes, objects and the scene in front of a camera.

All boxes of a scene are in its *level frame*: origin in the camera's optical centre, x to the right, y straight
down along gravity, z forward and horizontal; metres. With a camera held level it is the optical frame itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from distill3d_ros.scene.annotation import EVERYTHING, Annotation
from distill3d_ros.scene.frame import FloatArray, Intrinsics
from distill3d_ros.scene.scale import EXPECTED_SCALE_ERROR, ScaleSource

Pair = tuple[int, int]


def pair(a: int, b: int) -> Pair:
    """The key of an unordered pair of object ids."""
    return (a, b) if a < b else (b, a)


@dataclass(frozen=True, slots=True, kw_only=True)
class Box3D:
    """A box that stands upright in a frame whose y axis points down.

    Its own axes are x (width), y (down, height) and z (depth; the front of a thing that has one faces +z).
    They are turned about y by ``yaw``: own z = (sin yaw, 0, cos yaw), own x = (cos yaw, 0, -sin yaw).
    """

    center: FloatArray
    """(3,) metres."""
    size: FloatArray
    """(3,) full extents along the own x, y, z axes, metres."""
    yaw: float
    """Radians."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "center", np.asarray(self.center, np.float64).reshape(3))
        object.__setattr__(self, "size", np.asarray(self.size, np.float64).reshape(3))
        if not (np.isfinite(self.center).all() and np.isfinite(self.size).all() and np.isfinite(self.yaw)):
            raise ValueError(f"box is not finite: center {self.center}, size {self.size}, yaw {self.yaw}")
        if (self.size <= 0).any():
            raise ValueError(f"box size must be positive. Got {self.size}")

    @property
    def rotation(self) -> FloatArray:
        """(3, 3); the columns are the box's own axes."""
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])

    @property
    def top(self) -> float:
        """y of the upper face; smaller is higher, since y points down."""
        return float(self.center[1] - self.size[1] / 2)

    @property
    def bottom(self) -> float:
        """y of the lower face."""
        return float(self.center[1] + self.size[1] / 2)

    @property
    def volume(self) -> float:
        return float(np.prod(self.size))

    def corners(self) -> FloatArray:
        """(8, 3): the four upper corners in a ring, then the four lower ones in the same order."""
        signs = np.array([[x, y, z] for y in (-1, 1) for x, z in ((-1, -1), (1, -1), (1, 1), (-1, 1))], float)
        return self.center + (signs * self.size / 2) @ self.rotation.T

    def footprint(self) -> FloatArray:
        """(4, 2) corners in the ground plane, (x, z)."""
        return self.corners()[:4, [0, 2]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneObject:
    """A thing with a name and a box; predicted by the student, or true from a world or a data set."""

    id: int
    """Unique in its scene; at least 1 (0 is the background of id images)."""
    label: str
    """One of ``scene.labels.LABELS``, or of the student's own list of classes."""
    box: Box3D
    score: float = 1.0
    """0..1; 1 for truth."""
    label_scores: Mapping[str, float] = field(default_factory=dict)
    """Score of every label that is plausible for this box, ``label`` included; empty means ``{label: score}``."""
    visible_pixels: int | None = None
    """Number of the image's pixels that show it; None when unknown."""
    image_box: tuple[float, float, float, float] | None = None
    """(left, top, right, bottom) of its visible part, pixels: outer edges of the outermost pixels, so that the whole
    picture is (-0.5, -0.5, width - 0.5, height - 0.5)."""
    has_front: bool = False
    """Whether the yaw distinguishes front and back (a chair has a front, a round table none)."""
    model: str = ""
    """Name of its furniture model; empty when unknown."""

    def label_score(self, label: str) -> float:
        return self.label_scores.get(label, 0.0) if self.label_scores else (self.score if label == self.label else 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The objects in one frame (or several frames of the same place), in the level frame of its first camera."""

    objects: tuple[SceneObject, ...]
    intrinsics: Intrinsics
    level_from_optical: FloatArray = field(default_factory=lambda: np.eye(3))
    """(3, 3) rotation that turns optical coordinates into level ones."""
    depth: FloatArray | None = None
    """(H, W) float32 distance along the optical axis, metres if ``is_metric``; NaN or 0 where unknown."""
    depth_confidence: FloatArray | None = None
    """(H, W)"""
    is_metric: bool = True
    scale_source: ScaleSource = ""
    """Where the metric scale of a perceived scene comes from."""
    base_from_level: FloatArray | None = None
    """(4, 4) pose of the level frame in the robot's base frame (REP 105's base_link: x forward, y left, z up), metres;
    None when it is not known. Places are then told as the robot sees them, not as the camera does."""
    contacts: frozenset[Pair] | None = None
    """Pairs that touch, from meshes; None when only boxes are known."""
    gaps: Mapping[Pair, float] | None = None
    """Smallest distance between the surfaces of two objects in metres, from meshes; None as above."""
    supports: Mapping[int, int] | None = None
    """Object id -> id of the object that it stands or lies on; None as above. Things on the floor are absent."""
    stamp_ns: int = 0
    frame_id: str = "camera_optical_frame"
    views: int = 1
    """Number of frames that it was perceived from."""
    features: Any = None
    """The student's tokens of this scene, opaque to other code."""
    annotation: Annotation = EVERYTHING
    """Of a true scene: what of the truth is known."""

    def __post_init__(self) -> None:
        ids = [o.id for o in self.objects]
        if len(set(ids)) != len(ids) or any(i < 1 for i in ids):
            raise ValueError(f"object ids must be unique and at least 1. Got {ids}")

    @property
    def scale_error(self) -> float | None:
        """Relative error of lengths to expect; None where nothing is known about the scale."""
        return EXPECTED_SCALE_ERROR.get(self.scale_source) if self.is_metric else None

    def by_id(self, object_id: int) -> SceneObject:
        for candidate in self.objects:
            if candidate.id == object_id:
                return candidate
        raise KeyError(f"the scene has no object {object_id}; it has {[o.id for o in self.objects]}")

    def labelled(self, label: str) -> tuple[SceneObject, ...]:
        return tuple(o for o in self.objects if o.label == label)

    def to_dict(self) -> dict[str, Any]:
        """Everything but images and features, as JSON types. ``from_dict`` reads it back."""
        k = self.intrinsics
        return {
            "intrinsics": {"fx": k.fx, "fy": k.fy, "cx": k.cx, "cy": k.cy, "width": k.width, "height": k.height},
            "level_from_optical": np.round(self.level_from_optical, 7).tolist(),
            "is_metric": self.is_metric,
            "stamp_ns": self.stamp_ns,
            "frame_id": self.frame_id,
            "objects": [_object_to_dict(o) for o in self.objects],
            "contacts": None if self.contacts is None else sorted(map(list, self.contacts)),
            "gaps": None if self.gaps is None else [[a, b, round(g, 4)] for (a, b), g in sorted(self.gaps.items())],
            "supports": None if self.supports is None else [[a, b] for a, b in sorted(self.supports.items())],
        } | ({} if self.annotation == EVERYTHING else {"annotation": self.annotation.to_dict()})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, depth: FloatArray | None = None) -> Scene:
        contacts, gaps, supports = data.get("contacts"), data.get("gaps"), data.get("supports")
        return cls(
            objects=tuple(_object_from_dict(o) for o in data["objects"]),
            intrinsics=Intrinsics(**data["intrinsics"]),
            level_from_optical=np.asarray(data["level_from_optical"], float),
            depth=depth,
            is_metric=data.get("is_metric", True),
            contacts=None if contacts is None else frozenset(pair(a, b) for a, b in contacts),
            gaps=None if gaps is None else {pair(a, b): float(g) for a, b, g in gaps},
            supports=None if supports is None else _pairs(supports),
            stamp_ns=data.get("stamp_ns", 0),
            frame_id=data.get("frame_id", "camera_optical_frame"),
            annotation=Annotation.from_dict(data["annotation"]) if "annotation" in data else EVERYTHING,
        )


def _pairs(rows: Iterable[Iterable[int]]) -> dict[int, int]:
    return {int(a): int(b) for a, b in rows}


def _object_to_dict(o: SceneObject) -> dict[str, Any]:
    return {
        "id": o.id,
        "label": o.label,
        "center": np.round(o.box.center, 4).tolist(),
        "size": np.round(o.box.size, 4).tolist(),
        "yaw": round(float(o.box.yaw), 5),
        "score": round(float(o.score), 4),
        "visible_pixels": o.visible_pixels,
        "image_box": None if o.image_box is None else [round(float(x), 1) for x in o.image_box],
        "has_front": o.has_front,
        "model": o.model,
    }


def _object_from_dict(data: Mapping[str, Any]) -> SceneObject:
    image_box = data.get("image_box")
    return SceneObject(
        id=data["id"],
        label=data["label"],
        box=Box3D(center=np.asarray(data["center"]), size=np.asarray(data["size"]), yaw=data["yaw"]),
        score=data.get("score", 1.0),
        visible_pixels=data.get("visible_pixels"),
        image_box=None if image_box is None else tuple(image_box),
        has_front=data.get("has_front", False),
        model=data.get("model", ""),
    )
