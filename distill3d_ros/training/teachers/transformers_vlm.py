"""Any image-text-to-text model of transformers as a teacher, which is given the picture alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from transformers import AutoModelForImageTextToText, AutoProcessor

from distill3d_ros.student.language.text import tokenizer_sha256
from distill3d_ros.system.files import file_sha256
from distill3d_ros.training.data.answers.teacher_answer import TOP_K, TeacherAnswer, TeacherPerception
from distill3d_ros.training.data.sample import Sample

PROMPT = "{question}\nAnswer in a few words."
MAX_NEW_TOKENS = 32
BATCH = 8
"""Questions that are answered together, each with its own copy of the picture."""


class TransformersTeacher:
    """Greedy answers through the model's own chat template, or behind an image token where it has none."""

    answers_questions = True

    def __init__(
        self,
        model: Any,
        processor: Any,
        *,
        name: str,
        top_k: int = TOP_K,
        batch: int = BATCH,
        max_new_tokens: int = MAX_NEW_TOKENS,
    ) -> None:
        self.model, self.processor, self._name = model.eval(), processor, name
        self.top_k, self.batch, self.max_new_tokens = top_k, batch, max_new_tokens
        tokenizer = processor.tokenizer
        tokenizer.padding_side = "left"  # answers begin at the end of every row
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        backend = getattr(tokenizer, "backend_tokenizer", None)
        self._tokenizer_sha256 = None if backend is None else tokenizer_sha256(backend)
        ends = model.generation_config.eos_token_id
        ends = tokenizer.eos_token_id if ends is None else ends
        self.ends = frozenset(ends if isinstance(ends, list) else [ends])

    @property
    def name(self) -> str:
        return self._name

    @property
    def tokenizer_sha256(self) -> str | None:
        return self._tokenizer_sha256

    def answer(self, sample: Sample, questions: Sequence[str]) -> list[TeacherAnswer]:
        image = Image.fromarray(sample.frame.image)
        answers: list[TeacherAnswer] = []
        for start in range(0, len(questions), self.batch):
            answers += self._answer(image, questions[start : start + self.batch])
        return answers

    def perceive(self, sample: Sample) -> TeacherPerception | None:
        """None: it has no such heads."""
        return None

    def describe(self) -> dict[str, Any]:
        return {
            "kind": "transformers_vlm",
            "model_type": self.model.config.model_type,
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "told": "the picture alone",
            "prompt": PROMPT,
            "chat_template": self._has_template,
            "max_new_tokens": self.max_new_tokens,
            "precision": str(self.model.dtype).removeprefix("torch."),
            "vocabulary": self.model.get_output_embeddings().weight.shape[0],
            "top_k": self.top_k,
        }

    @property
    def _has_template(self) -> bool:
        return bool(getattr(self.processor, "chat_template", None))

    def _prompt(self, question: str) -> str:
        text = PROMPT.format(question=question)
        if not self._has_template:
            return f"{self.processor.image_token}\n{text}\n"
        content = [{"type": "image"}, {"type": "text", "text": text}]
        return self.processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)

    @torch.inference_mode()
    def _answer(self, image: Image.Image, questions: Sequence[str]) -> list[TeacherAnswer]:
        prompts = [self._prompt(q) for q in questions]
        # One list of pictures a prompt: every processor reads that so.
        inputs = self.processor(text=prompts, images=[[image] for _ in prompts], padding=True, return_tensors="pt")
        inputs = inputs.to(self.model.device, self.model.dtype)
        with _before_answer(self.model) as states:
            out = self.model.generate(
                **inputs,
                do_sample=False,
                num_beams=1,
                max_new_tokens=self.max_new_tokens,
                pad_token_id=self.processor.tokenizer.pad_token_id,
                return_dict_in_generate=True,
                output_logits=True,
            )
        ids = out.sequences[:, -len(out.logits) :].cpu()  # (Q, L)
        log_probs = torch.stack([step.float().log_softmax(-1) for step in out.logits], 1)  # (Q, L, vocabulary)
        top = log_probs.topk(min(self.top_k, log_probs.shape[-1]))
        logits, tokens, hidden = top.values.cpu().numpy(), top.indices.cpu().numpy(), states[0].float().cpu().numpy()
        answers = []
        for i, row in enumerate(ids.tolist()):
            ended = [n for n, token in enumerate(row) if token in self.ends]
            length = ended[0] + 1 if ended else len(row)
            text = self.processor.tokenizer.decode(row[:length], skip_special_tokens=True).strip()
            answers.append(
                TeacherAnswer(text=text, top_tokens=tokens[i, :length], top_logits=logits[i, :length], hidden=hidden[i])
            )
        return answers


def load_teacher(model: str, *, device: torch.device, top_k: int = TOP_K) -> TransformersTeacher:
    """A model in folder ``model``, or ``owner/name@revision`` on a hub; bfloat16 on a GPU, float32 on a CPU.

    Raises:
        ValueError: the name has no revision, or the model is none that takes a picture and a text.
        OSError: it is neither here nor can it be fetched.
    """
    source, revision = model, ""
    options: dict[str, str] = {}
    if not Path(model).is_dir():
        source, _, revision = model.partition("@")
        options["revision"] = revision
        if not revision:
            raise ValueError(
                f"model must be a folder, or owner/name@revision on a hub. Got '{model}', which is no folder"
            )
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    try:
        processor = AutoProcessor.from_pretrained(source, **options)
        network: Any = AutoModelForImageTextToText.from_pretrained(source, dtype=dtype, **options)
    except (ValueError, KeyError) as error:
        raise ValueError(f"'{model}' is no image-text-to-text model that transformers knows: {error}") from error
    if not hasattr(processor, "image_processor"):
        raise ValueError(f"'{model}' has no processor for pictures; preprocessor_config.json is missing")
    name = f"{Path(source).name}-{_weights_id(source, revision)[:8]}"
    return TransformersTeacher(network.to(device), processor, name=name, top_k=top_k)


def _weights_id(source: str, revision: str) -> str:
    """Of the weights' files where they are in a folder, else the revision."""
    if not Path(source).is_dir():
        return revision
    files = sorted(Path(source).glob("*.safetensors")) or sorted(Path(source).glob("*.bin"))
    return hashlib.sha256("".join(file_sha256(f) for f in files).encode()).hexdigest()


@contextmanager
def _before_answer(model: Any) -> Iterator[list[Tensor]]:
    """Inside, the first state (Q, D) from which a token is predicted is put into the list: it is what the output layer
    is given first. ``generate`` itself would keep every layer's states of the whole prompt."""
    states: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if not states:
            states.append(inputs[0][:, -1])

    hook = model.get_output_embeddings().register_forward_pre_hook(keep)
    try:
        yield states
    finally:
        hook.remove()
