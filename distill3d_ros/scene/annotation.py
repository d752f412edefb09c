"""The annotation of a frame: the truth that is known about it, by which sensor, of which classes, to which extent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from distill3d_ros.scene.labels import LABELS, SIMULATED_LABELS

DepthSource = Literal["rendered", "measured", "estimated", "relative", "none"]
BoxExtent = Literal["amodal", "visible", "none"]
DEPTH_SOURCES: Final = ("rendered", "measured", "estimated", "relative", "none")
BOX_EXTENTS: Final = ("amodal", "visible", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """Known and unknown of a frame's truth. By default everything is known.

    What is unknown is never absent: losses, questions and figures leave it out.
    """

    depth: DepthSource = "rendered"
    """``measured``: by a depth sensor, with holes and noise. ``estimated``: by a network, metres. ``relative``: by a
    network, in no unit; its inverse is that of the true depth but for an unknown scale and shift. ``none``: there is no
    depth."""
    boxes: BoxExtent = "amodal"
    """``amodal``: whole objects, also what is hidden. ``visible``: boxes enclose the visible surface alone; they say
    where a thing is and how far its nearest surface, and nothing of its hidden parts. ``none``: nobody looked for
    objects."""
    masks: bool = True
    """Whether the id image tells which pixels show which object. Without it objects have rectangles at most."""
    gravity: bool = True
    """Whether the level frame is level. If not it is the optical frame, and nothing above, below or on the floor is
    known."""
    classes: frozenset[str] | None = None
    """Classes whose things were marked wherever they are in sight; a class that is not among them may be present and
    unmarked. None: every class."""
    covers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Class that was marked -> finer classes that its things may be: with ``{"chair": ("armchair", "stool")}`` what is
    marked as a chair may be an armchair."""

    def __post_init__(self) -> None:
        for name, allowed in (("depth", DEPTH_SOURCES), ("boxes", BOX_EXTENTS)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"annotation.{name} must be one of {', '.join(allowed)}. Got {getattr(self, name)!r}")
        named = {*(self.classes or ()), *self.covers, *(c for finer in self.covers.values() for c in finer)}
        unknown = sorted(named - set(LABELS))
        if unknown:
            raise ValueError(f"annotation names classes that scene/labels.py does not have: {', '.join(unknown)}")

    @property
    def is_rendered(self) -> bool:
        """Whether a renderer made the picture; else a real camera took it."""
        return self.depth == "rendered"

    @property
    def depth_in_metres(self) -> bool:
        """Whether the depth, where it is known, is a distance in metres."""
        return self.depth not in ("relative", "none")

    def tells_of(self, label: str) -> bool:
        """Whether things of this class would have been marked, so that none marked means none in sight."""
        return self.boxes != "none" and (self.classes is None or label in self.classes)

    def marked_classes(self) -> tuple[str, ...]:
        """The classes that it tells of, in the order of ``LABELS``."""
        return tuple(label for label in LABELS if self.tells_of(label))

    def marked_as(self, label: str) -> str:
        """The class as which a thing of class ``label`` would have been marked: an armchair as a chair, for example."""
        if self.classes is None or label in self.classes:
            return label
        return next((marked for marked, finer in self.covers.items() if label in finer), label)

    def to_dict(self) -> dict[str, Any]:
        """As JSON types; ``from_dict`` reads it back."""
        return {
            "depth": self.depth,
            "boxes": self.boxes,
            "masks": self.masks,
            "gravity": self.gravity,
            "classes": None if self.classes is None else sorted(self.classes),
            "covers": {marked: list(finer) for marked, finer in sorted(self.covers.items())},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Annotation:
        classes = data["classes"]
        return cls(
            depth=data["depth"],
            boxes=data["boxes"],
            masks=data["masks"],
            gravity=data["gravity"],
            classes=None if classes is None else frozenset(classes),
            covers={marked: tuple(finer) for marked, finer in data["covers"].items()},
        )


EVERYTHING: Final = Annotation()
"""Nothing is unknown."""
SIMULATED_ROOM: Final = Annotation(classes=frozenset(SIMULATED_LABELS))
"""What a simulated room tells."""
