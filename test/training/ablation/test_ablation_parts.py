"""The parts of an ablation: statistics by hand, thoughts that are changed, cached perceptions, verdicts in words."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from support.student_fixtures import questions, small_student, views
from support.training.invented_teacher import KEYS, invented, two_rooms, written
from support.training.tiny_training import tiny_config

from distill3d_ros.student.checkpoint import save_student
from distill3d_ros.student.config import HiddenCotConfig
from distill3d_ros.student.student import Student
from distill3d_ros.training.ablation.ablation_report import claim_lines, hidden_cot_lines, perception_lines
from distill3d_ros.training.ablation.runs import Run
from distill3d_ros.training.ablation.statistics import Estimate, bootstrap_interval, estimate, t_interval
from distill3d_ros.training.ablation.summary import answers_of, difference, training_figures
from distill3d_ros.training.ablation.thoughts import attention, conditions, thoughts_as
from distill3d_ros.training.augment_config import AugmentConfig
from distill3d_ros.training.config import StageConfig
from distill3d_ros.training.data.mixture import open_split
from distill3d_ros.training.inputs import cache_perception as cache_perception_module
from distill3d_ros.training.inputs import perception_cache
from distill3d_ros.training.inputs.augmentation import resize_uncropped, view_from_sample
from distill3d_ros.training.inputs.cache_perception import CacheConfig, cache_perception
from distill3d_ros.training.inputs.perception_cache import PerceptionCache
from distill3d_ros.training.inputs.targets import perception_batch
from distill3d_ros.training.stages.cached import CachedStage
from distill3d_ros.training.stages.make_stage import make_stage
from distill3d_ros.training.start.initial_student import new_student

# ------------------------------------------------------------------------------------------------------ statistics


def test_t_interval_by_hand() -> None:
    # Mean 2, standard deviation 1, t(0.975; 2) = 4.302653 (any table): 2 -+ 4.302653 / sqrt(3).
    assert t_interval([1.0, 2.0, 3.0]) == pytest.approx((2 - 2.484138, 2 + 2.484138), abs=1e-5)
    assert t_interval([0.5, 0.5]) == (0.5, 0.5)
    assert t_interval([0.5]) is None


def test_bootstrap_draws_whole_frames() -> None:
    # Two frames, all right in one and all wrong in the other: a draw has mean 0, 1/2 or 1, the first and last with
    # probability 1/4. Drawn one by one, 200 questions would give 1/2 -+ 1.96 / 2 / sqrt(200) = 1/2 -+ 0.069.
    right, frames = np.repeat([1.0, 0.0], 100), np.repeat([7, 9], 100)
    assert bootstrap_interval(right, frames) == (0.0, 1.0)
    low, high = bootstrap_interval(right, np.arange(200))
    assert low == pytest.approx(0.5 - 0.069, abs=0.01)
    assert high == pytest.approx(0.5 + 0.069, abs=0.01)


def test_a_difference_counts_when_both_intervals_exclude_zero() -> None:
    def verdict(seeds: tuple[float, float] | None, questions: tuple[float, float]) -> str:
        return Estimate(mean=0.1, by_seed=(0.1,), over_seeds=seeds, over_questions=questions).verdict

    assert verdict((0.01, 0.2), (0.05, 0.2)) == "better"
    assert verdict((-0.3, -0.01), (-0.2, -0.1)) == "worse"
    assert verdict((-0.01, 0.2), (0.05, 0.2)) == "not told apart"
    assert verdict((0.01, 0.2), (-0.01, 0.2)) == "not told apart"
    assert verdict(None, (0.05, 0.2)) == "one seed"


def test_questions_and_groups_must_belong_together() -> None:
    with pytest.raises(ValueError, match="values must be"):
        estimate(np.ones((2, 3)), np.arange(4))


def measured(*rights: str) -> dict[int, dict[str, Any]]:
    """Seeds that answered the same questions, two a frame."""
    n = len(rights[0])
    return {
        seed: {
            "splits": {
                "val": {
                    "families": ["size", "contact"] * (n // 2),
                    "frames": [i // 2 for i in range(n)],
                    "right": {"as_trained": right},
                }
            }
        }
        for seed, right in enumerate(rights)
    }


def test_differences_are_paired_by_seed_and_question() -> None:
    # The seeds differ by 1/2, but in each the first is right in exactly one question of four more than the second.
    a, b = answers_of(measured("1111", "1010")), answers_of(measured("1110", "0010"))
    found = difference(a, b)
    assert found is not None
    assert found.by_seed == (0.25, 0.25)
    assert found.over_seeds == (0.25, 0.25)
    contact = difference(a, b, a.families == "contact")
    assert contact is not None
    assert contact.by_seed == (0.5, 0.0)
    alone = answers_of({5: measured("1111")[0]})
    assert difference(a, alone) is None


def test_other_questions_are_not_compared() -> None:
    with pytest.raises(ValueError, match="asked different questions"):
        difference(answers_of(measured("1111")), answers_of(measured("111111")))


def compared(verdict: str) -> dict[str, Any]:
    return {"mean": 0.01, "over_seeds": [0.0, 0.1], "over_questions": [0.0, 0.1], "verdict": verdict}


def test_the_report_says_whether_thoughts_help() -> None:
    def words(**verdicts: str) -> str:
        row = {control: compared(v) for control, v in verdicts.items()}
        return "\n".join(hidden_cot_lines({"hidden_cot": {"k8": row}}))

    assert "`k8`: better than every control (`k0`, `zero`)" in words(k0="better", zero="better")
    mixed = words(k0="better", zero="not told apart")
    assert "No variant with thoughts is better than all of its controls" in mixed
    assert "`k8` is better than `k0`; not told apart from `zero`" in mixed
    assert "Undecided: two seeds" in words(k0="better", zero="one seed")
    claim = {"says": "A", "paper": ".7", "better": "k8", "than": ["k0"], "differences": {}, "verdict": "not shown"}
    assert claim_lines([claim])[-1] == "| A | .7 | - | **not shown** |"


# -------------------------------------------------------------------------------------------------------- thoughts


def test_rendered_and_real_pictures_have_tables_of_their_own() -> None:
    """Two seeds: the mean of .2 and .3 is .25, and half of Student's interval 12.706 * .0707 / sqrt(2) = .635."""
    seeds = [{"absrel": 0.1, "real_absrel": value} for value in (0.2, 0.3)]
    measured = [
        {"parameters": 1, "splits": {"test_known": {"perception": {"absrel": 0.1}}, "val/real": {"perception": seed}}}
        for seed in seeds
    ]
    runs = [cast(Run, SimpleNamespace(trained={"steps": 1, "minutes": 1.0, "validation": {}}))]
    lines = perception_lines({"variants": {"both": training_figures(runs, measured)}})
    assert lines[0].startswith("| rendered pictures | AbsRel | delta1 |")
    assert lines[2] == "| `both` | 0.100 ± 0.000 | - | - | - | - |"
    assert lines[4].startswith("| real pictures | AbsRel |")
    assert lines[6].startswith("| `both` | 0.250 ± 0.635 | - |")


