"""Files, folders and modules that the README and the pages in docs name are there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
from support.markdown import PAGES, ROOT, code_blocks, read_page

PATHS = re.compile(r"(?<![\w/.-])(?:test|distill3d_ros|distill3d_interfaces|launch|scripts|requirements)/[\w/.-]*\w")
MODULES = re.compile(r"\bdistill3d_ros(?:\.\w+)+")
SOURCES = re.compile(r"`([\w/]+/\w+\.py)`")
ELSEWHERE = {"SensReader/python/reader.py"}
"""In repositories of others."""
PACKAGE = ROOT / "distill3d_ros"


def is_there(path: str) -> bool:
    """A file or a folder, or a message or service by the name of its ROS type."""
    package, _, name = path.partition("/")
    kinds = ("msg/{}.msg", "srv/{}.srv")
    is_type = any((ROOT / package / kind.format(name.removeprefix("srv/"))).exists() for kind in kinds)
    return (ROOT / path).exists() or is_type


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_paths(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    missing = [path for path in PATHS.findall(text) if not is_there(path)]
    missing += [path for path in SOURCES.findall(text) if path not in ELSEWHERE and not is_there(path)]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links(page: Path) -> None:
    """Files beside the page, and the headings in them."""
    for target in re.findall(r"\]\((?!http)([^)]+)\)", page.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}, target


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_modules(page: Path) -> None:
    for dotted in set(MODULES.findall(page.read_text(encoding="utf-8"))):
        path = ROOT.joinpath(*dotted.split("."))
        if not (path.is_dir() or path.with_suffix(".py").is_file()):
            module, _, name = dotted.rpartition(".")
            assert hasattr(importlib.import_module(module), name), dotted


def test_every_room_is_in_the_tree() -> None:
    """The tree of docs/architecture.md has each package, and nothing that is not there."""
    tree = next(b for b in code_blocks(read_page("docs/architecture.md"), "text") if b.startswith("distill3d_ros/"))
    listed: set[Path] = set()
    above: list[str] = []
    for line in tree.splitlines()[1:]:
        indent, names = len(line) - len(line.lstrip()), line.split("  #")[0].split()
        above = above[: indent // 2 - 1]
        for name in names:
            assert name.endswith("/"), line
            listed.add(Path(*above, name))
        above.append(names[-1])
    packages = {file.parent.relative_to(PACKAGE) for file in PACKAGE.rglob("__init__.py")} - {Path()}
    assert listed == packages


def test_the_layers_are_those_of_the_contract() -> None:
    contracts = read_page("pyproject.toml")
    pattern = r'containers = \["distill3d_ros"\]\nexhaustive = true\nlayers = \[(.*?)\]'
    (listed,) = re.findall(pattern, contracts, re.DOTALL)
    blocks = code_blocks(read_page("docs/architecture.md"), "text")
    assert re.findall(r'"([^"]+)"', listed) in [block.splitlines() for block in blocks]
