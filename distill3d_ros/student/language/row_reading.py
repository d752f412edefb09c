"""Reading of token sequences after a cached scene: in one pass, or one recurrent thought at a time.

A row is one sequence, [question][T1..TK][answer][padding], or the thoughts first. R rows, V visual tokens, T tokens of
a row, K thoughts, E width. ``visible`` is True at the cached positions that later tokens may attend to.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from distill3d_ros.student.language.decoder import Cache
from distill3d_ros.student.outputs import PAD, QUESTION, THOUGHT

Run = Callable[[Tensor, Tensor, Tensor, Cache], Tensor]
"""Embeddings (R, t, E), positions (R, t), mask (R, 1, t, cached + t) and the cache, which grows -> states (R, t, E)."""


def read_at_once(run: Run, embeddings: Tensor, kind: Tensor, visible: Tensor, past: Cache, first: int) -> Tensor:
    """States (R, T, E) of rows whose tokens are all known; ``kind`` (R, T), ``visible`` (R, V), ``first`` position."""
    return run(embeddings, _count(kind.shape[1], first, kind), causal_mask(visible, kind != PAD), past)


def read_recurrent(
    run: Run,
    feed: Callable[[Tensor], Tensor],
    embeddings: Tensor,
    kind: Tensor,
    visible: Tensor,
    past: Cache,
    first: int,
) -> tuple[Tensor, Tensor]:
    """The same with recurrent thoughts: each embedding is increased by a map of the hidden state before it.

    The tokens before the thoughts are read in one pass, then each thought, then the rest. The cache holds the three
    parts one after the other, each padded.

    Returns:
        States (R, T, E), zero at padding, and ``visible`` of the cache afterwards.
    """
    rows, tokens = kind.shape
    is_thought = kind == THOUGHT
    thoughts = int(is_thought.sum(-1).max())
    before = torch.where(is_thought.any(-1), is_thought.int().argmax(-1), (kind != PAD).sum(-1))  # (R,)
    hidden = embeddings.new_zeros(rows, tokens, embeddings.shape[-1])
    row = torch.arange(rows, device=kind.device)
    state = embeddings.new_zeros(rows, embeddings.shape[-1])

    def part(start: Tensor, length: Tensor) -> None:
        nonlocal hidden, visible
        width = int(length.max())
        if not width:
            return
        steps = torch.arange(width, device=kind.device)
        real = steps < length[:, None]
        index = (start[:, None] + steps).clamp_max(tokens - 1)  # (R, width)
        inputs = embeddings.gather(1, index[..., None].expand(-1, -1, embeddings.shape[-1]))
        states = run(inputs, index + first, causal_mask(visible, real), past)
        hidden = hidden.index_put((row[:, None].expand_as(index)[real], index[real]), states[real].to(hidden.dtype))
        visible = torch.cat([visible, real], 1)

    part(torch.zeros_like(before), before)
    if before.any():
        state = hidden[row, (before - 1).clamp_min(0)]
    for k in range(thoughts):
        at = (before + k).clamp_max(tokens - 1)
        real = torch.ones(rows, 1, dtype=torch.bool, device=kind.device)
        inputs = (embeddings[row, at] + feed(state))[:, None]
        state = run(inputs, (at + first)[:, None], causal_mask(visible, real), past)[:, 0].to(hidden.dtype)
        hidden = hidden.index_put((row, at), state)
        visible = torch.cat([visible, real], 1)
    part(before + thoughts, (kind != PAD).sum(-1) - before - thoughts)
    return hidden, visible


def last_of_prompt(hidden: Tensor, kind: Tensor) -> Tensor:
    """(..., T, E), (..., T) -> (..., E) the state at the last token before the answer."""
    prompt = (kind == QUESTION) | (kind == THOUGHT)
    last = (prompt.sum(-1) - 1).clamp_min(0)
    return hidden.gather(-2, last[..., None, None].expand(*last.shape, 1, hidden.shape[-1])).squeeze(-2)


def _count(length: int, first: int, like: Tensor) -> Tensor:
    return (torch.arange(length, device=like.device) + first).expand(len(like), -1)


def causal_mask(visible: Tensor, real: Tensor) -> Tensor:
    """(R, 1, t, cached + t): a token attends to the visible cache, and to the new tokens up to itself."""
    t = real.shape[1]
    step = torch.arange(t, device=real.device)
    causal = step[:, None] >= step
    itself = step[:, None] == step  # padding must attend to something
    own = (causal & real[:, None]) | itself  # (R, t, t)
    return torch.cat([visible[:, None].expand(-1, t, -1), own], -1)[:, None]
