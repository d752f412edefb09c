"""The house rules: who may know whom, what an import costs, sizes, types, and metadata that agree."""

from __future__ import annotations

import ast
import configparser
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import distill3d_ros

ROOT = Path(__file__).parents[2]
ROOMS_WITHOUT_ROS = sorted({folder.parent.name for folder in ROOT.glob("distill3d_ros/*/__init__.py")} - {"nodes"})
LONGEST_FILE = 350
SOURCES = sorted(
    f
    for folder in ("distill3d_ros", "scripts", "test", "launch")
    for f in (ROOT / folder).rglob("*.py")
    if "__pycache__" not in f.parts
)


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]


def tool(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def test_ruff() -> None:
    run(tool("ruff"), "check", "--no-cache", ".")
    run(tool("ruff"), "format", "--check", "--no-cache", ".")


def test_mypy() -> None:
    run(tool("mypy"))


def test_the_package_imports_neither_torch_nor_ros() -> None:
    code = """
import sys
import distill3d_ros, distill3d_ros.cli.main
heavy = {"torch", "transformers", "rclpy", "moderngl", "cv2", "matplotlib", "scipy"} & set(sys.modules)
sys.exit(f"imported: {heavy}" if heavy else 0)
"""
    run(sys.executable, "-c", code)


def test_only_nodes_load_ros() -> None:
    code = """
import importlib, pkgutil, sys
for room in sys.argv[1:]:
    package = importlib.import_module(f"distill3d_ros.{room}")
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
    ros = sorted(m for m in sys.modules if m == "rclpy" or m.endswith("_msgs"))
    if ros:
        sys.exit(f"{room} imported: {ros}")
"""
    run(sys.executable, "-c", code, *ROOMS_WITHOUT_ROS)


@pytest.mark.parametrize("file", SOURCES, ids=lambda f: str(f.relative_to(ROOT)))
def test_no_file_is_too_long(file: Path) -> None:
    lines = len(file.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_FILE, f"{lines} lines: split it along its seam"


def imported_modules(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return found | {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}


def test_tests_lie_in_folders_of_the_package_and_share_only_support() -> None:
    for file in (ROOT / "test").rglob("test_*.py"):
        folder = file.parent.relative_to(ROOT / "test")
        assert folder == Path("project") or (ROOT / "distill3d_ros" / folder).is_dir(), file
        shared = {name for name in imported_modules(file) if name.rpartition(".")[2].startswith("test_")}
        assert not shared, f"{file} imports {shared}: what tests share lies in test/support"


def test_versions_agree() -> None:
    manifests = [ROOT / "package.xml", ROOT / "distill3d_interfaces" / "package.xml"]
    versions = {file.parent.name: ElementTree.parse(file).findtext("version") for file in manifests}
    assert set(versions.values()) == {distill3d_ros.__version__}


def test_package_xml_names_every_ros_package_that_is_imported() -> None:
    manifest = ElementTree.parse(ROOT / "package.xml")
    declared = {element.text for tag in ("depend", "exec_depend") for element in manifest.iter(tag)}
    ros = re.compile(r"^(rclpy|tf2_ros|cv_bridge|sensor_msgs_py|launch|launch_ros|\w+_(msgs|interfaces|srvs))$")
    files = [*(ROOT / "distill3d_ros").rglob("*.py"), *(ROOT / "launch").glob("*.py")]
    used = {name.split(".")[0] for file in files for name in imported_modules(file)}
    assert {name for name in used if ros.match(name)} <= declared


def test_interface_package_builds_every_definition() -> None:
    folder = ROOT / "distill3d_interfaces"
    recipe = (folder / "CMakeLists.txt").read_text(encoding="utf-8")
    listed = set(re.findall(r'"((?:msg|srv)/\w+\.(?:msg|srv))"', recipe))
    there = {f"{file.parent.name}/{file.name}" for file in folder.rglob("*.*") if file.suffix in (".msg", ".srv")}
    assert listed == there


def test_entry_points_lie_where_ros2_run_looks() -> None:
    setup_cfg = configparser.ConfigParser()
    setup_cfg.read(ROOT / "setup.cfg")
    assert setup_cfg["install"]["install_scripts"] == "$base/lib/distill3d_ros"
    assert setup_cfg["develop"]["script_dir"] == "$base/lib/distill3d_ros"
    points = re.findall(r'f"(\w+) = \{NAME\}\.([\w.]+):(\w+)"', (ROOT / "setup.py").read_text(encoding="utf-8"))
    assert {name for name, _, _ in points} == {"spatial_node", "camera_node", "distill3d"}
    for _, module, function in points:
        file = ROOT / "distill3d_ros" / (module.replace(".", "/") + ".py")
        assert f"def {function}(" in file.read_text(encoding="utf-8"), file


def test_nothing_under_the_gpl_on_a_robot() -> None:
    from importlib.metadata import distribution

    wanted = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8")
    for name in re.findall(r"^([\w.-]+)==", wanted, re.MULTILINE):
        metadata = distribution(name).metadata
        licences = [metadata.get("License-Expression") or metadata.get("License") or ""]
        licences += [c for c in metadata.get_all("Classifier") or [] if c.startswith("License")]
        named = " ".join(text.splitlines()[0] for text in licences if text)
        assert named, f"{name} names no licence"
        assert not re.search(r"\bA?GPL|General Public", named), f"{name}: {named}"
