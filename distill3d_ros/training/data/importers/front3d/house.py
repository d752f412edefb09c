"""The format of 3D-FRONT houses.

One JSON a house (Fu et al. 2021, "3D-FRONT: 3D Furnished Rooms with layOuts and semaNTics", ICCV): ``furniture`` lists
models (``uid``, ``jid`` of 3D-FUTURE, ``category``, ``valid`` where the model was published), ``mesh`` the shell
(``uid``, ``type``, flat lists ``xyz`` and ``faces``), and ``scene.room[].children[]`` places both by ``ref`` with
``pos``, ``rot`` (quaternion x, y, z, w) and ``scale``. Metres, y up, right-handed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distill3d_ros.training.data.importers.front3d.furniture_models import FrontError
from distill3d_ros.worlds.room import FloatArray

WORLD_FROM_HOUSE = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""(3, 3) y up -> z up, a turn about x."""
_FLOOR, _SHELL = "floor", ("wallinner", "ceiling")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class House:
    """One JSON of 3D-FRONT, its rooms not looked at yet."""

    name: str
    """The file's name without its ending, which is the house's uid."""
    furniture: Mapping[str, Mapping[str, Any]]
    """By uid."""
    meshes: Mapping[str, Mapping[str, Any]]
    """By uid."""
    rooms: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Pose of a child of a room in the house: scale, then rotation, then position."""

    position: FloatArray
    rotation: FloatArray
    scale: FloatArray

    def to_world(self, points: FloatArray) -> FloatArray:
        """(..., 3) in the child's axes -> the house's axes with z up."""
        return ((points * self.scale) @ self.rotation.T + self.position) @ WORLD_FROM_HOUSE.T


def read_house(path: Path) -> House:
    """Read a house.

    Raises:
        FrontError: it is no JSON, or not of this layout; names the file.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return House(
            name=path.stem,
            furniture={entry["uid"]: entry for entry in data["furniture"]},
            meshes={entry["uid"]: entry for entry in data["mesh"]},
            rooms=list(data["scene"]["room"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FrontError(
            f"{path} is no house of 3D-FRONT ({type(error).__name__}: {error}); unpack it again"
        ) from error


def placement(child: Mapping[str, Any]) -> Placement:
    """Of a child of a room; raises as ``floor_and_height``."""
    position, rot, scale = (np.array(child[name], float) for name in ("pos", "rot", "scale"))
    norm = float(np.linalg.norm(rot))
    shapes = position.shape == (3,) and rot.shape == (4,) and scale.shape == (3,)
    if not shapes or not np.isfinite([*position, *scale, norm]).all() or norm < 1e-6:
        raise ValueError(f"child {child['ref']!r} needs pos (3), rot (4) and scale (3), all finite and rot not zero")
    x, y, z, w = rot / norm
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    return Placement(position, rotation, scale)


def floor_and_height(house: House, number: int) -> tuple[FloatArray, float | None]:
    """Floor polygon and height from the shell of a room.

    Returns:
        (T, 3, 3) corners of the floor's triangles in the house's axes with z up, T = 0 where there is no floor; and how
        high its inner walls or its ceiling reach, None where it has neither.

    Raises:
        KeyError, ValueError, TypeError, IndexError: an entry is missing or of another form.
    """
    floors, tops = [], []
    for child in house.rooms[number]["children"]:
        mesh = house.meshes.get(child["ref"])
        kind = str(mesh.get("type") or "").strip().lower() if mesh else ""
        if mesh is None or kind not in (_FLOOR, *_SHELL):
            continue
        points = placement(child).to_world(np.array(mesh["xyz"], float).reshape(-1, 3))
        if not len(points):
            continue
        if not np.isfinite(points).all():
            raise ValueError(f"mesh {mesh['uid']!r} has a vertex that is not finite")
        if kind == _FLOOR:
            faces = np.array(mesh["faces"], int).reshape(-1, 3)
            if len(faces) and faces.min() < 0:
                raise ValueError(f"mesh {mesh['uid']!r} has a face with a negative vertex number")
            floors.append(points[faces])
        else:
            tops.append(float(points[:, 2].max()))
    return np.concatenate([np.empty((0, 3, 3)), *floors]), max(tops, default=None)


def floor_fill(floor: FloatArray, cells: int = 96) -> float:
    """Share of the bounding rectangle that (T, 3, 3) floor triangles cover, by a grid of ``cells`` squared points.

    Triangles may overlap and be wound either way, as those of the set are.
    """
    low, high = floor.min(axis=(0, 1))[:2], floor.max(axis=(0, 1))[:2]
    steps = (np.arange(cells) + 0.5) / cells
    points = low + np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2) * (high - low)
    covered = np.zeros(len(points), bool)
    for a, b, c in floor[:, :, :2]:
        sides = [
            (q[0] - p[0]) * (points[:, 1] - p[1]) - (q[1] - p[1]) * (points[:, 0] - p[0])
            for p, q in ((a, b), (b, c), (c, a))
        ]
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if abs(area) > 1e-12:
            covered |= np.all([side * area >= 0 for side in sides], axis=0)
    return float(covered.mean())
