"""What the student's outputs are compared with when a teacher has spoken: from outputs to named losses.

A loss that has nothing to be about in a batch is absent from the result. Shape letters as in ``losses``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from distill3d_ros.questions.question import Question
from distill3d_ros.student.outputs import LanguageOutput, Perception, QuestionText
from distill3d_ros.student.rays import level_from_optical
from distill3d_ros.training.data.answers.teacher_answer import TeacherAnswer
from distill3d_ros.training.inputs.box_matching import match_sets
from distill3d_ros.training.inputs.targets import FARTHEST_TANGENT, NEAREST_CENTER, PerceptionBatch
from distill3d_ros.training.inputs.teacher_targets import STRIDE, Taught, answers_with
from distill3d_ros.training.losses import teacher_primitives as distillation
from distill3d_ros.training.losses.primitives import answer_text, depth_bins
from distill3d_ros.training.losses.supervised import Losses, box_loss


@dataclass(frozen=True, slots=True)
class AnswerRows:
    """The questions of a batch as they are read: each with its true answer, and again where the teacher's differs."""

    texts: list[list[QuestionText]]
    asked: list[int]
    """How many rows of each scene hold the true answers; they come first."""
    taught: list[list[int | None]]
    """Row that holds the teacher's answer to each question; None where it is not read."""


def with_answers_of(
    texts: Sequence[Sequence[QuestionText]],
    answers: Sequence[Sequence[TeacherAnswer]] | None,
    encode: Callable[[str], list[int]],
) -> AnswerRows:
    """Rows in which both answers are read; where both are the same tokens they share one. None reads the true ones.

    The names in the second row of a question are not supervised again.
    """
    asked = [len(scene) for scene in texts]
    if answers is None:
        return AnswerRows(texts=[list(scene) for scene in texts], asked=asked, taught=[[None] * n for n in asked])
    rows, taught = [], []
    for scene, said in zip(texts, answers, strict=True):
        own: list[QuestionText] = list(scene)
        places: list[int | None] = []
        for number, (text, answer) in enumerate(zip(scene, said, strict=True)):
            if not answer.text.strip():
                places.append(None)
            elif encode(answer.text) == encode(text.answer or ""):
                places.append(number)
            else:
                places.append(len(own))
                own.append(QuestionText(text=text.text, answer=answer.text))
        rows.append(own)
        taught.append(places)
    return AnswerRows(texts=rows, asked=asked, taught=taught)


def true_part(output: LanguageOutput, rows: AnswerRows) -> LanguageOutput:
    """The output without the answers that only the teacher gave."""
    asked = torch.tensor(rows.asked, device=output.scene.device)
    true = output.question < asked[output.scene]
    return replace(
        output,
        logits=output.logits[true],
        targets=output.targets[true],
        scene=output.scene[true],
        question=output.question[true],
    )


def teacher_text(output: LanguageOutput, rows: AnswerRows) -> Tensor | None:
    """Cross-entropy of the teacher's words (sequence-level distillation, Kim and Rush, 2016, section 3.2)."""
    places = _answer_places(output)
    taught = [places[b, row] for b, scene in enumerate(rows.taught) for row in scene if row is not None]
    at, row = _together(taught, output.targets.device)
    return answer_text(output.logits[at], output.targets[at], row)


def teacher_tokens(
    output: LanguageOutput, rows: AnswerRows, answers: Sequence[Sequence[TeacherAnswer]], *, temperature: float
) -> Tensor | None:
    """``distillation.top_k_kl`` over the answers whose likeliest tokens are the tokens that the row was read with.

    (What a teacher generated may be split otherwise when it is encoded again; such an answer is left out.)
    """
    places, targets = _answer_places(output), output.targets.tolist()
    ranges, tokens, values = [], [], []
    for b, q, answer in answers_with(answers, "top_tokens"):
        row = rows.taught[b][q]
        if row is None or answer.top_tokens is None or answer.top_logits is None:
            continue
        place = places[b, row]
        if answer.top_tokens[:, 0].tolist() == targets[place.start : place.stop]:
            ranges.append(place)
            tokens.append(torch.from_numpy(answer.top_tokens.astype(np.int64)))
            values.append(torch.from_numpy(answer.top_logits.astype(np.float32)))
    if not ranges:
        return None
    device = output.logits.device
    at, row_number = _together(ranges, device)
    top, log_probs = torch.cat(tokens).to(device), torch.cat(values).to(device)
    return distillation.top_k_kl(output.logits[at], top, log_probs, row_number, temperature=temperature)


