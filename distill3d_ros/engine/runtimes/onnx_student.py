"""A student that ONNX Runtime computes, from files that ``distill3d export --onnx`` wrote beside it. No torch.

What the files do not hold is computed by torch, which is loaded at its first use: frames that belong together, a
language model of transformers and, where that is allowed, pictures of a size without a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from distill3d_ros.engine.runtimes.onnx_language import OnnxLanguage, OnnxReading
from distill3d_ros.engine.runtimes.onnx_sessions import Sessions, remedy, run
from distill3d_ros.engine.student_inputs import StudentInputs, student_inputs
from distill3d_ros.scene.frame import FloatArray, Frame
from distill3d_ros.student.config import StudentConfig
from distill3d_ros.student.description import TOKENIZER, read_description, verify_files
from distill3d_ros.student.onnx_format import (
    OF_BOXES,
    PERCEPTION_INPUTS,
    PERCEPTION_OUTPUTS,
    PLAIN_OUTPUTS,
    has_language_graphs,
    perception_files,
    perception_name,
)
from distill3d_ros.student.outputs import Boxes, GeneratedAnswer, Perception, map_tensors
from distill3d_ros.student.preprocess import network_size

if TYPE_CHECKING:
    from distill3d_ros.engine.runtimes.torch_student import TorchStudent
    from distill3d_ros.student.student import Student


class OnnxStudent:
    """As ``runtime.Runtime``."""

    def __init__(
        self,
        folder: Path,
        config: StudentConfig,
        *,
        by_torch: Callable[[], TorchStudent],
        provider: str = "cpu",
        threads: int | None = None,
        others_to_torch: bool = False,
        picture_size: tuple[int, int] | None = None,
    ) -> None:
        """
        Args:
            folder: of the student.
            by_torch: loads the student into torch.
            provider: execution provider: ``cpu``, ``cuda``, ``tensorrt`` or another that ONNX Runtime has here.
            threads: of the sessions; None takes as many as torch.
            others_to_torch: frames of a size without a file are left to torch; otherwise they are an error.
            picture_size: width and height of the pictures that come; files for others are not opened.

        Raises:
            ValueError: ONNX Runtime is not installed or has no such provider; there is no file; one is damaged or of
                other weights.
        """
        description = read_description(folder)
        verify_files(folder, description, TOKENIZER)  # the graphs tell themselves whose weights they hold
        self.parameters = int(description["parameters"])
        self._sessions_of = Sessions(folder, provider=provider, threads=threads)
        self.folder, self.config, self.others_to_torch = folder, config, others_to_torch
        files = perception_files(folder)
        if not files:
            raise ValueError(f"backend 'onnxruntime' finds no perception_*.onnx in {folder}; {remedy(folder)}")
        if picture_size is not None:
            looked_at = network_size(*picture_size, area=config.image_area, multiple=config.multiple)
            if looked_at not in files:
                raise ValueError(self._no_file(looked_at, picture_size))
            files = {looked_at: files[looked_at]}
        self._perception = {size: self._sessions_of.open(path) for size, path in files.items()}
        self._language = OnnxLanguage(self._sessions_of, config) if has_language_graphs(config) else None
        self._load = by_torch
        self._torch: TorchStudent | None = None
        self.sizes = tuple(self._perception)

    @property
    def backend(self) -> str:
        """What computes, for a log."""
        sizes = ", ".join(f"{width}x{height}" for width, height in self.sizes)
        what = f"perception of {sizes}" + ("" if self._language is None else " and answers")
        return f"{what} computed by ONNX Runtime on {self._sessions_of.device_name}"

    @property
    def device_name(self) -> str:
        return self._sessions_of.device_name

    @property
    def student(self) -> Student:
        return self._by_torch().student

    def perceive(self, views: Sequence[Frame], poses: FloatArray | None) -> Perception:
        """See ``Runtime``.

        Raises:
            ValueError: also where there is no file for the size of the frame.
        """
        if len(views) > 1:
            return self._by_torch().perceive(views, poses)
        given = student_inputs(self.config, views)
        height, width = given.images.shape[-2:]
        session = self._perception.get((width, height))
        if session is not None:
            return self._perceived(session, given)
        if self.others_to_torch:
            return self._by_torch().perceive(views, poses)
        rows, columns = views[0].image.shape[:2]
        raise ValueError(self._no_file((width, height), (columns, rows)))

    def _no_file(self, looked_at: tuple[int, int], picture: tuple[int, int]) -> str:
        name, columns, rows = perception_name(*looked_at), *picture
        return (
            f"backend 'onnxruntime' has no {name} for pictures of {columns}x{rows}; "
            f"{remedy(self.folder, columns, rows)}"
        )

    def _perceived(self, session: Any, given: StudentInputs) -> Perception:
        up = np.array([[[0.0, -1.0, 0.0]]], np.float32) if given.up is None else given.up
        arrays = (given.images, given.intrinsics, up, np.array([given.up is not None]))
        outputs = run(session, PERCEPTION_OUTPUTS, dict(zip(PERCEPTION_INPUTS, arrays, strict=True)))
        return perception_of(outputs, intrinsics=given.intrinsics, patch_size=self.config.patch_size)

    def read(self, perception: Perception) -> Any:
        """See ``Runtime``."""
        if self._language is not None and isinstance(perception.depth, np.ndarray):
            return self._language.read(perception)
        torch_student = self._by_torch()
        if isinstance(perception.depth, np.ndarray):
            perception = torch_student.tensors(perception)
        return torch_student.read(perception)

    def answer(self, reading: Any, questions: Sequence[str]) -> list[GeneratedAnswer]:
        """See ``Runtime``."""
        if isinstance(reading, OnnxReading) and self._language is not None:
            return self._language.answer(reading, questions)
        return self._by_torch().answer(reading, questions)

    def _by_torch(self) -> TorchStudent:
        if self._torch is None:
            self._torch = self._load()
        return self._torch


def perception_of(outputs: Mapping[str, Any], *, intrinsics: Any, patch_size: int) -> Perception:
    """The perception of one frame from PERCEPTION_OUTPUTS by name, without what only losses need: proposals and the
    decoder's first layers.

    Args:
        intrinsics: (1, 1, 4) of the network's image.
    """
    detections = Boxes(**{f.name: outputs[OF_BOXES + f.name] for f in fields(Boxes)})
    plain: dict[str, Any] = {name: outputs[name] for name in PLAIN_OUTPUTS}
    height, width = outputs["depth"].shape[-2:]
    return Perception(
        **plain,
        detections=detections,
        proposals=map_tensors(detections, lambda x: x[:, :0]),
        decoder_layers=[],
        grid=(height // patch_size, width // patch_size),
        image_size=(height, width),
        intrinsics=intrinsics,
    )
