"""Building of the furniture pack from the libraries, once, and its file in the user's cache."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from distill3d_ros.system.files import write_whole
from distill3d_ros.worlds.furniture import categories, facing
from distill3d_ros.worlds.furniture.catalogue import Entry, library_files, read_catalogue
from distill3d_ros.worlds.furniture.furniture_model import TEXTURE_SIZE, FurnitureModel
from distill3d_ros.worlds.furniture.obj_file import read_obj
from distill3d_ros.worlds.furniture.procedural import procedural_models
from distill3d_ros.worlds.furniture.simplify import shrink
from distill3d_ros.worlds.furniture.splits import assign_splits, family_of

MIN_KEPT = 0.8
"""Models of which less of the surface survives decimation are left out."""
VERSION = 3
"""To be raised when the build changes in a way that the tables below do not show."""

_META = (
    "name",
    "label",
    "has_front",
    "drop_top",
    "mount",
    "elevation",
    "split",
    "family",
    "kind",
    "creator",
    "license",
)
_ARRAYS = ("vertices", "faces", "face_colors", "face_layers", "face_uvs", "textures")


def cache_folder() -> Path:
    """Folder of the packs: $XDG_CACHE_HOME/distill3d_ros, or ~/.cache/distill3d_ros."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "distill3d_ros"


def pack_path(files: Iterable[Path], cache_dir: str | Path | None = None) -> Path:
    """The pack's file: its name changes with the libraries and with the tables that shape it."""
    key = hashlib.sha256(str(VERSION).encode())
    for file in files:
        key.update(f"{file.name} {file.stat().st_size}".encode())
    for table in (categories, facing):
        key.update(Path(str(table.__file__)).read_bytes())
    return Path(cache_dir or cache_folder()) / f"furniture-v{VERSION}-{key.hexdigest()[:12]}.npz"


def load_or_build(
    folder: str | Path | None = None, cache_dir: str | Path | None = None, workers: int = 2, progress: bool = True
) -> tuple[FurnitureModel, ...]:
    """The libraries' models, from the cache if there is one, and the procedural ones. A damaged cache is rebuilt."""
    files = library_files(folder)
    path = pack_path(files, cache_dir)
    if path.exists():
        try:
            return (*read_pack(path), *procedural_models())
        except (ValueError, KeyError, OSError, zipfile.BadZipFile):
            path.unlink(missing_ok=True)
    models = build(files, workers=workers, progress=progress)
    write_pack(path, models)
    return (*read_pack(path), *procedural_models())


def build(files: Iterable[Path], *, workers: int = 2, progress: bool = True) -> tuple[FurnitureModel, ...]:
    """Read, shrink and label every model that has a category, in a fixed order."""
    from rich.progress import track

    entries = [e for file in files for e in read_catalogue(file) if categories.category_of(e.id, e.title) is not None]
    entries.sort(key=lambda e: e.id)
    with ProcessPoolExecutor(max_workers=workers) as pool:
        results = pool.map(_build_one, entries, chunksize=4)
        built = list(track(results, "furniture pack", total=len(entries), disable=not progress))
    models = [model for model in built if model is not None]
    splits = assign_splits(models)
    return tuple(replace(model, split=splits[model.family, model.label]) for model in models)


def _build_one(entry: Entry) -> FurnitureModel | None:
    """None for a model of which decimation leaves too little."""
    category = categories.category_of(entry.id, entry.title)
    assert category is not None
    turn = facing.TURNS.get(entry.id, 0)
    with zipfile.ZipFile(entry.library) as archive:
        small = shrink(read_obj(archive, entry.path), entry.rotation, entry.size, turn, TEXTURE_SIZE)
    if small.kept < MIN_KEPT:
        return None
    size = np.ptp(small.vertices.astype(float), axis=0)
    return FurnitureModel(
        name=entry.id,
        label=category.label,
        vertices=small.vertices,
        faces=small.faces,
        face_colors=small.face_colors,
        face_layers=small.face_layers,
        face_uvs=small.face_uvs,
        textures=small.textures,
        size=size,
        has_front=facing.has_front(entry.id, category.label, category.kind),
        drop_top=entry.drop_top,
        mount=facing.mount_of(category.label, category.kind, size[2]),
        elevation=entry.elevation,
        split="train",
        family=family_of(entry),
        kind=category.kind,
        creator=entry.creator,
        license=entry.license,
        title=entry.title,
    )


def write_pack(path: Path, models: Iterable[FurnitureModel]) -> None:
    """A pack is whole or absent."""
    models = tuple(models)
    arrays: dict[str, Any] = {name: np.concatenate([getattr(m, name) for m in models]) for name in _ARRAYS}
    arrays["counts"] = np.array([[len(getattr(m, name)) for name in _ARRAYS] for m in models])
    meta = [{key: getattr(m, key) for key in (*_META, "title")} for m in models]
    arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.savez(file, **arrays)

    write_whole(path, write)


def read_pack(path: Path) -> tuple[FurnitureModel, ...]:
    """Load a pack; its arrays are views into a few large ones."""
    with path.open("rb") as handle, np.load(handle) as file:
        data = {name: file[name] for name in (*_ARRAYS, "counts", "meta")}
    meta = json.loads(data["meta"].tobytes())
    stops = np.cumsum(data["counts"], axis=0)
    starts = stops - data["counts"]
    models = []
    for k, row in enumerate(meta):
        arrays = {name: data[name][starts[k, i] : stops[k, i]] for i, name in enumerate(_ARRAYS)}
        size = np.ptp(arrays["vertices"].astype(float), axis=0)
        models.append(FurnitureModel(size=size, **arrays, **row))
    return tuple(models)
