"""Transformers' language models inside the student: made new, read from a folder, adapted."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.causal_lm import SHAPE, save_causal_lm
from support.student_fixtures import objects, questions, small_config, small_student
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache

from distill3d_ros.student.checkpoint import load_student, save_student
from distill3d_ros.student.config import LanguageConfig, StudentConfig
from distill3d_ros.student.language.causal_lm import read_pretrained
from distill3d_ros.student.student import Student


def language(kind: str, *, tied: bool = False, **changes: object) -> LanguageConfig:
    causal = {"model_type": kind, "tie_word_embeddings": tied, **SHAPE}
    values = {"causal_lm": causal, "vocab_size": 400, "pointer_dim": 16, "prefix_positions": "ordered", **changes}
    return LanguageConfig(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "tied"), [("llama", True), ("llama", False), ("qwen2", False), ("qwen3", True)])
def test_any_family_answers_the_same_in_a_batch_and_alone(kind: str, tied: bool) -> None:
    student = small_student(language=language(kind, tied=tied))
    cache = student.cache(student.prefix_from_objects(objects()))
    texts = [q.text for q in questions()]
    together = student.answer(cache, texts)
    alone = [student.answer(cache, [text])[0] for text in texts]
    assert [a.text for a in together] == [a.text for a in alone]
    for a, b in zip(together, alone, strict=True):
        assert a.confidence == pytest.approx(b.confidence, rel=1e-3)


def test_reading_in_training_is_what_answering_does() -> None:
    student, scene = small_student(language=language("qwen2")), objects()
    asked = student.collate([questions()], 5)
    with torch.no_grad():
        prefix = student.prefix_from_objects(scene)
        read = student.read(prefix, asked)
        first = [int((read.question == q).nonzero()[0]) for q in range(len(questions()))]
        said = student.answer(student.cache(prefix), [q.text for q in questions()])
    words = [student.language.tokenizer.decode([int(read.logits[i].argmax())]).strip() for i in first]
    assert [s.text.startswith(word) for s, word in zip(said, words, strict=True)] == [True] * len(words)


@pytest.mark.parametrize("tied", [True, False])
def test_a_pretrained_model_comes_in_with_all_its_weights(tmp_path: Path, tied: bool) -> None:
    folder = save_causal_lm(tmp_path / "lm", tied=tied)
    found = read_pretrained(folder)
    assert found.end_token == "</s>"
    config = small_config(language=language("qwen2", causal_lm=found.config, end_token=found.end_token))
    assert StudentConfig.from_dict(config.to_dict()) == config
    student = Student(config, found.tokenizer).eval()
    student.language.load_pretrained(found)
    original = AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = torch.tensor([[5, 9, 30, 7]])
    with torch.no_grad():
        causal = torch.ones(1, 1, 4, 4, dtype=torch.bool).tril()
        hidden = student.language.run(student.language.embed(ids), torch.arange(4)[None], causal, DynamicCache())
        torch.testing.assert_close(student.language.logits(hidden), original(ids).logits, atol=1e-5, rtol=1e-4)
    rms = float(student.language.embed(torch.arange(400)).detach().square().mean().sqrt())
    assert rms == pytest.approx(1.0, rel=1e-4), "words enter at the scale of the visual tokens"
    save_student(tmp_path / "student", student)
    again = load_student(tmp_path / "student")
    for name, value in student.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_what_is_no_known_language_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="none"):
        read_pretrained(tmp_path / "none")
    AutoConfig.for_model("gpt2").save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"must be of type llama.*Got 'gpt2'"):
        read_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"must be a model of type llama.*Got 'bert'"):
        small_student(language=language("bert"))
    with pytest.raises(ValueError, match="must have a model_type and a hidden_size"):
        LanguageConfig(causal_lm={"model_type": "llama"})
    with pytest.raises(ValueError, match="lora_rank adapts a causal_lm"):
        LanguageConfig(lora_rank=4)
    student = small_student(language=language("qwen2"))
    with pytest.raises(ValueError, match="of another shape"):
        student.language.load_pretrained(read_pretrained(save_causal_lm(tmp_path / "three", "qwen3")))


def test_adapters_learn_and_their_base_stays(tmp_path: Path) -> None:
    pytest.importorskip("peft", reason="the adapters come from the package peft, an extra")
    student = small_student(language=language("llama", lora_rank=2)).train()
    asked = student.collate([questions()], 5)
    student.read(student.prefix_from_objects(objects()), asked).logits.sum().backward()
    model = dict(student.language.model.named_parameters())
    assert any("lora_" in name and p.grad is not None for name, p in model.items())
    assert all(p.grad is None for name, p in model.items() if ".base_layer." in name)
    student.language.load_pretrained(read_pretrained(save_causal_lm(tmp_path / "lm", "llama")))
