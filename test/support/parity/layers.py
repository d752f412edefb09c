"""Layers of neural networks in numpy, float64: what the reference implementations here are built of.

Written from formulas, without torch and without a module of the package. Letters: ... leading axes; n tokens; d
channels of a head; N images; C, O channels in and out; H, W and h, w sizes before and after.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.special import erf

Array = NDArray[np.float64]
Weights = Mapping[str, Array]
"""Name -> value."""


def under(weights: Weights, prefix: str) -> dict[str, Array]:
    """Those whose names begin with the prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def linear(x: Array, w: Weights, name: str) -> Array:
    return x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", 0.0)


def standardized(x: Array, eps: float) -> Array:
    """LayerNorm over the last axis, without weights."""
    mean = x.mean(-1, keepdims=True)
    return (x - mean) / np.sqrt(((x - mean) ** 2).mean(-1, keepdims=True) + eps)


def layer_norm(x: Array, w: Weights, name: str, eps: float) -> Array:
    return standardized(x, eps) * w[f"{name}.weight"] + w[f"{name}.bias"]


def gelu(x: Array) -> Array:
    """Exact, by the error function."""
    return x * (1 + erf(x / np.sqrt(2))) / 2


def quick_gelu(x: Array) -> Array:
    return x / (1 + np.exp(-1.702 * x))


def mlp(x: Array, w: Weights, name: str, activation: Callable[[Array], Array] = gelu) -> Array:
    return linear(activation(linear(x, w, f"{name}fc1")), w, f"{name}fc2")


def split_heads(x: Array, heads: int) -> Array:
    """(..., n, heads * d) to (..., heads, n, d)"""
    return np.moveaxis(x.reshape(*x.shape[:-1], heads, -1), -2, -3)


def attention(q: Array, k: Array, v: Array) -> Array:
    """(..., heads, n, d) each, to (..., n, heads * d)."""
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    mixed = np.moveaxis(scores / scores.sum(-1, keepdims=True) @ v, -3, -2)
    return mixed.reshape(*mixed.shape[:-2], -1)


def conv(x: Array, w: Weights, name: str, *, stride: int = 1, padding: int = 0) -> Array:
    """(N, C, H, W) to (N, O, h, w)"""
    weight = w[f"{name}.weight"]
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = sliding_window_view(x, weight.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    out = np.einsum("nchwij,ocij->nohw", windows, weight, optimize=True)
    return out + w[f"{name}.bias"][:, None, None] if f"{name}.bias" in w else out


def transposed_conv(x: Array, w: Weights, name: str) -> Array:
    """A kernel as large as its stride: each pixel becomes a patch. (N, C, H, W) to (N, O, H k, W k)"""
    weight = w[f"{name}.weight"]  # (C, O, k, k)
    patches = np.einsum("nchw,coij->nohiwj", x, weight, optimize=True)
    n, o, height, k, width, _ = patches.shape
    return patches.reshape(n, o, height * k, width * k) + w[f"{name}.bias"][:, None, None]


def bilinear(x: Array, size: tuple[int, int]) -> Array:
    """(..., H, W) to (..., h, w), with corner pixels on corner pixels."""

    def weights(before: int, after: int) -> Array:
        at = np.linspace(0, before - 1, after) if after > 1 else np.zeros(1)
        return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(before)))

    return weights(x.shape[-2], size[0]) @ x @ weights(x.shape[-1], size[1]).T


def antialiased_bicubic(x: Array, size: tuple[int, int]) -> Array:
    """(..., H, W) to (..., h, w): Keys' kernel with a = -0.5, as wide as the step where the image gets smaller."""

    def kernel(t: Array) -> Array:
        t, a = np.abs(t), -0.5
        near = ((a + 2) * t - (a + 3)) * t * t + 1
        far = ((t - 5) * t + 8) * t * a - 4 * a
        return np.where(t < 1, near, np.where(t < 2, far, 0.0))

    def weights(before: int, after: int) -> Array:
        step = before / after
        centers = (np.arange(after) + 0.5) * step - 0.5
        found = kernel((np.arange(before) - centers[:, None]) / max(step, 1.0))
        return found / found.sum(1, keepdims=True)  # what lies outside the image counts for nothing

    return weights(x.shape[-2], size[0]) @ x @ weights(x.shape[-1], size[1]).T
