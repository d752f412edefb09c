"""3D-FUTURE furniture: the published models as this project's furniture models.

Layout of the set (Fu et al. 2021, "3D-FUTURE: 3D Furniture shape with TextURE", IJCV): ``model_info.json``, a list
with ``model_id``, ``super-category`` and ``category`` of each model, and one folder a model, ``<model_id>/`` with
``raw_model.obj`` (metres, y up, the front towards +z), ``model.mtl`` and ``texture.png``.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from distill3d_ros.scene.labels import LABELS
from distill3d_ros.worlds.furniture import facing
from distill3d_ros.worlds.furniture.build import MIN_KEPT
from distill3d_ros.worlds.furniture.decimate import triangle_areas
from distill3d_ros.worlds.furniture.furniture_model import TEXTURE_SIZE, FurnitureModel, Mount, Split
from distill3d_ros.worlds.furniture.obj_file import Material, ObjModel, read_obj
from distill3d_ros.worlds.furniture.simplify import shrink
from distill3d_ros.worlds.room import FloatArray

LIBRARY = "3D-FUTURE"
MODEL_FILE, TEXTURE_FILE, INFO_FILE = "raw_model.obj", "texture.png", "model_info.json"

HELD_OUT_SHARE = 0.2
"""Of the models; only ``test_unseen`` shows them."""
MODELS_IN_MEMORY = 600
"""Of one worker, half a megabyte each."""
LARGEST = 15.0
"""Metres; nothing in a room is larger, so a model that is has another unit."""

OWN_FROM_OBJ = np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
"""(3, 3) A model's published axes (y up, z front) -> ours (z up, y front); a rotation, so nothing is mirrored."""

# The categories of the set, under the names of its first release and of the later ones.
_CATEGORIES: dict[str, tuple[str, ...]] = {
    "chair": (
        "Dining Chair",
        "Lounge Chair / Cafe Chair / Office Chair",
        "Lounge Chair / Book-chair / Computer Chair",
        "Dressing Chair",
        "Classic Chinese Chair",
        "Folding chair",
    ),
    "armchair": ("armchair", "Lazy Sofa"),
    "stool": ("Barstool", "Footstool / Sofastool / Bed End Stool / Stool"),
    "sofa": (
        "Three-Seat / Multi-seat Sofa",
        "Three-Seat / Multi-person sofa",
        "Loveseat Sofa",
        "Two-seat Sofa",
        "L-shaped Sofa",
        "U-shaped Sofa",
        "Chaise Longue Sofa",
    ),
    "table": ("Coffee Table", "Tea Table", "Corner/Side Table", "Round End Table", "Dining Table", "Dressing Table"),
    "desk": ("Desk",),
    "bed": ("King-size Bed", "Double Bed", "Single bed", "Kids Bed", "Bunk Bed", "Bed Frame", "Couch Bed"),
    "cabinet": (
        "Nightstand",
        "Children Cabinet",
        "Sideboard / Side Cabinet / Console Table",
        "Sideboard / Side Cabinet / Console",
        "Wine Cabinet",
        "Wine Cooler",
        "TV Stand",
        "Drawer Chest / Corner cabinet",
        "Shoe Cabinet",
    ),
    "wardrobe": ("Wardrobe",),
    "shelf": ("Bookcase / jewelry Armoire", "Shelf"),
    "lamp": ("Pendant Lamp", "Ceiling Lamp", "Floor Lamp", "Wall Lamp", "Table Lamp", "Desk Lamp"),
    "": ("Bar", "Hanging Chair"),
}
_SUPER_CATEGORIES = {
    "bed": "bed", "chair": "chair", "table": "table", "sofa": "sofa", "pier / stool": "stool", "lighting": "lamp",
}  # fmt: skip
"""For models whose category is empty or not in the table; what is not here either is clutter."""
_MOUNTS: dict[str, Mount] = {"pendant lamp": "ceiling", "ceiling lamp": "ceiling", "wall lamp": "wall"}


class FrontError(ValueError):
    """3D-FRONT or 3D-FUTURE data cannot be used; the message names what and the remedy."""


class ModelError(FrontError):
    """A model cannot be read."""


@dataclass(frozen=True, slots=True, eq=False)
class FrontModel:
    """A model in our axes, and where it lay in its own."""

    furniture: FurnitureModel
    base: FloatArray
    """(3,) centre of its base, our model's origin, in the published axes."""
    kept: float
    """Share of its surface that shrinking left."""


def label_of(super_category: str | None, category: str | None) -> str:
    """The label for a category of 3D-FUTURE; empty for clutter."""
    found = _LABEL_OF.get(_plain(category))
    return found if found is not None else _SUPER_CATEGORIES.get(_plain(super_category), "")


def _plain(name: str | None) -> str:
    """Releases differ in case and in the spaces round a slash."""
    return " ".join((name or "").lower().replace("/", " / ").split())


_LABEL_OF = {_plain(name): label for label, names in _CATEGORIES.items() for name in names}
MARKED = tuple(label for label in LABELS if label in {*_CATEGORIES, *_SUPER_CATEGORIES.values()})
"""Labels that the categories can give; what else a house has is furniture without a name, or nothing at all."""


