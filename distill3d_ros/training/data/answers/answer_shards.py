"""One shard of a teacher's answers: a safetensors file with the tensors of some samples, and their words as JSON.

The tensors of sample n are named ``n.<what>``. Logits, hidden states, probabilities and log depth are float16: three
digits, and half the size.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from safetensors.numpy import save

from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.ground_truth.ground_truth_qa import GroundTruthQA
from distill3d_ros.questions.ground_truth.question import Question
from distill3d_ros.questions.parsing import Mention
from distill3d_ros.training.data.answers.teacher_answer import TeacherAnswer, TeacherPerception

_LARGEST = 65504.0
"""Of a float16."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedSample:
    """A teacher's answers about one sample, with the questions that it was asked and what it perceived."""

    key: str
    questions: tuple[Question, ...]
    answers: tuple[TeacherAnswer, ...]
    perception: TeacherPerception | None


def encode_shard(samples: Sequence[CachedSample]) -> bytes:
    """The bytes of a shard's file.

    Raises:
        ValueError: a number in an answer is not finite; the message names the sample.
    """
    tensors: dict[str, np.ndarray] = {}
    for number, sample in enumerate(samples):
        tensors |= {f"{number}.{name}": array for name, array in _arrays(sample).items()}
    return save(tensors, metadata={"keys": json.dumps([s.key for s in samples])})


def decode_sample(number: int, get: Any, names: frozenset[str], labels: tuple[str, ...]) -> CachedSample:
    """Sample ``number`` of a shard; ``get`` reads a tensor by name, ``names`` are those that there are."""

    def tensor(name: str) -> np.ndarray | None:
        return get(f"{number}.{name}") if f"{number}.{name}" in names else None

    words = json.loads(get(f"{number}.json").tobytes())
    tokens, logits, hidden = tensor("tokens"), tensor("logits"), tensor("hidden")
    ends = np.cumsum([row["tokens"] for row in words["answers"]])
    answers = []
    for i, row in enumerate(words["answers"]):
        span = slice(int(ends[i]) - row["tokens"], int(ends[i]))
        answers.append(
            TeacherAnswer(
                text=row["text"],
                top_tokens=None if tokens is None else tokens[span].astype(np.int64),
                top_logits=None if logits is None else logits[span].astype(np.float32),
                hidden=None if hidden is None else hidden[i].astype(np.float32),
            )
        )
    return CachedSample(
        key=words["key"],
        questions=tuple(map(_question, words["questions"])),
        answers=tuple(answers),
        perception=_perception(tensor, labels),
    )


def _arrays(sample: CachedSample) -> dict[str, np.ndarray]:
    answers = sample.answers
    words = {
        "key": sample.key,
        "questions": [_question_json(q) for q in sample.questions],
        "answers": [{"text": a.text, "tokens": 0 if a.top_tokens is None else len(a.top_tokens)} for a in answers],
    }
    blob = json.dumps(words, separators=(",", ":"), default=_plain).encode()
    arrays: dict[str, np.ndarray | None] = {"json": np.frombuffer(blob, np.uint8)}
    tokens = _concatenated("top_tokens", answers)
    if tokens is not None:
        arrays["tokens"] = tokens.astype(np.uint16 if tokens.max(initial=0) < 2**16 else np.int32)
    arrays["logits"] = _half(_concatenated("top_logits", answers), "logits", sample.key)
    hidden = [a.hidden for a in answers if a.hidden is not None]
    if hidden and len(hidden) == len(answers):
        arrays["hidden"] = _half(np.stack(hidden), "hidden", sample.key)
    perception = sample.perception
    if perception is not None:
        center, size, yaw = perception.center_level, perception.size, perception.yaw
        if center is not None and size is not None and yaw is not None:
            arrays["boxes"] = np.ascontiguousarray(np.concatenate([center, size, yaw[:, None]], 1), np.float32)
        if perception.rectangles is not None:
            arrays["rectangles"] = np.ascontiguousarray(perception.rectangles, np.float32)
        arrays["class_probs"] = _half(perception.class_probs, "class_probs", sample.key)
        if perception.depth is not None:
            with np.errstate(divide="ignore"):
                log_depth = np.log(perception.depth).astype(np.float16)  # -inf where unknown
            arrays["relative_log_depth" if perception.depth_is_relative else "log_depth"] = log_depth
        arrays["log_error"] = _half(perception.log_error, "log_error", sample.key)
    return {name: np.ascontiguousarray(array) for name, array in arrays.items() if array is not None}


def _concatenated(field: str, answers: Sequence[TeacherAnswer]) -> np.ndarray | None:
    """(sum of L, K) of all answers; None where an answer has none."""
    parts = [getattr(a, field) for a in answers]
    return None if not parts or any(p is None for p in parts) else np.concatenate(parts)


def _half(array: Any, name: str, key: str) -> np.ndarray | None:
    if array is None:
        return None
    array = np.asarray(array, np.float32)
    if np.isnan(array).any():
        raise ValueError(f"the teacher's {name} about sample {key} are not numbers; is its precision too low?")
    return array.clip(-_LARGEST, _LARGEST).astype(np.float16)


def _perception(tensor: Any, labels: tuple[str, ...]) -> TeacherPerception | None:
    probs = tensor("class_probs")
    if probs is None:
        return None
    boxes, rectangles, log_error = tensor("boxes"), tensor("rectangles"), tensor("log_error")
    log_depth, relative = tensor("log_depth"), tensor("relative_log_depth")
    log_depth = relative if log_depth is None else log_depth
    return TeacherPerception(
        depth=None if log_depth is None else np.exp(log_depth.astype(np.float32)),
        depth_is_relative=relative is not None,
        log_error=None if log_error is None else log_error.astype(np.float32),
        center_level=None if boxes is None else boxes[:, :3],
        size=None if boxes is None else boxes[:, 3:6],
        yaw=None if boxes is None else boxes[:, 6],
        rectangles=rectangles,
        class_probs=probs.astype(np.float32),
        labels=labels,
    )


def _question_json(q: Question) -> dict[str, Any]:
    fact, answer = q.fact, q.fact.answer
    return {
        "text": q.text,
        "kind": q.kind,
        "family": q.family,
        "form": q.form,
        "mentions": [[m.start, m.end, m.label, m.object_id] for m in q.mentions],
        "held_out_wording": q.held_out_wording,
        "labels": fact.labels,
        "object_ids": fact.object_ids,
        "answer": {"text": answer.text, "value": answer.value, "object_ids": answer.object_ids}
        | ({"reason": answer.reason} if answer.reason else {}),
        "group": fact.group,
        "accepted": fact.accepted,
    }


def _question(data: Mapping[str, Any]) -> Question:
    answer = data["answer"]
    fact = GroundTruthQA(
        kind=data["kind"],
        labels=tuple(data["labels"]),
        object_ids=tuple(data["object_ids"]),
        answer=Answer(
            text=answer["text"],
            value=answer["value"],
            object_ids=tuple(answer["object_ids"]),
            reason=answer.get("reason", ""),
        ),
        group=data["group"],
        accepted=tuple(data["accepted"]),
    )
    mentions = tuple(Mention(*m) for m in data["mentions"])
    return Question(data["text"], data["kind"], data["family"], data["form"], mentions, fact, data["held_out_wording"])


def _plain(value: Any) -> Any:
    """A number of numpy's as JSON knows it."""
    return value.item()
