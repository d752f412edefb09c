"""What compares a student with a teacher, and a view with another, against values computed by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support.data_samples import make_sample

from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.student.outputs import LanguageOutput, QuestionText
from distill3d_ros.training.data.answers.teacher_answer import TeacherAnswer
from distill3d_ros.training.inputs.augmentation import View, view_from_sample
from distill3d_ros.training.losses import teacher_primitives
from distill3d_ros.training.losses.from_teacher import answer_rows, hidden_losses, teacher_text, teacher_tokens
from distill3d_ros.training.losses.view_pairs import Rooms, correspondence, multi_view_loss


def test_tokens_by_hand() -> None:
    tokens, row = torch.tensor([[2, 0]]), torch.tensor([0])
    said = torch.tensor([[0.5, 0.25]]).log()  # the two other tokens share the last quarter
    student = torch.zeros(1, 4, requires_grad=True)  # 1/4 each: 1/2 for the rest
    kl = teacher_primitives.top_k_kl(student, tokens, said, row, temperature=1.0)
    assert kl.item() == pytest.approx(0.5 * math.log(0.5 / 0.25) + 0.25 * math.log(0.25 / 0.5), rel=1e-5)
    # At T = 2 the three probabilities are square roots over their sum.
    root = math.sqrt(0.5)
    expected = 4 * (root - 0.5) * math.log(math.sqrt(2)) / (root + 1)
    kl = teacher_primitives.top_k_kl(student, tokens, said, row, temperature=2.0)
    assert kl.item() == pytest.approx(expected, rel=1e-5)
    kl.backward()
    assert student.grad[0, 2] < 0 < student.grad[0, 1]


def test_tokens_of_a_student_that_agrees_cost_nothing_and_every_question_counts_the_same() -> None:
    torch.manual_seed(0)
    logits = torch.randn(4, 9) * 3
    top = logits.log_softmax(-1).topk(3)
    row = torch.tensor([0, 1, 1, 1])
    kl = teacher_primitives.top_k_kl(logits, top.indices, top.values, row, temperature=2.0)
    assert kl.item() == pytest.approx(0.0, abs=1e-5)
    other = logits.clone()
    other[0] = 0.0
    alone = teacher_primitives.top_k_kl(other[:1], top.indices[:1], top.values[:1], row[:1], temperature=2.0)
    kl = teacher_primitives.top_k_kl(other, top.indices, top.values, row, temperature=2.0)
    assert kl.item() == pytest.approx(alone.item() / 2, rel=1e-4)
    assert teacher_primitives.top_k_kl(logits[:0], top.indices[:0], top.values[:0], row[:0], temperature=1.0) is None


def test_rounded_logits_do_not_raise_what_is_hardly_there() -> None:
    logits = torch.tensor([[math.log(0.51), math.log(0.3), math.log(0.19), -18.0, -19.0, -20.0]])
    top = logits.log_softmax(-1).topk(4)
    rounded = top.values.half().float()
    assert 1 - rounded.exp().sum() > 5e-5, "the two that are left have a hundred-millionth"
    kl = teacher_primitives.top_k_kl(logits, top.indices, rounded, torch.tensor([0]), temperature=2.0)
    assert kl.item() < 1e-3


def test_laplace_by_hand_and_by_summing_up() -> None:
    log_depth, log_error = torch.full((1, 1, 2), math.log(4.0)), torch.full((1, 1, 2), math.log(0.5))
    depth = torch.tensor([[[2.0, 0.0]]])  # nothing is said of the second pixel
    said = torch.full((1, 1, 2), math.log(0.25))
    e = math.log(2)
    expected = math.log(0.5 / 0.25) + (0.25 * math.exp(-e / 0.25) + e) / 0.5 - 1
    kl = teacher_primitives.laplace_kl(log_depth, log_error, depth, said)
    assert kl.item() == pytest.approx(expected, rel=1e-5)
    x = torch.linspace(-12, 12, 240_001, dtype=torch.float64)
    p = torch.distributions.Laplace(math.log(2.0), 0.25).log_prob(x)
    q = torch.distributions.Laplace(math.log(4.0), 0.5).log_prob(x)
    assert torch.trapezoid(p.exp() * (p - q), x).item() == pytest.approx(expected, rel=1e-4)
    assert teacher_primitives.laplace_kl(log_depth, log_error, torch.zeros(1, 1, 2), said) is None


def test_a_teacher_that_is_told_the_depth_is_taken_to_be_two_per_cent_off() -> None:
    depth, told = torch.full((1, 1, 1), 3.0), torch.full((1, 1, 1), -torch.inf)
    log_error = torch.full((1, 1, 1), math.log(0.02), requires_grad=True)
    kl = teacher_primitives.laplace_kl(depth.log(), log_error, depth, told)
    assert kl.item() == pytest.approx(0.0, abs=1e-6)
    kl.backward()
    assert log_error.grad.abs().item() < 1e-6


def test_yes_and_no_by_hand() -> None:
    said = torch.tensor([0.75, 1.0, 0.0])
    kl = teacher_primitives.bernoulli_kl(torch.zeros(3), said)
    assert kl.tolist() == pytest.approx([0.75 * math.log(1.5) + 0.25 * math.log(0.5), math.log(2), math.log(2)])
    logits = torch.tensor([-3.0, 0.2, 5.0])
    assert teacher_primitives.bernoulli_kl(logits, logits.sigmoid()).tolist() == pytest.approx([0.0] * 3, abs=1e-6)


def test_relations_by_hand() -> None:
    turn = math.radians(2.5)
    center = torch.tensor(
        [[-2 * math.sin(turn), 0.0, 2 * math.cos(turn)], [2 * math.sin(turn), 0.15, 2 * math.cos(turn)]]
    )
    logits = teacher_primitives.relation_logits(center)
    # Five degrees apart, 15 cm higher, and nearer by some millimetres of the 25 cm that make it clear.
    farther = math.sqrt(4 + 0.15**2) - 2
    assert logits[0, 1].tolist() == pytest.approx([3.0, 3.0, 3 * farther / 0.25], rel=1e-3)
    assert torch.allclose(logits, -logits.transpose(0, 1), atol=1e-6)
    mirrored = center * torch.tensor([-1.0, 1.0, 1.0])
    # The teacher says .95 left, the student .05; the two other relations are as they were.
    p = 1 / (1 + math.exp(-3))
    assert teacher_primitives.spatial_agreement(center, mirrored).tolist() == pytest.approx(
        [(2 * p - 1) * 3 / 3], rel=1e-4
    )
    assert teacher_primitives.spatial_agreement(center, center).tolist() == pytest.approx([0.0], abs=1e-6)
    assert teacher_primitives.spatial_agreement(center[:1], center[:1]) is None


def test_features_by_hand() -> None:
    assert teacher_primitives.feature_alignment(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 5.0]])).item() == 2.0
    assert teacher_primitives.feature_alignment(torch.zeros(0, 4), torch.zeros(0, 4)) is None
    teacher, student = torch.randn(2, 4, requires_grad=True), torch.randn(2, 4, requires_grad=True)
    teacher_primitives.feature_alignment(student, teacher).backward()
    assert student.grad is not None
    assert teacher.grad is None


def test_two_views_by_hand() -> None:
    points, valid = torch.zeros(4, 3), torch.tensor([True, False, True, False])
    moved = points + torch.tensor([3.0, 4.0, 0.0])
    assert teacher_primitives.multi_view(points, moved, valid, torch.full((4,), 10.0)).item() == 0.25
    assert teacher_primitives.multi_view(points, points, torch.zeros(4, dtype=torch.bool), torch.ones(4)) is None


# ------------------------------------------------------------------------------------------- answers

WORDS = {"yes": [1], "no": [2], "half a metre": [3, 4, 5]}
END = 0


def output(rows: list[tuple[int, int, str]], vocabulary: int = 8) -> LanguageOutput:
    """Even guesses at the answers of these (scene, row, answer)."""
    tokens = [(scene, row, token) for scene, row, text in rows for token in (*WORDS[text], END)]
    scene, question, targets = (torch.tensor(list(x)) for x in zip(*tokens, strict=True))
    nothing = torch.zeros(1)
    return LanguageOutput(
        logits=torch.zeros(len(tokens), vocabulary, requires_grad=True),
        targets=targets,
        scene=scene,
        question=question,
        name_logits=nothing,
        pointer_logits=nothing,
        before_answer=torch.eye(4).view(1, 4, 4),
    )


def said(text: str, *, tokens: list[int] | None = None, hidden: list[float] | None = None) -> TeacherAnswer:
    """Half on each of its tokens, a quarter on the last of the vocabulary."""
    ids = [*WORDS[text], END] if tokens is None else tokens
    return TeacherAnswer(
        text=text,
        top_tokens=np.array([[i, 7] for i in ids]),
        top_logits=np.log(np.array([[0.5, 0.25]] * len(ids))),
        hidden=None if hidden is None else np.array(hidden, np.float16),
    )


def asked(*answers: str) -> list[list[QuestionText]]:
    return [[QuestionText(text=f"question {i}?", answer=a) for i, a in enumerate(answers)]]


def test_a_question_is_read_again_where_the_teacher_answers_otherwise() -> None:
    said_so = [said("yes"), said("half a metre"), replace(said("no"), text=" ")]
    rows = answer_rows(asked("yes", "no", "no"), [said_so], lambda text: WORDS[text.strip()] if text.strip() else [])
    assert rows.true_counts == [3]
    assert rows.teacher_rows == [[0, 3, None]]
    assert [t.answer for t in rows.texts[0]] == ["yes", "no", "no", "half a metre"]
    assert rows.texts[0][3].text == "question 1?"
    assert answer_rows(asked("yes"), None, WORDS.__getitem__).teacher_rows == [[None]]


def test_the_teacher_is_heard_where_its_answer_stands() -> None:
    answers = [said("yes"), said("half a metre")]
    rows = answer_rows(asked("yes", "no"), [answers], WORDS.__getitem__)
    out = output([(0, 0, "yes"), (0, 1, "no"), (0, 2, "half a metre")])
    # Eight equally likely tokens: .125 for each of the named two, .75 for the rest.
    kl = teacher_tokens(out, rows, [answers], temperature=1.0)
    expected = 0.5 * math.log(0.5 / 0.125) + 0.25 * math.log(0.25 / 0.125) + 0.25 * math.log(0.25 / 0.75)
    assert kl.item() == pytest.approx(expected, rel=1e-5)
    kl.backward()
    assert (out.logits.grad.abs().sum(-1) > 0).tolist() == [True] * 2 + [False] * 2 + [True] * 4
    assert teacher_text(out, rows).item() == pytest.approx(math.log(8), rel=1e-5)


def test_an_answer_that_was_generated_in_other_tokens_is_left_out() -> None:
    answers = [said("half a metre", tokens=[3, 4, 6, END])]
    rows = answer_rows(asked("half a metre"), [answers], WORDS.__getitem__)
    out = output([(0, 0, "half a metre")])
    assert teacher_tokens(out, rows, [answers], temperature=1.0) is None
    assert teacher_tokens(out, rows, [[TeacherAnswer(text="half a metre")]], temperature=1.0) is None


def test_hidden_states_by_hand() -> None:
    out = output([(0, 0, "yes"), (0, 1, "no")])  # states before the answers: the unit vectors
    answers = [[said("yes", hidden=[2, 0, 0, 0]), said("no", hidden=[1, 0, 0, 0])]]
    texts = [[SimpleNamespace(names=(1,)), SimpleNamespace(names=(1, 2))]]
    found = hidden_losses(out, answers, texts, None)
    assert found["feature"].item() == pytest.approx(1.0)  # 0 for the first, 2 for the second
    assert found["spatial_feature"].item() == pytest.approx(2.0)  # the second relates two things
    turned = torch.nn.Linear(4, 4, bias=False)
    with torch.no_grad():
        turned.weight.copy_(torch.eye(4)[[1, 0, 2, 3]])
    found = hidden_losses(out, answers, texts, turned)
    assert {name: loss.item() for name, loss in found.items()} == pytest.approx({"feature": 1.0})
    found["feature"].backward()
    assert turned.weight.grad is not None
    assert hidden_losses(out, [[said("yes"), said("no")]], texts, None) == {}


# ------------------------------------------------------------------------------------------- views


def wall(depth: float, *, width: int = 64, height: int = 32) -> View:
    """A flat wall in front of a camera with a focal length of 32 pixels."""
    k = Intrinsics(fx=32.0, fy=32.0, cx=31.5, cy=15.5, width=width, height=height)
    return replace(view_from_sample(make_sample()), intrinsics=k, depth=np.full((height, width), depth, np.float32))


def to_the_left(metres: float) -> np.ndarray:
    """The second camera stands to the right of the first: in its frame things are farther left."""
    pose = np.eye(4)
    pose[0, 3] = -metres
    return pose


def test_both_views_see_what_neither_hides() -> None:
    second = wall(2.0)
    second.depth[:, 40:] = 1.0  # something stands in front of the wall
    uv, shared, distance = correspondence(wall(2.0), second, to_the_left(0.5))
    assert uv.shape == (8, 16, 2)
    columns = 2 + 4 * np.arange(16)
    seen = columns - 8  # 32 * 0.5 / 2 pixels to the left
    assert shared[0].tolist() == [0 <= c < 40 for c in seen]
    assert uv[0, 5].tolist() == [14.0, 2.0]
    x = (columns[5] - 31.5) / 32 * 2 - 0.5, (2 - 15.5) / 32 * 2, 2.0
    assert distance[0, 5] == pytest.approx(math.sqrt(sum(c**2 for c in x)), rel=1e-5)


def test_a_wall_that_both_views_place_alike_costs_nothing() -> None:
    uv, shared, distance = correspondence(wall(2.0), wall(2.0), to_the_left(0.5))
    views = SimpleNamespace(
        of=torch.tensor([1]),
        uv=torch.from_numpy(uv)[None],
        shared=torch.from_numpy(shared)[None],
        distance=torch.from_numpy(distance)[None],
        second_from_first=torch.from_numpy(to_the_left(0.5).astype(np.float32))[None],
    )
    k = torch.tensor([32.0, 32.0, 31.5, 15.5])

    def seen(*depths: float) -> SimpleNamespace:
        depth = torch.tensor(depths).view(-1, 1, 1, 1).expand(-1, 1, 32, 64).clone().requires_grad_()
        return SimpleNamespace(depth=depth, image_size=(32, 64), intrinsics=k.expand(len(depths), 1, 4))

    assert multi_view_loss(seen(9.0, 2.0), seen(2.0), views).item() == pytest.approx(0.0, abs=1e-9)
    first, second = seen(9.0, 2.2), seen(2.0)
    loss = multi_view_loss(first, second, views)
    # A tenth too far from the first camera: each of its points is off by a tenth of its own distance from there.
    columns, rows = np.meshgrid(2 + 4 * np.arange(16), 2 + 4 * np.arange(8))
    point = np.stack([(columns - 31.5) / 16, (rows - 15.5) / 16, np.full_like(rows, 2.0, float)], -1)
    off = 0.01 * (point**2).sum(-1)[shared] / distance[shared] ** 2
    assert loss.item() == pytest.approx(off.mean(), rel=1e-4)
    loss.backward()
    assert first.depth.grad[0].abs().sum() == 0
    assert first.depth.grad[1].abs().sum() > 0
    assert second.depth.grad.abs().sum() > 0


def test_other_views_are_of_the_same_room() -> None:
    rooms = Rooms(["0/train-000000-00", "0/train-000000-01", "0/train-000001-00", "1/train-000000-00"])
    assert rooms.others("0/train-000000-00", np.random.default_rng(0)) == ["0/train-000000-01"]
    assert rooms.others("1/train-000000-00", np.random.default_rng(0)) == []
