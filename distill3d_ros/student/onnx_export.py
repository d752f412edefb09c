"""A student's perception of one frame as an ONNX file, for one size of picture and one set of weights."""

from __future__ import annotations

import importlib.util
import tempfile
import warnings
from pathlib import Path

import torch

from distill3d_ros.student.checkpoint import load_student, weights_sha256
from distill3d_ros.student.perception_graph import INPUTS, OUTPUTS, PerceptionGraph
from distill3d_ros.student.preprocess import network_size
from distill3d_ros.student.student import Student
from distill3d_ros.system.files import write_whole

FORMAT = "1"
METADATA_FORMAT, METADATA_WEIGHTS = "distill3d.format", "distill3d.weights_sha256"
"""Keys of the file's own data, by which a reader knows the file and whose weights are in it."""
_OPSET = 18
_TOLERANCE = 1e-3
"""Of depth (metres) and patch tokens, before a file is written; they differ by about 1e-5."""
_LARGEST_PARAMETERS = 500_000_000
"""In float32; an ONNX file is one protocol buffer, of 2 GB at most."""


def onnx_name(width: int, height: int) -> str:
    """Name of the file for a network's image of this size, beside the student's other files."""
    return f"perception_{width}x{height}.onnx"


def export_onnx(folder: Path, *, width: int, height: int) -> Path:
    """Writes the perception of the student in ``folder``, for pictures of this size, beside its other files.

    In float32, equal to torch's to about 1e-5, which is checked before it is written where ONNX Runtime is installed.

    Raises:
        ValueError, ImportError: the student has no such graph, or the package onnx is missing.
    """
    if importlib.util.find_spec("onnx") is None:
        raise ImportError("export --onnx needs the package onnx: pip install -r requirements/onnx.txt")
    student = load_student(folder)
    size = network_size(width, height, area=student.config.image_area, multiple=student.multiple)
    content = perception_as_onnx(student, width=size[0], height=size[1], weights_sha256=weights_sha256(folder))
    path = folder / onnx_name(*size)
    write_whole(path, content)
    return path


def perception_as_onnx(student: Student, *, width: int, height: int, weights_sha256: str) -> bytes:
    """The content of the file, for a network's image of this size."""
    import onnx

    if student.takes_depth:
        raise ValueError("ONNX has no graph of a student that takes depth (depth.kind 'measured'); use torch for it")
    count = sum(p.numel() for p in PerceptionGraph(student).student.encoder.parameters())
    if count > _LARGEST_PARAMETERS:
        raise ValueError(f"an ONNX file holds at most 2 GB. Got an encoder of {count / 1e6:.0f} M parameters")
    inputs = (
        torch.rand(1, 1, 3, height, width, generator=torch.Generator().manual_seed(0)),
        torch.tensor([[[0.9 * width, 0.9 * width, width / 2 - 0.5, height / 2 - 0.5]]]),
        torch.tensor([[[0.0, -1.0, 0.0]]]),
        torch.tensor([False]),
    )
    with torch.no_grad(), warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        # By tracing: the sizes are fixed, and torch.export takes ten times as long and two more packages.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            PerceptionGraph(student).eval(),
            inputs,
            Path(folder) / "graph.onnx",
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            opset_version=_OPSET,
            dynamo=False,
        )
        content = (Path(folder) / "graph.onnx").read_bytes()
    _check(content, student, inputs)
    model = onnx.load_model_from_string(content)
    onnx.checker.check_model(model)
    for key, value in ((METADATA_FORMAT, FORMAT), (METADATA_WEIGHTS, weights_sha256)):
        model.metadata_props.add(key=key, value=value)
    return model.SerializeToString()


def _check(content: bytes, student: Student, inputs: tuple[torch.Tensor, ...]) -> None:
    """Raises RuntimeError where ONNX Runtime, if it is installed, computes something else than torch."""
    if importlib.util.find_spec("onnxruntime") is None:
        return
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    checked = ("depth", "patch_tokens")
    found = session.run(checked, {name: x.numpy() for name, x in zip(INPUTS, inputs, strict=True)})
    with torch.no_grad():
        expected = student.perceive_unchecked(inputs[0], inputs[1])
    for name, array in zip(checked, found, strict=True):
        error = float((torch.from_numpy(array) - getattr(expected, name)).abs().max())
        if not error <= _TOLERANCE:
            raise RuntimeError(f"ONNX Runtime's {name} differs from torch's by {error:.2g}; the file is not written")
