"""The causal language model over visual tokens: one cached prefix a scene, any number of questions.

A question's row is [question][T1..TK][answer]. All rows of a scene attend to the same visual tokens, whose keys and
values are computed once and shared; training and answering run the same code. Letters as in outputs.py; R = B Q rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from distill3d_ros.student.config import StudentConfig
from distill3d_ros.student.encoder.attention import attention_bias, recorded_attention
from distill3d_ros.student.language.decoder import Cache, Decoder, KeyValueCache
from distill3d_ros.student.language.grounding import Grounding, GroundingOutput
from distill3d_ros.student.language.hidden_cot import HiddenCot
from distill3d_ros.student.language.row_reading import last_of_prompt, read_at_once, read_recurrent
from distill3d_ros.student.language.text import QuestionEncoder, distinct
from distill3d_ros.student.language.visual_tokens import VisualTokens
from distill3d_ros.student.outputs import (
    IGNORE,
    PAD,
    QUESTION,
    THOUGHT,
    AnswerScores,
    GeneratedAnswer,
    LanguageInput,
    LanguageOutput,
    ObjectSet,
    Perception,
    Prefix,
    QuestionBatch,
    QuestionText,
    map_tensors,
)

if TYPE_CHECKING:
    from distill3d_ros.student.language.causal_lm import PretrainedLanguage

KeysValues = list[tuple[Tensor, Tensor]]
"""One pair a layer, (B, heads, V, head_dim) each."""


@dataclass(kw_only=True, slots=True)
class PrefixCache:
    """The language model's keys and values of one scene."""

    prefix: Prefix
    keys_values: KeysValues


