"""Output of a patch embedding. Letters as in outputs.py; frames and scenes are one axis here."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(kw_only=True, slots=True)
class PatchFeatures:
    """Tokens at the patch size, and the finer maps that dense heads need where there are any."""

    tokens: Tensor  # (BS, P, D)
    fine: dict[int, Tensor]  # stride -> (BS, c, H / stride, W / stride)
    grid: tuple[int, int]  # (h, w)