def stable_fraction(text: str) -> float:
    """A number in [0, 1) that a text always gets, on every machine."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


def split_of_model(jid: str) -> Split:
    """Whether a model is for training or held out; its id decides, not the folder that it lies in."""
    return "test" if stable_fraction(f"{LIBRARY}#{jid}") < HELD_OUT_SHARE else "train"


class FrontModels:
    """The models of a 3D-FUTURE folder, by id; the last ones used stay in memory.

    Raises:
        FrontError: the folder has no readable ``model_info.json``.
    """

    def __init__(self, folder: Path, *, limit: int = MODELS_IN_MEMORY) -> None:
        self.folder, self._limit = folder, limit
        self._info = _read_info(folder / INFO_FILE)
        self._models: OrderedDict[str, FrontModel] = OrderedDict()
        self._broken: dict[str, str] = {}

    def __contains__(self, jid: str) -> bool:
        plain_name = bool(jid) and "/" not in jid and jid not in (".", "..")
        return plain_name and (self.folder / jid / MODEL_FILE).is_file()

    def label(self, jid: str, category: str = "") -> str:
        """Its label; ``category`` is what the house says, for models that ``model_info.json`` does not list."""
        return label_of(*self._info.get(jid, ("", category)))

    def get(self, jid: str, category: str = "") -> FrontModel:
        """A model, see ``label`` for ``category``.

        Raises:
            ModelError: its files are damaged; names the model and says how.
        """
        if jid in self._broken:
            raise ModelError(self._broken[jid])
        if jid not in self._models:
            try:
                self._models[jid] = self._read(jid, category)
            except ModelError as error:
                self._broken[jid] = str(error)
                raise
            if len(self._models) > self._limit:
                self._models.popitem(last=False)
        self._models.move_to_end(jid)
        return self._models[jid]

    def fingerprint(self) -> str:
        """Names which models are there, and their categories; not what is in their files."""
        digest = hashlib.sha256((self.folder / INFO_FILE).read_bytes())
        digest.update("\n".join(sorted(entry.name for entry in os.scandir(self.folder) if entry.is_dir())).encode())
        return digest.hexdigest()[:16]

    def _read(self, jid: str, category: str) -> FrontModel:
        folder = self.folder / jid
        try:
            obj = _read_files(folder)
            used = _used_vertices(obj)
            low, high = used.min(axis=0), used.max(axis=0)
            extent = high - low
            if not np.isfinite(extent).all() or extent.max() > LARGEST:
                raise ValueError(f"it is {extent.max():.3g} long; models must be in metres and below {LARGEST:g}")
            small = shrink(obj, np.eye(3), extent[[0, 2, 1]], 0, TEXTURE_SIZE)
        except (MemoryError, OSError):  # says nothing about this model
            raise
        except Exception as error:
            raise ModelError(
                f"model {jid} cannot be used: {folder / MODEL_FILE}: {type(error).__name__}: {error}; unpack it again"
            ) from error
        super_category, category = self._info.get(jid, ("", category))
        label, kind = label_of(super_category, category), _plain(category)
        furniture = FurnitureModel(
            name=f"{LIBRARY}#{jid}",
            label=label,
            vertices=small.vertices,
            faces=small.faces,
            face_colors=small.face_colors,
            face_layers=small.face_layers,
            face_uvs=small.face_uvs,
            textures=small.textures,
            size=np.maximum(np.ptp(small.vertices.astype(float), axis=0), 0.001),
            has_front=facing.has_front(jid, label, kind),
            drop_top=None,
            mount=_MOUNTS.get(kind, "floor"),
            elevation=0.0,
            split=split_of_model(jid),
            family=jid,
            kind=kind,
            creator=LIBRARY,
            license="3D-FUTURE terms of use",
            title=category,
        )
        base = np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])
        return FrontModel(furniture=furniture, base=base, kept=small.kept)


def survives(model: FrontModel) -> bool:
    """Whether the shrunk model still looks like the published one, by the rule of the furniture pack."""
    return model.kept >= MIN_KEPT


def _read_info(path: Path) -> dict[str, tuple[str, str]]:
    """Model id -> super-category and category."""
    remedy = "--models must name the unpacked 3D-FUTURE-model, with model_info.json and one folder for each model"
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {e["model_id"]: (str(e.get("super-category") or ""), str(e.get("category") or "")) for e in entries}
    except FileNotFoundError:
        raise FrontError(f"{path} does not exist; {remedy}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FrontError(f"{path} is no list of models ({type(error).__name__}: {error}); {remedy}") from error


def _read_files(folder: Path) -> ObjModel:
    """The OBJ with its materials; the one texture of the model covers it where the materials name none."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:  # read_obj takes archives
        for name in sorted(os.listdir(folder)):
            if name == MODEL_FILE or name.endswith((".mtl", ".png")):
                archive.writestr(name, (folder / name).read_bytes())
    with zipfile.ZipFile(memory) as archive:
        obj = read_obj(archive, MODEL_FILE)
    if not len(obj.faces):
        raise ValueError("it has no faces")
    if obj.faces.min() < 0 or obj.faces.max() >= len(obj.vertices):
        raise ValueError(f"a face names a vertex that is not among its {len(obj.vertices)}")
    if obj.face_uvs.max() >= len(obj.uvs):
        raise ValueError(f"a face names a texture coordinate that is not among its {len(obj.uvs)}")
    if (folder / TEXTURE_FILE).exists() and all(material.image is None for material in obj.materials):
        image = cv2.imread(str(folder / TEXTURE_FILE), cv2.IMREAD_COLOR)
        if image is None:
            raise ValueError(f"{TEXTURE_FILE} is not an image")
        whole = np.ascontiguousarray(image[..., ::-1], np.uint8)
        obj.materials = [Material(color=m.color, opacity=m.opacity, image=whole) for m in obj.materials]
    return obj


def _used_vertices(obj: ObjModel) -> FloatArray:
    """(N, 3) corners of the faces that have an area, which are what shrinking looks at."""
    faces = obj.faces[triangle_areas(obj.vertices, obj.faces) > 0]
    if not len(faces):
        raise ValueError("none of its faces has an area")
    return obj.vertices[np.unique(faces)]
