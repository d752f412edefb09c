"""Losses against a teacher: from the student's outputs, the teacher's answers and its targets to named losses.

A loss whose targets a batch lacks is None. Shape letters as in ``primitives``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from distill3d_ros.student.outputs import LanguageOutput, Perception, QuestionText
from distill3d_ros.student.rays import level_from_optical
from distill3d_ros.training.data.answers.teacher_answer import TeacherAnswer
from distill3d_ros.training.inputs.box_matching import match_sets
from distill3d_ros.training.inputs.targets import FARTHEST_TANGENT, NEAREST_CENTER, PerceptionBatch
from distill3d_ros.training.inputs.teacher_targets import STRIDE, TeacherTargets
from distill3d_ros.training.losses import teacher_primitives
from distill3d_ros.training.losses.primitives import answer_text, depth_bins
from distill3d_ros.training.losses.supervised import Losses, box_loss


@dataclass(frozen=True, slots=True)
class AnswerRows:
    """The questions of a batch as they are read: each with its true answer, and again where the teacher's differs."""

    texts: list[list[QuestionText]]
    true_counts: list[int]
    """How many rows of each scene hold the true answers; they come first."""
    teacher_rows: list[list[int | None]]
    """Row that holds the teacher's answer to each question; None where it is not read."""


def answer_rows(
    texts: Sequence[Sequence[QuestionText]],
    teacher_answers: Sequence[Sequence[TeacherAnswer]] | None,
    encode: Callable[[str], list[int]],
) -> AnswerRows:
    """Rows in which both answers are read; where both are the same tokens they share one.

    The names in the second row of a question are not supervised again.

    Args:
        teacher_answers: to each question; None reads the true answers alone.
        encode: text -> the student's tokens.
    """
    counts = [len(scene) for scene in texts]
    if teacher_answers is None:
        return AnswerRows([list(scene) for scene in texts], counts, [[None] * n for n in counts])
    rows, teacher_rows = [], []
    for scene, answers in zip(texts, teacher_answers, strict=True):
        of_scene: list[QuestionText] = list(scene)
        numbers: list[int | None] = []
        for number, (text, answer) in enumerate(zip(scene, answers, strict=True)):
            if not answer.text.strip():
                numbers.append(None)
            elif encode(answer.text) == encode(text.answer or ""):
                numbers.append(number)
            else:
                numbers.append(len(of_scene))
                of_scene.append(QuestionText(text=text.text, answer=answer.text))
        rows.append(of_scene)
        teacher_rows.append(numbers)
    return AnswerRows(rows, counts, teacher_rows)


def true_answers_output(output: LanguageOutput, rows: AnswerRows) -> LanguageOutput:
    """The output without the rows that only the teacher's answers are read in."""
    counts = torch.tensor(rows.true_counts, device=output.scene.device)
    true = output.question < counts[output.scene]
    return replace(
        output,
        logits=output.logits[true],
        targets=output.targets[true],
        scene=output.scene[true],
        question=output.question[true],
    )


def teacher_text(output: LanguageOutput, rows: AnswerRows) -> Tensor | None:
    """Cross-entropy of the teacher's words (sequence-level distillation, Kim and Rush, 2016, section 3.2)."""
    spans = _answer_spans(output)
    used = [spans[b, row] for b, scene in enumerate(rows.teacher_rows) for row in scene if row is not None]
    at, row = _concatenated(used, output.targets.device)
    return answer_text(output.logits[at], output.targets[at], row)


def teacher_tokens(
    output: LanguageOutput,
    rows: AnswerRows,
    teacher_answers: Sequence[Sequence[TeacherAnswer]],
    *,
    temperature: float,
) -> Tensor | None:
    """``teacher_primitives.top_k_kl`` over the answers whose likeliest tokens are those that the row was read with.

    (What a teacher generated may be split otherwise when it is encoded again; such an answer is left out.)
    """
    spans, targets = _answer_spans(output), output.targets.tolist()
    used, tokens, values = [], [], []
    for b, q, answer in _answers_with(teacher_answers, "top_tokens"):
        row = rows.teacher_rows[b][q]
        if row is None or answer.top_tokens is None or answer.top_logits is None:
            continue
        span = spans[b, row]
        if answer.top_tokens[:, 0].tolist() == targets[span.start : span.stop]:
            used.append(span)
            tokens.append(torch.from_numpy(answer.top_tokens.astype(np.int64)))
            values.append(torch.from_numpy(answer.top_logits.astype(np.float32)))
    if not used:
        return None
    device = output.logits.device
    at, row_number = _concatenated(used, device)
    top, log_probs = torch.cat(tokens).to(device), torch.cat(values).to(device)
    return teacher_primitives.top_k_kl(output.logits[at], top, log_probs, row_number, temperature=temperature)


