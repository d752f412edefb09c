"""Labels of one's own pictures: masks beside them, or a file in COCO's layout. docs/data_sets.md has both layouts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.labels import LABELS, find_label
from distill3d_ros.training.data.importers.published_files import SourceError, read_picture
from distill3d_ros.training.data.importers.rgbd.coco import CocoFile
from distill3d_ros.training.data.sample import UNKNOWN_ID

Rectangle = tuple[float, float, float, float]
"""Left, top, right, bottom: outer edges in pixels, a single pixel at (0, 0) is (-0.5, -0.5, 0.5, 0.5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameLabels:
    """What is marked in a picture."""

    ids: NDArray[np.uint16]
    """(H, W): things by number, 0 nothing of a class, ``UNKNOWN_ID`` where nobody said. With ``masks`` False what lies
    in a rectangle is unknown."""
    classes: Mapping[int, str]
    """Number -> class."""
    rectangles: Mapping[int, Rectangle] = field(default_factory=dict)
    """Number -> its rectangle, where there is no mask."""
    masks: bool = True


class Labels(Protocol):
    """The labels of a recording."""

    classes: frozenset[str]
    """Those that were looked for."""
    unknown: tuple[str, ...]
    """Names that no class was found for."""
    digest: str

    def of_frame(
        self, name: str, aliases: tuple[str, ...], mask_file: object, shape: tuple[int, int]
    ) -> FrameLabels | None:
        """Of one picture (H, W); None if nobody labelled it."""


def read_labels(path: Path) -> Labels:
    """The labels in a file: COCO's layout, or the names of masks.

    Raises:
        SourceError: the file is in neither layout.
    """
    try:
        blob = path.read_bytes()
        data = json.loads(blob)
    except (OSError, ValueError) as error:
        raise SourceError(f"--labels must be a JSON file, in COCO's layout or with names of masks: {error}") from error
    digest = sha256(blob).hexdigest()[:16]
    if isinstance(data, dict) and "annotations" in data:
        return CocoLabels(path, CocoFile.parsed(path, data), digest)
    if isinstance(data, dict) and isinstance(data.get("names"), dict):
        return MaskLabels(path, data, digest)
    raise SourceError(
        f"--labels must have 'images', 'categories' and 'annotations' (COCO), or 'names' for masks. Got '{path}'"
    )


class MaskLabels:
    """Masks: 8-bit or 16-bit PNG, a value for each name, or ``value * instances + number of the thing``."""

    def __init__(self, path: Path, data: Mapping[str, Any], digest: str) -> None:
        self.digest = digest
        try:
            names = {int(value): str(name) for value, name in data["names"].items()}
            self._instances = int(data.get("instances", 1))
        except (TypeError, ValueError) as error:
            raise SourceError(f'\'{path}\': names must be {{"1": "chair", ...}} with whole numbers: {error}') from error
        if self._instances < 1:
            raise SourceError(f"'{path}': instances must be at least 1. Got {self._instances}")
        meanings = Meanings(names.values(), data.get("classes", {}), path)
        self.classes, self.unknown = meanings.classes, meanings.unknown
        self._meaning = {value: meanings.of[name] for value, name in names.items()}

    def of_frame(
        self, name: str, aliases: tuple[str, ...], mask_file: object, shape: tuple[int, int]
    ) -> FrameLabels | None:
        if not isinstance(mask_file, Path) or not mask_file.is_file():
            return None
        mask = read_picture(mask_file, cv2.IMREAD_UNCHANGED, remedy="draw it again")
        if mask.dtype not in (np.uint8, np.uint16) or mask.shape != shape:
            raise SourceError(
                f"'{mask_file}' must be an 8-bit or 16-bit PNG of one channel, {shape[1]}x{shape[0]} as its picture. "
                f"Got {mask.dtype}, shape {mask.shape}"
            )
        ids = np.full(shape, UNKNOWN_ID, np.uint16)
        classes: dict[int, str] = {}
        for value in np.unique(mask):
            meaning = self._meaning.get(int(value) // self._instances)
            area = mask == value
            if meaning is None:
                continue
            if not meaning:
                ids[area] = 0
                continue
            parts = [area] if self._instances > 1 else _parts(area)
            for part in parts:
                classes[len(classes) + 1] = meaning
                ids[part] = len(classes)
        return FrameLabels(ids=ids, classes=classes)


class CocoLabels:
    """Polygons, run lengths or rectangles in COCO's layout."""

    def __init__(self, path: Path, data: CocoFile, digest: str) -> None:
        self.digest, self._data = digest, data
        meanings = Meanings(data.categories.values(), data.classes, path)
        self.classes, self.unknown = meanings.classes, meanings.unknown
        self._meaning = {number: meanings.of[name] for number, name in data.categories.items()}

    def of_frame(
        self, name: str, aliases: tuple[str, ...], mask_file: object, shape: tuple[int, int]
    ) -> FrameLabels | None:
        things = self._data.things(aliases, shape)
        if things is None:
            return None
        masks = all(thing.mask is not None for thing in things)
        ids = np.zeros(shape, np.uint16)
        classes: dict[int, str] = {}
        rectangles: dict[int, Rectangle] = {}
        for thing in things:  # later ones lie above earlier ones, as in the file
            meaning = None if thing.crowd else self._meaning[thing.category]
            area = thing.mask if masks and thing.mask is not None else _filled(thing.rectangle, shape)
            if meaning == "":
                ids[area] = 0 if masks else UNKNOWN_ID
                continue
            if meaning is not None:
                classes[len(classes) + 1] = meaning
            ids[area] = UNKNOWN_ID if meaning is None or not masks else len(classes)
            if meaning is not None and not masks:
                rectangles[len(classes)] = thing.rectangle
        return FrameLabels(ids=ids, classes=classes, rectangles=rectangles, masks=masks)


class Meanings:
    """Names of a file -> classes, the file's own words for them first.

    Args:
        names: every name that occurs.
        given: name -> class of ours, or null for things of no class.
    """

    def __init__(self, names: Iterable[str], given: Mapping[str, str | None], path: Path) -> None:
        names = list(names)
        wrong = sorted(f"{name}: {label}" for name, label in given.items() if label is not None and label not in LABELS)
        if wrong:
            raise SourceError(
                f"'{path}': classes must map names to {', '.join(LABELS)} or null. Got {', '.join(wrong)}"
            )
        self.of: dict[str, str | None] = {}
        """Name -> class; empty for none, None where nobody knows."""
        for name in names:
            found = find_label(name.replace("_", " ").replace("-", " "))
            known = "" if name.lower() in ("wall", "floor", "ceiling", "none", "background") else None
            self.of[name] = (given[name] or "") if name in given else found.name if found is not None else known
        self.classes = frozenset(label for label in self.of.values() if label)
        self.unknown = tuple(name for name in names if self.of[name] is None)


def _parts(area: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    count, found = cv2.connectedComponents(area.astype(np.uint8), connectivity=8)
    return [found == number for number in range(1, count)]


def _filled(rectangle: Rectangle, shape: tuple[int, int]) -> NDArray[np.bool_]:
    left, top, right, bottom = (round(edge + 0.5) for edge in rectangle)
    area = np.zeros(shape, bool)
    area[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = True
    return area