class LanguageModel(nn.Module):
    """Visual tokens, grounding of names, hidden thoughts, and the causal transformer that answers."""

    read_scale: Tensor

    def __init__(self, config: StudentConfig, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.config = config.language
        self.classes = len(config.labels)
        self.tokenizer = tokenizer
        self.thoughts = HiddenCot(config.hidden_cot, config.language.dim)
        self.encoder = QuestionEncoder(
            tokenizer,
            classes=self.classes,
            thoughts=config.hidden_cot.tokens,
            thoughts_first=self.thoughts.before_question,
            max_question_tokens=config.language.max_question_tokens,
            end_token=config.language.end_token,
        )
        self.visual = VisualTokens(config, tokenizer)
        self.grounding = Grounding(
            dim=config.language.dim, pointer_dim=config.language.pointer_dim, window=config.language.name_window
        )
        self.model: nn.Module
        self.output: nn.Linear | None = None
        if config.language.causal_lm:
            from distill3d_ros.student.language.causal_lm import build_causal_lm

            self.model, self.output = build_causal_lm(config.language)
        else:
            self.model = Decoder(config.language, tokenizer.get_vocab_size())
        # Embeddings are scaled to that of the visual tokens, about 1. A Llama from scratch takes them so (its tied
        # output layer needs the small embedding); one of transformers' takes the scale of its own embedding.
        self.word_scale = config.language.dim**0.5
        if config.language.causal_lm:
            self.register_buffer("read_scale", torch.tensor(1.0 / self.word_scale))

    @torch.no_grad()
    def load_pretrained(self, pretrained: PretrainedLanguage) -> None:
        """Loads the weights of a language model with this one's configuration."""
        own = {name: p for name, p in self.model.state_dict().items() if "lora_" not in name}
        base = {name.replace(".base_layer.", "."): p for name, p in own.items()}
        if set(base) != set(pretrained.decoder):
            different = sorted(set(base) ^ set(pretrained.decoder))
            raise ValueError(f"the pretrained language model is of another shape: {', '.join(different[:6])}")
        for name, parameter in base.items():
            parameter.copy_(pretrained.decoder[name])
        if self.output is not None:
            self.output.load_state_dict(pretrained.output)
        self.read_scale.fill_(self._words().weight.float().square().mean().sqrt())

    def embed(self, ids: Tensor) -> Tensor:
        """Token ids (...,) -> embeddings (..., E)."""
        words = self._words()(ids)
        return words / self.read_scale if self.config.causal_lm else words * self.word_scale

    def prefix(self, source: Perception | LanguageInput | ObjectSet, *, stop_gradient: bool = False) -> Prefix:
        """The visual tokens of a perception, or of objects alone."""
        if stop_gradient:
            source = map_tensors(source, Tensor.detach)
        return self.visual(source, self.visual.words(self.embed))

    def forward(self, prefix: Prefix, batch: QuestionBatch) -> LanguageOutput:
        """All rows of all scenes at once, each as if it were alone with its scene."""
        count = batch.token_ids.shape[1]
        past = [tuple(x.repeat_interleave(count, 0) for x in layer) for layer in self._read_prefix(prefix)]
        embeddings, grounding = self.embed_rows(prefix, batch.token_ids, batch.kind)
        visible = prefix.mask.repeat_interleave(count, 0)
        hidden, _ = self._read(
            embeddings.flatten(0, 1), batch.kind.flatten(0, 1), visible, self.new_cache(past), prefix
        )
        hidden = hidden.unflatten(0, batch.kind.shape[:2])
        supervised = batch.targets != IGNORE  # (B, Q, T)
        scene, question, _ = supervised.nonzero(as_tuple=True)
        return LanguageOutput(
            logits=self.logits(hidden[supervised]),
            targets=batch.targets[supervised],
            scene=scene,
            question=question,
            name_logits=grounding.name_logits,
            pointer_logits=grounding.pointer_logits,
            before_answer=last_of_prompt(hidden, batch.kind),
        )

    @torch.no_grad()
    def attention_on_thoughts(self, prefix: Prefix, batch: QuestionBatch) -> Tensor:
        """(layers, heads) mean share of an answer token's attention on the thoughts T1..TK, 0..1.

        ``batch`` must hold answers. Not for recurrent thoughts, which are read in another order.
        """
        if self.thoughts.feed is not None:
            raise ValueError("attention_on_thoughts needs thoughts that are read at once. Got mode 'recurrent'")
        supervised = (batch.targets != IGNORE).flatten(0, 1)  # (R, T)
        if not supervised.any():
            raise ValueError("attention_on_thoughts needs questions with answers. Got none")
        with recorded_attention() as weights:
            self(prefix, batch)
        thoughts = functional.pad((batch.kind == THOUGHT).flatten(0, 1), (prefix.mask.shape[1], 0))  # (R, V + T)
        on_thoughts = [(w * thoughts[:, None, None]).sum(-1) for w in weights[len(weights) // 2 :]]  # first: the scene
        return torch.stack([share.movedim(1, 0)[:, supervised].mean(-1) for share in on_thoughts])

    @torch.inference_mode()
    def cache(self, prefix: Prefix) -> PrefixCache:
        """Reads the visual tokens of one scene."""
        if prefix.tokens.shape[0] != 1:
            raise ValueError(f"a prefix cache is of one scene. Got {prefix.tokens.shape[0]}")
        return PrefixCache(prefix=prefix, keys_values=self._read_prefix(prefix))

    @torch.inference_mode()
    def answer(
        self,
        cache: PrefixCache,
        questions: Sequence[str],
        *,
        temperature: float = 0.0,
        generator: torch.Generator | None = None,
        top: int = 0,
    ) -> list[GeneratedAnswer]:
        """Answers; each stops at its end token.

        Args:
            temperature: 0 takes the likeliest token; above, tokens are drawn, from flatter distributions the higher.
            generator: source of the draws.
            top: number of tokens whose scores are kept at each position; 0 keeps none.
        """
        if not temperature >= 0:
            raise ValueError(f"temperature must be 0 or more. Got {temperature}")
        if not questions:
            return []
        prefix, device = cache.prefix, cache.prefix.tokens.device
        rows = [QuestionText(text=text) for text in questions]
        batch = map_tensors(self.collate([rows], prefix.objects.mask.shape[1]), lambda x: x.to(device))
        count = batch.kind.shape[1]
        past = self.new_cache(
            [(k.expand(count, -1, -1, -1), v.expand(count, -1, -1, -1)) for k, v in cache.keys_values]
        )
        embeddings, grounding = self.embed_rows(prefix, batch.token_ids, batch.kind)
        hidden, visible = self._read(embeddings[0], batch.kind[0], prefix.mask.expand(count, -1), past, prefix)
        hidden = before_answer = last_of_prompt(hidden, batch.kind[0])
        lengths, first = (batch.kind[0] != PAD).sum(-1), self._first_position(prefix)  # of the first answer token
        ids = torch.empty(count, 0, dtype=torch.long, device=device)
        log_confidence = torch.zeros(count, device=device)
        done = torch.zeros(count, dtype=torch.bool, device=device)
        likeliest: list[tuple[Tensor, Tensor]] = []  # values and ids (Q, K) a step
        for step in range(self.config.max_answer_tokens):
            logits = self.logits(hidden)
            token = _next(logits, temperature, generator)
            log_probs = logits.log_softmax(-1)
            log_confidence = log_confidence + log_probs.gather(1, token[:, None])[:, 0].masked_fill(done, 0.0)
            if top:
                values, tokens = log_probs.topk(min(top, log_probs.shape[1]))
                likeliest.append((values, tokens))
            ids = torch.cat([ids, token.masked_fill(done, self.encoder.end)[:, None]], 1)
            done = done | (token == self.encoder.end)
            if done.all():
                break
            visible = functional.pad(visible, (0, 1), value=True)
            positions = (lengths + step + first)[:, None]
            hidden = self.run(self.embed(ids[:, -1:]), positions, visible[:, None, None], past)[:, 0]
        pointed = grounding.pointer_logits[0].argmax(-1)  # (Q, T)
        return [
            GeneratedAnswer(
                text=self.encoder.decode(ids[i].tolist()),
                confidence=float(log_confidence[i].exp()),
                object_indices=distinct(
                    pointed[i][batch.kind[0, i] == QUESTION].tolist(), prefix.objects.mask.shape[1]
                ),
                scores=self._scores(ids[i].tolist(), [(v[i], t[i]) for v, t in likeliest], before_answer[i]),
            )
            for i in range(count)
        ]

    def collate(self, questions: Sequence[Sequence[QuestionText]], objects: int) -> QuestionBatch:
        arrays = self.encoder.batch(questions, objects)
        return QuestionBatch(**{f.name: torch.from_numpy(getattr(arrays, f.name)) for f in fields(arrays)})

    def _scores(
        self, ids: list[int], likeliest: list[tuple[Tensor, Tensor]], before_answer: Tensor
    ) -> AnswerScores | None:
        """Of one answer; ``likeliest`` holds log probabilities and ids (K,) a step."""
        if not likeliest:
            return None
        length = ids.index(self.encoder.end) + 1 if self.encoder.end in ids else len(ids)
        return AnswerScores(
            top_tokens=torch.stack([tokens for _, tokens in likeliest[:length]]),
            top_logits=torch.stack([values for values, _ in likeliest[:length]]),
            before_answer=before_answer,
        )

    def logits(self, hidden: Tensor) -> Tensor:
        if self.output is not None:
            return self.output(hidden).float()
        return functional.linear(hidden, self._words().weight).float()

    def _words(self) -> nn.Embedding:
        words = self.model.embed_tokens
        assert isinstance(words, nn.Embedding)
        return words

    def _first_position(self, prefix: Prefix) -> int:
        return 1 if self.config.prefix_positions == "shared" else prefix.tokens.shape[1]

    def _read_prefix(self, prefix: Prefix) -> KeysValues:
        """Keys and values of the visual tokens, which all attend to each other: a scene has no order."""
        b, v = prefix.mask.shape
        positions = torch.arange(v, device=prefix.mask.device).expand(b, v)
        if self.config.prefix_positions == "shared":
            positions = torch.zeros_like(positions)
        itself = torch.eye(v, dtype=torch.bool, device=prefix.mask.device)  # padding must attend to something
        past = self.new_cache()
        self.run(prefix.tokens, positions, prefix.mask[:, None, None] | itself, past)
        return [(layer.keys, layer.values) for layer in past.layers]

    def embed_rows(self, prefix: Prefix, token_ids: Tensor, kind: Tensor) -> tuple[Tensor, GroundingOutput]:
        """(B, Q, T, E): words with the features of their referents, thoughts, answer tokens."""
        words = self.embed(token_ids)
        is_word = kind == QUESTION
        grounding = self.grounding(words, is_word, prefix, self.visual.words(self.embed))
        is_thought = kind == THOUGHT
        if is_thought.any():
            order = (is_thought.long().cumsum(-1) - 1).clamp_min(0)
            words = torch.where(is_thought[..., None], self.thoughts(order) * self.word_scale, words)
        return words + grounding.added, grounding

    def _read(
        self, embeddings: Tensor, kind: Tensor, visible: Tensor, past: Cache, prefix: Prefix
    ) -> tuple[Tensor, Tensor]:
        """States (R, T, E) of rows (R, T) after a scene, and the cached positions that an answer may attend to."""
        first = self._first_position(prefix)
        if self.thoughts.feed is not None:
            return read_recurrent(self.run, self.thoughts.feed, embeddings, kind, visible, past, first)
        hidden = read_at_once(self.run, embeddings, kind, visible, past, first)
        return hidden, torch.cat([visible, kind != PAD], 1)

    def run(self, embeddings: Tensor, positions: Tensor, mask: Tensor, past: Cache) -> Tensor:
        """(R, T, E); ``mask`` broadcasts to (R, 1, T, cached + T)."""
        rows, tokens = embeddings.shape[:2]
        bias = attention_bias(mask).expand(rows, 1, tokens, -1)
        if isinstance(self.model, Decoder):
            return self.model(embeddings, positions, bias, past)
        from distill3d_ros.student.language.causal_lm import run_causal_lm

        return run_causal_lm(self.model, embeddings * self.read_scale, positions, bias, past)

    def new_cache(self, keys_values: Iterable[tuple[Tensor, ...]] = ()) -> Cache:
        """A cache that starts with these; the tensors themselves are not changed."""
        if isinstance(self.model, Decoder):
            return KeyValueCache(keys_values)
        from distill3d_ros.student.language.causal_lm import new_cache

        return new_cache(keys_values)


def _next(logits: Tensor, temperature: float, generator: torch.Generator | None) -> Tensor:
    """(Q, vocabulary) -> (Q,)"""
    if temperature == 0:
        return logits.argmax(-1)
    return torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)[:, 0]
