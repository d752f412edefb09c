"""The ONNX files of a student, beside its other files: their names, what goes into each graph, and what comes out.

One holds the perception of a frame for one size of the network's image; three hold the language model. Letters as in
outputs.py; R rows, t new tokens, s cached ones, L layers, d channels of a head. All numbers are float32, int64 or bool.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from distill3d_ros.student.config import StudentConfig
from distill3d_ros.student.outputs import Boxes

FORMAT = "2"
METADATA_FORMAT, METADATA_WEIGHTS = "distill3d.format", "distill3d.weights_sha256"
"""Keys of a file's own data, by which a reader knows the file and whose weights are in it."""
_PERCEPTION = re.compile(r"perception_(\d+)x(\d+)\.onnx")


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphNames:
    """A graph's tensors by name, each with the letters of its axes; those of ``free`` may have any length."""

    file: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    free: str

    @property
    def dynamic_axes(self) -> dict[str, dict[int, str]]:
        """For the export: name -> axis -> letters."""
        return {
            name: {i: letter for i, letter in enumerate(axes.split()) if set(letter) & set(self.free)}
            for name, axes in {**self.inputs, **self.outputs}.items()
        }


PERCEPTION_INPUTS = ("images", "intrinsics", "known_up", "up_is_known")
"""(1, 1, 3, H, W), (1, 1, 4), (1, 1, 3), and (1,) bool: whether ``known_up`` is to be used."""
PLAIN_OUTPUTS = (
    "depth",
    "depth_log_error",
    "log_depth",
    "up",
    "fov",
    "level_from_optical",
    "query_patch",
    "patch_tokens",
    "camera_token",
    "patch_points",
)
"""Of the perception, fields of ``Perception``."""
OF_BOXES = "detections."
PERCEPTION_OUTPUTS = (*PLAIN_OUTPUTS, *(OF_BOXES + f.name for f in fields(Boxes)))

_OBJECTS = {"yaw": "1 N", "class_probs": "1 N C", "score": "1 N"}
SCENE = GraphNames(
    file="language_scene.onnx",
    inputs={
        "center": "1 N 3",  # level frame, metres
        "size": "1 N 3",
        "yaw_vector": "1 N 2",
        "class_logits": "1 N C",
        "objectness": "1 N",
        "feature": "1 N D",
        "patch_tokens": "1 h w D",
        "patch_points": "1 h w 3",
        "camera_token": "1 1 D",
        "intrinsics": "1 1 4",  # of the picture resized to one pixel
    },
    outputs={"tokens": "1 V E", "pairs": "1 N N F", **_OBJECTS},
    free="NhwV",
)
QUESTIONS = GraphNames(
    file="language_questions.onnx",
    inputs={
        "token_ids": "1 Q T",
        "kind": "1 Q T",
        "tokens": "1 V E",
        "pairs": "1 N N F",
        "center": "1 N 3",
        "size": "1 N 3",
        **_OBJECTS,
    },
    outputs={"embeddings": "Q T E", "pointed": "Q T"},
    free="NVQT",
)
DECODER = GraphNames(
    file="language_decoder.onnx",
    inputs={
        "embeddings": "R t E",
        "positions": "R t",
        "visible": "R s",  # cached tokens that may be attended to
        "real": "R t",  # new tokens that are no padding
        "causal": "1",  # whether no new token attends to those after it
        "last": "R",  # index of the new token after which the next one is told
        "past_keys": "L R heads s d",
        "past_values": "L R heads s d",
    },
    outputs={
        "token": "R",
        "log_probability": "R",
        "next_embedding": "R 1 E",
        "keys": "L R heads st d",
        "values": "L R heads st d",
    },
    free="Rts",
)
LANGUAGE = (SCENE, QUESTIONS, DECODER)


def perception_name(width: int, height: int) -> str:
    """Name of the file for a network's image of this size."""
    return f"perception_{width}x{height}.onnx"


def perception_files(folder: Path) -> dict[tuple[int, int], Path]:
    """Width and height of the network's image -> the file for it."""
    return {
        (int(found[1]), int(found[2])): path
        for path in sorted(folder.glob("*.onnx"))
        if (found := _PERCEPTION.fullmatch(path.name))
    }


def has_language_graphs(config: StudentConfig) -> bool:
    """Whether there are graphs of the language model: not of transformers' ones, nor of recurrent thoughts."""
    return not config.language.causal_lm and config.hidden_cot.mode != "recurrent"
