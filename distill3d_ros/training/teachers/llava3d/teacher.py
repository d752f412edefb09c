"""LLaVA-3D-7B behind the protocol of teachers: greedy answers with their logits."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import normalizers
from torch import nn
from transformers import LlamaTokenizer, PreTrainedTokenizerBase

from distill3d_ros.student.hub import hub_folder
from distill3d_ros.student.language.text import tokenizer_sha256
from distill3d_ros.training.data.answers.teacher_answer import TOP_K, TeacherAnswer
from distill3d_ros.training.data.sample import Sample
from distill3d_ros.training.teachers.llava3d.config import Llava3dError, read_config, tower_folder
from distill3d_ros.training.teachers.llava3d.decoding import Decoded, greedy, read_prefix
from distill3d_ros.training.teachers.llava3d.model import Llava3d
from distill3d_ros.training.teachers.llava3d.patch_geometry import VOXEL_SIZE
from distill3d_ros.training.teachers.llava3d.processor import views_of_samples
from distill3d_ros.training.teachers.llava3d.prompts import VIEWS_ID, conversation, token_ids, with_clicks
from distill3d_ros.training.teachers.llava3d.quantization import PRECISIONS, check_precision, quantise_layers
from distill3d_ros.training.teachers.llava3d.weights import Loaded, load_weights

FILES = ("*.json", "tokenizer.model", "*.safetensors", "pytorch_model*.bin")
"""What is fetched from a hub."""
INSTRUCTION = "Answer the question using a single word or phrase."
"""How LLaVA-1.5, which LLaVA-3D began as, is asked for a short answer."""
ROOM = {"bfloat16": 28, "8bit": 14, "4bit": 0}
"""GiB of a GPU from which a precision is chosen: the weights (13.2, 7.2, 4.2) and half a MiB a token and question."""
GIB = 2**30


class Llava3dTeacher:
    """LLaVA-3D, given the true depth and poses of a sample.

    It sees the sample's own view, or several of its room, in the coordinates of the room. It knows nothing of the one
    who asks: "left of" is the network's guess. It has no heads for depth and boxes.
    """

    answers_questions = True

    def __init__(
        self,
        model: Llava3d,
        tokenizer: PreTrainedTokenizerBase,
        loaded: Loaded,
        *,
        precision: str,
        template: str = "llava_v1",
        instruction: str = INSTRUCTION,
        top_k: int = TOP_K,
        max_new_tokens: int = 64,
        batch: int = 8,
    ) -> None:
        """
        Args:
            template: of the conversation, a key of ``prompts.TEMPLATES``.
            instruction: a line below each question; empty for none.
            top_k: most probable tokens that are kept at each token of an answer.
            max_new_tokens: an answer that is longer is cut off, and has no end token.
            batch: questions that are answered together.
        """
        for name, value in (("top_k", top_k), ("max_new_tokens", max_new_tokens), ("batch", batch)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1. Got {value}")
        conversation([("", None)], template=template)  # refuses an unknown one
        self.model, self.tokenizer, self.loaded = model, tokenizer, loaded
        self.precision, self.template, self.instruction = precision, template, instruction
        self.top_k, self.max_new_tokens, self.batch = top_k, max_new_tokens, batch

    @classmethod
    def from_pretrained(
        cls, source: str | Path, *, device: str | torch.device = "cpu", precision: str = "bfloat16", **options: Any
    ) -> Llava3dTeacher:
        """Loads the public checkpoint's layout.

        Args:
            source: a folder, or ``owner/name@revision`` on the hub.
            device: the one that holds all of it.
            precision: a key of ``quantization.PRECISIONS``.
            options: of ``Llava3dTeacher``.

        Raises:
            Llava3dError: the folder does not hold what is expected.
            ImportError: the precision or the tokenizer needs a package that is not installed.
            FileNotFoundError: it is neither here nor can it be fetched.
        """
        check_precision(precision)
        device = torch.device(device)
        folder = hub_folder(source, files=FILES, what="LLaVA-3D's checkpoint")
        config = read_config(folder)
        tokenizer = read_tokenizer(folder)
        with torch.device("meta"):
            model = Llava3d(config)
        if precision in ("8bit", "4bit"):
            quantise_layers(model.language, precision)

        def clip_folder() -> Path:
            beside = tower_folder(folder, config.tower)
            # What the checkpoint names has no revision.
            return beside or hub_folder(f"{config.tower}@main", files=FILES, what="CLIP")

        loaded = load_weights(model, folder, precision=precision, device=device, clip_folder=clip_folder)
        return cls(model, tokenizer, loaded, precision=precision, **options)

    @property
    def name(self) -> str:
        return f"llava3d-{self.loaded.sha256[:8]}"

    @property
    def tokenizer_sha256(self) -> str:
        return tokenizer_sha256(self.tokenizer.backend_tokenizer)

    @torch.inference_mode()
    def answer(
        self, sample: Sample, questions: Sequence[str], *, other_views: Sequence[Sample] = ()
    ) -> list[TeacherAnswer]:
        """Answers greedily; the same questions always get the same answers on the same device.

        What comes before the questions, the views above all, is computed once.

        Args:
            questions: coordinates in square brackets, ``[1.2, 0.4, 0.9]``, point at a place in the world, metres.
            other_views: of the same room, seen together with the sample's own, which comes first.

        Raises:
            ValueError: a question holds the prompt's own markers or is too long, or views cannot be seen together.
        """
        if not questions:
            return []
        views = views_of_samples([sample, *other_views], side=self.model.config.side, frames=self.model.config.frames)
        visual = self.model.visual_tokens(views)
        asked = [with_clicks(f"{question}\n{self.instruction}".strip()) for question in questions]
        rows = [self._ids(text) for text, _ in asked]
        start = rows[0].index(VIEWS_ID) + 1  # the words before the views are everybody's
        none = torch.zeros(0, visual.shape[-1])
        prefix, _ = self.model.splice(rows[0][:start], visual, none)
        suffixes = []
        for ids, (_, points) in zip(rows, asked, strict=True):
            clicks = self.model.click_tokens(torch.tensor(points)) if points else none
            suffixes.append(self.model.splice(ids[start:], none, clicks)[0])
        self._check_length(len(prefix), [len(s) for s in suffixes], questions)
        cache = read_prefix(self.model.language, prefix)
        end = self.tokenizer.eos_token_id
        decoded: list[Decoded] = []
        for i in range(0, len(suffixes), self.batch):
            some = suffixes[i : i + self.batch]
            decoded += greedy(self.model.language, cache, some, end=end, longest=self.max_new_tokens, top_k=self.top_k)
        return [self._said(one) for one in decoded]

    def perceive(self, sample: Sample) -> None:
        """None: the published weights have neither a depth nor a box head."""

    def describe(self) -> dict[str, Any]:
        """For the report. The memory is what the weights take, computed from them and not measured on a GPU."""
        config = self.model.config
        words = config.llama
        heads = words.num_key_value_heads or words.num_attention_heads
        cached = 2 * words.num_hidden_layers * heads * (words.hidden_size // words.num_attention_heads)
        return {
            "kind": "llava3d",
            "told": "the picture, the true depth and the pose",
            "weights_sha256": self.loaded.sha256,
            "tensors_loaded": len(self.loaded.conversion.loaded),
            "tensors_not_used": len(self.loaded.conversion.not_used),
            "vocabulary": words.vocab_size,
            "top_k": self.top_k,
            "precision": self.precision,
            "decoding": "greedy",
            "max_new_tokens": self.max_new_tokens,
            "template": self.template,
            "instruction": self.instruction,
            "views_at_most": config.frames,
            "voxel_size": VOXEL_SIZE,
            "weights_gib": round(weight_bytes(self.model) / GIB, 3),
            "cache_mib_per_token": round(cached * PRECISIONS[self.precision].itemsize / 2**20, 4),
        }

    def _ids(self, question: str) -> list[int]:
        text = conversation([(question, None)], template=self.template)
        return token_ids(
            text, lambda piece: self.tokenizer.encode(piece, add_special_tokens=False), bos=self.tokenizer.bos_token_id
        )

    def _check_length(self, prefix: int, suffixes: Sequence[int], questions: Sequence[str]) -> None:
        for length, question in zip(suffixes, questions, strict=True):
            if prefix + length + self.max_new_tokens > self.model.config.max_length:
                raise ValueError(
                    f"views ({prefix} tokens), question ({length}) and answer (max_new_tokens {self.max_new_tokens}) "
                    f"must fit into {self.model.config.max_length} tokens. Got the question {question[:80]!r}"
                )

    def _said(self, decoded: Decoded) -> TeacherAnswer:
        return TeacherAnswer(
            text=str(self.tokenizer.decode(decoded.tokens, skip_special_tokens=True)).strip(),
            top_tokens=torch.stack(decoded.top_tokens).numpy(),
            top_logits=torch.stack(decoded.top_logits).numpy().astype(np.float32),
            hidden=decoded.hidden.numpy(),
        )


def load_teacher(
    model: str, *, device: torch.device, top_k: int = TOP_K, precision: str | None = None
) -> Llava3dTeacher:
    """``Llava3dTeacher.from_pretrained`` in the precision that the device has room for, unless one is given."""
    return Llava3dTeacher.from_pretrained(model, device=device, precision=precision or room_for(device), top_k=top_k)


def room_for(device: torch.device) -> str:
    """The precision for LLaVA-3D-7B: float32 on a CPU; on a GPU by its memory, estimated and not tried."""
    if device.type != "cuda":
        return "float32"
    gib = torch.cuda.get_device_properties(device).total_memory / GIB
    return next(precision for precision, needed in ROOM.items() if gib >= needed)


def read_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Llama's tokenizer, from ``tokenizer.json`` or the original ``tokenizer.model``.

    As SentencePiece runs it, each piece of text gets a space before it.

    Raises:
        Llava3dError: the folder has neither.
        ImportError: ``tokenizer.model`` needs packages that are not installed.
    """
    if not (folder / "tokenizer.json").is_file():
        if not (folder / "tokenizer.model").is_file():
            raise Llava3dError(f"{folder} has no tokenizer: expected tokenizer.json or tokenizer.model")
        missing = [name for name in ("sentencepiece", "google.protobuf") if not _is_installed(name)]
        if missing:
            raise ImportError(
                f"{folder / 'tokenizer.model'} cannot be read without {', '.join(missing)}: pip install sentencepiece "
                "protobuf, or put Llama-2's tokenizer.json beside it"
            )
    tokenizer = LlamaTokenizer.from_pretrained(folder)
    # transformers' own puts no second space before a piece that begins with one, as the pieces after a point do.
    backend = tokenizer.backend_tokenizer
    backend.pre_tokenizer = None
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return tokenizer


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its parent is missing
        return False


def weight_bytes(model: nn.Module) -> int:
    """Memory of the parameters, bytes."""
    return sum(p.numel() * p.element_size() for p in model.parameters())
