"""The decoder of our own against transformers' Llama with the same weights: values, gradients, cache, first weights."""

from __future__ import annotations

import pytest
import torch
from transformers import DynamicCache, LlamaConfig, LlamaModel

from distill3d_ros.student.config import LanguageConfig
from distill3d_ros.student.encoder.attention import attention_bias
from distill3d_ros.student.language.decoder import Decoder, KeyValueCache
from distill3d_ros.student.language.fast_llama import speed_up

CONFIG = LanguageConfig(vocab_size=400, dim=32, layers=3, heads=2, mlp_dim=48)
WORDS = 50


def llama(implementation: str = "sdpa") -> LlamaModel:
    """transformers' model of the same shape."""
    model = LlamaModel(
        LlamaConfig(
            vocab_size=WORDS,
            hidden_size=CONFIG.dim,
            intermediate_size=CONFIG.mlp_dim,
            num_hidden_layers=CONFIG.layers,
            num_attention_heads=CONFIG.heads,
            num_key_value_heads=CONFIG.heads,
            max_position_embeddings=4096,
            pad_token_id=0,
        )
    )
    model.set_attn_implementation(implementation)
    return model


def pair() -> tuple[Decoder, LlamaModel]:
    """Both with weights far from the first ones, which hardly let the parts of a block act."""
    torch.manual_seed(1)
    ours, reference = Decoder(CONFIG, WORDS), llama()
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    reference.load_state_dict(ours.state_dict())
    return ours, reference


def causal(rows: int, new: int, cached: int = 0) -> torch.Tensor:
    """(R, 1, t, s)"""
    allowed = torch.ones(new, cached + new, dtype=torch.bool).tril(cached)
    return attention_bias(allowed).expand(rows, 1, -1, -1)


def test_values_and_gradients_are_those_of_transformers() -> None:
    ours, reference = pair()
    x, positions = torch.randn(2, 7, 32), torch.tensor([[0, 0, 1, 2, 3, 4, 9], [0, 1, 2, 3, 40, 41, 42]])
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    ours_out = ours(a, positions, causal(2, 7), KeyValueCache())
    reference_out = reference(inputs_embeds=b, attention_mask=causal(2, 7), position_ids=positions).last_hidden_state
    torch.testing.assert_close(ours_out, reference_out, rtol=1e-4, atol=1e-5)
    for output in (ours_out, reference_out):
        (output * x.flip(1)).sum().backward()
    torch.testing.assert_close(a.grad, b.grad, rtol=1e-3, atol=1e-4)
    named = dict(reference.named_parameters())
    assert set(named) == {name for name, _ in ours.named_parameters()}
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, named[name].grad, rtol=1e-3, atol=1e-3, msg=name)


@torch.no_grad()
def test_tokens_read_one_by_one_are_as_read_at_once_and_as_transformers_reads_them() -> None:
    ours, reference = pair()
    x, positions = torch.randn(2, 6, 32), torch.arange(6).expand(2, -1)
    at_once = ours(x, positions, causal(2, 6), KeyValueCache())
    past, theirs, parts = KeyValueCache(), DynamicCache(), []
    for begin, end in ((0, 3), (3, 4), (4, 6)):
        new, bias = end - begin, causal(2, end - begin, begin)
        parts.append(ours(x[:, begin:end], positions[:, begin:end], bias, past))
        found = reference(
            inputs_embeds=x[:, begin:end],
            attention_mask=bias,
            position_ids=positions[:, begin:end],
            past_key_values=theirs,
            use_cache=True,
        ).last_hidden_state
        assert found.shape[1] == new
        torch.testing.assert_close(parts[-1], found, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(torch.cat(parts, 1), at_once, rtol=1e-4, atol=1e-5)
    for layer, other in zip(past.layers, theirs.layers, strict=True):
        torch.testing.assert_close(layer.keys, other.keys, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(layer.values, other.values, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_cache_leaves_what_it_begins_with_as_it_is() -> None:
    ours, _ = pair()
    first = KeyValueCache()
    ours(torch.randn(1, 3, 32), torch.arange(3)[None], causal(1, 3), first)
    kept = [(layer.keys, layer.values) for layer in first.layers]
    copies = [(keys.clone(), values.clone()) for keys, values in kept]
    ours(torch.randn(1, 1, 32), torch.tensor([[3]]), causal(1, 1, 3), KeyValueCache(kept))
    for (keys, values), (old_keys, old_values) in zip(kept, copies, strict=True):
        assert torch.equal(keys, old_keys)
        assert torch.equal(values, old_values)


def test_first_weights_are_those_of_transformers() -> None:
    torch.manual_seed(4)
    ours = Decoder(CONFIG, WORDS)
    torch.manual_seed(4)
    for name, value in llama().state_dict().items():
        assert torch.equal(value, ours.state_dict()[name]), name


@pytest.mark.parametrize("autocast", [False, True])
def test_a_sped_up_llama_is_transformers_own_and_ours(autocast: bool) -> None:
    ours, reference = pair()
    faster = speed_up(llama())
    faster.load_state_dict(ours.state_dict())
    x, results = torch.randn(2, 7, 32), []
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        for model in (faster, reference):
            inputs = x.clone().requires_grad_()
            output = model(inputs_embeds=inputs, attention_mask=causal(2, 7)).last_hidden_state.float()
            (output * x.flip(1)).sum().backward()
            results.append([output, inputs.grad, model.layers[0].input_layernorm.weight.grad, model.norm.weight.grad])
        mine = ours(x, torch.arange(7).expand(2, -1), causal(2, 7), KeyValueCache()).float()
    limit = 0.03 if autocast else 1e-5  # bfloat16 has 8 bits
    for a, b in [*zip(*results, strict=True), (mine, results[0][0])]:
        assert float((a - b).norm() / b.norm()) < limit
