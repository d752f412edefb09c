"""A file in COCO's layout (Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distill3d_ros.training.data.importers.published_files import SourceError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Thing:
    """An annotation."""

    category: int
    rectangle: tuple[float, float, float, float]
    """Left, top, right, bottom: outer edges, pixel centres at whole numbers."""
    mask: NDArray[np.bool_] | None
    """(H, W); None where only the rectangle was drawn."""
    crowd: bool
    """Several things at once, of which nobody says how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoFile:
    """``images``, ``categories`` and ``annotations``."""

    path: Path
    categories: Mapping[int, str]
    classes: Mapping[str, str | None]
    """Our own addition: category name -> class, or null for things of no class."""
    images: Mapping[str, Mapping[str, Any]]
    """File name without extension -> entry."""
    annotations: Mapping[int, list[Mapping[str, Any]]]
    """Image id -> entries."""

    @classmethod
    def parsed(cls, path: Path, data: Mapping[str, Any]) -> CocoFile:
        """
        Raises:
            SourceError: an entry is missing or wrong.
        """
        try:
            categories = {int(entry["id"]): str(entry["name"]) for entry in data["categories"]}
            images = {PurePosixPath(entry["file_name"]).with_suffix("").as_posix(): entry for entry in data["images"]}
            by_image: dict[int, list[Mapping[str, Any]]] = {int(entry["id"]): [] for entry in data["images"]}
            for entry in data["annotations"]:
                if int(entry["category_id"]) not in categories:
                    raise SourceError(f"'{path}': annotation {entry.get('id')} has an unknown category_id")
                by_image[int(entry["image_id"])].append(entry)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, SourceError):
                raise
            raise SourceError(
                f"'{path}' is not in COCO's layout: {error!r} in images, categories or annotations"
            ) from error
        return cls(
            path=path, categories=categories, classes=data.get("classes", {}), images=images, annotations=by_image
        )

    def things(self, aliases: tuple[str, ...], shape: tuple[int, int]) -> list[Thing] | None:
        """What is annotated in a picture (H, W) that goes by one of these names; None if it is not among the images.

        Raises:
            SourceError: the file has another size for it, or an annotation is wrong.
        """
        entry = next((self.images[alias] for alias in aliases if alias in self.images), None)
        if entry is None:
            return None
        told = (entry.get("height", shape[0]), entry.get("width", shape[1]))
        if tuple(told) != shape:
            raise SourceError(
                f"'{self.path}': '{entry['file_name']}' is labelled at {told[1]}x{told[0]} and the picture has "
                f"{shape[1]}x{shape[0]} pixels; label the pictures that are imported"
            )
        return [self._thing(annotation, shape) for annotation in self.annotations[int(entry["id"])]]

    def _thing(self, entry: Mapping[str, Any], shape: tuple[int, int]) -> Thing:
        try:
            mask = self._mask(entry.get("segmentation"), shape)
            if "bbox" in entry:
                left, top, width, height = (float(value) for value in entry["bbox"])
                rectangle = (left - 0.5, top - 0.5, left + width - 0.5, top + height - 0.5)
            elif mask is not None and mask.any():
                rows, columns = np.nonzero(mask)
                rectangle = (columns.min() - 0.5, rows.min() - 0.5, columns.max() + 0.5, rows.max() + 0.5)
            else:
                raise ValueError("it has neither bbox nor segmentation")
            if rectangle[0] >= rectangle[2] or rectangle[1] >= rectangle[3]:
                raise ValueError(f"bbox must have a width and a height. Got {entry.get('bbox')}")
        except (TypeError, ValueError) as error:
            if isinstance(error, SourceError):
                raise
            raise SourceError(f"'{self.path}': annotation {entry.get('id')} cannot be used: {error}") from error
        return Thing(
            category=int(entry["category_id"]),
            rectangle=rectangle,
            mask=mask if mask is not None and mask.any() else None,
            crowd=bool(entry.get("iscrowd", 0)),
        )

    def _mask(self, segmentation: Any, shape: tuple[int, int]) -> NDArray[np.bool_] | None:
        if not segmentation:
            return None
        if isinstance(segmentation, list):
            mask = np.zeros(shape, np.uint8)
            for polygon in segmentation:
                points = np.asarray(polygon, np.float64).reshape(-1, 2) - 0.5  # COCO counts from the corner of a pixel
                cv2.fillPoly(mask, [np.round(points).astype(np.int32)], 1)
            return np.asarray(mask > 0)
        try:
            from pycocotools import mask as run_lengths
        except ImportError as error:
            raise SourceError(
                f"'{self.path}' has masks as run lengths, which are read with pycocotools; run `pip install "
                "pycocotools`, or export polygons"
            ) from error
        coded = segmentation
        if isinstance(segmentation["counts"], list):
            coded = run_lengths.frPyObjects(segmentation, *segmentation["size"])
        decoded: NDArray[np.bool_] = np.asarray(run_lengths.decode(coded)) > 0
        if decoded.shape != shape:
            raise ValueError(f"its mask is {decoded.shape[1]}x{decoded.shape[0]}, the picture {shape[1]}x{shape[0]}")
        return decoded
