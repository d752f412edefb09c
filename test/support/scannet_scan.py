"""A tiny scan in ScanNet's published formats, its pictures made by tracing rays: for the tests of the importers."""

from __future__ import annotations

import functools
import json
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from distill3d_ros.scene.frame import Intrinsics

SCAN = "scene0003_00"
COLOR = Intrinsics(fx=293.0, fy=292.0, cx=160.3, cy=118.9, width=324, height=242)
DEPTH = Intrinsics(fx=150.0, fy=149.0, cx=77.0, cy=61.5, width=160, height=120)
ROOM = np.array([4.0, 3.0, 2.5])
"""Aligned world: 0 <= x <= 4, 0 <= y <= 3, 0 <= z <= 2.5."""
FRAMES = 5
LOST = 2
"""Frame without a pose."""
HIDDEN = 4
"""Frame in which something near, that the mesh does not have, fills ``HIDING`` of the depth image."""
HIDING = (slice(60, 100), slice(60, 100))
HIDING_DEPTH = 0.6
COLUMNS = ["id", "raw_category", "category", "count", "nyu40id", "eigen13id", "nyuClass", "nyu40class", "mpcat40"]


@dataclass(frozen=True)
class Thing:
    """An upright box that stands in the aligned world; ``size`` along its own axes, turned about z by ``yaw``."""

    words: str
    label: str
    center: tuple[float, float, float]
    size: tuple[float, float, float]
    yaw: float
    nyu40: str
    color: tuple[int, int, int]

    @property
    def rotation(self) -> np.ndarray:
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])

    def corners(self) -> np.ndarray:
        signs = np.array([[x, y, z] for z in (-1, 1) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))])
        return np.array(self.center) + (signs * self.size / 2) @ self.rotation.T


THINGS = (
    Thing("dining table", "table", (2.6, 1.7, 0.36), (1.4, 0.8, 0.72), 0.5, "table", (200, 40, 40)),
    Thing("office chair", "chair", (2.2, 0.7, 0.45), (0.55, 0.45, 0.9), 1.2, "chair", (40, 190, 50)),
    Thing("trash can", "trash can", (1.6, 2.3, 0.2), (0.3, 0.4, 0.4), -0.3, "otherfurniture", (50, 60, 210)),
    Thing("monitor", "", (2.6, 1.7, 0.92), (0.5, 0.12, 0.4), 0.5, "otherprop", (220, 210, 40)),
)
"""Ids are their places here + 1; walls and floor follow as objects, too."""
WALL_COLOR = (120, 120, 120)


def alignment(angle: float = 0.7) -> np.ndarray:
    """(4, 4) aligned world from the scan's world."""
    matrix = np.eye(4)
    c, s = math.cos(angle), math.sin(angle)
    matrix[:2, :2] = [[c, -s], [s, c]]
    matrix[:3, 3] = [1.3, -0.6, 0.08]
    return matrix


def camera_pose(number: int) -> np.ndarray:
    """(4, 4) aligned world from camera: on the left of the room, pitched down and rolled."""
    eye = np.array([0.4, 0.5 + 0.4 * number, 1.5])
    forward = np.array([2.3, 1.5, 0.5]) - eye
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    roll = 0.15
    pose = np.eye(4)
    pose[:3, 0] = math.cos(roll) * right + math.sin(roll) * down
    pose[:3, 1] = math.cos(roll) * down - math.sin(roll) * right
    pose[:3, 2], pose[:3, 3] = forward, eye
    return pose


