"""Distillation of a teacher's cached answers into a language model, by tokens, words and hidden states."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill3d_ros.student.language.text import tokenizer_sha256
from distill3d_ros.student.outputs import Prefix, QuestionText
from distill3d_ros.student.student import Student
from distill3d_ros.training.config import StageConfig
from distill3d_ros.training.data.answers.teacher_answer import TeacherAnswer
from distill3d_ros.training.data.answers.teacher_cache import CacheInfo
from distill3d_ros.training.losses.from_teacher import (
    answer_rows,
    drop_absent,
    hidden_losses,
    teacher_text,
    teacher_tokens,
    true_answers_output,
)
from distill3d_ros.training.losses.supervised import Losses, language_losses


class Projection(nn.Module):
    """The student's state before an answer at the width of the teacher's; learned beside the student."""

    def __init__(self, width: int, teacher_width: int) -> None:
        super().__init__()
        weight = torch.empty(teacher_width, width)
        nn.init.orthogonal_(weight, generator=torch.Generator().manual_seed(0))  # the same in every process
        self.weight = nn.Parameter(weight)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) -> (..., teacher_width)"""
        return functional.linear(x, self.weight)


class AnswerDistillation:
    """A stage's side of a teacher's answers: its tokens where both have the same, else its words; and its states.

    Raises:
        ValueError: its tokens are asked for and are other tokens.
    """

    def __init__(self, config: StageConfig, info: CacheInfo, student: Student) -> None:
        sha256 = tokenizer_sha256(student.language.tokenizer)
        self.same_tokens = same = info.tokenizer_sha256 == sha256 and info.top_k > 0
        if not same and config.loss_weights.get("text_kl", 0.0) > 0:
            raise ValueError(
                f"stage {config.name!r}: loss_weights.text_kl compares tokens, and {info.teacher} has "
                f"{_tokens(info.tokenizer_sha256, info.top_k)}; the student's tokenizer is {sha256[:8]}. "
                "Take it out; teacher_text learns the teacher's words instead"
            )
        self.temperature = config.temperature
        self.by_tokens = same and config.loss_weights.get("text_kl", 1.0) > 0
        self.by_text = config.loss_weights.get("teacher_text", 0.0 if same else 1.0) > 0
        self.auxiliary_modules: nn.Module | None = None
        """What learns beside the student: the projection, where the teacher's states have another width."""
        if info.hidden_size and info.hidden_size != student.config.language.dim:
            self.auxiliary_modules = Projection(student.config.language.dim, info.hidden_size)

    def describe(self) -> str:
        """Description of the answers that are distilled."""
        ways = [f"its tokens (text_kl, temperature {self.temperature:g})"] * self.by_tokens
        ways += ["its words (teacher_text)"] * self.by_text
        why = "same tokenizer" if self.same_tokens else "no tokens of the student's tokenizer"
        return f"the truth and from {' and '.join(ways)}: {why}" if ways else "the truth alone"

    def losses(
        self,
        student: Student,
        prefix: Prefix,
        texts: Sequence[Sequence[QuestionText]],
        teacher_answers: Sequence[Sequence[TeacherAnswer]],
        *,
        max_objects: int,
    ) -> Losses:
        """Those of the truth and of the teacher.

        Args:
            texts: of each scene, its questions with their true answers.
            teacher_answers: to the same questions.
            max_objects: slots for object tokens in the prefix.
        """
        read = teacher_answers if self.by_tokens or self.by_text else None
        rows = answer_rows(texts, read, lambda text: student.language.encoder.encode(text).ids)
        batch = student.collate(rows.texts, max_objects)
        output = student.read(prefix, batch)
        found = language_losses(true_answers_output(output, rows), batch)
        from_teacher = hidden_losses(output, teacher_answers, texts, self.auxiliary_modules)
        if self.by_tokens:
            from_teacher["text_kl"] = teacher_tokens(output, rows, teacher_answers, temperature=self.temperature)
        if self.by_text:
            from_teacher["teacher_text"] = teacher_text(output, rows)
        return found | drop_absent(from_teacher)


def _tokens(sha256: str | None, top_k: int) -> str:
    """The tokens that a teacher's answers have, for a message."""
    if sha256 is None:
        return "words alone"
    return f"tokenizer {sha256[:8]}" if top_k else f"tokenizer {sha256[:8]} and no logits"