def hidden_losses(
    output: LanguageOutput,
    answers: Sequence[Sequence[TeacherAnswer]],
    questions: Sequence[Sequence[Question]],
    projection: nn.Module | None,
) -> dict[str, Tensor | None]:
    """The state before the answer against the teacher's.

    ``feature`` is about every question, through the projection where widths differ (alignment before the answer as in
    CODI, Shen et al., 2025); ``spatial_feature`` about those that relate two things, and only where widths agree.
    """
    found = [(b, q, answer.hidden) for b, q, answer in answers_with(answers, "hidden")]
    if not found:
        return {}
    device = output.before_answer.device
    scene, question = (torch.tensor([f[i] for f in found], device=device) for i in range(2))
    states = output.before_answer[scene, question]  # (R, E)
    teacher = torch.from_numpy(np.stack([np.asarray(hidden, np.float32) for *_, hidden in found])).to(device)
    if projection is not None:
        return {"feature": distillation.feature_alignment(projection(states.float()), teacher)}
    related = torch.tensor([len(questions[b][q].mentions) > 1 for b, q, _ in found], device=device)
    return {
        "feature": distillation.feature_alignment(states, teacher),
        "spatial_feature": distillation.feature_alignment(states[related], teacher[related]),
    }


def dense_losses(perception: Perception, seen: PerceptionBatch, taught: Taught) -> dict[str, Tensor | None]:
    """Depth as a distribution: against the truth's bin, and against the teacher's distribution."""
    grid = taught.depth.shape[-2:]
    log_depth, log_error = (
        functional.interpolate(x[:, :1].float(), size=grid, mode="bilinear", align_corners=False)[:, 0]
        for x in (perception.log_depth, perception.depth_log_error)
    )
    half = STRIDE // 2
    return {
        "depth_bins": depth_bins(log_depth, log_error, seen.depth[:, half::STRIDE, half::STRIDE]),
        "depth_kl": distillation.laplace_kl(log_depth, log_error, taught.depth, taught.log_error),
    }


def box_losses(perception: Perception, seen: PerceptionBatch, taught: Taught) -> dict[str, Tensor | None]:
    """Classes, places and relations of the teacher's boxes, each against the query that is matched to it.

    Everything is compared in the true level frame; the depth head learns nothing from it.
    """
    boxes = perception.detections
    level = level_from_optical(seen.up[:, 0])  # (B, 3, 3)
    center = (level.transpose(1, 2)[:, None] * taught.center_level[..., None, :]).sum(-1)  # (B, M, 3) optical
    labels = taught.class_probs.argmax(-1)
    pairs = match_sets(boxes.class_logits, boxes.center, labels, center, taught.size, taught.mask)
    image = torch.cat([torch.full_like(p, b) for b, (p, _) in enumerate(pairs)])
    if len(image) == 0:
        return {}
    query, box = torch.cat([p for p, _ in pairs]), torch.cat([t for _, t in pairs])
    class_kl = distillation.bernoulli_kl(boxes.class_logits[image, query], taught.class_probs[image, box]).sum(-1)
    z = center[..., 2].clamp_min(1e-6)
    as_truth = replace(
        seen,
        labels=labels,
        mask=taught.mask,
        center=center,
        center_level=taught.center_level,
        size=taught.size,
        yaw=taught.yaw,
        # Whether a thing has a front is not said; half a turn is forgiven, and the truth's own loss is not so mild.
        has_front=torch.zeros_like(taught.mask),
        located=(center[..., 2] > NEAREST_CENTER) & (center[..., :2].abs().amax(-1) / z < FARTHEST_TANGENT),
    )
    placed = (level[image] * boxes.center[image, query].float()[:, None]).sum(-1)  # (K, 3)
    agreement = [
        distillation.spatial_agreement(placed[image == b], taught.center_level[image, box][image == b])
        for b in image.unique().tolist()
    ]
    pairwise = [a for a in agreement if a is not None]
    return {
        "teacher_class": class_kl.mean(),
        "teacher_box": box_loss(boxes, as_truth, image, query, box, seen.intrinsics[:, 0, :2]),
        "spatial": torch.cat(pairwise).mean() if pairwise else None,
    }


def drop_absent(found: dict[str, Tensor | None]) -> Losses:
    """Those that are about something."""
    return {name: loss for name, loss in found.items() if loss is not None}


def _answer_places(output: LanguageOutput) -> dict[tuple[int, int], range]:
    """Scene and row -> where its answer's tokens stand in the output."""
    places: dict[tuple[int, int], range] = {}
    for i, row in enumerate(zip(output.scene.tolist(), output.question.tolist(), strict=True)):
        places[row] = range(places[row].start if row in places else i, i + 1)
    return places


def _together(places: Sequence[range], device: torch.device) -> tuple[Tensor, Tensor]:
    """Indices of several answers' tokens, and the number of the answer that each belongs to."""
    at = [i for place in places for i in place]
    row = [number for number, place in enumerate(places) for _ in place]
    return torch.tensor(at, device=device, dtype=torch.long), torch.tensor(row, device=device, dtype=torch.long)