def trace(camera: Intrinsics, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ids (H, W), 0 for the room, and depth (H, W) that a camera sees: rays against slabs."""
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(u.shape)], axis=-1)
    directions, eye = rays @ pose[:3, :3].T, pose[:3, 3]
    with np.errstate(divide="ignore"):
        depth = np.maximum((0 - eye) / directions, (ROOM - eye) / directions).min(axis=-1)
        ids = np.zeros(depth.shape, int)
        for number, thing in enumerate(THINGS, start=1):
            own_eye, own = (eye - thing.center) @ thing.rotation, directions @ thing.rotation
            half = np.array(thing.size) / 2
            a, b = (-half - own_eye) / own, (half - own_eye) / own
            near, far = np.minimum(a, b).max(axis=-1), np.maximum(a, b).min(axis=-1)
            hit = (near < far) & (near > 0) & (near < depth)
            depth, ids = np.where(hit, near, depth), np.where(hit, number, ids)
    return ids, depth


@functools.cache
def picture(number: int) -> bytes:
    """JPEG in which every thing has its colour."""
    ids, _ = trace(COLOR, camera_pose(number))
    colors = np.array([WALL_COLOR, *(thing.color for thing in THINGS)], np.uint8)
    return cv2.imencode(".jpg", colors[ids][..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()


def depth_units(number: int) -> np.ndarray:
    """(h, w) uint16 millimetres."""
    _, depth = trace(DEPTH, camera_pose(number))
    if number == HIDDEN:
        depth[HIDING] = HIDING_DEPTH
    return np.round(depth * 1000).astype(np.uint16)


def published_pose(number: int) -> np.ndarray:
    """(4, 4) scan's world from camera."""
    return np.full((4, 4), -np.inf) if number == LOST else np.linalg.inv(alignment()) @ camera_pose(number)


def _matrix(camera: Intrinsics) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = camera.matrix
    return matrix


def publish(folder: Path) -> Path:
    """A folder with one scan, its frames exported, and the label map."""
    write_annotations(folder / SCAN)
    write_exported(folder / SCAN)
    write_label_map(folder / "scannetv2-labels.combined.tsv")
    return folder


def write_exported(folder: Path) -> None:
    """color/, depth/, pose/ and intrinsic/ as ScanNet's reader.py writes them."""
    for name in ("color", "depth", "pose", "intrinsic"):
        (folder / name).mkdir(parents=True)
    for number in range(FRAMES):
        (folder / "color" / f"{number}.jpg").write_bytes(picture(number))
        cv2.imwrite(str(folder / "depth" / f"{number}.png"), depth_units(number))
        np.savetxt(folder / "pose" / f"{number}.txt", published_pose(number).astype(np.float32), fmt="%.9g")
    for kind, camera in (("color", COLOR), ("depth", DEPTH)):
        np.savetxt(folder / "intrinsic" / f"intrinsic_{kind}.txt", _matrix(camera), fmt="%f")
        np.savetxt(folder / "intrinsic" / f"extrinsic_{kind}.txt", np.eye(4), fmt="%f")


def write_sens(path: Path) -> None:
    """The same frames in one .sens file, version 4."""
    name = b"StructureSensor"
    blob = struct.pack("<IQ", 4, len(name)) + name
    for matrix in (_matrix(COLOR), np.eye(4), _matrix(DEPTH), np.eye(4)):
        blob += matrix.astype("<f4").tobytes()
    blob += struct.pack("<ii", 2, 1)
    blob += struct.pack("<IIII", COLOR.width, COLOR.height, DEPTH.width, DEPTH.height)
    blob += struct.pack("<fQ", 1000.0, FRAMES)
    for number in range(FRAMES):
        color, depth = picture(number), zlib.compress(depth_units(number).astype("<u2").tobytes())
        blob += published_pose(number).astype("<f4").tobytes()
        blob += struct.pack("<QQQQ", 1000 * number, 1000 * number + 3, len(color), len(depth)) + color + depth
    path.write_bytes(blob + struct.pack("<Q", 0))


def write_annotations(folder: Path) -> None:
    """Mesh, segments, aggregation and the scan's .txt."""
    name = folder.name
    folder.mkdir(parents=True, exist_ok=True)
    vertices, faces, segments, groups = _mesh()
    scan_from_aligned = np.linalg.inv(alignment())
    vertices = vertices @ scan_from_aligned[:3, :3].T + scan_from_aligned[:3, 3]
    _write_ply(folder / f"{name}_vh_clean_2.ply", vertices, faces)
    (folder / f"{name}_vh_clean_2.0.010000.segs.json").write_text(
        json.dumps({"params": {"kThresh": "0.0001"}, "sceneId": f"scannet.{name}", "segIndices": segments})
    )
    (folder / f"{name}.aggregation.json").write_text(
        json.dumps(
            {
                "sceneId": f"scannet.{name}",
                "appId": "Aggregator.v2",
                "segGroups": [
                    {"id": i, "objectId": i, "segments": own, "label": words} for i, (words, own) in enumerate(groups)
                ],
                "segmentsFile": f"scannet.{name}_vh_clean_2.0.010000.segs.json",
            }
        )
    )
    lines = {
        "appVersionId": "106",
        "axisAlignment": " ".join(f"{x:.6f}" for x in alignment().ravel()),
        "colorHeight": str(COLOR.height),
        "colorWidth": str(COLOR.width),
        "depthHeight": str(DEPTH.height),
        "depthWidth": str(DEPTH.width),
        "numColorFrames": str(FRAMES),
        "sceneType": "Living room / Lounge",
    }
    (folder / f"{name}.txt").write_text("".join(f"{key} = {value}\n" for key, value in lines.items()))


def write_label_map(path: Path) -> None:
    """scannetv2-labels.combined.tsv with the words of this scan."""
    rows = [(thing.words, thing.nyu40) for thing in THINGS] + [("wall", "wall"), ("floor", "floor")]
    lines = ["\t".join(COLUMNS)]
    for i, (words, nyu40) in enumerate(rows, start=1):
        row = {"id": str(i), "raw_category": words, "category": words, "count": "9", "nyu40class": nyu40}
        lines.append("\t".join(row.get(column, "") for column in COLUMNS))
    path.write_text("\n".join(lines) + "\n")


def _mesh() -> tuple[np.ndarray, np.ndarray, list[int], list[tuple[str, list[int]]]]:
    """Vertices in the aligned world, faces, a segment for each vertex, and (words, segments) of each object."""
    quads = [(3, 2, 1, 0), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)]
    room = Thing("", "", tuple(ROOM / 2), tuple(ROOM), 0.0, "", (0, 0, 0)).corners()
    vertices: list[np.ndarray] = []
    faces: list[list[int]] = []
    segments: list[int] = []
    groups: list[tuple[str, list[int]]] = []
    for number, thing in enumerate(THINGS):
        first = len(segments)
        vertices.append(thing.corners())
        faces += [[first + q[i] for i in corner] for q in quads for corner in ((0, 1, 2), (0, 2, 3))]
        lower, upper = 900 - 7 * number, 31 + number
        segments += [lower] * 4 + [upper] * 4
        groups.append((thing.words, [upper, lower]))
    walls = []
    for number, quad in enumerate(quads):
        first = len(segments)
        vertices.append(room[list(quad)])
        faces += [[first, first + 1, first + 2], [first, first + 2, first + 3]]
        segments += [2000 + number] * 4
        walls.append(2000 + number)
    groups += [("wall", walls[2:]), ("floor", walls[:1])]
    return np.concatenate(vertices), np.array(faces), segments, groups


def _write_ply(path: Path, vertices: np.ndarray, faces: np.ndarray) -> None:
    header = ["ply", "format binary_little_endian 1.0", "comment VCGLIB generated", f"element vertex {len(vertices)}"]
    header += [f"property float {axis}" for axis in "xyz"]
    header += [f"property uchar {channel}" for channel in ("red", "green", "blue", "alpha")]
    header += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header", ""]
    blob = "\n".join(header).encode()
    blob += b"".join(struct.pack("<3f4B", *vertex, 9, 9, 9, 255) for vertex in vertices.tolist())
    path.write_bytes(blob + b"".join(struct.pack("<B3i", 3, *face) for face in faces.tolist()))
