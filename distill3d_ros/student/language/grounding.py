"""Grounding: pointers from the names in a question to objects, before the language model reads it.

A transformer learns late to look an object up by its name; here that is built in, and trained by its own loss. Every
word of a question is classified with its neighbours as a name (or none); an object matches as far as its class scores
agree; the features of the objects pointed at are added to the word. A word that points also gets the geometry between
its object and the object of the name before it, and the objects in the relation that the words express ("left of the
chair"), as naming questions need. Every word also gets the features of its objects multiplied by a gate of the whole
question: the same distance to the right supports "right" and contradicts "left", a product that a small transformer
learns slowly. Where a question names three things ("which is closer to the door, the chair or the table?"), the last
of them gets all three pairs and the differences of their distances.
The question is read as a whole; an answer never is, so decoding stays causal.

R counts rows (questions of all scenes), K words that point; other letters as in outputs.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill3d_ros.student.encoder.vggt import Mlp
from distill3d_ros.student.language.box_features import GAP, OBJECT_FEATURES, PAIR_FEATURES, object_features
from distill3d_ros.student.outputs import Prefix, map_tensors, to_float

_LOOK_AHEAD = 1
"""Words read after the current one, so that the "desk" of "desk lamp" is not taken for a desk."""
_FLOOR = 1e-3
_THREE_FEATURES = 3 * PAIR_FEATURES + 6
_POINTS = 0.05
"""A word points if at least this share of its pointer is on objects; relations are computed for these words only."""


@dataclass(kw_only=True, slots=True)
class GroundingOutput:
    """Letters as in outputs.py."""

    added: Tensor  # (B, Q, T, E) to be added to the words; zero elsewhere
    name_logits: Tensor  # (B, Q, T, C + 1)
    pointer_logits: Tensor  # (B, Q, T, N + 1)


class Grounding(nn.Module):
    """Pointer from words to objects, and the features that it adds to the words."""

    def __init__(self, *, dim: int, pointer_dim: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.read = nn.Conv1d(dim, pointer_dim * 2, window + _LOOK_AHEAD)
        self.read_norm = nn.LayerNorm(pointer_dim * 2)
        self.name_query = nn.Linear(pointer_dim * 2, pointer_dim)
        self.name_key = nn.Linear(dim, pointer_dim)
        self.no_name = nn.Linear(pointer_dim * 2, 1)
        self.query = nn.Linear(pointer_dim * 2, pointer_dim)
        self.key = nn.Linear(dim, pointer_dim)
        self.sharpness = nn.Parameter(torch.tensor(2.0))
        self.absent = nn.Parameter(torch.tensor(-1.6))  # log score below which a named class counts as absent
        self.value = nn.Linear(dim, dim)
        self.nothing = nn.Parameter(torch.zeros(dim))
        self.count = Mlp(5, pointer_dim, dim)
        self.pair = Mlp(PAIR_FEATURES + 1, pointer_dim * 2, dim)
        self.asks = nn.Linear(pointer_dim * 2, 1)
        self.measure_gate = nn.Linear(pointer_dim * 2, 2 * pointer_dim)
        self.measure_pair = nn.Linear(PAIR_FEATURES, pointer_dim)
        self.measure_one = nn.Linear(OBJECT_FEATURES, pointer_dim)
        self.measured = nn.Linear(2 * pointer_dim, dim)
        self.three_gate = nn.Linear(pointer_dim * 2, pointer_dim)
        self.measure_three = nn.Linear(_THREE_FEATURES, pointer_dim)
        self.measured_three = nn.Linear(pointer_dim, dim)
        self.relation = nn.Linear(pointer_dim * 2, pointer_dim // 2)
        self.relation_key = Mlp(PAIR_FEATURES, pointer_dim // 2, pointer_dim // 2)
        self.candidate = nn.Linear(dim, 1)
        self.no_candidate = nn.Linear(pointer_dim * 2, 1)
        self.related_value = nn.Linear(dim, dim)
        # At initialisation the pointer depends on the classes alone.
        for start_small in (self.measured, self.measured_three, self.query):
            nn.init.zeros_(start_small.weight)
            nn.init.zeros_(start_small.bias)

    def forward(self, words: Tensor, is_word: Tensor, prefix: Prefix, class_words: Tensor) -> GroundingOutput:
        """``words`` (B, Q, T, E) embeddings, ``is_word`` (B, Q, T), ``class_words`` (C, E)."""
        read = self._read(words * is_word[..., None], is_word)
        name_logits = self._name_logits(read, class_words)
        n = prefix.objects.mask.shape[1]
        with torch.autocast(words.device.type, enabled=False):
            names = name_logits.softmax(-1)
            match = torch.einsum("bqtc,bnc->bqtn", names[..., :-1], prefix.objects.class_probs.float())
            match = match * prefix.objects.mask[:, None, None].float()
            unnamed = (names[..., -1:] + _FLOOR).log()
            absent = torch.cat([unnamed, self.absent.expand_as(unnamed)], -1).logsumexp(-1, keepdim=True)
            logits = self.sharpness * torch.cat([(match + _FLOOR).log(), absent], -1)
        keys = self.key(prefix.tokens[:, :n])
        learned = torch.einsum("bqtd,bnd->bqtn", self.query(read), keys).float() * keys.shape[-1] ** -0.5
        logits = logits + functional.pad(learned, (0, 1))
        padded = functional.pad(~prefix.objects.mask, (0, 1))[:, None, None]
        logits = logits.masked_fill(padded, -torch.inf)
        pointer = logits.softmax(-1) * is_word[..., None]
        here = pointer[..., :-1]
        with torch.autocast(words.device.type, enabled=False):
            earlier, before = _previous_two(here)
            pair = _pair(before, here, prefix)
        weight = before.sum(-1, keepdim=True) * here.sum(-1, keepdim=True)
        added = self._value(pointer, prefix, n) + self._counted(logits, match) + self._related(read, here, prefix)
        added = added + self.pair(torch.cat([pair, weight], -1)) * weight
        asked = self._asked(read, is_word)
        added = added + self._measured(asked, here, before, pair, prefix)
        added = added + self._compared(asked, here, before, earlier, pair, prefix)
        return GroundingOutput(added=added * is_word[..., None], name_logits=name_logits, pointer_logits=logits)

    def _read(self, words: Tensor, is_word: Tensor) -> Tensor:
        """(B, Q, T, 2d): each word with its neighbours."""
        x = functional.pad(words.flatten(0, 1).transpose(1, 2), (self.window - 1, _LOOK_AHEAD))
        return self.read_norm(functional.gelu(self.read(x).transpose(1, 2))).unflatten(0, words.shape[:2])

    def _name_logits(self, read: Tensor, class_words: Tensor) -> Tensor:
        keys = functional.layer_norm(self.name_key(class_words).float(), (self.name_key.out_features,))
        named = self.name_query(read).float() @ keys.T * keys.shape[-1] ** -0.5
        return torch.cat([named, self.no_name(read).float()], -1)

    def _value(self, pointer: Tensor, prefix: Prefix, n: int) -> Tensor:
        values = self.value(prefix.tokens[:, :n])
        pointed = torch.einsum("bqtn,bne->bqte", pointer[..., :-1].to(values.dtype), values)
        return pointed + pointer[..., -1:] * self.nothing

    def _counted(self, logits: Tensor, match: Tensor) -> Tensor:
        """Features of the number of matching objects, which the normalised softmax does not contain."""
        present = torch.sigmoid(logits[..., :-1] - logits[..., -1:])
        best, count = match.amax(-1), present.sum(-1)
        features = torch.stack([best, match.sum(-1), count, torch.log1p(count), present.amax(-1)], -1)
        return self.count(features)

    def _asked(self, read: Tensor, is_word: Tensor) -> Tensor:
        """(B, Q, 1, 2d) an attention-pooled representation of the whole question."""
        with torch.autocast(read.device.type, enabled=False):
            read = read.float()
            share = self.asks(read)[..., 0].masked_fill(~is_word, -1e4).softmax(-1)  # (B, Q, T)
            return torch.einsum("bqt,bqtd->bqd", share, read)[:, :, None]

    def _measured(self, asked: Tensor, here: Tensor, before: Tensor, pair: Tensor, prefix: Prefix) -> Tensor:
        """(B, Q, T, E) the pair at each word, and the object that it is about, gated by the question."""
        with torch.autocast(here.device.type, enabled=False):
            about = here + (1.0 - here.sum(-1, keepdim=True)).clamp_min(0.0) * before
            one = torch.einsum("bqtn,bnf->bqtf", about, object_features(map_tensors(prefix.objects, to_float)))
            values = torch.cat([self.measure_pair(pair), self.measure_one(one)], -1)  # (B, Q, T, 2d)
            return self.measured(values * self.measure_gate(asked))

    def _compared(
        self, asked: Tensor, here: Tensor, before: Tensor, earlier: Tensor, pair: Tensor, prefix: Prefix
    ) -> Tensor:
        """(B, Q, T, E) at the third of three names: their pairs, and which two are closer, gated by the question."""
        with torch.autocast(here.device.type, enabled=False):
            first, outer = _pair(earlier, before, prefix), _pair(earlier, here, prefix)
            gaps = [p[..., GAP] for p in (first, pair, outer)]
            nearer = torch.stack([gaps[0] - gaps[2], gaps[1] - gaps[2]], -1)
            features = [first, pair, outer, nearer.clamp(-10, 10), (nearer / 0.1).tanh(), (nearer / 0.4).tanh()]
            three = earlier.sum(-1, keepdim=True) * here.sum(-1, keepdim=True)  # how sure it is that there are three
            values = self.measure_three(torch.cat(features, -1)) * three
            return self.measured_three(values * self.three_gate(asked))

    def _related(self, read: Tensor, here: Tensor, prefix: Prefix) -> Tensor:
        """(B, Q, T, E) the objects in the relation to the one pointed at that the word and its neighbours express.

        Attention whose keys are the geometry of every object relative to the one pointed at; ``here`` (B, Q, T, N).
        """
        n = here.shape[-1]
        points = here.sum(-1) > _POINTS
        chosen = torch.ones_like(points) if torch.jit.is_tracing() else points  # ONNX Runtime fails where K is 0
        b, q, t = chosen.nonzero(as_tuple=True)  # (K,) each
        mass, origin = here[b, q, t].max(-1)  # (K,)
        tokens = prefix.tokens[:, :n]
        with torch.autocast(here.device.type, enabled=False):
            read_here = read[b, q, t].float()
            keys = self.relation_key(prefix.pairs[b, origin])  # (K, N, d)
            scores = torch.einsum("kd,knd->kn", self.relation(read_here), keys) * keys.shape[-1] ** -0.5
            scores = scores + self.candidate(tokens.float())[b, :, 0]
            itself = functional.one_hot(origin, n).bool()
            scores = scores.masked_fill(itself | ~prefix.objects.mask[b], -torch.inf)
            weights = torch.cat([scores, self.no_candidate(read_here)], -1).softmax(-1)[:, :-1]  # (K, N)
            values = self.related_value(tokens.float())[b]  # (K, N, E)
            found = torch.einsum("kn,kne->ke", weights, values) * (mass * points[b, q, t])[:, None]
        return here.new_zeros(*here.shape[:3], found.shape[-1]).index_put((b, q, t), found)


def _pair(first: Tensor, second: Tensor, prefix: Prefix) -> Tensor:
    """(B, Q, T, F) the geometry of the second object relative to the first; both are distributions (B, Q, T, N)."""
    from_first = torch.einsum("bqtn,bnmf->bqtmf", first, prefix.pairs)
    return torch.einsum("bqtm,bqtmf->bqtf", second, from_first)


def _previous_two(here: Tensor) -> tuple[Tensor, Tensor]:
    """(B, Q, T, N) each: the objects of the last name but one and of the last name before each word.

    They are distributions with mass at most 1. With gate g(s) = mass that word s points with, the weight of word s at
    word t is g(s) times the product of 1 - g(u) over the words between them: a running memory that each name
    overwrites, in closed form. What the memory held at s is what was named before that.
    """
    gate = here.sum(-1).clamp(0.0, 1.0)
    kept = (1.0 - gate).clamp_min(1e-4).log().cumsum(-1)  # (B, Q, T)
    upto = functional.pad(kept, (1, 0))[..., :-1]  # excludes the word itself
    between = upto[..., :, None] - kept[..., None, :]  # (B, Q, t, s)
    t = here.shape[-2]
    past = torch.ones(t, t, dtype=torch.bool, device=here.device).tril(-1)
    weight = between.masked_fill(~past, -torch.inf).exp()
    before = weight @ here
    return (weight * gate[..., None, :]) @ before, before
