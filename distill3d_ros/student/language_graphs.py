"""A student's language model as three graphs with named tensors in and out, for runtimes other than torch.

One reads what was perceived, one the words of questions, and the third, the decoder, takes the tokens of either and
tells the likeliest next one. Letters as in outputs.py; R rows, t new tokens, s cached ones, L layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from distill3d_ros.student.language.language import LanguageModel
from distill3d_ros.student.language.row_reading import causal_mask
from distill3d_ros.student.onnx_format import DECODER, QUESTIONS, SCENE, GraphNames
from distill3d_ros.student.outputs import QUESTION, THOUGHT, LanguageInput, ObjectSet, Prefix
from distill3d_ros.student.rays import lens_features
from distill3d_ros.student.student import Student

EXPORTED: Final = {"N": 5, "h": 4, "w": 6, "Q": 3, "T": 13, "R": 3, "t": 4, "s": 7}
"""Lengths of the free axes in the examples that graphs are made from."""
CHECKED: Final = {"N": 32, "h": 7, "w": 9, "Q": 2, "T": 21, "R": 4, "t": 9, "s": 96}
"""Other lengths, to check a graph with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageGraph:
    """A graph, and one example of each of its inputs, in their order."""

    names: GraphNames
    module: nn.Module
    example: Mapping[str, Tensor]


def language_graphs(student: Student, lengths: Mapping[str, int]) -> list[LanguageGraph]:
    """The graphs of a student's language model, which must have them; see ``has_language_graphs``."""
    scene = _scene(student, lengths)
    return [scene, _questions(student, lengths, scene), _decoder(student.language, lengths)]


def _scene(student: Student, lengths: Mapping[str, int]) -> LanguageGraph:
    n, h, w = (lengths[letter] for letter in "Nhw")
    width, config = student.config.encoder.width, student.config
    example = (
        *_example_boxes(n),
        torch.randn(1, n, len(config.labels)),
        torch.randn(1, n),
        torch.randn(1, n, config.box_dim),
        torch.randn(1, h, w, width),
        torch.randn(1, h, w, 3),
        torch.randn(1, 1, width),
        torch.tensor([[[0.9, 1.2, 0.0, 0.0]]]),
    )
    return _graph(SCENE, SceneGraph(student.language), *example)