def test_changed_thoughts_change_answers_and_come_back(tmp_path: Path) -> None:
    student = small_student(hidden_cot=HiddenCotConfig(tokens=3))
    other = save_student(tmp_path / "other", small_student(5, hidden_cot=HiddenCotConfig(tokens=3)))
    own = student.language.thoughts.tokens.detach().clone()
    changed = conditions(student, other)
    assert set(changed) == {"as_trained", "zeroed", "permuted", "other_seed"}
    assert torch.equal(changed["permuted"], own[[1, 2, 0]])
    assert not changed["zeroed"].any()
    images, intrinsics = views()
    with torch.inference_mode():
        prefix = student.prefix(student.perceive(images, intrinsics))

        def logits() -> torch.Tensor:
            return student.read(prefix, student.collate([questions()], 6)).logits

        before = logits()
        for name, embeddings in changed.items():
            with thoughts_as(student, embeddings):
                assert torch.equal(logits(), before) == (name == "as_trained"), name
        with pytest.raises(RuntimeError, match="on the way"), thoughts_as(student, changed["zeroed"]):
            raise RuntimeError("on the way")
        assert torch.equal(student.language.thoughts.tokens, own)
        assert torch.equal(logits(), before)


def test_without_thoughts_nothing_is_changed() -> None:
    assert set(conditions(small_student(hidden_cot=HiddenCotConfig(tokens=0)), None)) == {"as_trained"}
    assert set(conditions(small_student(hidden_cot=HiddenCotConfig(tokens=1)), None)) == {"as_trained", "zeroed"}


def test_even_attention_is_the_share_of_the_places() -> None:
    student = small_student(hidden_cot=HiddenCotConfig(tokens=3))
    with torch.no_grad():  # queries of 0 look everywhere alike
        for layer in student.language.model.layers:
            layer.self_attn.q_proj.weight.zero_()
    images, intrinsics = views()
    with torch.inference_mode():
        prefix = student.prefix(student.perceive(images, intrinsics))
    paid, even = attention(student, prefix, questions())
    assert paid.shape == (2, 2)
    assert paid.numpy() == pytest.approx(np.full((2, 2), even), rel=1e-4)


