"""A student that torch computes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from distill3d_ros.engine.computation import choose_device, set_arithmetic, set_threads
from distill3d_ros.engine.student_inputs import student_inputs
from distill3d_ros.scene.frame import FloatArray, Frame
from distill3d_ros.student.checkpoint import load_student
from distill3d_ros.student.config import StudentConfig
from distill3d_ros.student.language.language import PrefixCache
from distill3d_ros.student.outputs import GeneratedAnswer, Perception, map_tensors
from distill3d_ros.student.student import Student


class TorchStudent:
    """As ``runtime.Runtime``; see ``Engine`` for the arguments."""

    sizes: tuple[tuple[int, int], ...] = ()

    def __init__(
        self,
        student: Student,
        *,
        device: str = "auto",
        threads: int | None = None,
        precision: str = "",
        compiled: bool = False,
        why: str = "",
    ) -> None:
        """
        Args:
            why: it is torch that computes, for a log.
        """
        self.device = torch.device(choose_device(device))
        set_threads(threads)
        self.student = student.to(self.device).eval()
        set_arithmetic(self.student, precision=precision, compiled=compiled)
        self.backend = f"computed by torch ({why})" if why else "computed by torch"

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        device: str = "auto",
        threads: int | None = None,
        precision: str = "",
        compiled: bool = False,
        why: str = "",
    ) -> TorchStudent:
        """The student in a folder.

        Raises:
            ValueError: its files are damaged, or an argument is not among its choices.
        """
        student = load_student(folder, device=choose_device(device))
        return cls(student, device=device, threads=threads, precision=precision, compiled=compiled, why=why)

    @property
    def config(self) -> StudentConfig:
        return self.student.config

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.student.parameters())

    @property
    def device_name(self) -> str:
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        return f"CPU, {torch.get_num_threads()} threads"

    @torch.inference_mode()
    def perceive(self, views: Sequence[Frame], poses: FloatArray | None) -> Perception:
        """See ``Runtime``."""
        given = student_inputs(self.config, views)
        images, intrinsics, up, depth = (
            None if array is None else torch.from_numpy(array).to(self.device)
            for array in (given.images, given.intrinsics, given.up, given.depth)
        )
        assert images is not None
        assert intrinsics is not None
        placed = None if poses is None else torch.as_tensor(poses, dtype=torch.float32)[None].to(self.device)
        return self.student.perceive(images, intrinsics, up, placed, depth)

    def tensors(self, perception: Perception) -> Perception:
        """A perception that numpy's arrays hold, as torch's tensors on this device."""
        converted: Perception = map_tensors(perception, lambda x: torch.from_numpy(np.asarray(x)).to(self.device))
        return converted

    @torch.inference_mode()
    def read(self, perception: Perception) -> PrefixCache:
        """See ``Runtime``."""
        return self.student.cache(self.student.prefix(perception))

    def answer(self, reading: PrefixCache, questions: Sequence[str]) -> list[GeneratedAnswer]:
        """See ``Runtime``."""
        return self.student.answer(reading, questions)
