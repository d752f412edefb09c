"""Triangle meshes in PLY, as published with scans: binary little-endian, one list of vertex indices a face.

Format: Turk, "The PLY Polygon File Format" (1994).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.training.data.importers.published_files import SourceError

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "<i2", "int16": "<i2", "ushort": "<u2",
    "uint16": "<u2", "int": "<i4", "int32": "<i4", "uint": "<u4", "uint32": "<u4", "float": "<f4", "float32": "<f4",
    "double": "<f8", "float64": "<f8",
}  # fmt: skip
_AGAIN = "download it again"

Element = tuple[str, int, list[list[str]]]
"""Name, number, and the words of each ``property`` line."""


def read_ply(path: Path) -> tuple[FloatArray, NDArray[np.int64]]:
    """Vertices (V, 3) float64 in the file's unit and triangles (F, 3), indices of vertices.

    Raises:
        SourceError: the file is no binary little-endian PLY of triangles, or ends early.
    """
    blob = path.read_bytes()
    elements, offset = _header(blob, path)
    found: dict[str, NDArray[np.void]] = {}
    for name, count, properties in elements:
        record = _record(name, properties, path)
        if offset + count * record.itemsize > len(blob):
            raise SourceError(
                f"{path} ends early: {count} x {name} need {count * record.itemsize} bytes at {offset}, "
                f"{max(0, len(blob) - offset)} are there; {_AGAIN}"
            )
        found[name] = np.frombuffer(blob, record, count, offset)
        offset += count * record.itemsize
    try:
        vertices = np.stack([found["vertex"][axis] for axis in "xyz"], axis=-1).astype(np.float64)
        corners, faces = found["face"]["corners"], found["face"]["indices"].astype(np.int64)
    except (KeyError, ValueError):
        raise SourceError(
            f"{path} must have vertices with x, y, z and faces with a list of indices; is it a mesh? {_AGAIN}"
        ) from None
    if (corners != 3).any():
        raise SourceError(f"{path} must have triangles only; a face has {int(corners[corners != 3][0])} corners")
    if len(faces) and not 0 <= faces.min() <= faces.max() < len(vertices):
        raise SourceError(f"{path} has {len(vertices)} vertices, and a face uses number {faces.max()}; {_AGAIN}")
    return vertices, faces


def _header(blob: bytes, path: Path) -> tuple[list[Element], int]:
    end = blob.find(b"end_header")
    line_end = blob.find(b"\n", end)
    if not blob.startswith(b"ply") or end < 0 or line_end < 0:
        raise SourceError(f"{path} has no PLY header; {_AGAIN}")
    elements: list[Element] = []
    for line in blob[:end].decode("ascii", "replace").splitlines():
        words = line.split()
        if words[:1] == ["format"] and words[1:2] != ["binary_little_endian"]:
            raise SourceError(f"{path} must have format binary_little_endian. Got {' '.join(words[1:])!r}")
        if words[:1] == ["element"]:
            elements.append((words[1], int(words[2]), []))
        elif words[:1] == ["property"] and elements:
            elements[-1][2].append(words[1:])
    return elements, line_end + 1


def _record(name: str, properties: list[list[str]], path: Path) -> np.dtype[np.void]:
    """One element as bytes; a list is taken to have three entries, which ``read_ply`` checks."""
    fields: list[tuple[str, str] | tuple[str, str, tuple[int]]] = []
    try:
        for words in properties:
            if words[0] == "list":
                fields += [("corners", _TYPES[words[1]]), ("indices", _TYPES[words[2]], (3,))]
            else:
                fields.append((words[1], _TYPES[words[0]]))
        return np.dtype(fields)
    except (KeyError, IndexError, ValueError) as error:
        raise SourceError(f"{path} describes {name} in an unknown way ({error}); {_AGAIN}") from None
