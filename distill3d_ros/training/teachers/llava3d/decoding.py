"""Greedy answers to many questions on one prefix, which is read once.

Letters: B questions; P tokens of the prefix; L of a question; V vocabulary; K most probable tokens; D width.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from transformers import DynamicCache, LlamaForCausalLM

from distill3d_ros.training.teachers.llava3d.model import padded


@dataclass(slots=True)
class Decoded:
    """One answer."""

    hidden: Tensor
    """(D,) what the head reads to choose the first token."""
    tokens: list[int] = field(default_factory=list)
    """With the end token, unless the answer was cut off."""
    top_tokens: list[Tensor] = field(default_factory=list)
    """(K,) for each token."""
    top_logits: list[Tensor] = field(default_factory=list)
    """(K,) their log probabilities."""


def read_prefix(language: LlamaForCausalLM, prefix: Tensor) -> DynamicCache:
    """Keys and values of the prefix (P, D), which every question shares."""
    cache = DynamicCache(config=language.config)
    language.model(inputs_embeds=prefix[None], past_key_values=cache, use_cache=True)
    return cache


def greedy(
    language: LlamaForCausalLM, prefix: DynamicCache, questions: Sequence[Tensor], *, end: int, longest: int, top_k: int
) -> list[Decoded]:
    """Answers the questions, each (L, D), together; ``prefix`` stays as it is.

    Args:
        end: the token that ends an answer.
        longest: tokens of an answer, at most.
        top_k: so many most probable tokens are kept for each token of an answer.
    """
    inputs, here = padded(questions, left=True)
    before = prefix.get_seq_length()
    cache = copy.deepcopy(prefix)
    cache.batch_repeat_interleave(len(questions))
    mask = torch.cat([here.new_ones(len(questions), before), here], 1).long()
    # A row's positions go on where the prefix ends; the padding in between is masked.
    positions = before + (here.long().cumsum(1) - 1).clamp(min=0)
    answers: list[Decoded] = []
    ended = torch.zeros(len(questions), dtype=torch.bool)
    for _ in range(longest):
        out = language.model(
            inputs_embeds=inputs, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
        )
        last = out.last_hidden_state[:, -1]  # (B, D)
        answers = answers or [Decoded(hidden=row) for row in last.float().cpu()]
        log_probs = language.lm_head(last).float().log_softmax(-1)  # (B, V)
        top = log_probs.topk(min(top_k, log_probs.shape[-1]), -1)
        chosen = top.indices[:, 0]
        for row, token in enumerate(chosen.tolist()):
            if not ended[row]:
                answers[row].tokens.append(token)
                answers[row].top_tokens.append(top.indices[row].cpu())
                answers[row].top_logits.append(top.values[row].cpu())
                ended[row] = token == end
        if ended.all():
            break
        inputs = language.get_input_embeddings()(chosen[:, None])
        mask = torch.cat([mask, mask.new_ones(len(questions), 1)], 1)
        positions = positions[:, -1:] + 1
    return answers
