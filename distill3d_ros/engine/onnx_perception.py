"""Perception of single frames by ONNX Runtime, from files that ``distill3d export --onnx`` wrote beside a student."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from distill3d_ros.engine.student_inputs import perceive_views, student_inputs
from distill3d_ros.scene.frame import Frame
from distill3d_ros.student.checkpoint import weights_sha256
from distill3d_ros.student.onnx_export import FORMAT, METADATA_FORMAT, METADATA_WEIGHTS, onnx_name
from distill3d_ros.student.outputs import Perception
from distill3d_ros.student.perception_graph import INPUTS, OUTPUTS, perception_of
from distill3d_ros.student.rays import check_views
from distill3d_ros.student.student import Student
from distill3d_ros.system.threads import waiting_threads_sleep

BACKENDS = ("torch", "onnxruntime", "auto")
_FILES = re.compile(r"perception_(\d+)x(\d+)\.onnx")
_INSTALL = "pip install -r requirements/onnx.txt"


class OnnxPerception:
    """Sessions for the sizes of picture that there are files for. Frames that belong together go to torch."""

    def __init__(
        self, folder: Path, *, provider: str = "cpu", threads: int | None = None, others_to_torch: bool = False
    ) -> None:
        """
        Args:
            folder: of the student.
            provider: execution provider: ``cpu``, ``cuda``, ``tensorrt`` or another that ONNX Runtime has here.
            threads: of the sessions; None takes as many as torch.
            others_to_torch: frames of a size without a file are left to torch; otherwise they are an error.

        Raises:
            ValueError: ONNX Runtime is not installed or has no such provider; there is no file; one is damaged or of
                other weights.
        """
        if importlib.util.find_spec("onnxruntime") is None:
            raise ValueError(f"backend 'onnxruntime' needs the package onnxruntime, which is not installed: {_INSTALL}")
        self.folder, self.others_to_torch = folder, others_to_torch
        self.provider = _provider(provider)
        files = {
            (int(found[1]), int(found[2])): path
            for path in sorted(folder.glob("*.onnx"))
            if (found := _FILES.fullmatch(path.name))
        }
        if not files:
            raise ValueError(f"backend 'onnxruntime' finds no perception_*.onnx in {folder}; {_remedy(folder)}")
        expected = weights_sha256(folder)
        count = threads or torch.get_num_threads()
        self._sessions = {size: _session(path, self.provider, count, expected) for size, path in files.items()}

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Width and height of the network's images that there are files for."""
        return list(self._sessions)

    def describe(self) -> str:
        """For a log."""
        sizes = ", ".join(f"{width}x{height}" for width, height in self.sizes)
        return f"perception of {sizes} by ONNX Runtime on {self.provider.removesuffix('ExecutionProvider')}"

    def perceive_views(self, student: Student, views: Sequence[Frame], poses: torch.Tensor | None) -> Perception:
        """As ``student_inputs.perceive_views``.

        Raises:
            ValueError: also where there is no file for the size of the frame.
        """
        if len(views) > 1:
            return perceive_views(student, views, poses)
        given = student_inputs(student, views)
        height, width = given.images.shape[-2:]
        session = self._sessions.get((width, height))
        if session is None and self.others_to_torch:
            return perceive_views(student, views, poses)
        image = views[0].image
        if session is None:
            raise ValueError(
                f"backend 'onnxruntime' has no {onnx_name(width, height)} for pictures of "
                f"{image.shape[1]}x{image.shape[0]}; {_remedy(self.folder, image.shape[1], image.shape[0])}"
            )
        check_views(given.images, given.intrinsics, given.up, multiple=student.multiple)
        up = torch.tensor([[[0.0, -1.0, 0.0]]]) if given.up is None else given.up
        tensors = (given.images, given.intrinsics, up, torch.tensor([given.up is not None]))
        feeds = {name: tensor.numpy() for name, tensor in zip(INPUTS, tensors, strict=True)}
        found = session.run(list(OUTPUTS), feeds)
        device = next(student.parameters()).device
        outputs = {name: torch.from_numpy(array).to(device) for name, array in zip(OUTPUTS, found, strict=True)}
        patch = student.encoder.patch_embed.patch_size
        grid = (height // patch, width // patch)
        return perception_of(outputs, intrinsics=given.intrinsics.to(device), grid=grid)


def choose_onnx(
    backend: str, folder: Path, student: Student, *, provider: str, threads: int | None, precision: str
) -> tuple[OnnxPerception | None, str]:
    """The perception by ONNX Runtime as ``backend`` (one of BACKENDS) wants it, None for torch; and why, for a log.

    ``auto`` takes it where everything fits, and torch otherwise.

    Raises:
        ValueError: ``backend`` is none, or is ``onnxruntime`` and something does not fit.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(BACKENDS)}. Got {backend!r}")
    if backend == "torch":
        return None, "perception by torch"
    try:
        if student.takes_depth:
            raise ValueError("backend 'onnxruntime' cannot run a student that takes depth; use torch for it")
        arithmetic = precision or student.inference_dtype
        if arithmetic != "float32":
            raise ValueError(f"backend 'onnxruntime' computes in float32. Got precision {arithmetic!r}")
        auto = backend == "auto"
        made = OnnxPerception(folder, provider=provider, threads=threads, others_to_torch=auto)
    except ValueError as error:
        if backend == "onnxruntime":
            raise
        return None, f"perception by torch ({error})"
    return made, made.describe()


def _provider(wanted: str) -> str:
    """The name of an execution provider that is there."""
    there = importlib.import_module("onnxruntime").get_available_providers()
    for name in there:
        if wanted.lower() in (name.lower(), name.removesuffix("ExecutionProvider").lower()):
            return name
    known = ", ".join(name.removesuffix("ExecutionProvider").lower() for name in there)
    raise ValueError(f"execution_provider must be one that this ONNX Runtime has: {known}. Got {wanted!r}")


def _session(path: Path, provider: str, threads: int, expected: str) -> Any:
    runtime: Any = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3  # errors
    options.add_session_config_entry("session.intra_op.allow_spinning", "0" if waiting_threads_sleep() else "1")
    try:
        # A provider that cannot do an operation leaves it to the CPU's.
        session = runtime.InferenceSession(
            str(path), options, providers=list(dict.fromkeys((provider, "CPUExecutionProvider")))
        )
    except Exception as error:  # its classes are all its own
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"{path} cannot be used ({reason}); {_remedy(path.parent)}") from error
    if provider not in session.get_providers():
        raise ValueError(
            f"execution provider {provider} is installed but does not start here; does it find its GPU and drivers?"
        )
    told = session.get_modelmeta().custom_metadata_map
    if told.get(METADATA_FORMAT) != FORMAT:
        raise ValueError(
            f"{path} must have format {FORMAT}, as this version writes. Got {told.get(METADATA_FORMAT)!r}; "
            f"{_remedy(path.parent)}"
        )
    if told.get(METADATA_WEIGHTS) != expected:
        raise ValueError(
            f"{path} holds other weights ({told.get(METADATA_WEIGHTS, '')[:12]}) than the student beside it "
            f"({expected[:12]}); {_remedy(path.parent)}"
        )
    return session


def _remedy(folder: Path, width: int = 640, height: int = 480) -> str:
    return f"make it: distill3d export --out {folder} --onnx {width}x{height}"
