"""Vision-language models of transformers as teachers: tiny ones with random weights, made here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.training.tiny_training import six_objects
from tokenizers import Tokenizer
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from distill3d_ros.student.language.text import END_TOKEN, tokenizer_sha256, train_tokenizer
from distill3d_ros.training.teachers.make_teacher import make_teacher
from distill3d_ros.training.teachers.teach_options import TeacherOptions
from distill3d_ros.training.teachers.teacher import Teacher
from distill3d_ros.training.teachers.transformers_vlm import PROMPT, TransformersTeacher

QUESTIONS = ("Is there a chair?", "How far away is the table from the lamp?", "Which is closer?")
TEMPLATE = (
    "{% for m in messages %}USER: {% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<image>{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endfor %}ANSWER:"
)


def tiny_llava(folder: Path, *, template: str | None) -> Path:
    """32 x 32 pixels, four patches, one layer of everything."""
    tokenizer = train_tokenizer([*QUESTIONS, PROMPT, "USER ANSWER"], vocab_size=340)
    tokenizer.add_special_tokens(["<image>"])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END_TOKEN,
        pad_token="<pad>",
        extra_special_tokens={"image_token": "<image>"},
    )
    side = {"height": 32, "width": 32}
    processor = LlavaProcessor(
        CLIPImageProcessor(size=side, crop_size=side, do_center_crop=False),
        fast,
        patch_size=16,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    )
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=32,
            patch_size=16,
        ),
        text_config=LlamaConfig(
            vocab_size=len(fast), hidden_size=24, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2
        ),
        image_token_index=fast.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration(config)
    model.generation_config.eos_token_id = fast.eos_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llava(tmp_path_factory.mktemp("llava"), template=TEMPLATE)


@pytest.fixture(scope="module")
def teacher(folder: Path) -> TransformersTeacher:
    made = make_teacher(TeacherOptions(teacher="transformers_vlm", model=str(folder), device="cpu", top_k=5))
    assert isinstance(made, TransformersTeacher)
    made.max_new_tokens = 6
    return made


def test_it_answers_as_the_model_does_alone(teacher: TransformersTeacher) -> None:
    """Batched and padded or alone, step by step by hand: the same tokens, logits and hidden state."""
    shown = six_objects("train", 0)
    said = teacher.answer(shown, QUESTIONS)
    assert isinstance(teacher, Teacher)
    for question, answer in zip(QUESTIONS, said, strict=True):
        text = f"USER: <image>{PROMPT.format(question=question)}ANSWER:"
        assert teacher._prompt(question) == text
        inputs = teacher.processor(text=text, images=Image.fromarray(shown.frame.image), return_tensors="pt")
        ids, rows, hidden = inputs["input_ids"], [], None
        for _ in range(len(answer.top_tokens)):
            with torch.inference_mode():
                out: Any = teacher.model(
                    input_ids=ids,
                    attention_mask=torch.ones_like(ids),
                    pixel_values=inputs["pixel_values"],
                    output_hidden_states=True,
                )
            hidden = out.hidden_states[-1][0, -1] if hidden is None else hidden
            rows.append(out.logits[0, -1].log_softmax(-1))
            ids = torch.cat([ids, rows[-1].argmax()[None, None]], 1)
        expected = torch.stack(rows)
        spoken = ids[0, inputs["input_ids"].shape[1] :].tolist()
        assert answer.top_tokens[:, 0].tolist() == spoken
        assert len(spoken) == 6 or spoken[-1] in teacher.ends
        np.testing.assert_allclose(answer.top_logits, expected.topk(5).values, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(answer.hidden, hidden, rtol=1e-3, atol=1e-4)
        assert answer.text == teacher.processor.tokenizer.decode(spoken, skip_special_tokens=True).strip()
    assert teacher.perceive(shown) is None


def test_more_questions_than_a_batch_holds(teacher: TransformersTeacher) -> None:
    small = TransformersTeacher(teacher.model, teacher.processor, name="x", top_k=5, batch=2, max_new_tokens=6)
    shown = six_objects("train", 1)
    both = [t.answer(shown, QUESTIONS) for t in (teacher, small)]
    for one, other in zip(*both, strict=True):
        assert one.text == other.text
        np.testing.assert_allclose(one.top_logits, other.top_logits, rtol=1e-3, atol=1e-4)


def test_an_answer_stops_at_its_end(teacher: TransformersTeacher) -> None:
    shown = six_objects("train", 0)
    (longer,) = teacher.answer(shown, QUESTIONS[:1])
    last = int(longer.top_tokens[2, 0])
    before = teacher.model.generation_config.eos_token_id
    teacher.model.generation_config.eos_token_id = [before, last]
    try:
        ends = TransformersTeacher(teacher.model, teacher.processor, name="x", top_k=5, max_new_tokens=6)
        answers = ends.answer(shown, QUESTIONS)
    finally:
        teacher.model.generation_config.eos_token_id = before
    first = longer.top_tokens[:, 0].tolist().index(last)
    assert answers[0].top_tokens[:, 0].tolist() == longer.top_tokens[: first + 1, 0].tolist()


def test_it_says_who_it_is(teacher: TransformersTeacher, folder: Path) -> None:
    assert teacher.name.startswith(f"{folder.name}-")
    assert teacher.tokenizer_sha256 == tokenizer_sha256(Tokenizer.from_file(str(folder / "tokenizer.json")))
    told = teacher.describe()
    assert told["model_type"] == "llava"
    assert told["vocabulary"] == teacher.model.config.text_config.vocab_size
    assert told["prompt"] == PROMPT


def test_without_a_template_the_picture_comes_first(tmp_path: Path) -> None:
    plain = make_teacher(
        TeacherOptions(teacher="transformers_vlm", model=str(tiny_llava(tmp_path, template=None)), device="cpu")
    )
    assert isinstance(plain, TransformersTeacher)
    assert not plain.describe()["chat_template"]
    assert plain._prompt("Why?").startswith("<image>\nWhy?")
    plain.max_new_tokens = 2
    assert len(plain.answer(six_objects("train", 0), QUESTIONS)) == 3


def test_what_is_no_such_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"model must be a folder, or owner/name@revision.*Got 'owner/name'"):
        make_teacher(TeacherOptions(teacher="transformers_vlm", model="owner/name", device="cpu"))
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises((ValueError, OSError), match=str(tmp_path)):
        make_teacher(TeacherOptions(teacher="transformers_vlm", model=str(tmp_path), device="cpu"))