# ----------------------------------------------------------------------------------------------- cached perception


@pytest.fixture(scope="module")
def student() -> Student:
    torch.manual_seed(0)
    return new_student(tiny_config()).eval()


CACHE = CacheConfig(views=5, rounds=2, questions=6, augment=AugmentConfig(sizes=((64, 64),)))


def test_what_is_kept_is_what_the_student_sees(student: Student, data: Path, tmp_path: Path) -> None:
    cache_perception(student, (data,), "val", tmp_path, CACHE, views=3, report=print)
    kept, reader = PerceptionCache(tmp_path / "val", verify=True), open_split((data,), "val")
    assert len(kept) == 3
    view = resize_uncropped(
        view_from_sample(reader[reader.index_of(kept[1].sample)]), area=64 * 64, multiple=student.multiple
    )
    batch = perception_batch([view], {}, min_visible_pixels=0, grid=(4, 4))
    with torch.inference_mode():
        live = student.prefix(student.perceive(batch.images, batch.intrinsics, batch.up))
        read = student.prefix(kept[1].language_input)
    assert read.tokens == pytest.approx(live.tokens, abs=5e-3)  # features are kept in 11 bits
    assert torch.equal(read.mask, live.mask)
    assert kept[1].rounds[0], "one round about validation views"
    assert all(q.answer for q in kept[1].rounds[0])


