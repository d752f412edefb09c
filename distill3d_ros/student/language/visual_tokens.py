"""Visual tokens of the language model: one an object, pooled patches with their 3D positions, and the camera."""

from __future__ import annotations

from collections.abc import Callable

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from distill3d_ros.student.config import StudentConfig
from distill3d_ros.student.encoder.vggt import Mlp
from distill3d_ros.student.language.box_features import OBJECT_FEATURES, object_features, pair_features
from distill3d_ros.student.outputs import LanguageInput, ObjectSet, Perception, Prefix, map_tensors, to_float
from distill3d_ros.student.rays import fourier, lens_features


class ClassWords(nn.Module):
    """The classes as the language model's own words: the mean embedding of each label's tokens."""

    ids: Tensor
    weights: Tensor

    def __init__(self, labels: tuple[str, ...], tokenizer: Tokenizer) -> None:
        super().__init__()
        ids = [tokenizer.encode(label, add_special_tokens=False).ids for label in labels]
        longest = max(map(len, ids))
        self.register_buffer("ids", torch.tensor([i + [0] * (longest - len(i)) for i in ids]), persistent=False)
        self.register_buffer(
            "weights", torch.tensor([[1 / len(i)] * len(i) + [0.0] * (longest - len(i)) for i in ids]), persistent=False
        )

    def forward(self, embed: Callable[[Tensor], Tensor]) -> Tensor:
        """(C, E)"""
        return (embed(self.ids) * self.weights[..., None]).sum(1)


class VisualTokens(nn.Module):
    """Builds the prefix. Objects come first; in the stage without pixels there are only objects."""

    def __init__(self, config: StudentConfig, tokenizer: Tokenizer) -> None:
        super().__init__()
        dim, encoder = config.language.dim, config.encoder.width
        self.pool = config.language.patch_pool
        self.words = ClassWords(config.labels, tokenizer)
        self.name = nn.Linear(dim, dim)
        self.box = Mlp(OBJECT_FEATURES, dim, dim)
        self.feature = nn.Linear(config.box_dim, dim)
        self.no_feature = nn.Parameter(torch.zeros(dim))
        self.object_norm = nn.LayerNorm(dim)
        self.patch = nn.Linear(encoder, dim)
        self.place = Mlp(3 + 3 * 2 * 5, dim, dim)
        self.patch_norm = nn.LayerNorm(dim)
        self.camera = nn.Linear(encoder + 6, dim)
        self.camera_norm = nn.LayerNorm(dim)

    def forward(self, source: Perception | LanguageInput | ObjectSet, class_words: Tensor) -> Prefix:
        """``class_words`` (C, E)"""
        if isinstance(source, ObjectSet):
            return self._objects(source, class_words)
        language_input = self.language_input(source) if isinstance(source, Perception) else source
        prefix = self._objects(language_input.objects, class_words)
        others = torch.cat([self._patches(language_input), self.camera_norm(self.camera(language_input.camera))], 1)
        prefix.tokens = torch.cat([prefix.tokens, others.to(prefix.tokens.dtype)], 1)
        prefix.mask = torch.cat([prefix.mask, prefix.mask.new_ones(others.shape[:2])], 1)
        return prefix

    @staticmethod
    def objects(perception: Perception) -> ObjectSet:
        """The detected objects."""
        found = perception.detections
        return ObjectSet(
            center=found.center_level,
            size=found.size,
            yaw=found.yaw,
            class_probs=torch.sigmoid(found.class_logits),
            score=torch.sigmoid(found.objectness),
            mask=torch.ones_like(found.objectness, dtype=torch.bool),
            feature=found.feature,
        )

    @classmethod
    def language_input(cls, perception: Perception) -> LanguageInput:
        """The inputs of the language model from a perception."""
        lens = lens_features(perception.intrinsics, perception.image_size)
        return LanguageInput(
            objects=cls.objects(perception),
            patch_tokens=perception.patch_tokens,
            patch_points=perception.patch_points,
            camera=torch.cat([perception.camera_token, lens], -1),
            grid=perception.grid,
        )

    def _objects(self, objects: ObjectSet, class_words: Tensor) -> Prefix:
        """Object tokens alone."""
        _check_objects(objects, classes=class_words.shape[0])
        # A low score must not scale the name down: an object that is probably a chair has the name of a chair.
        share = objects.class_probs / (objects.class_probs.sum(-1, keepdim=True) + 0.1)
        names = share @ class_words
        feature = self.no_feature if objects.feature is None else self.feature(objects.feature)
        with torch.autocast(names.device.type, enabled=False):  # bfloat16 would round metres
            box = self.box(object_features(map_tensors(objects, to_float)))
            pairs = pair_features(map_tensors(objects, to_float))
        tokens = self.object_norm(self.name(functional.layer_norm(names, (self.name.in_features,))) + box + feature)
        return Prefix(tokens=tokens, mask=objects.mask, objects=objects, pairs=pairs)

    def _patches(self, language_input: LanguageInput) -> Tensor:
        """(B, S * pooled patches, E); none if the pool is 0."""
        if not self.pool:
            return language_input.patch_tokens.new_zeros(len(language_input.patch_tokens), 0, self.patch.out_features)
        content = _pool(language_input.patch_tokens, language_input.grid, self.pool)
        place = _pool(language_input.patch_points, language_input.grid, self.pool)
        tokens = self.patch(content) + self.place(fourier(place.clamp(-12, 12), 5, 0.0625))
        return self.patch_norm(tokens).flatten(1, 2)


def _pool(x: Tensor, grid: tuple[int, int], size: int) -> Tensor:
    """(B, S, P, d) -> (B, S, pooled, d); an incomplete cell at the edge is averaged over its patches."""
    image = x.flatten(0, 1).transpose(1, 2).unflatten(2, grid)
    pooled = functional.avg_pool2d(image, size, ceil_mode=True, count_include_pad=False)
    return pooled.flatten(2).transpose(1, 2).unflatten(0, x.shape[:2])


def _check_objects(objects: ObjectSet, *, classes: int) -> None:
    if objects.class_probs.shape[-1] != classes:
        raise ValueError(f"class_probs must have {classes} classes, one a label. Got {objects.class_probs.shape[-1]}")
    for name in ("center", "size", "yaw", "class_probs", "score"):
        if not torch.isfinite(getattr(objects, name)).all():
            raise ValueError(f"{name} of the objects must be finite; padding too. Got NaN or infinity")
