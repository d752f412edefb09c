"""Questions to a teacher about one sample: about the truth, or about what the teacher itself is sure to see."""

from __future__ import annotations

import math

import numpy as np

from distill3d_ros.questions.ground_truth.question import Question, is_correct
from distill3d_ros.training.data.answers.teacher_answer import TeacherAnswer, TeacherPerception
from distill3d_ros.training.data.answers.teacher_cache import CacheInfo
from distill3d_ros.training.data.sample import Sample
from distill3d_ros.training.evaluation.grading import parse_answer
from distill3d_ros.training.inputs.question_sampling import Balance
from distill3d_ros.training.inputs.teacher_annotation import Sureness, annotated_by_teacher, sure_objects
from distill3d_ros.training.teachers.accuracy import questions_about
from distill3d_ros.training.teachers.teacher import Teacher


def asked_and_answered(
    teacher: Teacher,
    sample: Sample,
    perception: TeacherPerception | None,
    key: str,
    balance: Balance,
    info: CacheInfo,
) -> tuple[tuple[Question, ...], tuple[TeacherAnswer, ...]]:
    """The questions about a sample, with the teacher's answers.

    Where nobody looked for objects, questions are about the boxes that the teacher is sure of, and only answers are
    kept that agree with what geometry says of these boxes and are as confident as ``info.min_confidence``. So both
    answers that a student learns from are the same.
    """
    if not teacher.answers_questions:
        return (), ()
    unlabelled = sample.scene.annotation.boxes == "none"
    scene = sample.scene
    if unlabelled:
        sureness = Sureness(min_score=info.min_score or Sureness().min_score)
        scene = sure_objects(annotated_by_teacher(sample, perception, sureness=sureness, covers=info.covers).scene)
    asked = questions_about(scene, key, balance, number=info.questions, seed=info.seed)
    answers = teacher.answer(sample, [q.text for q in asked]) if asked else []
    pairs = list(zip(asked, answers, strict=True))
    if unlabelled:
        pairs = [(q, a) for q, a in pairs if is_sure(q, a, info.min_confidence)]
    return tuple(q for q, _ in pairs), tuple(a for _, a in pairs)


def is_sure(question: Question, answer: TeacherAnswer, min_confidence: float) -> bool:
    """Whether an answer agrees with the geometry of the teacher's boxes, and the teacher is confident of it."""
    return confidence(answer) >= min_confidence and is_correct(question, parse_answer(answer.text))


def confidence(answer: TeacherAnswer) -> float:
    """Probability of the answer's tokens; 1 of an answer without token scores."""
    if answer.top_logits is None:
        return 1.0
    return math.exp(min(0.0, float(np.asarray(answer.top_logits, np.float64)[:, 0].sum())))
