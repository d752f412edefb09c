"""One answer from both orders of a question's two things, whichever is asked."""

from __future__ import annotations

import numpy as np
import pytest

from distill3d_ros.engine.both_orders import OPPOSITE, both_orders, combine
from distill3d_ros.engine.engine import Engine
from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.questions.parsing import parse
from distill3d_ros.questions.templates import templates
from distill3d_ros.scene.frame import Frame, Intrinsics
from distill3d_ros.student.outputs import GeneratedAnswer


def reply(text: str, confidence: float) -> GeneratedAnswer:
    return GeneratedAnswer(text=text, confidence=confidence)


def test_the_questions_that_are_asked_in_both_orders():
    assert both_orders(parse("is the sofa to the left of the bed?")) == (
        "is the sofa left of the bed?",
        "is the bed left of the sofa?",
    )
    assert both_orders(parse("which is taller, the sofa or the bed?"))[1] == "which is taller, the bed or the sofa?"
    for text in ("is the cup on the table?", "is the box under the bed?", "how far is the bed?", "is there a bed?"):
        assert both_orders(parse(text)) is None


@pytest.mark.parametrize(
    ("question", "first", "second", "text", "confidence"),
    [
        ("is the sofa near the bed?", ("yes", 0.9), ("yes", 0.7), "yes", 0.8),
        ("is the sofa near the bed?", ("yes", 0.6), ("no", 0.9), "no", 0.65),
        ("is the sofa left of the bed?", ("yes", 0.8), ("no", 0.9), "yes", 0.85),
        ("is the sofa left of the bed?", ("yes", 0.6), ("yes", 0.9), "no", 0.65),
        ("which is taller, the sofa or the bed?", ("the sofa", 0.9), ("the sofa", 0.7), "the sofa", 0.8),
        ("which is taller, the sofa or the bed?", ("the sofa", 0.6), ("the bed", 0.9), "the bed", 0.65),
        ("how far is the sofa from the bed?", ("1.0 metres", 0.8), ("1.0 metres", 0.6), "1.0 metres", 0.7),
        ("how far is the sofa from the bed?", ("1.0 metres", 0.8), ("4.0 metres", 0.8), "2.0 metres", 0.2),
        ("is the sofa near the bed?", ("i do not see a bed", 0.4), ("yes", 0.9), "yes", 0.9),
    ],
)
def test_one_reply_from_two(question, first, second, text, confidence):
    both = combine(parse(question), reply(*first), reply(*second))
    assert (both.text, both.confidence) == (text, pytest.approx(confidence))


def test_whoever_asks_the_other_order_hears_no_contradiction(engine: Engine):
    """A student of random weights has no opinion of its own to be consistent with."""
    camera = Intrinsics.from_fov(width=320, height=240, horizontal_fov=1.1)
    image = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    scene = engine.perceive(Frame(image=image, intrinsics=camera), min_score=0.0)
    kinds = [name for name, kind in KINDS.items() if kind.slots == 2 and (kind.symmetric or name in OPPOSITE)]
    names = [o.label for o in scene.objects]
    first, second = dict.fromkeys(names) if len(set(names)) == 2 else list(dict.fromkeys(names))[:2]
    for kind in kinds:
        template = templates(kind, False)[3]
        texts = [template.format(f"the {a}", f"the {b}") for a, b in ((first, second), (second, first))]
        one, other = engine.ask_many(scene, texts)
        if isinstance(one.value, bool):
            assert (one.value == other.value) != (kind in OPPOSITE), texts
        else:
            assert one.value == other.value, texts
        assert one.confidence == pytest.approx(other.confidence, abs=1e-3)
