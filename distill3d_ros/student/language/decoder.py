"""The causal transformer of a student that learns its language from scratch: a Llama (Touvron et al. 2023).

RMS normalisation before each part, rotary positions (Su et al. 2021), SwiGLU (Shazeer 2020), no biases. The names of
the parameters, the initial values and the arithmetic are those of transformers' ``LlamaModel``, whose import takes
longer than torch's. Letters: R rows, t new tokens, s cached and new tokens, E width.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill3d_ros.student.config import LanguageConfig
from distill3d_ros.student.encoder.attention import attend, record_weights
from distill3d_ros.student.language.rms_norm import RmsNorm

_ROPE_BASE = 10_000.0
_EPS = 1e-6
_INITIAL = 0.02
"""Standard deviation of the initial weights."""

Rotation = tuple[Tensor, Tensor]
"""Cosines and sines (R, 1, t, head_dim) by which queries and keys are turned."""


class Cache(Protocol):
    """What was read so far, layer by layer; transformers' caches are such ones, too."""

    layers: list[Any]
    """``keys`` and ``values`` (R, heads, s, head_dim) of each."""

    def update(self, keys: Tensor, values: Tensor, layer_idx: int, /) -> tuple[Tensor, Tensor]:
        """Adds a layer's keys and values of new tokens; returns those of all tokens."""
        ...


@dataclass(slots=True)
class KeysValues:
    """Keys and values (R, heads, s, head_dim) of one layer."""

    keys: Tensor
    values: Tensor


class KeyValueCache:
    """A cache that starts with these keys and values; the tensors themselves are not changed."""

    def __init__(self, layers: Iterable[tuple[Tensor, ...]] = ()) -> None:
        self.layers: list[Any] = [KeysValues(keys, values) for keys, values in layers]

    def update(self, keys: Tensor, values: Tensor, layer_idx: int, /) -> tuple[Tensor, Tensor]:
        if layer_idx == len(self.layers):
            keys, values = keys.contiguous(), values.contiguous()  # they are read at each later token
            self.layers.append(KeysValues(keys, values))
            return keys, values
        layer = self.layers[layer_idx]
        layer.keys, layer.values = torch.cat([layer.keys, keys], -2), torch.cat([layer.values, values], -2)
        return layer.keys, layer.values


class SelfAttention(nn.Module):
    """Causal self-attention over cached and new tokens."""

    def __init__(self, dim: int, heads: int, layer_idx: int) -> None:
        super().__init__()
        self.layer_idx = layer_idx
        self.head_dim = dim // heads
        self.q_proj = nn.Linear(dim, dim, bias=False)
        self.k_proj = nn.Linear(dim, dim, bias=False)
        self.v_proj = nn.Linear(dim, dim, bias=False)
        self.o_proj = nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tensor, rotation: Rotation, bias: Tensor, past: Cache) -> Tensor:
        q, k, v = (self._heads(projection(x)) for projection in (self.q_proj, self.k_proj, self.v_proj))
        q, k = _turn(q, *rotation), _turn(k, *rotation)
        k, v = past.update(k, v, self.layer_idx)
        record_weights(q, k, bias)
        return self.o_proj(attend(q, k, v, bias).transpose(1, 2).flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        """(R, t, E) -> (R, heads, t, head_dim)"""
        return x.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)


class SwiGlu(nn.Module):
    """Two linear layers, the first with a gate."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(dim, hidden, bias=False)
        self.up_proj = nn.Linear(dim, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class DecoderLayer(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, config: LanguageConfig, layer_idx: int) -> None:
        super().__init__()
        self.self_attn = SelfAttention(config.dim, config.heads, layer_idx)
        self.mlp = SwiGlu(config.dim, config.mlp_dim)
        self.input_layernorm = RmsNorm(nn.Parameter(torch.ones(config.dim)), _EPS)
        self.post_attention_layernorm = RmsNorm(nn.Parameter(torch.ones(config.dim)), _EPS)

    def forward(self, x: Tensor, rotation: Rotation, bias: Tensor, *, past_key_values: Cache) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), rotation, bias, past_key_values)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    """Embeddings to hidden states. The output layer is the table of words."""

    frequencies: Tensor

    def __init__(self, config: LanguageConfig, vocabulary: int) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(vocabulary, config.dim, padding_idx=0)
        self.layers = nn.ModuleList(DecoderLayer(config, index) for index in range(config.layers))
        self.norm = RmsNorm(nn.Parameter(torch.ones(config.dim)), _EPS)
        half = torch.arange(0, config.dim // config.heads, 2, dtype=torch.float32) / (config.dim // config.heads)
        self.register_buffer("frequencies", 1.0 / _ROPE_BASE**half, persistent=False)
        self._initialize()

    @torch.no_grad()
    def _initialize(self) -> None:
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=_INITIAL)
        self.embed_tokens.weight[0].zero_()

    def forward(self, embeddings: Tensor, positions: Tensor, bias: Tensor, past: Cache) -> Tensor:
        """States (R, t, E) of ``embeddings`` (R, t, E) at ``positions`` (R, t) after what ``past`` holds, which grows.

        ``bias`` (R, 1, t, s) is added to the scores; see ``attention_bias``.
        """
        rotation = self._rotation(positions, embeddings.dtype)
        x = embeddings
        for layer in self.layers:
            x = layer(x, rotation, bias, past_key_values=past)
        return self.norm(x)

    def _rotation(self, positions: Tensor, dtype: torch.dtype) -> Rotation:
        angles = (positions[..., None].float() * self.frequencies).repeat(1, 1, 2)[:, None]
        device = positions.device.type
        if torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
        return angles.cos().to(dtype), angles.sin().to(dtype)


def _turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Channel i pairs with channel i + head_dim / 2."""
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat([-second, first], -1) * sin
