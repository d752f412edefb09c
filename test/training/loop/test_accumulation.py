"""What saves memory changes nothing that is learned: batches in parts, blocks whose values are computed again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from support.student_fixtures import objects, questions, small_student, views
from support.training.adding_trainer import AddingStage, Net, make_trainer
from torch import Tensor

from distill3d_ros.student.encoder.vggt import Block
from distill3d_ros.student.student import Student
from distill3d_ros.training.config import StageConfig
from distill3d_ros.training.loop.accumulation import split_batch
from distill3d_ros.training.loop.curves import read_metrics
from distill3d_ros.training.loop.gradient_checkpointing import recompute_blocks
from distill3d_ros.training.losses.supervised import language_losses
from distill3d_ros.training.losses.view_pairs import SecondViews


@pytest.mark.parametrize("weighting", ["static", "uncertainty"])
def test_parts_of_a_batch_teach_what_the_batch_teaches(tmp_path: Path, weighting: str) -> None:
    # Under learned weights a loss counts its log term where it is there, so every part must have it.
    changes = {"batch_size": 12, "steps": 8, "weighting": weighting, "ema": 0.5, "weight_decay": 0.1}
    runs = {}
    for accumulate in (1, 2, 6):
        trainer = make_trainer(tmp_path / str(accumulate), accumulate=accumulate, **changes)
        if weighting == "uncertainty":
            trainer.stage = OneLoss()
        assert trainer.run()
        runs[accumulate] = trainer
    whole = read_metrics(tmp_path / "1" / "metrics.jsonl")
    for accumulate in (2, 6):
        for name, value in runs[1].student.state_dict().items():
            torch.testing.assert_close(runs[accumulate].student.state_dict()[name], value, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(runs[accumulate].weighting.s["text"], runs[1].weighting.s["text"])
        rows = read_metrics(tmp_path / str(accumulate) / "metrics.jsonl")
        for row, reference in zip(rows, whole, strict=True):
            for name in {"total", "text", "names", "grad_norm"} & set(reference):
                assert row[name] == pytest.approx(reference[name], rel=1e-4, abs=1e-5)


class OneLoss(AddingStage):
    def losses(self, student: Net, batch: Tensor) -> dict[str, Tensor]:
        return {"text": super().losses(student, batch)["text"]}


def test_a_part_without_any_loss_is_left_out_and_a_step_without_any_is_an_error(tmp_path: Path) -> None:
    class Sparse(AddingStage):
        calls = 0

        def losses(self, student: Net, batch: Tensor) -> dict[str, Tensor]:
            self.calls += 1
            return super().losses(student, batch) if self.calls % 2 == self.wanted else {}

    stage = Sparse()
    trainer = make_trainer(tmp_path / "half", accumulate=2, steps=2)
    trainer.stage, stage.wanted = stage, 0
    assert trainer.run()
    trainer = make_trainer(tmp_path / "nothing", accumulate=2, steps=2)
    trainer.stage, stage.wanted = stage, 2
    with pytest.raises(ValueError, match="no loss to minimise"):
        trainer.run()


def test_a_batch_that_cannot_be_dealt_out_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"number of processes, 1 times accumulate, 3\. Got 4"):
        make_trainer(tmp_path, accumulate=3)
    with pytest.raises(ValueError, match=r"accumulate must be at least 1\. Got 0"):
        StageConfig(name="a", kind="reasoning", accumulate=0)


@dataclass(kw_only=True, slots=True)
class Nested:
    inner: dict[str, Tensor]
    names: list[str]
    grid: tuple[int, ...]
    told: bool


def test_everything_that_belongs_to_a_sample_goes_with_it() -> None:
    batch = Nested(
        inner={"image": torch.arange(8).reshape(4, 2), "scale": torch.tensor(2.0), "edges": torch.arange(3)},
        names=list("abcd"),
        grid=(1, 2, 3, 4),
        told=True,
    )
    first, second = split_batch(batch, 4, 2)
    assert (first.names, second.names) == (["a", "b"], ["c", "d"])
    assert torch.equal(second.inner["image"], torch.tensor([[4, 5], [6, 7]]))
    assert (len(second.inner["edges"]), second.inner["scale"].item(), second.grid, second.told) == (
        3,
        2.0,
        (1, 2, 3, 4),
        True,
    )
    assert split_batch(batch, 4, 1)[0] is batch
    with pytest.raises(ValueError, match="4 samples cannot be split into 3"):
        split_batch(batch, 4, 3)


def test_second_views_go_with_their_samples() -> None:
    n, h, w = 3, 2, 2
    views_of = SecondViews(
        of=torch.tensor([0, 2, 3]), images=torch.rand(n, 1, 3, 8, 8), intrinsics=torch.rand(n, 1, 4),
        up=torch.rand(n, 1, 3), second_from_first=torch.rand(n, 4, 4), uv=torch.rand(n, h, w, 2),
        shared=torch.ones(n, h, w, dtype=torch.bool), distance=torch.rand(n, h, w),
    )  # fmt: skip
    first, second = split_batch({"second": views_of}, 4, 2)
    assert first["second"].of.tolist() == [0]
    assert second["second"].of.tolist() == [0, 1]
    assert torch.equal(second["second"].images, views_of.images[1:])
    assert split_batch({"second": views_of}, 4, 4)[1]["second"] is None


def gradients(student: Student, *, count_bytes: list[int]) -> dict[str, Tensor]:
    """Of a little of everything that the student computes; ``count_bytes`` collects what is kept for the gradients."""

    def keep(x: Tensor) -> Tensor:
        count_bytes.append(x.numel() * x.element_size())
        return x

    images, intrinsics = views(2)
    texts = [questions(), questions()]
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        perception = student.perceive(images, intrinsics)
        found = perception.log_depth.square().mean() + perception.detections.class_logits.square().mean()
        boxes = objects(2)
        asked = student.collate(texts, boxes.score.shape[1])
        answers = language_losses(student.read(student.prefix_from_objects(boxes), asked), asked)
        seen = student.collate([questions()[:1]] * 2, student.objects(perception).score.shape[1])
        found = found + student.read(student.prefix(perception), seen).logits.square().mean() * 1e-3
        total = found + torch.stack(list(answers.values())).sum()
    student.zero_grad()
    total.backward()
    return {name: p.grad.clone() for name, p in student.named_parameters() if p.grad is not None}


def test_recomputed_blocks_have_the_same_gradients() -> None:
    kept: dict[str, list[int]] = {"plain": [], "recomputed": []}
    student = small_student().train()
    plain = gradients(student, count_bytes=kept["plain"])
    assert recompute_blocks(student) == 4  # a frame and a global block, two decoder layers
    recomputed = gradients(student, count_bytes=kept["recomputed"])
    assert plain.keys() == recomputed.keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(recomputed[name], gradient, rtol=1e-5, atol=1e-7, msg=lambda m, n=name: f"{n}: {m}")
    assert sum(kept["recomputed"]) < sum(kept["plain"])


def test_recomputed_blocks_keep_next_to_nothing() -> None:
    blocks = torch.nn.Sequential(*(Block(32, 2) for _ in range(3))).train()
    x = torch.rand(2, 40, 32, requires_grad=True)

    def kept() -> int:
        sizes: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
            blocks(x).sum()
        return sum(sizes)

    plain = kept()
    recompute_blocks(blocks)
    assert plain > 50 * x.numel()
    assert kept() <= 3 * x.numel()


def test_recomputing_leaves_answers_and_weights_alone() -> None:
    plain, recomputed = small_student(), small_student()
    recompute_blocks(recomputed)
    assert plain.state_dict().keys() == recomputed.state_dict().keys()
    boxes = objects()
    texts = [q.text for q in questions()]
    said: list[Any] = [s.answer(s.cache(s.prefix_from_objects(boxes)), texts) for s in (plain, recomputed.eval())]
    assert said[0] == said[1]
    with pytest.raises(ValueError, match="no transformer block"):
        recompute_blocks(torch.nn.Linear(2, 2))
