"""Sessions of ONNX Runtime for the files that ``distill3d export --onnx`` wrote beside a student."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from distill3d_ros.student.description import weights_sha256
from distill3d_ros.student.onnx_format import FORMAT, METADATA_FORMAT, METADATA_WEIGHTS
from distill3d_ros.system.threads import default_threads, waiting_threads_sleep

_INSTALL = "pip install -r requirements/onnx.txt"


class Sessions:
    """Opens files of one folder with one execution provider."""

    def __init__(self, folder: Path, *, provider: str = "cpu", threads: int | None = None) -> None:
        """
        Args:
            folder: of the student.
            provider: execution provider: ``cpu``, ``cuda``, ``tensorrt`` or another that ONNX Runtime has here.
            threads: of each session; None takes as many as torch would.

        Raises:
            ValueError: ONNX Runtime is not installed or has no such provider.
        """
        if importlib.util.find_spec("onnxruntime") is None:
            raise ValueError(f"backend 'onnxruntime' needs the package onnxruntime, which is not installed: {_INSTALL}")
        self.folder = folder
        self.threads = threads or default_threads()
        self.provider = _provider(provider)
        self._expected = weights_sha256(folder)

    @property
    def device_name(self) -> str:
        name = self.provider.removesuffix("ExecutionProvider")
        return f"{name}, {self.threads} threads" if name == "CPU" else name

    def open(self, path: Path) -> Any:
        """A session of the file.

        Raises:
            ValueError: it is damaged, of another format or of other weights, or the provider does not start.
        """
        runtime: Any = importlib.import_module("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        options.log_severity_level = 3  # errors
        options.add_session_config_entry("session.intra_op.allow_spinning", "0" if waiting_threads_sleep() else "1")
        # A provider that cannot do an operation leaves it to the CPU's.
        providers = list(dict.fromkeys((self.provider, "CPUExecutionProvider")))
        try:
            session = runtime.InferenceSession(str(path), options, providers=providers)
        except Exception as error:  # its classes are all its own
            reason = str(error).strip().splitlines()[0]
            raise ValueError(f"{path} cannot be used ({reason}); {remedy(self.folder)}") from error
        if self.provider not in session.get_providers():
            raise ValueError(
                f"execution provider {self.provider} is installed but does not start here; does it find its GPU and "
                "drivers?"
            )
        self._check(path, session.get_modelmeta().custom_metadata_map)
        return session

    def _check(self, path: Path, told: dict[str, str]) -> None:
        if told.get(METADATA_FORMAT) != FORMAT:
            raise ValueError(
                f"{path} must have format {FORMAT}, as this version writes. Got {told.get(METADATA_FORMAT)!r}; "
                f"{remedy(self.folder)}"
            )
        if told.get(METADATA_WEIGHTS) != self._expected:
            raise ValueError(
                f"{path} holds other weights ({told.get(METADATA_WEIGHTS, '')[:12]}) than the student beside it "
                f"({self._expected[:12]}); {remedy(self.folder)}"
            )


def run(session: Any, outputs: Iterable[str], given: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Outputs by name; what a graph does not need of ``given``, such as patches where it reads none, is left out."""
    names, needed = list(outputs), {wanted.name for wanted in session.get_inputs()}
    found = session.run(names, {name: array for name, array in given.items() if name in needed})
    return dict(zip(names, found, strict=True))


def remedy(folder: Path, width: int = 640, height: int = 480) -> str:
    """The command that writes the files for pictures of this size."""
    return f"make it: distill3d export --out {folder} --onnx {width}x{height}"


def _provider(wanted: str) -> str:
    """The name of an execution provider that is there."""
    there = importlib.import_module("onnxruntime").get_available_providers()
    for name in there:
        if wanted.lower() in (name.lower(), name.removesuffix("ExecutionProvider").lower()):
            return str(name)
    known = ", ".join(name.removesuffix("ExecutionProvider").lower() for name in there)
    raise ValueError(f"execution_provider must be one that this ONNX Runtime has: {known}. Got {wanted!r}")
