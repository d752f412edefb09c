"""Reader of Wavefront OBJ models with their materials, from a zip archive."""

from __future__ import annotations

import posixpath
import zipfile
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt


@dataclass(slots=True)
class Material:
    """Plain colour or texture of a part of a model."""

    color: tuple[float, float, float] = (0.7, 0.7, 0.7)
    """sRGB 0..1"""
    opacity: float = 1.0
    image: npt.NDArray[np.uint8] | None = None
    """(h, w, 3) sRGB"""


@dataclass(slots=True)
class ObjModel:
    """Triangles with materials. V vertices, T texture coordinates, F faces."""

    vertices: npt.NDArray[np.float64]
    """(V, 3)"""
    uvs: npt.NDArray[np.float64]
    """(T, 2); v points up, as the format has it."""
    faces: npt.NDArray[np.int64]
    """(F, 3) into vertices."""
    face_uvs: npt.NDArray[np.int64]
    """(F, 3) into uvs; -1 where a corner has none."""
    face_materials: npt.NDArray[np.int64]
    """(F,) into materials."""
    materials: list[Material]


@dataclass(slots=True)
class _Parser:
    vertices: list[list[float]] = field(default_factory=list)
    uvs: list[list[float]] = field(default_factory=list)
    faces: list[tuple[int, int, int]] = field(default_factory=list)
    face_uvs: list[tuple[int, int, int]] = field(default_factory=list)
    face_materials: list[int] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    libraries: list[str] = field(default_factory=list)

    def polygon(self, corners: list[str], material: int) -> None:
        points, texture = [], []
        for corner in corners:
            parts = corner.split("/")
            index = int(parts[0])
            points.append(index - 1 if index > 0 else len(self.vertices) + index)
            uv = int(parts[1]) if len(parts) > 1 and parts[1] else 0
            texture.append(uv - 1 if uv > 0 else (len(self.uvs) + uv if uv < 0 else -1))
        for k in range(1, len(points) - 1):
            self.faces.append((points[0], points[k], points[k + 1]))
            self.face_uvs.append((texture[0], texture[k], texture[k + 1]))
            self.face_materials.append(material)


def read_obj(archive: zipfile.ZipFile, path: str) -> ObjModel:
    """Read a model and its materials; polygons are cut into triangles."""
    parser, material = _Parser(), 0
    parser.names[""] = 0
    text = archive.read(path).decode("latin-1").replace("\\\n", " ")
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        head = words[0]
        if head == "v":
            parser.vertices.append([float(x) for x in words[1:4]])
        elif head == "vt":
            parser.uvs.append([float(x) for x in words[1:3]])
        elif head == "f":
            parser.polygon(words[1:], material)
        elif head == "usemtl":
            material = parser.names.setdefault(" ".join(words[1:]), len(parser.names))
        elif head == "mtllib":
            parser.libraries.append(" ".join(words[1:]))
    materials = _read_materials(archive, posixpath.dirname(path), parser.libraries)
    return ObjModel(
        vertices=np.asarray(parser.vertices, float).reshape(-1, 3),
        uvs=np.asarray(parser.uvs, float).reshape(-1, 2),
        faces=np.asarray(parser.faces, np.int64).reshape(-1, 3),
        face_uvs=np.asarray(parser.face_uvs, np.int64).reshape(-1, 3),
        face_materials=np.asarray(parser.face_materials, np.int64),
        materials=[materials.get(name, Material()) for name in parser.names],
    )


def _read_materials(archive: zipfile.ZipFile, folder: str, libraries: list[str]) -> dict[str, Material]:
    materials: dict[str, Material] = {}
    members = {name.lower(): name for name in archive.namelist()}
    for library in libraries:
        member = members.get(posixpath.normpath(posixpath.join(folder, library)).lower())
        if member is None:
            continue  # the format allows it: its parts keep the default colour
        current = Material()
        for line in archive.read(member).decode("latin-1").splitlines():
            words = line.split()
            if not words:
                continue
            head = words[0].lower()
            if head == "newmtl":
                current = materials.setdefault(" ".join(words[1:]), Material())
            elif head == "kd" and len(words) >= 4:
                current.color = tuple(float(np.clip(float(x), 0, 1)) for x in words[1:4])  # type: ignore[assignment]
            elif head == "d":
                current.opacity = float(words[-1])
            elif head == "map_kd":
                name = posixpath.normpath(posixpath.join(folder, " ".join(words[1:]).replace("\\", "/")))
                if found := members.get(name.lower()):
                    current.image = _read_image(archive.read(found))
    return materials


def _read_image(data: bytes) -> npt.NDArray[np.uint8] | None:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        return None
    if image.dtype != np.uint8:
        image = (image / 257).astype(np.uint8)
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    if image.shape[2] == 4:  # cut-out leaves and the like: what is cut out gets the mean of what is not
        solid = image[..., 3] > 127
        fill = image[solid][:, :3].mean(axis=0) if solid.any() else np.array([200, 200, 200])
        image = np.where(solid[..., None], image[..., :3], fill).astype(np.uint8)
    return np.ascontiguousarray(image[..., 2::-1])
