"""Use of the thoughts by a trained student: attention on them, and their exchange at test time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from distill3d_ros.student.checkpoint import WEIGHTS
from distill3d_ros.student.outputs import IGNORE, THOUGHT, Prefix, QuestionText, map_tensors
from distill3d_ros.student.student import Student

AS_TRAINED, ZEROED, PERMUTED, OTHER_SEED = "as_trained", "zeroed", "permuted", "other_seed"
CONDITIONS = (AS_TRAINED, ZEROED, PERMUTED, OTHER_SEED)
"""The thoughts' embeddings at test time: as trained; zeros; shifted by one position; those of another seed."""
TOKENS = "language.thoughts.tokens"


def conditions(student: Student, other: Path | None) -> dict[str, Tensor]:
    """Condition -> embeddings (K, E) of the thoughts. Without thoughts, or with zeros, one is left.

    ``other``: folder of the same student from another seed.
    """
    own = student.language.thoughts.tokens.detach().clone()
    found = {AS_TRAINED: own}
    if len(own) and own.any():
        found[ZEROED] = torch.zeros_like(own)
        if len(own) > 1:
            found[PERMUTED] = own.roll(-1, 0)
        if other is not None:
            with safe_open(other / WEIGHTS, "pt") as file:
                found[OTHER_SEED] = file.get_tensor(TOKENS).to(own)
    return found


@contextmanager
def thoughts_as(student: Student, embeddings: Tensor) -> Iterator[None]:
    """Inside, the thoughts have these embeddings (K, E); nothing on disk changes."""
    tokens = student.language.thoughts.tokens
    own = tokens.detach().clone()
    try:
        with torch.no_grad():
            tokens.copy_(embeddings)
        yield
    finally:
        with torch.no_grad():
            tokens.copy_(own)


def attention(student: Student, prefix: Prefix, questions: Sequence[QuestionText]) -> tuple[Tensor, float]:
    """Share of an answer token's attention on the thoughts, (layers, heads), and the share of uniform attention.

    Of one scene; the questions have answers.
    """
    batch = student.collate([questions], prefix.objects.mask.shape[1])
    batch = map_tensors(batch, lambda x: x.to(prefix.mask.device))
    share = student.language.attention_on_thoughts(prefix, batch)
    thoughts = (batch.kind[0] == THOUGHT).cumsum(-1)  # (Q, T) how many of them a token attends to
    visible = prefix.mask.sum() + torch.arange(1, thoughts.shape[1] + 1, device=thoughts.device)
    supervised = batch.targets[0] != IGNORE
    return share.cpu(), float((thoughts / visible)[supervised].mean())


def can_show_attention(student: Student) -> bool:
    """Whether there are thoughts that are read in one pass; the attention on recurrent ones is not measured."""
    return len(student.language.thoughts.tokens) > 0 and student.language.thoughts.feed is None
