"""A student's answer in the form that a published set scores."""

from __future__ import annotations

from distill3d_ros.questions.answer import Answer
from distill3d_ros.scene.labels import find_label
from distill3d_ros.training.evaluation.benchmarks.question import CHOICE, RELATIVE_ACCURACY, BenchmarkQuestion
from distill3d_ros.training.evaluation.benchmarks.vsi_bench import UNITS_A_METRE


def prediction(question: BenchmarkQuestion, answer: Answer) -> str:
    """The text that is scored; empty where the student gave no answer of this form.

    "I do not understand", "I do not see a lamp" and "I cannot tell metres" are no answers. A free answer is yes, no,
    the bare name of a thing, digits, or "1.4 metres". Of several options it is the letter of the one that the answer
    names; names of the same category stand for each other where that leaves one option. A number must answer what was
    asked: a count for things, metres for lengths (in the unit asked for). Nothing answers a question for square metres.
    """
    if not answer.understood or answer.value is None:
        return ""
    if question.metric == CHOICE:
        return _letter(question, _text(answer))
    if question.metric == RELATIVE_ACCURACY:
        return _number(question.type, answer)
    return _text(answer)


def _text(answer: Answer) -> str:
    value = answer.value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return answer.text.rstrip(".") if isinstance(value, float) else str(value)


def _letter(question: BenchmarkQuestion, said: str) -> str:
    same = [letter for letter, text in question.options.items() if text.lower() == said]
    category = find_label(said)
    if not same and category is not None:
        same = [letter for letter, text in question.options.items() if find_label(text) == category]
    return same[0] if len(same) == 1 else ""


def _number(kind: str, answer: Answer) -> str:
    value = answer.value
    if isinstance(value, float) and kind in UNITS_A_METRE:
        return f"{value * UNITS_A_METRE[kind]:.6g}"
    if isinstance(value, int) and not isinstance(value, bool) and kind == "object_counting":
        return str(value)
    return ""
