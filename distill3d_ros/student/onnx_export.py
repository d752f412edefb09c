"""A student as ONNX files: its perception of one frame, for one size of picture each, and its language model."""

from __future__ import annotations

import importlib.util
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from distill3d_ros.student.checkpoint import load_student
from distill3d_ros.student.description import weights_sha256
from distill3d_ros.student.language_graphs import CHECKED, EXPORTED, language_graphs
from distill3d_ros.student.onnx_format import (
    FORMAT,
    METADATA_FORMAT,
    METADATA_WEIGHTS,
    PERCEPTION_INPUTS,
    PERCEPTION_OUTPUTS,
    has_language_graphs,
    perception_name,
)
from distill3d_ros.student.perception_graph import PerceptionGraph
from distill3d_ros.student.preprocess import network_size
from distill3d_ros.student.student import Student
from distill3d_ros.system.files import write_together

_OPSET = 18
_TOLERANCE = 1e-3
"""Largest error of an output before a file is written; they differ by about 1e-5."""
_COMPARED = ("depth", "patch_tokens")
"""Of the perception: the others may differ by more, where two queries are equally likely."""
_LARGEST_PARAMETERS = 500_000_000
"""In float32; an ONNX file is one protocol buffer, of 2 GB at most."""


def export_onnx(folder: Path, sizes: Sequence[tuple[int, int]]) -> list[Path]:
    """Writes the student in ``folder`` as ONNX beside its other files; returns what was written.

    Args:
        sizes: (width, height) of the pictures that are to be perceived; one file for each size of the network's image.

    In float32, equal to torch's to about 1e-5, which is checked before it is written where ONNX Runtime is installed.
    A language model that has no graph is left to torch.

    Raises:
        ValueError, ImportError: the student has no such graph, or the package onnx is missing.
    """
    if importlib.util.find_spec("onnx") is None:
        raise ImportError("export --onnx needs the package onnx: pip install -r requirements/onnx.txt")
    student, sha256 = load_student(folder), weights_sha256(folder)
    area, multiple = student.config.image_area, student.multiple
    looked_at = dict.fromkeys(network_size(*size, area=area, multiple=multiple) for size in sizes)
    contents = {perception_name(*size): perception_as_onnx(student, size, sha256) for size in looked_at}
    if has_language_graphs(student.config):
        contents |= language_as_onnx(student, sha256)
    write_together({folder / name: content for name, content in contents.items()})
    return [folder / name for name in contents]


def perception_as_onnx(student: Student, size: tuple[int, int], sha256: str) -> bytes:
    """The content of the file for a network's image of this width and height."""
    if student.takes_depth:
        raise ValueError("ONNX has no graph of a student that takes depth (depth.kind 'measured'); use torch for it")
    count = sum(p.numel() for p in student.encoder.parameters())
    if count > _LARGEST_PARAMETERS:
        raise ValueError(f"an ONNX file holds at most 2 GB. Got an encoder of {count / 1e6:.0f} M parameters")
    width, height = size
    inputs = (
        torch.rand(1, 1, 3, height, width, generator=torch.Generator().manual_seed(0)),
        torch.tensor([[[0.9 * width, 0.9 * width, width / 2 - 0.5, height / 2 - 0.5]]]),
        torch.tensor([[[0.0, -1.0, 0.0]]]),
        torch.tensor([False]),
    )
    graph = PerceptionGraph(student)
    example = dict(zip(PERCEPTION_INPUTS, inputs, strict=True))
    content = _exported(graph, example, PERCEPTION_OUTPUTS, {})
    _check(content, graph, example, PERCEPTION_OUTPUTS, _COMPARED)
    return _marked(content, sha256)


def language_as_onnx(student: Student, sha256: str) -> dict[str, bytes]:
    """Name and content of the files that hold the language model."""
    contents = {}
    for made, other in zip(language_graphs(student, EXPORTED), language_graphs(student, CHECKED), strict=True):
        names = made.names
        content = _exported(made.module, made.example, tuple(names.outputs), names.dynamic_axes)
        _check(content, made.module, other.example, tuple(names.outputs), tuple(names.outputs))
        contents[names.file] = _marked(content, sha256)
    return contents


def _exported(
    graph: nn.Module, example: Mapping[str, Tensor], outputs: Sequence[str], axes: Mapping[str, Mapping[int, str]]
) -> bytes:
    with torch.no_grad(), warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        # By tracing: torch.export takes ten times as long and two more packages.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph.eval(),
            tuple(example.values()),
            Path(folder) / "graph.onnx",
            input_names=list(example),
            output_names=list(outputs),
            dynamic_axes=axes,
            opset_version=_OPSET,
            dynamo=False,
        )
        return (Path(folder) / "graph.onnx").read_bytes()


def _check(
    content: bytes, graph: nn.Module, example: Mapping[str, Tensor], outputs: Sequence[str], compared: Sequence[str]
) -> None:
    """Raises RuntimeError where ONNX Runtime, if it is installed, computes something else than torch."""
    if importlib.util.find_spec("onnxruntime") is None:
        return
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    needed = {wanted.name for wanted in session.get_inputs()}
    found = session.run(compared, {name: x.numpy() for name, x in example.items() if name in needed})
    with torch.no_grad():
        expected = dict(zip(outputs, graph(*example.values()), strict=True))
    for name, array in zip(compared, found, strict=True):
        error = float(np.abs(array - expected[name].numpy()).max())
        if not error <= _TOLERANCE:
            raise RuntimeError(f"ONNX Runtime's {name} differs from torch's by {error:.2g}; the file is not written")


def _marked(content: bytes, sha256: str) -> bytes:
    """The file's content with what a reader knows it by."""
    import onnx

    model = onnx.load_model_from_string(content)
    onnx.checker.check_model(model)
    for key, value in ((METADATA_FORMAT, FORMAT), (METADATA_WEIGHTS, sha256)):
        model.metadata_props.add(key=key, value=value)
    return model.SerializeToString()
