"""LLaVA-3D as a teacher: a tiny network in the public layout, from its files to its answers."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from support.data_samples import make_sample
from support.training.tiny_llava3d import (
    CLIP,
    LLAMA,
    tokenizer,
    without_pose,
    write_checkpoint,
    write_config,
    write_shards,
)
from support.training.tiny_training import data_folder

from distill3d_ros.cli.main import main
from distill3d_ros.student.language.text import tokenizer_sha256
from distill3d_ros.training.data.answers.teacher_answer import TeacherAnswer
from distill3d_ros.training.data.answers.teacher_cache import TeacherCache
from distill3d_ros.training.teachers.llava3d.config import Llava3dError
from distill3d_ros.training.teachers.llava3d.decoding import greedy, read_prefix
from distill3d_ros.training.teachers.llava3d.processor import views_of_samples
from distill3d_ros.training.teachers.llava3d.prompts import conversation, token_ids, with_clicks
from distill3d_ros.training.teachers.llava3d.quantization import PRECISIONS
from distill3d_ros.training.teachers.llava3d.teacher import Llava3dTeacher, weight_bytes
from distill3d_ros.training.teachers.make_teacher import make_teacher
from distill3d_ros.training.teachers.teach_options import TeacherOptions
from distill3d_ros.training.teachers.teacher import Teacher

QUESTIONS = ("Is the chair left of the table?", "What stands at [0.5, 2.25, 0.8]?", "How far is the lamp?")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny-llava3d")
    write_checkpoint(folder)
    return folder


@pytest.fixture(scope="module")
def teacher(folder: Path) -> Llava3dTeacher:
    return Llava3dTeacher.from_pretrained(folder, precision="float32", max_new_tokens=5, top_k=4)


def same(a: TeacherAnswer, b: TeacherAnswer, tolerance: float = 0.0) -> bool:
    assert a.top_logits is not None
    assert b.top_logits is not None
    return (
        a.text == b.text
        and np.array_equal(a.top_tokens, b.top_tokens)
        and np.allclose(a.top_logits, b.top_logits, rtol=0, atol=tolerance)
        and np.allclose(a.hidden, b.hidden, rtol=0, atol=tolerance)
    )


def test_it_answers_about_a_sample(teacher: Llava3dTeacher, folder: Path) -> None:
    assert isinstance(teacher, Teacher)
    sample = make_sample()
    answers = teacher.answer(sample, QUESTIONS)
    assert len(answers) == len(QUESTIONS)
    for answer in answers:
        assert answer.top_tokens.shape == answer.top_logits.shape
        assert answer.top_tokens.shape[1] == 4
        assert (np.diff(answer.top_logits) <= 0).all()
        assert answer.hidden.shape == (64,)
        said = teacher.tokenizer.decode(answer.top_tokens[:, 0].tolist(), skip_special_tokens=True)
        assert said.strip() == answer.text
    again = Llava3dTeacher.from_pretrained(folder, precision="float32", max_new_tokens=5, top_k=4)
    assert all(map(same, answers, again.answer(sample, QUESTIONS)))
    assert again.name == teacher.name
    assert again.tokenizer_sha256 == teacher.tokenizer_sha256
    assert teacher.perceive(sample) is None
    assert teacher.tokenizer_sha256 == tokenizer_sha256(teacher.tokenizer.backend_tokenizer)
    assert json.loads(json.dumps(teacher.describe()))["vocabulary"] == len(tokenizer())
    assert teacher.answer(sample, []) == []
    other = make_sample(seed=1)
    assert not same(answers[0], teacher.answer(other, QUESTIONS[:1])[0], 1e-3)


@torch.no_grad()
def test_together_and_from_the_cache_answers_are_those_of_the_whole_text(teacher: Llava3dTeacher) -> None:
    """One by one, without a cache and without padding: the plain definition of greedy decoding."""
    model, sample = teacher.model, make_sample()
    looked_at: list[int] = []
    handle = model.vision.register_forward_hook(lambda *_: looked_at.append(1))
    answers = teacher.answer(sample, QUESTIONS)
    handle.remove()
    assert looked_at == [1]
    visual = model.visual_tokens(views_of_samples([sample], side=28, frames=4))
    assert 1 < len(visual) <= 4
    for question, answer in zip(QUESTIONS, answers, strict=True):
        text, points = with_clicks(f"{question}\nAnswer the question using a single word or phrase.")
        ids = token_ids(
            conversation([(text, None)]),
            lambda piece: teacher.tokenizer.encode(piece, add_special_tokens=False),
            bos=teacher.tokenizer.bos_token_id,
        )
        clicks = model.click_tokens(torch.tensor(points).reshape(-1, 3))
        row = model.splice(ids, visual, clicks)[0]
        for step in range(len(answer.top_tokens)):
            hidden = model.language.model(inputs_embeds=row[None]).last_hidden_state[0, -1]
            if step == 0:
                np.testing.assert_allclose(hidden, answer.hidden, atol=2e-5)
            top = model.language.lm_head(hidden).log_softmax(-1).topk(4)
            assert top.indices.tolist() == answer.top_tokens[step].tolist()
            np.testing.assert_allclose(top.values, answer.top_logits[step], atol=1e-4)
            row = torch.cat([row, model.language.get_input_embeddings()(top.indices[:1])])


@torch.no_grad()
def test_an_answer_ends_while_others_go_on(teacher: Llava3dTeacher) -> None:
    language = teacher.model.language
    generator = torch.Generator().manual_seed(0)
    prefix = read_prefix(language, torch.randn(6, 64, generator=generator))
    rows = [torch.randn(n, 64, generator=generator) for n in (2, 5)]
    free = greedy(language, prefix, rows, end=-1, longest=6, top_k=2)
    assert [len(one.tokens) for one in free] == [6, 6]
    end = free[0].tokens[1]
    assert end not in (free[0].tokens[0], *free[1].tokens)
    stopped = greedy(language, prefix, rows, end=end, longest=6, top_k=2)
    assert stopped[0].tokens == free[0].tokens[:2]
    assert len(stopped[0].top_tokens) == len(stopped[0].top_logits) == 2
    assert stopped[1].tokens == free[1].tokens
    assert prefix.get_seq_length() == 6


def test_several_views_of_a_room(teacher: Llava3dTeacher) -> None:
    first, second = make_sample(), make_sample("train-000000-01", seed=5)
    views = views_of_samples([first, second, first], side=28, frames=4)
    assert views.repeats.tolist() == [2, 1, 1]
    assert views.images.shape == (3, 3, 28, 28)
    alone = teacher.answer(first, QUESTIONS[:1])[0]
    assert not same(alone, teacher.answer(first, QUESTIONS[:1], other_views=[second])[0], 1e-3)
    with pytest.raises(ValueError, match=r"views must be of one room.*train-000009-00"):
        teacher.answer(first, QUESTIONS, other_views=[make_sample("train-000009-00")])
    with pytest.raises(ValueError, match=r"train-000000-01 has no frame.world_from_camera"):
        views_of_samples([first, without_pose(second)], side=28, frames=4)


def test_pickled_shards_and_16_bits(tmp_path: Path, teacher: Llava3dTeacher) -> None:
    write_checkpoint(tmp_path, pickled=True)
    pickled = Llava3dTeacher.from_pretrained(tmp_path, precision="float32", max_new_tokens=5, top_k=4)
    sample = make_sample()
    assert all(map(same, teacher.answer(sample, QUESTIONS), pickled.answer(sample, QUESTIONS)))
    report = pickled.loaded.conversion
    assert report.loaded == teacher.loaded.conversion.loaded
    assert len(report.not_used) == 16  # the layer of CLIP behind the features
    half = Llava3dTeacher.from_pretrained(tmp_path, precision="bfloat16", max_new_tokens=5, top_k=4)
    assert half.model.language.lm_head.weight.dtype == half.model.vision.post_layernorm.weight.dtype == torch.bfloat16
    assert half.model.patch_position.position_embedding_head[0].weight.dtype == torch.float32
    whole, rounded = (t.answer(sample, QUESTIONS[:1])[0].hidden for t in (teacher, half))
    assert 0 < np.abs(whole - rounded).max() < 0.2 * np.abs(whole).max()


def test_clip_may_lie_in_a_folder_of_its_own(tmp_path: Path, teacher: Llava3dTeacher) -> None:
    state = write_checkpoint(tmp_path)
    prefix = "model.vision_tower.vision_tower."
    clip = {n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)}
    save_file(clip | {"text_model.final_layer_norm.bias": torch.zeros(3)}, tmp_path / "clip" / "model.safetensors")
    write_shards(tmp_path, {n: v for n, v in state.items() if not n.startswith(prefix)})
    apart = Llava3dTeacher.from_pretrained(tmp_path, precision="float32", max_new_tokens=5, top_k=4)
    sample = make_sample()
    assert all(map(same, teacher.answer(sample, QUESTIONS), apart.answer(sample, QUESTIONS)))


def test_what_does_not_fit_is_listed(tmp_path: Path) -> None:
    state = write_checkpoint(tmp_path)
    # what old files hold besides
    write_shards(tmp_path, state | {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.zeros(6)})
    Llava3dTeacher.from_pretrained(tmp_path, precision="float32")
    position = "model.video_tower.video_tower.positional_embedding.position_embedding_head.0.weight"
    changed = {n: v for n, v in state.items() if n != position}
    changed["model.norm.weight"] = torch.zeros(65)
    write_shards(tmp_path, changed | {"model.box_decoder.weight": torch.zeros(1)})
    with pytest.raises(Llava3dError) as error:
        Llava3dTeacher.from_pretrained(tmp_path, precision="float32")
    for part in (f"missing {position} (16, 3)", "model.norm.weight is (65,), expected (64,)",
                 "unexpected model.box_decoder.weight"):  # fmt: skip
        assert part in str(error.value)


@pytest.mark.parametrize("pickled", [False, True])
def test_damaged_and_missing_files_are_named(tmp_path: Path, pickled: bool) -> None:
    write_checkpoint(tmp_path, pickled=pickled)
    shard = next(f for f in sorted(tmp_path.iterdir()) if "00002-of-00002" in f.name)
    shard.write_bytes(shard.read_bytes()[: shard.stat().st_size // 2])
    with pytest.raises(Llava3dError, match=r"00002-of-00002.* is damaged or truncated"):
        Llava3dTeacher.from_pretrained(tmp_path, precision="float32")
    shard.unlink()
    with pytest.raises(Llava3dError, match=r"lacks .*00002-of-00002.*which .*index.json names; fetch"):
        Llava3dTeacher.from_pretrained(tmp_path, precision="float32")


def test_other_networks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="must be a folder with LLaVA-3D's checkpoint, or owner/name@revision"):
        Llava3dTeacher.from_pretrained(tmp_path / "nowhere")
    with pytest.raises(Llava3dError, match=r"is not a LLaVA-3D checkpoint: config.json is missing"):
        Llava3dTeacher.from_pretrained(tmp_path)
    for changes, message in (
        ({"model_type": "llava"}, "model_type must be 'llava_llama'. Got 'llava'"),
        ({"mm_video_tower": None}, "mm_video_tower must be 'SpatialAwareModule'. Got None"),
        ({"num_frames": None}, "lacks num_frames"),
        ({"mm_vision_select_layer": -9}, "must name an output of 3 layers. Got -9"),
        ({"mm_hidden_size": 1024}, "mm_hidden_size must be 16"),
        ({"mm_vision_tower": "google/siglip"}, "mm_vision_tower must be a folder or openai/clip"),
    ):
        write_config(tmp_path, clip=CLIP, llama=LLAMA | {"vocab_size": 300}, **changes)
        with pytest.raises(Llava3dError, match=message):
            Llava3dTeacher.from_pretrained(tmp_path)
    write_checkpoint(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(Llava3dError, match=r"expected tokenizer.json or tokenizer.model"):
        Llava3dTeacher.from_pretrained(tmp_path)


def test_packages_that_are_missing_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    for precision in ("8bit", "4bit"):
        with pytest.raises(ImportError, match=f"precision '{precision}' needs the package bitsandbytes"):
            Llava3dTeacher.from_pretrained(tmp_path, precision=precision)
    with pytest.raises(
        ValueError, match=r"precision must be one of float32, bfloat16, float16, 8bit, 4bit. Got 'int3'"
    ):
        Llava3dTeacher.from_pretrained(tmp_path, precision="int3")
    write_checkpoint(tmp_path)
    (tmp_path / "tokenizer.json").rename(tmp_path / "tokenizer.model")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"tokenizer.model cannot be read without sentencepiece, google.protobuf"):
        Llava3dTeacher.from_pretrained(tmp_path)


def test_what_cannot_be_asked_is_refused(teacher: Llava3dTeacher) -> None:
    with pytest.raises(ValueError, match=r"must fit into 4096 tokens. Got the question 'Why, why"):
        teacher.answer(make_sample(), ["Why, " + "why, " * 1000])
    with pytest.raises(ValueError, match="at most one place for views and 0 for the points"):
        teacher.model.splice([1, -300], torch.zeros(0, 64), torch.zeros(0, 64))
    for name in ("top_k", "max_new_tokens", "batch"):
        with pytest.raises(ValueError, match=f"{name} must be at least 1. Got 0"):
            Llava3dTeacher(teacher.model, teacher.tokenizer, teacher.loaded, precision="float32", **{name: 0})


@pytest.mark.parametrize(("precision", "error"), [("8bit", 0.03), ("4bit", 0.15)])
def test_fewer_bits_say_nearly_the_same(precision: str, error: float, folder: Path, teacher: Llava3dTeacher) -> None:
    """Each layer of the language model by itself: a network of random weights makes much of small differences."""
    pytest.importorskip("bitsandbytes")
    few = Llava3dTeacher.from_pretrained(folder, precision=precision, max_new_tokens=5, top_k=4)
    assert weight_bytes(few.model) < weight_bytes(teacher.model)
    assert [a.top_tokens.shape[1] for a in few.answer(make_sample(), QUESTIONS)] == [4, 4, 4]
    rounded, inputs = dict(few.model.named_modules()), torch.randn(8, 64, generator=torch.Generator().manual_seed(0))
    layers = [(n, m) for n, m in teacher.model.language.model.named_modules() if n.endswith("_proj")]
    assert len(layers) == 14
    for name, layer in layers:
        layer_of_few = rounded[f"language.model.{name}"]
        with torch.no_grad():
            expected, found = layer(inputs), layer_of_few(inputs.to(PRECISIONS[precision])).float()
        assert 0 < (found - expected).norm() < error * expected.norm(), name


def test_the_command_teaches_with_it(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = data_folder(tmp_path / "data", ("train",)), tmp_path / "answers"
    command = ["teach", "--teacher", "llava3d", "--model", str(folder), "--data", str(data), "--out", str(out)]
    assert main([*command, "--limit", "1", "--questions", "2", "--measure", "1", "--device", "cpu"]) == 0
    assert "llava3d-" in capsys.readouterr().out
    cache = TeacherCache(out, (data,))
    found = cache[cache.keys[0]]
    assert len(found.questions) == len(found.answers) == 2
    assert found.perception is None
    assert found.answers[0].top_tokens.shape[1] == 16
    assert cache.info.description["precision"] == "float32"
    with pytest.raises(ValueError, match="precision is for the teacher llava3d alone, privileged chooses its own"):
        make_teacher(TeacherOptions(teacher="privileged", model=str(folder), precision="8bit"))
