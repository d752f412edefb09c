"""Names that public detectors give to things, as categories of ours."""

from __future__ import annotations

from collections.abc import Sequence

from distill3d_ros.scene.labels import LABELS, find_label

_NAMES = {
    # COCO
    "wine glass": "cup",
    # Pascal VOC
    "diningtable": "table",
    "pottedplant": "plant",
    "tvmonitor": "television",
    # Objects365, with its spelling
    "bowl/basin": "bowl",
    "briefcase": "bag",
    "cabinet/shelf": "cabinet",
    "computer box": "computer",
    "cosmetics mirror": "mirror",
    "dinning table": "table",
    "flower": "plant",
    "gas stove": "oven",
    "handbag/satchel": "bag",
    "induction cooker": "oven",
    "luggage": "bag",
    "monitor/tv": "television",
    "picture/frame": "picture",
    "storage box": "box",
    "trash bin can": "trash can",
    "washing machine/drying machine": "washing machine",
    # Open Images
    "flowerpot": "plant",
    "infant bed": "bed",
    "kitchen & dining room table": "table",
    "loveseat": "sofa",
    "microwave oven": "oven",
    "waste container": "trash can",
    "window blind": "blinds",
}
"""Name in lower case -> category, beside the synonyms in ``scene/labels.py``."""

_OTHER_THINGS = frozenset({"glasses", "notebook", "seat", "tub"})
"""Names that are synonyms of ours, but not what these data sets mean by them: spectacles, paper, a car's seat."""

_COVERS = {
    "chair": ("armchair", "stool"),
    "sofa": ("armchair",),
    "table": ("desk", "counter"),
    "cabinet": ("wardrobe", "shelf"),
    "television": ("computer",),
}
"""Category of a data set without names for the finer ones -> what its annotators marked as that, too."""


def label_of_name(name: str) -> str | None:
    """The category of ours that a detector's class belongs to; None if it is none of ours."""
    words = " ".join(name.lower().replace("_", " ").split())
    if words in _OTHER_THINGS:
        return None
    if words in _NAMES:
        return _NAMES[words]
    found = find_label(words)
    return None if found is None else found.name


def covered_classes(labels: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """``Annotation.covers`` of a detector that knows the categories ``labels`` and no others."""
    found = {label: tuple(finer for finer in _COVERS.get(label, ()) if finer not in labels) for label in labels}
    return {label: finer for label, finer in found.items() if finer}


def prompted_labels(prompts: Sequence[str]) -> dict[str, str]:
    """Phrase that an open-vocabulary detector is asked for -> category; without prompts, the categories' own names.

    Args:
        prompts: phrases that are names or synonyms of categories, or ``phrase=category``.

    Raises:
        ValueError: a phrase belongs to no category.
    """
    if not prompts:
        return {label: label for label in LABELS}
    found: dict[str, str] = {}
    for prompt in prompts:
        phrase, sign, name = (part.strip() for part in prompt.lower().partition("="))
        label = label_of_name(name if sign else phrase)
        if not phrase or label is None or "." in phrase:
            raise ValueError(
                f"prompts must be names of categories without a full stop, or phrase=category of one of "
                f"{', '.join(LABELS)}. Got {prompt!r}"
            )
        found[phrase] = label
    return found
