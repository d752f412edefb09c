"""A causal language model of transformers inside the student, new or pretrained.

The student uses its decoder, which takes embeddings, a mask and a cache, and its output layer. Imported only for
students that have one, because transformers takes seconds to import.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import AttentionInterface, AutoConfig, AutoModelForCausalLM, DynamicCache, LlamaModel, PreTrainedModel

from distill3d_ros.student.config import LanguageConfig
from distill3d_ros.student.encoder.attention import attend, record_weights
from distill3d_ros.student.language.decoder import Cache
from distill3d_ros.student.language.fast_llama import speed_up

IMPLEMENTATION = "distill3d"
"""Name under which transformers' models find ``attend``."""
FAMILIES = ("llama", "qwen2", "qwen3", "mistral", "smollm3")
"""``model_type`` of the transformers whose masks, caches and embeddings are known to work here."""


def build_causal_lm(config: LanguageConfig) -> tuple[PreTrainedModel, nn.Linear | None]:
    """The decoder with random weights, and its own output layer unless that is tied to the embedding."""
    values = dict(config.causal_lm)
    kind = values.pop("model_type", None)
    if kind not in FAMILIES:
        raise ValueError(f"language.causal_lm must be a model of type {', '.join(FAMILIES)}. Got {kind!r}")
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **values))
    decoder = model.get_decoder()
    decoder.set_attn_implementation(IMPLEMENTATION)
    if isinstance(decoder, LlamaModel):
        speed_up(decoder)
    if config.lora_rank:
        _add_lora(decoder, config.lora_rank)
    return decoder, None if model.config.tie_word_embeddings else model.get_output_embeddings()


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainedLanguage:
    """A language model of transformers' format."""

    config: dict[str, Any]
    """For ``LanguageConfig.causal_lm``."""
    tokenizer: Tokenizer
    end_token: str
    decoder: dict[str, Tensor]
    output: dict[str, Tensor]
    """Empty where the output layer is the embedding."""


def read_pretrained(source: str | Path, *, revision: str | None = None) -> PretrainedLanguage:
    """Reads a local folder or a hub id.

    Raises:
        ValueError: it is no causal language model of a known family, or has no fast tokenizer.
        OSError: there is no such folder or hub model, or no network to fetch it.
    """
    config = AutoConfig.from_pretrained(source, revision=revision)
    if config.model_type not in FAMILIES:
        raise ValueError(
            f"the language model must be of type {', '.join(FAMILIES)}. Got {config.model_type!r} in '{source}'"
        )
    model = AutoModelForCausalLM.from_pretrained(source, revision=revision)
    file = Path(source) / "tokenizer.json"
    tokenizer = (
        Tokenizer.from_file(str(file)) if file.is_file() else Tokenizer.from_pretrained(str(source), revision or "main")
    )
    end = config.eos_token_id[0] if isinstance(config.eos_token_id, list) else config.eos_token_id
    end_token = None if end is None else tokenizer.id_to_token(end)
    if end_token is None:
        raise ValueError(f"'{source}' names no end token that its tokenizer knows (eos_token_id {end!r})")
    head = None if config.tie_word_embeddings else model.get_output_embeddings()
    return PretrainedLanguage(
        config=config.to_diff_dict() | {"model_type": config.model_type, "hidden_size": config.hidden_size},
        tokenizer=tokenizer,
        end_token=end_token,
        decoder=dict(model.get_decoder().state_dict()),
        output={} if head is None else dict(head.state_dict()),
    )


def new_cache(keys_values: Iterable[tuple[Tensor, ...]] = ()) -> Cache:
    """A cache that starts with these keys and values of each layer."""
    return DynamicCache(list(keys_values))


def run_causal_lm(model: nn.Module, embeddings: Tensor, positions: Tensor, bias: Tensor, past: Cache) -> Tensor:
    """States (R, t, E); arguments as of ``decoder.Decoder``."""
    output = model(
        inputs_embeds=embeddings, attention_mask=bias, position_ids=positions, past_key_values=past, use_cache=True
    )
    return output.last_hidden_state


def _add_lora(decoder: nn.Module, rank: int) -> None:
    """Low-rank adapters (Hu et al., ICLR 2022) beside every linear layer; the layers themselves are frozen."""
    try:
        peft = importlib.import_module("peft")
    except ImportError as error:
        raise ImportError("language.lora_rank needs the package peft: pip install peft") from error
    peft.inject_adapter_in_model(peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear"), decoder)


def _attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **_: Any
) -> tuple[Tensor, None]:
    if key.shape[1] != query.shape[1]:  # grouped queries
        key, value = (x.repeat_interleave(query.shape[1] // x.shape[1], 1) for x in (key, value))
    record_weights(query, key, attention_mask)
    return attend(query, key, value, attention_mask).transpose(1, 2), None


AttentionInterface.register(IMPLEMENTATION, _attend)
