"""Text to tokens: the tokenizer of a language model trained from scratch, and the batching of questions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from distill3d_ros.student.outputs import ANSWER, IGNORE, PAD, QUESTION, THOUGHT, QuestionText
from distill3d_ros.system.files import write_whole

PAD_TOKEN, END_TOKEN = "<pad>", "</s>"
_REPEATS = 50
"""Count of each listed word: enough for byte pairs to merge it into one token before rarer ones."""


def train_tokenizer(
    texts: Iterable[str],
    path: str | Path | None = None,
    *,
    vocab_size: int = 2048,
    words: Iterable[str] = (),
    end_token: str = END_TOKEN,
) -> Tokenizer:
    """A byte-level BPE tokenizer of ``texts``: lower case, any text can be encoded, digits are tokens of their own.

    Each of ``words`` (names of things) becomes a single token if it is a single word. Written to ``path`` if given.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase(), normalizers.Prepend(" ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r" ?\d"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD_TOKEN, end_token],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    corpus = list(texts)
    for word in words:
        corpus += [word] * _REPEATS
    tokenizer.train_from_iterator(corpus, trainer)
    if path is not None:
        write_whole(Path(path), lambda part: tokenizer.save(str(part)))
    return tokenizer


class QuestionEncoder:
    """Turns questions, and their answers in training, into rows of tokens."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        classes: int,
        thoughts: int,
        thoughts_first: bool,
        max_question_tokens: int,
        end_token: str = END_TOKEN,
    ) -> None:
        self.tokenizer = tokenizer
        self.classes = classes
        self.thoughts = thoughts
        self.thoughts_first = thoughts_first
        self.max_question_tokens = max_question_tokens
        pad, end = tokenizer.token_to_id(PAD_TOKEN), tokenizer.token_to_id(end_token)
        if end is None:
            raise ValueError(f"language.end_token must be in the tokenizer's vocabulary. Got {end_token!r}")
        pad = end if pad is None else pad  # padding is masked, whatever its id
        self.pad, self.end = pad, end
        self._encoded: dict[str, Encoding] = {}

    def encode(self, text: str) -> Encoding:
        """Tokens of a text; cached, since training repeats the same templates."""
        known = self._encoded.get(text)
        if known is None:
            if len(self._encoded) > 100_000:
                self._encoded.clear()
            known = self._encoded[text] = self.tokenizer.encode(text, add_special_tokens=False)
        return known

    def question(self, text: str) -> Encoding:
        """Tokens of a question; refuses an empty or too long one."""
        if not text.strip():
            raise ValueError(f"question must not be empty. Got {text!r}")
        # A token has at least one byte, but a very long text need not be encoded to know that it is too long.
        if len(text) <= 40 * self.max_question_tokens:
            encoding = self.encode(text)
            if len(encoding.ids) <= self.max_question_tokens:
                return encoding
        raise ValueError(
            f"question is longer than the student's context of {self.max_question_tokens} tokens; ask it shorter. "
            f"Got {len(text)} characters: {text[:60]!r}..."
        )

    def batch(self, questions: Sequence[Sequence[QuestionText]], objects: int) -> QuestionArrays:
        """Rectangular: as many rows a scene as the scene with the most questions, as long as the longest row."""
        rows = [[self._row(question) for question in scene] for scene in questions]
        count = max(len(scene) for scene in rows)
        length = max((len(row.ids) for scene in rows for row in scene), default=1)
        shape = (len(rows), count, length)
        # Filled with numpy: thousands of small writes a batch are several times slower in torch.
        arrays = QuestionArrays(
            token_ids=np.full(shape, self.pad),
            kind=np.full(shape, PAD),
            targets=np.full(shape, IGNORE),
            name_targets=np.full(shape, IGNORE),
            pointer_targets=np.zeros((*shape, objects + 1), bool),
            pointer_supervised=np.zeros(shape, bool),
            is_name=np.zeros(shape, bool),
        )
        for b, scene in enumerate(rows):
            for q, row in enumerate(scene):
                n = len(row.ids)
                arrays.token_ids[b, q, :n] = row.ids
                arrays.kind[b, q, :n] = row.kind
                arrays.targets[b, q, :n] = row.targets
                self._ground(arrays, (b, q), questions[b][q], row, objects)
        return arrays

    def decode(self, ids: list[int]) -> str:
        """The text of an answer's tokens, up to its end."""
        if self.end in ids:
            ids = ids[: ids.index(self.end)]
        return self.tokenizer.decode(ids, skip_special_tokens=True).strip()

    def _row(self, question: QuestionText) -> _Row:
        text = self.question(question.text).ids
        thoughts = [self.pad] * self.thoughts
        ids, kind = [*text, *thoughts], [QUESTION] * len(text) + [THOUGHT] * self.thoughts
        start = 0
        if self.thoughts_first:
            ids, kind, start = [*thoughts, *text], [THOUGHT] * self.thoughts + [QUESTION] * len(text), self.thoughts
        targets = [IGNORE] * len(ids)
        if question.answer is not None:
            answer = self.encode(question.answer).ids
            targets[-1:] = [*answer, self.end]  # the last token before the answer predicts its first
            ids += answer
            kind += [ANSWER] * len(answer)
        return _Row(ids=ids, kind=kind, targets=targets, start=start)

    def _ground(
        self, arrays: QuestionArrays, at: tuple[int, int], question: QuestionText, row: _Row, objects: int
    ) -> None:
        """Fills the targets of the words: names at their last token, "none" at all other words."""
        if not question.names:
            return
        b, q = at
        offsets = self.question(question.text).offsets
        words = slice(row.start, row.start + len(offsets))
        arrays.name_targets[b, q, words] = self.classes
        arrays.pointer_targets[b, q, words, objects] = True
        arrays.pointer_supervised[b, q, words] = True
        for name in question.names:
            inside = [i for i, (_, end) in enumerate(offsets) if name.start < end <= name.end]
            if not inside:
                raise ValueError(f"name span {name.start}:{name.end} covers no word of the question {question.text!r}")
            last = row.start + inside[-1]
            arrays.name_targets[b, q, last] = IGNORE if name.label is None else name.label
            arrays.pointer_targets[b, q, last] = False
            arrays.pointer_supervised[b, q, last] = name.objects is not None
            arrays.is_name[b, q, last] = name.objects is not None
            if name.objects is not None:
                arrays.pointer_targets[b, q, last, list(name.objects) or [objects]] = True


@dataclass(slots=True)
class QuestionArrays:
    """The fields of a QuestionBatch."""

    token_ids: NDArray[np.int64]
    kind: NDArray[np.int64]
    targets: NDArray[np.int64]
    name_targets: NDArray[np.int64]
    pointer_targets: NDArray[np.bool_]
    pointer_supervised: NDArray[np.bool_]
    is_name: NDArray[np.bool_]


class _Row:
    """One question before padding."""

    __slots__ = ("ids", "kind", "start", "targets")

    def __init__(self, *, ids: list[int], kind: list[int], targets: list[int], start: int) -> None:
        self.ids, self.kind, self.targets, self.start = ids, kind, targets, start


def tokenizer_sha256(tokenizer: Tokenizer) -> str:
    """Fingerprint of a tokenizer: hexadecimal sha256 of its JSON with sorted keys."""
    content = json.dumps(json.loads(tokenizer.to_str()), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def distinct(pointed: Sequence[int], nothing: int) -> tuple[int, ...]:
    """The objects that words point at, each once, in the order of the words; ``nothing`` is none."""
    return tuple(dict.fromkeys(i for i in pointed if i != nothing))