def test_keeping_goes_on_where_it_stopped(
    student: Student, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (perception_cache, cache_perception_module):
        monkeypatch.setattr(module, "SHARD_VIEWS", 2)

    def stop(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache_perception(student, (data,), "train", tmp_path / "a", CACHE, views=5, report=stop)
    with pytest.raises(ValueError, match="has 2 of 5 views"):
        PerceptionCache(tmp_path / "a" / "train")
    for folder in ("a", "b"):
        cache_perception(student, (data,), "train", tmp_path / folder, CACHE, views=5, report=print)
    files = sorted(f.name for f in (tmp_path / "a" / "train").iterdir() if f.name != "lock")
    assert len(files) == 7
    for name in files:
        assert (tmp_path / "a" / "train" / name).read_bytes() == (tmp_path / "b" / "train" / name).read_bytes(), name
    views = PerceptionCache(tmp_path / "a" / "train")
    assert len(views[4].rounds) == 2
    assert views[4].rounds[0] != views[4].rounds[1]

    # Another student's, or a damaged one, is refused.
    torch.manual_seed(1)
    other = new_student(tiny_config()).eval()
    with pytest.raises(ValueError, match=r"made in another way: perception_sha256 was .* and is now .*another --out"):
        cache_perception(other, (data,), "train", tmp_path / "a", CACHE, views=5, report=print)
    stage = StageConfig(name="s", kind="cached", perception_cache=str(tmp_path / "a"))
    with pytest.raises(ValueError, match="the perception of another student than"):
        CachedStage(stage, other)
    with pytest.raises(ValueError, match="needs perception_cache"):
        CachedStage(StageConfig(name="s", kind="cached"), student)
    shard = tmp_path / "a" / "train" / "00001.safetensors"
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"00001.safetensors has sha256 .*damaged or was exchanged.*delete"):
        PerceptionCache(tmp_path / "a" / "train", verify=True)


def test_the_cached_stage_trains_the_language_model_alone(student: Student, data: Path, tmp_path: Path) -> None:
    for split in ("train", "val"):
        cache_perception(student, (data,), split, tmp_path, CACHE, views=4, report=print)
    config = StageConfig(name="s", kind="cached", perception_cache=str(tmp_path), questions_per_scene=4)
    stage = CachedStage(config, student)
    batch = stage.builder()(["0", "3"], np.random.default_rng(0))
    student.zero_grad(set_to_none=True)
    losses = stage.losses(student, batch)
    assert set(losses) == {"text", "names", "grounding"}
    sum(losses.values(), torch.zeros(())).backward()
    moved = {n.split(".")[0] for n, p in student.named_parameters() if p.grad is not None and p.grad.any()}
    assert moved == {"language"}
    assert all(len(asked) <= 4 for asked in batch.questions)
    assert math.isfinite(stage.validate(student)["text"])


def taught_cache(answers: Path, **changes: Any) -> CacheConfig:
    whole_pictures = AugmentConfig(sizes=((64, 64),), zoom=(1.0, 1.0), flip=0.0)
    return CacheConfig(**{"views": 6, "rounds": 1, "augment": whole_pictures, "teacher": str(answers), **changes})


def test_what_is_kept_may_be_what_a_teacher_answered_about(student: Student, tmp_path: Path) -> None:
    (tmp_path / "rooms").mkdir()
    rooms = two_rooms(tmp_path / "rooms")
    teacher = invented(student, rooms)
    del teacher.samples[KEYS[1]]
    answers = written(teacher, tmp_path / "answers")
    kept, said_nothing = tmp_path / "kept", tmp_path / "said_nothing"
    for split, count in (("train", 6), ("val", 2)):
        cache_perception(student, (rooms,), split, kept, taught_cache(answers), views=count, report=print)
        cache_perception(student, (rooms,), split, said_nothing, CACHE, views=count, report=print)
    seen = PerceptionCache(kept / "train")
    assert [seen[i].sample for i in range(3)] == [KEYS[0], KEYS[2], KEYS[3]], "only what was answered about"
    for i in range(6):
        assert [q.text for q in seen[i].rounds[0]] == [q.text for q in teacher.samples[seen[i].sample].questions]
    assert not torch.equal(seen[0].language_input.patch_tokens, seen[3].language_input.patch_tokens), (
        "other colours the second time"
    )

    def stage(folder: Path = kept, teacher: Path = answers, **changes: Any) -> CachedStage:
        config = StageConfig(name="s", kind="cached", perception_cache=str(folder), teacher=str(teacher), **changes)
        made = make_stage(config, (rooms,), tmp_path, student)
        assert isinstance(made, CachedStage)
        return made

    taught = stage()
    batch = taught.builder()(["0", "2"], np.random.default_rng(0))
    assert batch.teacher_answers is not None
    for number, scene, of_teacher in zip((0, 2), batch.questions, batch.teacher_answers, strict=True):
        sample = teacher.samples[seen[number].sample]
        known = {q.text: a.text for q, a in zip(sample.questions, sample.answers, strict=True)}
        assert [a.text for a in of_teacher] == [known[q.text] for q in scene]
    losses = taught.losses(student, batch)
    assert set(losses) == {"text", "names", "grounding", "text_kl", "feature", "spatial_feature"}
    assert set(losses) <= set(taught.loss_names)
    # The truth teaches what it teaches without a teacher.
    alone = make_stage(StageConfig(name="s", kind="cached", perception_cache=str(kept)), (rooms,), tmp_path, student)
    asked = alone.builder()(["0", "2"], np.random.default_rng(0))
    assert asked.teacher_answers is None
    assert asked.questions == batch.questions
    for name, loss in alone.losses(student, asked).items():
        assert losses[name].item() == pytest.approx(loss.item(), rel=1e-4), name
    assert "text_kl" not in stage(loss_weights={"text_kl": 0.0}).losses(student, batch)
    assert math.isfinite(taught.validate(student)["text"])

    with pytest.raises(ValueError, match=r"was not cached with the answers in .*Set perception\.teacher"):
        stage(said_nothing)
    with pytest.raises(ValueError, match=r"no teacher's answers in .*nobody: the folder does not exist"):
        stage(teacher=tmp_path / "nobody")
    with pytest.raises(ValueError, match=r"rounds must be 1: a teacher was asked once\. Got 2"):
        taught_cache(answers, rounds=2)
    with pytest.raises(ValueError, match=r"perception\.augment: a teacher spoke about the picture as it is"):
        taught_cache(answers, augment=AugmentConfig(sizes=((64, 64),)))
    later = replace(CACHE, teacher=str(answers), rounds=1, augment=taught_cache(answers).augment)
    with pytest.raises(
        ValueError, match=r"made in another way: config\.\w+ was|made in another way: config\.augment\.\w+ was"
    ):
        cache_perception(student, (rooms,), "train", said_nothing, later, views=6, report=print)


def test_perception_is_taken_from_a_student(student: Student, tmp_path: Path) -> None:
    folder = save_student(tmp_path / "perceiver", student)
    config = tiny_config()
    config.student, config.perception = {"hidden_cot": {"tokens": 5}, "language": {"layers": 2}}, str(folder)
    made = new_student(config)
    assert made.config.hidden_cot.tokens == 5
    assert made.config.language.dim == 64, "what is not changed is as in the student that perceives"
    for name, tensor in student.detection_head.state_dict().items():
        assert torch.equal(tensor, made.detection_head.state_dict()[name])
    assert made.language.tokenizer.to_str() == student.language.tokenizer.to_str()
    config.student = {"detection": {"layers": 1}}
    with pytest.raises(ValueError, match=r"student\.detection cannot change"):
        new_student(config)
