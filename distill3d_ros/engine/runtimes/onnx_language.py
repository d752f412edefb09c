"""The language model by ONNX Runtime: a scene is read once, then any number of questions about it. No torch.

As ``student.language``: [question][T1..TK] in one pass, then one token of each answer a pass. Letters as in
student/outputs.py; R rows, one a question, L layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from distill3d_ros.engine.runtimes.onnx_sessions import Sessions, remedy, run
from distill3d_ros.student.config import StudentConfig
from distill3d_ros.student.description import TOKENIZER
from distill3d_ros.student.language.text import QuestionEncoder, distinct
from distill3d_ros.student.onnx_format import DECODER, LANGUAGE, QUESTIONS, SCENE
from distill3d_ros.student.outputs import PAD, QUESTION, THOUGHT, GeneratedAnswer, Perception, QuestionText

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class OnnxReading:
    """What the language model read of a scene."""

    tensors: Mapping[str, Array]
    """Those of the scene that questions need, by name."""
    keys: Array  # (L, 1, heads, V, d)
    values: Array

    @property
    def visible(self) -> int:
        """V, the number of visual tokens."""
        return int(self.keys.shape[3])


class OnnxLanguage:
    """Sessions of the three graphs of a language model."""

    def __init__(self, sessions: Sessions, config: StudentConfig) -> None:
        """
        Raises:
            ValueError: a file is missing, damaged or of other weights.
        """
        folder = sessions.folder
        missing = [names.file for names in LANGUAGE if not (folder / names.file).is_file()]
        if missing:
            raise ValueError(f"backend 'onnxruntime' finds no {', '.join(missing)} in {folder}; {remedy(folder)}")
        self.config = config.language
        self._encoder = QuestionEncoder(
            Tokenizer.from_file(str(Path(folder) / TOKENIZER)),
            classes=len(config.labels),
            thoughts=config.hidden_cot.tokens,
            thoughts_first=config.hidden_cot.position == "before_question",
            max_question_tokens=config.language.max_question_tokens,
            end_token=config.language.end_token,
        )
        self._scene, self._questions, self._decoder = (sessions.open(folder / names.file) for names in LANGUAGE)

    def read(self, perception: Perception) -> OnnxReading:
        """Reads what was perceived of one frame."""
        boxes, grid = perception.detections, perception.grid
        height, width = perception.image_size
        fx, fy, cx, cy = perception.intrinsics[0, 0]
        one_pixel = [fx / width, fy / height, (cx + 0.5) / width - 0.5, (cy + 0.5) / height - 0.5]
        given: dict[str, Any] = {
            "center": boxes.center_level,
            "size": boxes.size,
            "yaw_vector": boxes.yaw_vector,
            "class_logits": boxes.class_logits,
            "objectness": boxes.objectness,
            "feature": boxes.feature,
            "patch_tokens": perception.patch_tokens.reshape(1, *grid, -1),
            "patch_points": perception.patch_points.reshape(1, *grid, 3),
            "camera_token": perception.camera_token,
            "intrinsics": np.array([[one_pixel]], np.float32),
        }
        found = run(self._scene, SCENE.outputs, given)
        tokens = found["tokens"]
        positions = np.zeros(tokens.shape[:2], np.int64)
        if self.config.prefix_positions != "shared":
            positions += np.arange(tokens.shape[1])
        layers, heads = self.config.layers, self.config.heads
        empty = np.zeros((layers, 1, heads, 0, self.config.dim // heads), np.float32)
        *_, keys, values = self._decode(tokens, positions, None, np.ones(positions.shape, bool), empty, empty)
        tensors = found | {"center": given["center"], "size": given["size"]}
        return OnnxReading({name: tensors[name] for name in QUESTIONS.inputs if name in tensors}, keys, values)

    def answer(self, scene: OnnxReading, questions: Sequence[str]) -> list[GeneratedAnswer]:
        """The likeliest answers, as ``Student.answer``'s.

        Raises:
            ValueError: a question is empty or too long.
        """
        if not questions:
            return []
        nothing = scene.tensors["score"].shape[1]
        asked = self._encoder.batch([[QuestionText(text=text) for text in questions]], nothing)
        words = {"token_ids": asked.token_ids, "kind": asked.kind}
        embeddings, pointed = run(self._questions, QUESTIONS.outputs, words | dict(scene.tensors)).values()
        ids, log_confidence = self._generate(scene, embeddings, asked.kind[0])
        return [
            GeneratedAnswer(
                text=self._encoder.decode(row.tolist()),
                confidence=float(np.exp(sure)),
                object_indices=distinct(at[kind == QUESTION].tolist(), nothing),
            )
            for row, sure, at, kind in zip(ids, log_confidence, pointed, asked.kind[0], strict=True)
        ]

    def _generate(self, scene: OnnxReading, embeddings: Array, kind: Array) -> tuple[Array, Array]:
        """Ids (R, longest answer), and log probabilities (R,), of the likeliest answers to rows (R, T, E)."""
        rows, width = kind.shape
        first = 1 if self.config.prefix_positions == "shared" else scene.visible
        positions = np.broadcast_to(np.arange(width) + first, (rows, width))
        visible, real = np.ones((rows, scene.visible), bool), kind != PAD
        prompt = np.isin(kind, (QUESTION, THOUGHT)).sum(1)
        past = [np.repeat(x, rows, 1) for x in (scene.keys, scene.values)]
        token, log_probability, embeddings, *past = self._decode(
            embeddings, positions, visible, real, *past, last=prompt - 1
        )
        visible = np.concatenate([visible, real], 1)
        position, end = real.sum(1) + first, self._encoder.end
        ids: list[Array] = []
        log_confidence, done = np.zeros(rows, np.float32), np.zeros(rows, bool)
        for step in range(self.config.max_answer_tokens):
            if step:
                token, log_probability, embeddings, *past = self._decode(
                    embeddings, (position + step - 1)[:, None], visible, np.ones((rows, 1), bool), *past
                )
                visible = np.pad(visible, ((0, 0), (0, 1)), constant_values=True)
            log_confidence += np.where(done, 0, log_probability)
            ids.append(np.where(done, end, token))
            done = done | (token == end)
            if done.all():
                break
        return np.stack(ids, 1), log_confidence

    def _decode(
        self,
        embeddings: Array,
        positions: Array,
        visible: Array | None,
        real: Array,
        keys: Array,
        values: Array,
        *,
        last: Array | None = None,
    ) -> list[Array]:
        """The outputs of ``DECODER`` for new tokens (R, t, E); ``visible`` None: all attend to each other, and no past.

        ``last`` is the token of each row that tells the next one; None for the first.
        """
        rows = len(embeddings)
        given = {
            "embeddings": embeddings,
            "positions": np.ascontiguousarray(positions),
            "visible": np.zeros((rows, 0), bool) if visible is None else visible,
            "real": real,
            "causal": np.array([visible is not None]),
            "last": np.zeros(rows, np.int64) if last is None else last,
            "past_keys": keys,
            "past_values": values,
        }
        return list(run(self._decoder, DECODER.outputs, given).values())
