"""The annotated instances of a ScanNet scan: its mesh in the aligned world, an id for each triangle, and boxes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.scene.geometry import transform_points
from distill3d_ros.training.data.importers.instance_boxes import smallest_upright_box
from distill3d_ros.training.data.importers.ply import read_ply
from distill3d_ros.training.data.importers.published_files import SourceError
from distill3d_ros.training.data.importers.scannet.scan_files import ScanFiles
from distill3d_ros.training.data.importers.scannet.scan_labels import LabelMap
from distill3d_ros.training.data.sample import UNKNOWN_ID
from distill3d_ros.worlds.room import WorldBox

MOST_IDS = UNKNOWN_ID - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """An annotated thing with a label."""

    id: int
    """Its published ``objectId`` + 1."""
    label: str
    box: WorldBox
    """In the aligned world."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AnnotatedMesh:
    """A scan's mesh in the aligned world: z up, metres."""

    vertices: FloatArray
    """(V, 3)"""
    faces: NDArray[np.int64]
    """(F, 3)"""
    face_ids: NDArray[np.uint16]
    """(F,) instance of each triangle; 0 for the room itself, ``UNKNOWN_ID`` for what nobody annotated."""
    instances: tuple[Instance, ...]
    """Those with a label. What has none keeps its id in ``face_ids`` alone, like clutter of simulated rooms."""


def read_annotated_mesh(files: ScanFiles, labels: LabelMap) -> AnnotatedMesh:
    """Read mesh, segments and aggregation of a scan and bring them together.

    Raises:
        SourceError: a file is damaged, or the three do not belong together.
    """
    vertices, faces = read_ply(files.mesh)
    segment_of = np.asarray(_field(files.segments, "segIndices"), np.int64)
    if len(segment_of) != len(vertices):
        raise SourceError(
            f"{files.segments} is for {len(segment_of)} vertices, {files.mesh} has {len(vertices)}; download both again"
        )
    vertices = transform_points(files.axis_alignment, vertices)
    order = np.argsort(segment_of, kind="stable")
    found, first = np.unique(segment_of[order], return_index=True)
    members = dict(zip(found.tolist(), np.split(order, first[1:]), strict=True))
    vertex_ids = np.full(len(vertices), UNKNOWN_ID, np.uint16)
    instances = []
    for group in _field(files.aggregation, "segGroups"):
        number, words, own = _group(group, members, files)
        if labels.is_room(words):
            vertex_ids[own] = 0
            continue
        vertex_ids[own] = number
        label = labels.label(words)
        if label and len(own):
            instances.append(Instance(id=number, label=label, box=smallest_upright_box(vertices[own])))
    numbers = [instance.id for instance in instances]
    if len(set(numbers)) != len(numbers):
        raise SourceError(f"{files.aggregation} uses an objectId twice; download it again")
    a, b, c = vertex_ids[faces].T
    face_ids = np.where(b == c, b, a)  # what two of three corners say
    return AnnotatedMesh(vertices=vertices, faces=faces, face_ids=face_ids, instances=tuple(instances))


def _group(
    group: dict[str, Any], members: dict[int, NDArray[np.int64]], files: ScanFiles
) -> tuple[int, str, NDArray[np.int64]]:
    """Id, raw category and vertices of one entry of ``segGroups``."""
    try:
        number, words, segments = int(group["objectId"]) + 1, str(group["label"]), [int(s) for s in group["segments"]]
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(
            f"{files.aggregation} has a segGroup without objectId, label or segments ({error!r}); download it again"
        ) from error
    if not 1 <= number <= MOST_IDS:
        raise SourceError(f"{files.aggregation} has objectId {number - 1}; 0 to {MOST_IDS - 1} can be read")
    unknown = [segment for segment in segments if segment not in members]
    if unknown:
        raise SourceError(
            f"{files.aggregation}: object {number - 1} ({words}) has segment {unknown[0]}, which {files.segments.name} "
            f"does not have; they are of different meshes: download-scannet.py -o DIR --id {files.name} --type "
            ".aggregation.json"
        )
    own = [members[segment] for segment in segments]
    return number, words, np.concatenate(own) if own else np.zeros(0, np.int64)


def _field(path: Path, key: str) -> list[Any]:
    try:
        value = json.loads(path.read_bytes())[key]
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{path} is no JSON with an entry {key!r} ({error!r}); download it again") from error
    if not isinstance(value, list):
        raise SourceError(f"{path}: {key} must be a list. Got {type(value).__name__}; download it again")
    return value
