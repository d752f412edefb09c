"""Small language models of transformers, saved with a tokenizer."""

from __future__ import annotations

from pathlib import Path

import torch
from support.student_fixtures import tokenizer
from transformers import AutoConfig, AutoModelForCausalLM

SHAPE = {
    "vocab_size": 400,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "eos_token_id": 1,
}


def save_causal_lm(folder: Path, kind: str = "qwen2", *, tied: bool = False) -> Path:
    """A small random model as transformers writes it, with a tokenizer."""
    torch.manual_seed(5)
    config = AutoConfig.for_model(kind, tie_word_embeddings=tied, **SHAPE)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer().save(str(folder / "tokenizer.json"))
    return folder
