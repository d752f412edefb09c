"""The runtime of a student: torch, or ONNX Runtime, which a robot starts faster. Importing this imports neither."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from distill3d_ros.scene.frame import FloatArray, Frame
from distill3d_ros.student.config import StudentConfig
from distill3d_ros.student.description import read_config
from distill3d_ros.student.outputs import GeneratedAnswer, Perception

if TYPE_CHECKING:
    from distill3d_ros.engine.runtimes.torch_student import TorchStudent
    from distill3d_ros.student.student import Student

BACKENDS = ("torch", "onnxruntime", "auto")


class Runtime(Protocol):
    """Computes a student's perception and answers."""

    @property
    def backend(self) -> str:
        """What computes, and why, for a log."""
        ...

    @property
    def sizes(self) -> Sequence[tuple[int, int]]:
        """(width, height) of the network's image that it is made for; empty: any."""
        ...

    @property
    def config(self) -> StudentConfig: ...

    @property
    def parameters(self) -> int:
        """Number of the student's parameters."""
        ...

    @property
    def device_name(self) -> str: ...

    @property
    def student(self) -> Student:
        """The student itself, in torch."""
        ...

    def perceive(self, views: Sequence[Frame], poses: FloatArray | None) -> Perception:
        """The perception of frames of one size.

        Args:
            poses: (S, 4, 4) the first camera from each; None of a single frame, or if the student estimates them.

        Raises:
            ValueError: the student takes depth, and a frame has none; or this runtime cannot take these frames.
        """
        ...

    def read(self, perception: Perception) -> Any:
        """What the language model reads of a scene, for ``answer``."""
        ...

    def answer(self, reading: Any, questions: Sequence[str]) -> list[GeneratedAnswer]:
        """The likeliest answers to questions about one scene.

        Raises:
            ValueError: a question is empty or too long.
        """
        ...


def as_runtime(
    student: Student | Runtime, *, device: str, threads: int | None, precision: str, compiled: bool
) -> Runtime:
    """A student of torch with torch to compute it, as ``Engine``'s arguments say; a runtime is returned as it is."""
    if hasattr(student, "backend"):
        return cast(Runtime, student)
    from distill3d_ros.engine.runtimes.torch_student import TorchStudent

    return TorchStudent(
        cast("Student", student), device=device, threads=threads, precision=precision, compiled=compiled
    )


def load_runtime(
    folder: Path,
    *,
    backend: str = "torch",
    execution_provider: str = "cpu",
    device: str = "auto",
    threads: int | None = None,
    precision: str = "",
    compiled: bool = False,
    picture_size: tuple[int, int] | None = None,
) -> Runtime:
    """The student in a folder with what computes it, one of BACKENDS; see ``Engine.from_pretrained``.

    ``auto`` takes ONNX Runtime where everything fits, and torch otherwise.

    Raises:
        ValueError: ``backend`` is none, or is ``onnxruntime`` and something does not fit, or the student is damaged.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(BACKENDS)}. Got {backend!r}")
    if threads is not None and threads < 1:
        raise ValueError(f"threads must be at least 1. Got {threads}")

    def by_torch(why: str = "") -> TorchStudent:
        from distill3d_ros.engine.runtimes.torch_student import TorchStudent

        return TorchStudent.load(
            folder, device=device, threads=threads, precision=precision, compiled=compiled, why=why
        )

    if backend == "torch":
        return by_torch()
    from distill3d_ros.engine.runtimes.onnx_student import OnnxStudent

    config = read_config(folder)
    try:
        _check_arithmetic(config, precision)
        return OnnxStudent(
            folder,
            config,
            provider=execution_provider,
            threads=threads,
            by_torch=by_torch,
            others_to_torch=backend == "auto",
            picture_size=picture_size,
        )
    except ValueError as error:
        if backend == "onnxruntime":
            raise
        return by_torch(str(error))


def _check_arithmetic(config: StudentConfig, precision: str) -> None:
    if config.takes_depth:
        raise ValueError("backend 'onnxruntime' cannot run a student that takes depth; use torch for it")
    arithmetic = precision or config.inference_dtype
    if arithmetic != "float32":
        raise ValueError(f"backend 'onnxruntime' computes in float32. Got precision {arithmetic!r}")