def _questions(student: Student, lengths: Mapping[str, int], scene: LanguageGraph) -> LanguageGraph:
    q, t = (lengths[letter] for letter in "QT")
    with torch.no_grad():
        tokens, pairs, *objects = scene.module(*scene.example.values())
    ids = torch.arange(q * t).view(1, q, t) % student.language.tokenizer.get_vocab_size()
    kind = torch.full((1, q, t), QUESTION)
    kind[:, :, t - min(student.config.hidden_cot.tokens, t // 2) :] = THOUGHT
    boxes = (scene.example["center"], scene.example["size"])
    return _graph(QUESTIONS, QuestionGraph(student.language), ids, kind, tokens, pairs, *boxes, *objects)


def _decoder(language: LanguageModel, lengths: Mapping[str, int]) -> LanguageGraph:
    rows, new, cached = (lengths[letter] for letter in "Rts")
    config = language.config
    past = (config.layers, rows, config.heads, cached, config.dim // config.heads)
    example = (
        torch.randn(rows, new, config.dim),
        torch.arange(new).expand(rows, new),
        torch.ones(rows, cached, dtype=torch.bool),
        torch.ones(rows, new, dtype=torch.bool),
        torch.tensor([True]),
        torch.full((rows,), new - 1),
        torch.randn(past),
        torch.randn(past),
    )
    return _graph(DECODER, DecoderGraph(language), *example)


def _graph(names: GraphNames, module: nn.Module, *example: Tensor) -> LanguageGraph:
    return LanguageGraph(names=names, module=module.eval(), example=dict(zip(names.inputs, example, strict=True)))


def _example_boxes(n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Centres, sizes and directions of yaw of ``n`` boxes before the camera."""
    angle = torch.linspace(-1.5, 2.5, n)
    center = torch.randn(1, n, 3) + torch.tensor([0.0, 0.0, 3.0])
    return center, torch.rand(1, n, 3) + 0.2, torch.stack([angle.sin(), angle.cos()], -1)[None]


class SceneGraph(nn.Module):
    """The visual tokens of one frame's perception."""

    def __init__(self, language: LanguageModel) -> None:
        super().__init__()
        self.language = language

    def forward(
        self,
        center: Tensor,
        size: Tensor,
        yaw_vector: Tensor,
        class_logits: Tensor,
        objectness: Tensor,
        feature: Tensor,
        patch_tokens: Tensor,
        patch_points: Tensor,
        camera_token: Tensor,
        intrinsics: Tensor,
    ) -> tuple[Tensor, ...]:
        """Inputs are as in ``SCENE``; visual tokens, pairs and the objects' yaw, class_probs and score."""
        objects = ObjectSet(
            center=center,
            size=size,
            yaw=torch.atan2(yaw_vector[..., 0], yaw_vector[..., 1]),
            class_probs=torch.sigmoid(class_logits),
            score=torch.sigmoid(objectness),
            mask=torch.ones_like(objectness, dtype=torch.bool),
            feature=feature,
        )
        source = LanguageInput(
            objects=objects,
            patch_tokens=patch_tokens.flatten(1, 2)[:, None],
            patch_points=patch_points.flatten(1, 2)[:, None],
            camera=torch.cat([camera_token, lens_features(intrinsics, (1, 1))], -1),
            grid=(patch_tokens.shape[1], patch_tokens.shape[2]),
        )
        prefix = self.language.prefix(source)
        return prefix.tokens, prefix.pairs, objects.yaw, objects.class_probs, objects.score


class QuestionGraph(nn.Module):
    """The tokens of questions about one scene, as the decoder reads them, and the objects that their words point at."""

    def __init__(self, language: LanguageModel) -> None:
        super().__init__()
        self.language = language

    def forward(
        self,
        token_ids: Tensor,
        kind: Tensor,
        tokens: Tensor,
        pairs: Tensor,
        center: Tensor,
        size: Tensor,
        yaw: Tensor,
        class_probs: Tensor,
        score: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Inputs are as in ``QUESTIONS``; embeddings (Q, T, E), and indices of objects (Q, T), N for none."""
        mask = torch.ones_like(score, dtype=torch.bool)
        objects = ObjectSet(center=center, size=size, yaw=yaw, class_probs=class_probs, score=score, mask=mask)
        visible = torch.ones_like(tokens[..., 0], dtype=torch.bool)
        prefix = Prefix(tokens=tokens, mask=visible, objects=objects, pairs=pairs)
        embeddings, grounding = self.language.embed_rows(prefix, token_ids, kind)
        return embeddings[0], grounding.pointer_logits[0].argmax(-1)


class DecoderGraph(nn.Module):
    """New tokens after cached ones: the likeliest next token, and the cache with the new ones."""

    def __init__(self, language: LanguageModel) -> None:
        super().__init__()
        self.language = language

    def forward(
        self,
        embeddings: Tensor,
        positions: Tensor,
        visible: Tensor,
        real: Tensor,
        causal: Tensor,
        last: Tensor,
        past_keys: Tensor,
        past_values: Tensor,
    ) -> tuple[Tensor, ...]:
        """Inputs are as in ``DECODER``; of each row the next token's id, log probability and embedding."""
        past = self.language.new_cache(list(zip(past_keys, past_values, strict=True)))
        mask = causal_mask(visible, real) | ~causal
        hidden = self.language.run(embeddings, positions, mask, past)
        index = last[:, None, None].expand(-1, 1, hidden.shape[-1])
        log_probs = self.language.logits(hidden.gather(1, index)[:, 0]).log_softmax(-1)
        log_probability, token = log_probs.max(-1)
        keys = torch.stack([layer.keys for layer in past.layers])
        values = torch.stack([layer.values for layer in past.layers])
        return token, log_probability, self.language.embed(token[:, None]), keys, values
