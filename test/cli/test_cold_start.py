"""What loading a student and asking it imports: a robot waits for every import at each start."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

MODULES = {
    "distill3d_ros",
    "cyclopts", "attr", "attrs",  # the command line
    "cv2",  # reads the picture
    "tokenizers", "safetensors",
}  # fmt: skip
"""Top-level modules, beside Python's own and what torch brings, that may be imported."""
WITHOUT_TORCH = {
    "distill3d_ros",
    "cyclopts", "attr", "attrs",
    "numpy",
    "cv2",
    "tokenizers",
    "onnxruntime",
}  # fmt: skip
"""Top-level modules, beside Python's own, that may be imported where ONNX Runtime computes."""
TORCH_PARTS: set[str] = set()
"""Parts of torch that may be imported beyond those that ``import torch`` loads, such as torch._dynamo."""

PROGRAM = """
import json, sys
start = set(sys.modules)
import torch
with_torch = set(sys.modules)
from distill3d_ros.cli.main import main
status = main(sys.argv[1:])
new = set(sys.modules) - with_torch
top = {name.partition(".")[0] for name in new} - {name.partition(".")[0] for name in with_torch}
parts = {".".join(name.split(".")[:2]) for name in new if name.startswith("torch.")} - with_torch
print(json.dumps([status, sorted(top - sys.stdlib_module_names), sorted(parts)]))
"""

ALL = """
import json, sys
start = set(sys.modules)
from distill3d_ros.cli.main import main
status = main(sys.argv[1:])
top = {name.partition(".")[0] for name in set(sys.modules) - start}
print(json.dumps([status, sorted(top - sys.stdlib_module_names)]))
"""


@pytest.fixture(scope="module")
def imported(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[set[str], set[str]]:
    """(top-level modules, parts of torch) that a question about a picture imports."""
    picture = tmp_path_factory.mktemp("picture") / "room.png"
    cv2.imwrite(str(picture), np.full((120, 160, 3), 90, np.uint8))
    words = ["ask", str(picture), "Is there a chair?", "--fov", "60", "--model", str(folder)]
    done = subprocess.run([sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    status, modules, parts = json.loads(done.stdout.splitlines()[-1])
    assert status == 0, done.stdout
    return set(modules), set(parts)


def test_a_question_imports_no_module_that_is_not_listed(imported: tuple[set[str], set[str]]) -> None:
    unlisted = imported[0] - MODULES
    assert not unlisted, f"asking imports {', '.join(sorted(unlisted))}; import it where it is needed"


def test_a_question_imports_no_part_of_torch_that_torch_does_not(imported: tuple[set[str], set[str]]) -> None:
    unlisted = imported[1] - TORCH_PARTS
    assert not unlisted, f"asking imports {', '.join(sorted(unlisted))}"


def test_by_onnx_runtime_a_question_imports_no_torch(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="the export needs the package onnx, an extra")
    pytest.importorskip("onnxruntime", reason="the backend needs the package onnxruntime, an extra")
    from distill3d_ros.student.onnx_export import export_onnx

    shutil.copytree(folder, tmp_path / "student")
    export_onnx(tmp_path / "student", [(160, 120)])
    cv2.imwrite(str(tmp_path / "room.png"), np.full((120, 160, 3), 90, np.uint8))
    words = ["ask", str(tmp_path / "room.png"), "Is there a chair?", "What do you see?", "--fov", "60"]
    words += ["--model", str(tmp_path / "student"), "--backend", "onnxruntime"]
    done = subprocess.run([sys.executable, "-c", ALL, *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    status, modules = json.loads(done.stdout.splitlines()[-1])
    assert status == 0, done.stdout
    unlisted = set(modules) - WITHOUT_TORCH
    assert not unlisted, f"asking imports {', '.join(sorted(unlisted))}; import it where it is needed"


def test_help_imports_neither_torch_nor_numpy() -> None:
    code = "import sys; from distill3d_ros.cli.main import main; main(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "cv2", "transformers"} & set(done.stdout.splitlines()[-1].split())
