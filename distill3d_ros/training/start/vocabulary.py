"""The corpus from which the tokenizer of a student without a pretrained language model is trained."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from tokenizers import Tokenizer

from distill3d_ros.questions import answer_text
from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.questions.templates import templates
from distill3d_ros.scene.labels import LABELS, known_names
from distill3d_ros.student.language.text import END_TOKEN, train_tokenizer

_SLOT = re.compile(r"\{\d[as]?\}")
_FILLINGS = 8
"""How often each wording occurs in the corpus, with other names each time."""


def corpus(seed: int = 0) -> Iterator[str]:
    """Questions in the wordings that training may use, and every form of answer."""
    rng = np.random.default_rng(seed)
    names = sorted(known_names())
    for kind in KINDS:
        for template in templates(kind, False):
            for _ in range(_FILLINGS):
                yield _SLOT.sub(lambda _: names[int(rng.integers(len(names)))], template)
    for _ in range(40):
        yield from ("yes", "no", answer_text.NOTHING, answer_text.NOT_UNDERSTOOD, answer_text.NO_SCALE)
    for label in LABELS:
        for _ in range(10):
            yield from (f"the {label}", answer_text.with_article(label), answer_text.not_seen_text(label))
    for count in range(13):
        yield from [answer_text.count_text(count)] * 10
    for metres in np.arange(0.05, 12.0, 0.05):
        yield answer_text.metres_text(float(metres))


def new_tokenizer(vocab_size: int, *, end_token: str = END_TOKEN) -> Tokenizer:
    """A tokenizer in which every name of a thing that is one word is one token."""
    words = sorted({word for name in known_names() for word in name.split()})
    return train_tokenizer(corpus(), vocab_size=vocab_size, words=words, end_token=end_token)
