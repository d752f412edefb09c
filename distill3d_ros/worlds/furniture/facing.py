"""Fronts and mounts of models, annotated from pictures of all of them."""

from __future__ import annotations

from distill3d_ros.worlds.furniture.furniture_model import Mount

TURNS: dict[str, int] = {}
"""Degrees counter-clockwise (from above) to turn a model by so that its front is +y."""

_NO_FRONT_LABELS = frozenset({"", "stool", "table", "lamp", "plant", "box", "vase", "bottle", "cup", "bowl", "bag"})
_NO_FRONT_LABELS |= {"trash can", "bathtub"}
_FRONT_IDS: frozenset[str] = frozenset()
"""Models that have a front although others with their label have none."""
_NO_FRONT_IDS: frozenset[str] = frozenset()

_SMALL = frozenset({"bottle", "cup", "bowl", "computer"})
_SMALL_IF_LOW = {"": 0.45, "plant": 0.5, "vase": 0.5, "lamp": 0.85, "television": 0.7}
_WALL = {
    ("television", "wall"),
    ("cabinet", "wall"),
    ("radiator", ""),
    ("radiator", "towel"),
    ("door", ""),
    ("window", ""),
}


def has_front(model_id: str, label: str, kind: str) -> bool:
    """Whether front and back differ, so that its yaw is defined over a full turn."""
    if model_id in _FRONT_IDS:
        return True
    return label not in _NO_FRONT_LABELS and model_id not in _NO_FRONT_IDS


def mount_of(label: str, kind: str, height: float) -> Mount:
    """Floor, top of other things, wall or ceiling."""
    if (label, kind) in _WALL:
        return "wall"
    if kind == "ceiling":
        return "ceiling"
    if label in _SMALL or kind == "microwave" or height < _SMALL_IF_LOW.get(label, 0.0):
        return "top"
    return "floor"
