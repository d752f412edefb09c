"""The scratchpad T1..TK: what learns, recurrent thoughts, and how much attention answers pay to them."""

from __future__ import annotations

import pytest
import torch
from support.student_fixtures import objects, questions, small_student

from distill3d_ros.student.config import COT_POSITIONS, HiddenCotConfig
from distill3d_ros.student.language.language import PrefixCache
from distill3d_ros.student.outputs import IGNORE, QuestionText


def test_thoughts_are_trained_only_when_learned() -> None:
    for mode, trained in (("learned", True), ("zero", False), ("random_frozen", False), ("recurrent", True)):
        student = small_student(hidden_cot=HiddenCotConfig(tokens=3, mode=mode))
        assert student.language.thoughts.tokens.requires_grad == trained
    assert isinstance(student.cache(student.prefix_from_objects(objects())), PrefixCache)


@pytest.mark.parametrize("position", COT_POSITIONS)
def test_recurrent_thoughts_without_feedback_are_thoughts(position: str) -> None:
    """Read one after the other they give what reading at once gives, for rows of any length."""
    plain = small_student(hidden_cot=HiddenCotConfig(tokens=3, position=position))
    recurrent = small_student(hidden_cot=HiddenCotConfig(tokens=3, position=position, mode="recurrent"))
    state = plain.state_dict()
    recurrent.load_state_dict(state | {"language.thoughts.feed.weight": torch.zeros(32, 32)})
    batch = plain.collate([questions()], 5)
    with torch.no_grad():
        expected = plain.read(plain.prefix_from_objects(objects()), batch)
        found = recurrent.read(recurrent.prefix_from_objects(objects()), batch)
    torch.testing.assert_close(found.logits, expected.logits, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found.before_answer, expected.before_answer, atol=1e-5, rtol=1e-4)


def test_recurrent_thoughts_learn_and_answer_alone_as_in_a_batch() -> None:
    student = small_student(hidden_cot=HiddenCotConfig(tokens=3, mode="recurrent"))
    output = student.read(student.prefix_from_objects(objects()), student.collate([questions()], 5))
    output.logits.square().mean().backward()
    feed = student.language.thoughts.feed
    assert feed is not None
    assert feed.weight.grad.abs().sum() > 0
    cache = student.cache(student.prefix_from_objects(objects()))
    texts = [q.text for q in questions()]
    together, alone = student.answer(cache, texts), [student.answer(cache, [t])[0] for t in texts]
    assert [a.text for a in together] == [a.text for a in alone]
    for a, b in zip(together, alone, strict=True):
        assert a.confidence == pytest.approx(b.confidence, rel=1e-3)


def test_attention_on_the_thoughts_is_a_share() -> None:
    student = small_student()
    prefix, batch = student.prefix_from_objects(objects()), student.collate([questions()], 5)
    share = student.language.attention_on_thoughts(prefix, batch)
    assert share.shape == (2, 2)
    assert ((share > 0) & (share < 1)).all()
    none = small_student(hidden_cot=HiddenCotConfig(tokens=0))
    asked = none.collate([questions()], 5)
    assert (none.language.attention_on_thoughts(none.prefix_from_objects(objects()), asked) == 0).all()
    # Queries that are zero attend evenly: to V visual tokens, and to the row up to the token that speaks.
    with torch.no_grad():
        for layer in student.language.model.layers:
            layer.self_attn.q_proj.weight.zero_()
    one = student.collate([questions()[:1]], 5)
    even = student.language.attention_on_thoughts(prefix, one)
    spoken = (one.targets[0, 0] != IGNORE).nonzero().flatten()
    thoughts, visual = 3, prefix.mask.shape[1]
    torch.testing.assert_close(even, torch.full((2, 2), float((thoughts / (visual + spoken + 1.0)).mean())))
    recurrent = small_student(hidden_cot=HiddenCotConfig(tokens=3, mode="recurrent"))
    with pytest.raises(ValueError, match="mode 'recurrent'"):
        recurrent.language.attention_on_thoughts(prefix, batch)
    with pytest.raises(ValueError, match="questions with answers"):
        student.language.attention_on_thoughts(prefix, student.collate([[QuestionText(text="lamp?")]], 5))