def hidden_losses(
    output: LanguageOutput,
    teacher_answers: Sequence[Sequence[TeacherAnswer]],
    texts: Sequence[Sequence[QuestionText]],
    projection: nn.Module | None,
) -> dict[str, Tensor | None]:
    """The state before the answer against the teacher's.

    ``feature`` is about every question, through the projection where widths differ (alignment before the answer as in
    CODI, Shen et al., 2025); ``spatial_feature`` about those that relate two things, and only where widths agree.
    """
    found = [(b, q, answer.hidden) for b, q, answer in _answers_with(teacher_answers, "hidden")]
    if not found:
        return {}
    device = output.before_answer.device
    scene, question = (torch.tensor([f[i] for f in found], device=device) for i in range(2))
    states = output.before_answer[scene, question]  # (R, E)
    teacher = torch.from_numpy(np.stack([np.asarray(hidden, np.float32) for *_, hidden in found])).to(device)
    if projection is not None:
        return {"feature": teacher_primitives.feature_alignment(projection(states.float()), teacher)}
    related = torch.tensor([len(texts[b][q].names) > 1 for b, q, _ in found], device=device)
    return {
        "feature": teacher_primitives.feature_alignment(states, teacher),
        "spatial_feature": teacher_primitives.feature_alignment(states[related], teacher[related]),
    }


def dense_losses(perception: Perception, batch: PerceptionBatch, targets: TeacherTargets) -> dict[str, Tensor | None]:
    """Depth as a distribution: against the truth's bin, and against the teacher's distribution."""
    grid = targets.depth.shape[-2:]
    log_depth, log_error = (
        functional.interpolate(x[:, :1].float(), size=grid, mode="bilinear", align_corners=False)[:, 0]
        for x in (perception.log_depth, perception.depth_log_error)
    )
    half = STRIDE // 2
    return {
        "depth_bins": depth_bins(log_depth, log_error, batch.depth[:, half::STRIDE, half::STRIDE]),
        "depth_kl": teacher_primitives.laplace_kl(log_depth, log_error, targets.depth, targets.log_error),
    }


def box_losses(perception: Perception, batch: PerceptionBatch, targets: TeacherTargets) -> dict[str, Tensor | None]:
    """Classes, positions and relations of the teacher's boxes, each against the query that is matched to it.

    Everything is compared in the true level frame; the depth head learns nothing from it.
    """
    boxes = perception.detections
    level = level_from_optical(batch.up[:, 0])  # (B, 3, 3)
    center = (level.transpose(1, 2)[:, None] * targets.center_level[..., None, :]).sum(-1)  # (B, M, 3) optical
    labels = targets.class_probs.argmax(-1)
    pairs = match_sets(boxes.class_logits, boxes.center, labels, center, targets.size, targets.mask)
    image = torch.cat([torch.full_like(p, b) for b, (p, _) in enumerate(pairs)])
    if len(image) == 0:
        return {}
    query, box = torch.cat([p for p, _ in pairs]), torch.cat([t for _, t in pairs])
    class_kl = teacher_primitives.bernoulli_kl(boxes.class_logits[image, query], targets.class_probs[image, box]).sum(
        -1
    )
    z = center[..., 2].clamp_min(1e-6)
    as_true_boxes = replace(
        batch,
        labels=labels,
        mask=targets.mask,
        center=center,
        center_level=targets.center_level,
        size=targets.size,
        yaw=targets.yaw,
        # No teacher tells whether an object has a front: half a turn costs nothing here, but it does against the truth.
        has_front=torch.zeros_like(targets.mask),
        located=(center[..., 2] > NEAREST_CENTER) & (center[..., :2].abs().amax(-1) / z < FARTHEST_TANGENT),
    )
    positions = (level[image] * boxes.center[image, query].float()[:, None]).sum(-1)  # (K, 3)
    agreement = [
        teacher_primitives.spatial_agreement(positions[image == b], targets.center_level[image, box][image == b])
        for b in image.unique().tolist()
    ]
    pairwise = [a for a in agreement if a is not None]
    return {
        "teacher_class": class_kl.mean(),
        "teacher_box": box_loss(boxes, as_true_boxes, image, query, box, batch.intrinsics[:, 0, :2]),
        "spatial": torch.cat(pairwise).mean() if pairwise else None,
    }


def drop_absent(found: dict[str, Tensor | None]) -> Losses:
    """The losses that the batch has targets for."""
    return {name: loss for name, loss in found.items() if loss is not None}


def _answers_with(
    teacher_answers: Sequence[Sequence[TeacherAnswer]], part: str
) -> Iterator[tuple[int, int, TeacherAnswer]]:
    """Scene, question and answer wherever the teacher gave this part of its answer."""
    for b, answers in enumerate(teacher_answers):
        for q, answer in enumerate(answers):
            if getattr(answer, part) is not None:
                yield b, q, answer


def _answer_spans(output: LanguageOutput) -> dict[tuple[int, int], range]:
    """Scene and row -> where its answer's tokens stand in the output."""
    spans: dict[tuple[int, int], range] = {}
    for i, row in enumerate(zip(output.scene.tolist(), output.question.tolist(), strict=True)):
        spans[row] = range(spans[row].start if row in spans else i, i + 1)
    return spans


def _concatenated(spans: Sequence[range], device: torch.device) -> tuple[Tensor, Tensor]:
    """Indices of several answers' tokens, and the number of the answer that each belongs to."""
    at = [i for span in spans for i in span]
    row = [number for number, span in enumerate(spans) for _ in span]
    return torch.tensor(at, device=device, dtype=torch.long), torch.tensor(row, device=device, dtype=torch.long)
