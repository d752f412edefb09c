"""Import contracts: they hold, and no folder of the package is without one."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "distill3d_ros"
ROOMS = sorted(folder.name for folder in PACKAGE.iterdir() if (folder / "__init__.py").is_file())
MOST_FILES = 21
"""In a folder, ``__init__.py`` included."""


def contracts() -> list[dict[str, Any]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return settings["tool"]["importlinter"]["contracts"]


def module_names() -> list[str]:
    """Of all modules, packages included, with dots."""
    files = (file.relative_to(ROOT).with_suffix("") for file in PACKAGE.rglob("*.py"))
    return sorted(".".join(file.parts).removesuffix(".__init__") for file in files)


def modules_without_contract(modules: Iterable[str], contracts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Those whose folder is no layer of a contract; the package itself needs none.

    Contracts of other types say less: a folder that must not import something may still import all the rest.
    """
    layered = {
        f"{container}.{layer.strip()}"
        for contract in contracts
        if contract["type"] == "layers"
        for container in contract["containers"]
        for row in contract["layers"]
        for layer in row.split("|")
    }
    modules = set(modules)
    folders = {name.rpartition(".")[0] for name in modules} & modules
    return sorted(
        name
        for name in modules
        if name.count(".") and name not in layered and (name in folders or name.rpartition(".")[0] not in layered)
    )


def test_contracts_hold() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]


def test_every_module_is_under_a_contract() -> None:
    assert modules_without_contract(module_names(), contracts()) == []


@pytest.mark.parametrize(
    ("more", "found"),
    [
        (["p.flat"], ["p.flat"]),
        (["p.new", "p.new.x"], ["p.new", "p.new.x"]),
        (["p.a.deep", "p.a.deep.x"], ["p.a.deep", "p.a.deep.x"]),
        (["p.a.other"], []),
        (["p.b.sub.other"], []),
    ],
)
def test_a_module_under_no_contract_is_found(more: list[str], found: list[str]) -> None:
    rooms = {"type": "layers", "containers": ["p"], "layers": ["b", "a | c"]}
    inside = {"type": "layers", "containers": ["p.b"], "layers": ["sub"]}
    forbidden = {"type": "forbidden", "source_modules": ["p.new", "p.flat"], "forbidden_modules": ["torch"]}
    modules = ["p", "p.a", "p.a.x", "p.b", "p.b.y", "p.b.sub", "p.b.sub.z", "p.c", "p.c.w"]
    assert modules_without_contract(modules, [rooms, inside, forbidden]) == []
    assert modules_without_contract([*modules, *more], [rooms, inside, forbidden]) == found


def test_the_contract_about_ros_is_for_all_but_nodes() -> None:
    (contract,) = (c for c in contracts() if c["name"] == "only nodes import ROS")
    assert sorted(contract["source_modules"]) == [f"distill3d_ros.{room}" for room in ROOMS if room != "nodes"]


@pytest.mark.parametrize("room", ["scene", "questions"])
def test_numpy_is_all_that_is_needed(room: str) -> None:
    allowed = {*sys.stdlib_module_names, "numpy", "distill3d_ros"}
    for file in (PACKAGE / room).rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        found = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        found |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
        assert {name.split(".")[0] for name in found} <= allowed, file


def test_nothing_lies_beside_the_rooms() -> None:
    flat = {folder: {file.name for file in folder.glob("*.py")} for folder in (PACKAGE, PACKAGE / "training")}
    assert flat == {
        PACKAGE: {"__init__.py"},
        PACKAGE / "training": {"__init__.py", "augment_config.py", "config.py", "train.py"},
    }


def test_every_folder_is_a_package() -> None:
    """Else setuptools leaves it out of what is installed."""
    folders = {file.parent for file in PACKAGE.rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


@pytest.mark.parametrize("top", ["distill3d_ros", "test", "scripts", "launch"])
def test_no_folder_is_too_full(top: str) -> None:
    folders = {file.parent for file in (ROOT / top).rglob("*.py") if "__pycache__" not in file.parts}
    counts = {str(folder.relative_to(ROOT)): len(list(folder.glob("*.py"))) for folder in sorted(folders)}
    assert not {name: n for name, n in counts.items() if n > MOST_FILES}, "it wants rooms of its own"
