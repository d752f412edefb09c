"""LLaVA-3D's prompts: conversation template, points in a question, and placeholder ids of other modalities."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

VIEWS, CLICK = "<image>", "<boxes>"
VIEWS_ID, CLICK_ID = -200, -300
"""In place of a token: all visual tokens, and one clicked point."""
END = "</s>"

TEMPLATES = {
    who: f"A chat between a curious {name} and an artificial intelligence assistant. The assistant gives helpful, "
    f"detailed, and polite answers to the {name}'s questions."
    for who, name in (("llava_v1", "human"), ("v1", "user"))
}
"""``llava_v1`` is what the published code answers with, ``v1`` what it was trained with."""

_NUMBER = r"\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*"
_BRACKET = re.compile(rf"\[({_NUMBER}(?:,{_NUMBER}){{2,}})\]")


def conversation(turns: Sequence[tuple[str, str | None]], *, template: str = "llava_v1") -> str:
    """The text of questions and answers; the last answer is None where it is asked for.

    The visual tokens stand before the first question.
    """
    if template not in TEMPLATES:
        raise ValueError(f"template must be one of {', '.join(TEMPLATES)}. Got {template!r}")
    text = TEMPLATES[template]
    for i, (question, answer) in enumerate(turns):
        views = f"{VIEWS}\n" if i == 0 else ""
        text += f" USER: {views}{question} ASSISTANT:" + ("" if answer is None else f" {answer}{END}")
    return text


def with_clicks(question: str) -> tuple[str, list[tuple[float, float, float]]]:
    """Replaces each list of coordinates in square brackets, ``[1.2, 0.4, 0.9]``, by a place for a point.

    Returns the text, and a point for each bracket: its first three numbers, to the millimetre, metres in the world. A
    box's centre stands first. The published code takes the first bracket alone and fails on two.

    Raises:
        ValueError: the question has the markers of the prompt itself.
    """
    for marker in (VIEWS, CLICK):
        if marker in question:
            raise ValueError(f"question must not contain {marker}, which stands for what is no text. Got {question!r}")
    points = [tuple(round(float(n), 3) for n in match[1].split(",")[:3]) for match in _BRACKET.finditer(question)]
    return _BRACKET.sub(CLICK, question), [(x, y, z) for x, y, z in points]


def token_ids(prompt: str, encode: Callable[[str], Sequence[int]], *, bos: int) -> list[int]:
    """The prompt's ids: one ``bos``, then text, ``VIEWS_ID`` and ``CLICK_ID``.

    Each piece of text between two places is encoded by itself; ``encode`` adds no ``bos``.
    """
    places = {VIEWS: VIEWS_ID, CLICK: CLICK_ID}
    ids = [bos]
    for piece in re.split(f"({VIEWS}|{CLICK})", prompt):
        if piece in places:
            ids.append(places[piece])
        elif piece:
            ids += encode(piece)
    return ids
