"""The Sweet Home 3D furniture libraries: zip files of OBJ models with a catalogue."""

from __future__ import annotations

import os
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

ENVIRONMENT_VARIABLE = "DISTILL3D_FURNITURE"
DEBIAN_FOLDER = Path("/usr/share/sweethome3d/furniture")
_LINE = re.compile(r"(\w+)#(\d+)\s*=\s*(.*)")
_UNICODE = re.compile(r"\\u([0-9a-fA-F]{4})")


class FurnitureMissingError(FileNotFoundError):
    """No furniture library was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One model of a library."""

    id: str
    title: str
    library: Path
    path: str
    """Of the OBJ file inside the library."""
    size: tuple[float, float, float]
    """Width, depth, height in metres."""
    elevation: float
    drop_top: float | None
    rotation: npt.NDArray[np.float64]
    """(3, 3), applied to the model's own axes (x width, y up, z front) before it is scaled."""
    creator: str
    license: str


def library_files(folder: str | Path | None = None) -> list[Path]:
    """The .sh3f files of a folder (default: the environment variable, then the Debian package's folder).

    Raises:
        FurnitureMissingError: with the command that installs the package.
    """
    where = Path(folder or os.environ.get(ENVIRONMENT_VARIABLE) or DEBIAN_FOLDER)
    files = sorted(where.glob("*.sh3f")) if where.is_dir() else []
    if not files:
        raise FurnitureMissingError(
            f"no furniture library (*.sh3f) in {where}. Install it with `sudo apt install sweethome3d-furniture`, or "
            "without root: `apt-get download sweethome3d-furniture && dpkg -x sweethome3d-furniture_*.deb furniture` "
            f"and set {ENVIRONMENT_VARIABLE}=$PWD/furniture{DEBIAN_FOLDER}"
        )
    return files


def read_catalogue(library: Path) -> list[Entry]:
    """All entries of a library that have a size and an OBJ model, in the catalogue's order."""
    try:
        with zipfile.ZipFile(library) as archive:
            text = archive.read("PluginFurnitureCatalog.properties").decode("latin-1")
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(f"{library} is not a Sweet Home 3D furniture library: {error}") from error
    rows: dict[int, dict[str, str]] = {}
    for line in text.splitlines():
        if match := _LINE.match(line):
            value = _UNICODE.sub(lambda m: chr(int(m[1], 16)), match[3].strip())
            rows.setdefault(int(match[2]), {})[match[1]] = value
    general = re.search(r"^license\s*=\s*(.*)$", text, re.MULTILINE)
    terms = _short_license(general[1] if general else "")
    return [_entry(row, library, terms) for row in rows.values() if row.get("model", "").lower().endswith(".obj")]


def _short_license(text: str) -> str:
    if "ublic domain" in text or "CC0" in text or "CC-0" in text:
        return "CC0 1.0"
    return "CC-BY 3.0" if "ttribution" in text else text


def _entry(row: dict[str, str], library: Path, terms: str) -> Entry:
    drop = float(row.get("dropOnTopElevation", "nan")) / 100
    rotation = [float(x) for x in row["modelRotation"].split()] if "modelRotation" in row else np.eye(3)
    return Entry(
        id=row["id"],
        title=row["name"],
        library=library,
        path=row["model"].lstrip("/"),
        size=(float(row["width"]) / 100, float(row["depth"]) / 100, float(row["height"]) / 100),
        elevation=float(row.get("elevation", 0)) / 100,
        drop_top=drop if drop > 0 else None,
        rotation=np.asarray(rotation, float).reshape(3, 3),
        creator=row.get("creator", ""),
        license=_short_license(row["license"]) if "license" in row else terms,
    )
