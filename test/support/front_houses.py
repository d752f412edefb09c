"""Houses and models in the published formats of 3D-FRONT and 3D-FUTURE, small and made by hand."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import cv2
import numpy as np

from distill3d_ros.training.data.importers.front3d.furniture_models import split_of_model
from distill3d_ros.training.data.importers.front3d.room_shards import split_of_house

HALF_TURN, QUARTER = [0.0, 1.0, 0.0, 0.0], [0.0, 0.5**0.5, 0.0, 0.5**0.5]
UNTURNED = [0.0, 0.0, 0.0, 1.0]


def named(prefix: str, belongs: str, place=split_of_model) -> str:
    """An id that the hash puts where a test needs it."""
    return next(name for i in count() if place(name := f"{prefix}-{i:04d}") == belongs)


CHAIR, TABLE, LAMP = (named(name, "train") for name in ("chair", "table", "lamp"))
UNSEEN = named("unseen", "test")
GONE = named("gone", "train")
HOUSE = named("house", "train", split_of_house)
# Model id -> (width, height, depth), where the centre of its base lies, super-category, category. y is up.
MODELS = {
    CHAIR: ((0.5, 0.9, 0.4), (0.1, 0.0, 0.0), "Chair", "Dining Chair"),
    TABLE: ((1.2, 0.7, 0.8), (0.0, 0.0, 0.0), "Table", "Dining Table"),
    LAMP: ((0.3, 0.4, 0.3), (0.0, 0.0, 0.0), "Lighting", None),
    UNSEEN: ((0.5, 0.5, 0.5), (0.0, 0.0, 0.0), "Pier/Stool", "Barstool"),
}


def box_obj(low, high) -> str:
    """A box whose front (+z) is red in the texture, and everything else blue."""
    corners = [(x, y, z) for z in (low[2], high[2]) for y in (low[1], high[1]) for x in (low[0], high[0])]
    sides = ["1 2 4 3", "1 2 6 5", "3 4 8 7", "1 3 7 5", "2 4 8 6"]
    lines = ["mtllib model.mtl", *(f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in corners), "vt 0.25 0.5", "vt 0.75 0.5"]
    lines += ["usemtl m", *("f " + " ".join(f"{c}/2" for c in side.split()) for side in sides)]
    return "\n".join([*lines, "f 5/1 6/1 8/1 7/1", ""])


def write_models(folder: Path) -> Path:
    info = []
    for jid, (size, base, super_category, category) in MODELS.items():
        low, half = np.array(base) - [size[0] / 2, 0, size[2] / 2], np.array(size)
        (folder / jid).mkdir(parents=True)
        (folder / jid / "raw_model.obj").write_text(box_obj(low, low + half))
        (folder / jid / "model.mtl").write_text("newmtl m\nKd 1 1 1\nmap_Kd ./texture.png\n")
        texture = np.zeros((8, 8, 3), np.uint8)
        texture[:, :4] = (0, 0, 255)  # OpenCV's order: red, left
        texture[:, 4:] = (255, 0, 0)
        cv2.imwrite(str(folder / jid / "texture.png"), texture)
        info.append({"model_id": jid, "super-category": super_category, "category": category, "style": "Modern"})
    (folder / "model_info.json").write_text(json.dumps(info))
    return folder


def flat(rectangles, y: float) -> tuple[list[float], list[int]]:
    """Vertices and faces of horizontal rectangles (x0, z0, x1, z1), the second triangle wound the other way."""
    xyz, faces = [], []
    for i, (x0, z0, x1, z1) in enumerate(rectangles):
        xyz += [x0, y, z0, x1, y, z0, x1, y, z1, x0, y, z1]
        faces += [4 * i, 4 * i + 1, 4 * i + 2, 4 * i, 4 * i + 3, 4 * i + 2]
    return xyz, faces


class HouseFile:
    """A house of the published format."""

    def __init__(self) -> None:
        self.data = {"uid": HOUSE, "furniture": [], "mesh": [], "material": [], "scene": {"room": []}}

    def furniture(self, jid: str, *, valid: bool = True) -> str:
        uid = f"{len(self.data['furniture'])}/model"
        entry = {"uid": uid, "jid": jid, "size": [1.0, 1.0, 1.0], "category": "Desk", "bbox": [1.0, 1.0, 1.0]}
        self.data["furniture"].append({**entry, "valid": True} if valid else entry)
        return uid

    def room(self, kind: str, rectangles, things, *, height: float = 2.6) -> None:
        """``things``: uid, pos, rot, scale."""
        children = [
            {"ref": uid, "pos": pos, "rot": rot, "scale": scale, "instanceid": f"furniture/{i}"}
            for i, (uid, pos, rot, scale) in enumerate(things)
        ]
        for name, y in (("Floor", 0.0), ("Ceiling", height), ("Door", 2.0)):
            xyz, faces = flat(rectangles, y)
            uid = f"{len(self.data['mesh'])}/0"
            mesh = {"uid": uid, "jid": "", "xyz": xyz, "normal": [0.0] * len(xyz), "uv": [0.0] * 8, "faces": faces}
            self.data["mesh"].append({**mesh, "material": "m", "type": name})
            children.append({"ref": uid, "pos": [0, 0, 0], "rot": UNTURNED, "scale": [1, 1, 1], "instanceid": name})
        number = len(self.data["scene"]["room"])
        room = {"type": kind, "instanceid": f"{kind}-{number}", "size": 10.0, "pos": [0, 0, 0], "children": children}
        self.data["scene"]["room"].append(room)

    def write(self, folder: Path, name: str = HOUSE) -> Path:
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(self.data))
        return folder / f"{name}.json"


def dining_room(house: HouseFile, *, corner=(2.0, -1.0), second: str = CHAIR, rectangles=None) -> None:
    """4 x 3 m: a table, a lamp on it, two chairs of twice their width, one faces +x, one is turned round."""
    x, z = corner
    chair, table, lamp, other = (house.furniture(jid) for jid in (CHAIR, TABLE, LAMP, second))
    one = [1.0, 1.0, 1.0]
    things = [
        (chair, [x + 1.0, 0.0, z + 1.0], QUARTER, [2.0, 1.0, 1.0]),
        (table, [x + 2.5, 0.0, z + 1.2], UNTURNED, one),
        (lamp, [x + 2.4, 0.7, z + 1.3], UNTURNED, one),
        (other, [x + 2.5, 0.0, z + 2.5], HALF_TURN, [2.0, 1.0, 1.5]),
    ]
    house.room("LivingDiningRoom", rectangles or [(x, z, x + 4.0, z + 3.0)], things)


def write_houses(folder: Path) -> Path:
    """One house: two rooms that can be used, an L-shaped one and an empty one."""
    house = HouseFile()
    dining_room(house)
    dining_room(house, corner=(-7.0, 3.0))
    dining_room(house, rectangles=[(2.0, -1.0, 6.0, 0.5), (2.0, 0.5, 4.0, 2.0)])
    house.room("Aisle", [(0.0, 0.0, 1.0, 1.0)], [])
    return house.write(folder).parent
