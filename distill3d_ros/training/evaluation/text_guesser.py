"""A small network that reads questions and never looks; what it gets right above chance, the words give away.

Words, pairs and triples of words are hashed into a bag of embeddings (Joulin et al., "Bag of Tricks for Efficient Text
Classification", 2017) and a hidden layer sees the whole bag. The answers are limited to those that the question allows:
yes and no, the two alternatives, the labels, the numbers; and to not seeing a thing that is named.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from distill3d_ros.questions import answer_text
from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.ground_truth.balancing import is_absent
from distill3d_ros.questions.ground_truth.question import Question
from distill3d_ros.questions.thresholds import THRESHOLDS

BUCKETS = 1 << 15
"""Of the hash; 0 is padding."""
LONGEST = 96
"""Words, pairs and triples of a question that are read."""
METRES_STEP = 1.1
"""Ratio of neighbouring answers in metres."""
UNSEEN = "unseen"
CHECK_EVERY = 100
"""Steps between looks at the held-out questions."""
PATIENCE = 5
"""Looks without a gain after which the training ends."""

Choice = tuple[str, bool | int | str]
"""An answer as a class: the form of the question (or ``UNSEEN``) and the value; metres as a power of METRES_STEP."""


class TextGuesser:
    """Answers questions from their words alone."""

    def __init__(self, network: nn.Module, choices: Sequence[Choice]) -> None:
        self._network = network.eval()
        self._choices = tuple(choices)
        self._metres = np.array([METRES_STEP ** int(v) if form == "metric" else np.nan for form, v in self._choices])
        # [i, j]: answer i is right where j is true.
        with np.errstate(invalid="ignore"):
            apart = np.abs(self._metres[:, None] - self._metres[None])
            right = apart <= THRESHOLDS.metres_tolerance * self._metres[None]
        self._right = right.astype(np.float32)

    def answers(self, questions: Sequence[Question]) -> list[Answer]:
        """The most probable answer of each question; in metres, the one right for most of the probable truths."""
        if not questions:
            return []
        with torch.inference_mode():
            scores = self._network(_read(questions)) + _forbidden(questions, self._choices)
            likely = torch.softmax(scores, -1).numpy()
        return [self._answer(question, p) for question, p in zip(questions, likely, strict=True)]

    def _answer(self, question: Question, likely: NDArray[np.float32]) -> Answer:
        if question.form == "metric":
            likely = np.maximum(self._right @ likely, np.where(np.isfinite(self._metres), 0.0, likely))
        form, value = self._choices[int(likely.argmax())]
        if form == UNSEEN:
            return answer_text.not_seen(str(value))
        if form == "metric":
            return answer_text.metres(METRES_STEP ** int(value))
        if form == "count":
            return answer_text.count(int(value))
        if form == "yes_no":
            return answer_text.yes_no(bool(value))
        return (answer_text.choice if form == "choice" else answer_text.naming)(str(value))


def train_guesser(
    questions: Sequence[Question],
    held_out: Sequence[Question],
    *,
    steps: int = 2000,
    batch_size: int = 256,
    seed: int = 0,
    report: Callable[[str], None] = print,
) -> TextGuesser:
    """Learns to answer ``questions`` and keeps the state with the least loss on ``held_out``.

    Args:
        held_out: questions of other rooms.
        steps: at most; it ends when ``held_out`` gains nothing any more.

    Raises:
        ValueError: one of the two is empty.
    """
    if not questions or not held_out:
        raise ValueError(f"needs questions to learn from and to check. Got {len(questions)} and {len(held_out)}")
    choices = sorted({_choice(q) for q in questions}, key=str)
    place = {choice: i for i, choice in enumerate(choices)}
    checked = [q for q in held_out if _choice(q) in place]
    words, truth = _read(questions), torch.tensor([place[_choice(q)] for q in questions])
    forbidden, held_words, held_forbidden = _forbidden(questions, choices), _read(checked), _forbidden(checked, choices)
    held_truth = torch.tensor([place[_choice(q)] for q in checked])
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _Network(len(choices))
        optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.05)
        least, since, kept = float("inf"), 0, {}
        for step in range(1, steps + 1):
            rows = torch.from_numpy(rng.integers(len(questions), size=min(batch_size, len(questions))))
            loss = nn.functional.cross_entropy(network(words[rows]) + forbidden[rows], truth[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step % CHECK_EVERY and step < steps:
                continue
            held_loss = _loss(network, held_words, held_forbidden, held_truth)
            report(f"step {step}: loss {loss.item():.3f}, of the held-out questions {held_loss:.3f}")
            since = 0 if held_loss < least else since + 1
            if since == 0:
                least, kept = held_loss, {name: value.clone() for name, value in network.state_dict().items()}
            if since == PATIENCE:
                break
    network.load_state_dict(kept)
    return TextGuesser(network, choices)


class _Network(nn.Module):
    """Bag of embeddings, one hidden layer, a score for every answer."""

    def __init__(self, choices: int, width: int = 48, hidden: int = 256) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(BUCKETS, width, mode="sum", padding_idx=0)
        nn.init.normal_(self.bag.weight, std=0.1)
        self.rest = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, hidden), nn.GELU(), nn.Dropout(0.3), nn.Linear(hidden, choices)
        )

    def forward(self, words: Tensor) -> Tensor:
        """(B, LONGEST) hashes -> (B, choices) scores."""
        return self.rest(self.bag(words))


def _loss(network: nn.Module, words: Tensor, forbidden: Tensor, truth: Tensor) -> float:
    network.eval()
    with torch.inference_mode():
        loss = nn.functional.cross_entropy(network(words) + forbidden, truth)
    network.train()
    return float(loss)


def _choice(question: Question) -> Choice:
    """The right answer as a class."""
    fact = question.fact
    value = fact.answer.value
    if is_absent(fact):
        return UNSEEN, next(n for n, i in zip(fact.labels, fact.object_ids, strict=True) if i is None)
    if question.form == "metric":
        metres = float(value) if isinstance(value, (int, float)) else 0.0
        return "metric", round(np.log(max(metres, 0.02)) / np.log(METRES_STEP))
    assert isinstance(value, (bool, int, str))
    return question.form, value


def _read(questions: Sequence[Question]) -> Tensor:
    """(N, LONGEST) hashes of words, pairs and triples, 0 where a question has no more."""
    hashes = np.zeros((len(questions), LONGEST), np.int64)
    for row, question in zip(hashes, questions, strict=True):
        words = ["<", *re.findall(r"[a-z']+", question.text.lower()), ">"]
        grams = [" ".join(words[i : i + n]) for n in (1, 2, 3) for i in range(len(words) + 1 - n)][:LONGEST]
        row[: len(grams)] = [1 + zlib.crc32(gram.encode()) % (BUCKETS - 1) for gram in grams]
    return torch.from_numpy(hashes)


def _forbidden(questions: Sequence[Question], choices: Sequence[Choice]) -> Tensor:
    """(N, choices): 0 for what may answer the question, a large negative number for the rest."""
    forms = np.array([form for form, _ in choices])
    values = np.array([str(value) for _, value in choices])
    allowed = np.zeros((len(questions), len(choices)), bool)
    by_form = {form: forms == form for form in (*set(forms), UNSEEN)}
    for row, question in zip(allowed, questions, strict=True):
        row |= by_form.get(question.form, False)
        if question.form == "choice":
            row &= np.isin(values, question.labels[-2:])
        row |= by_form[UNSEEN] & np.isin(values, question.labels)
    return torch.from_numpy(np.where(allowed, 0.0, -1e4).astype(np.float32))
