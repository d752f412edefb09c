"""Times of all presets and of LLaVA-3D-7B's shape on this machine's GPU, in one call: ``python scripts/gpu_bench.py``.

Weights are random: the time does not depend on them. Each network looks at a picture of 640 x 480 and answers one
question with twelve tokens. Writes the figures beside those of ``make bench`` and the page docs/performance.md again.
``--small`` takes pico, a narrow teacher and one repetition, for a machine without a GPU.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import CLIPVisionConfig, LlamaConfig

from distill3d_ros.cli.bench_frame import QUESTIONS, benchmark_frame
from distill3d_ros.cli.performance_page import performance_page
from distill3d_ros.engine.student_inputs import student_inputs
from distill3d_ros.scene.labels import LABELS
from distill3d_ros.student.config import StudentConfig
from distill3d_ros.student.presets import paper, pico, small
from distill3d_ros.student.student import Student
from distill3d_ros.system.files import write_whole
from distill3d_ros.training.start.vocabulary import new_tokenizer
from distill3d_ros.training.teachers.llava3d.config import Llava3dConfig
from distill3d_ros.training.teachers.llava3d.decoding import greedy, read_prefix
from distill3d_ros.training.teachers.llava3d.model import Llava3d
from distill3d_ros.training.teachers.llava3d.processor import Views
from distill3d_ros.training.teachers.llava3d.prompts import VIEWS_ID

ROOT = Path(__file__).resolve().parents[1]
ANSWER_TOKENS = 12
WORDS = 24
"""Tokens of the question, about, for the teacher, which gets made-up ones."""
REPEATS = 30
VIEWS = 1
"""That the teacher is shown: one, as the student is. LLaVA-3D takes up to 20."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="pico and a narrow teacher, one repetition")
    parser.add_argument("--json", type=Path, default=ROOT / "docs" / "results" / "bench.json")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "performance.md")
    options = parser.parse_args(arguments)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu" and not options.small:
        raise SystemExit("torch sees no GPU; --small tries the script without one")
    rows = list(measure(device, small_size=options.small))
    figures = json.loads(options.json.read_text(encoding="utf-8"))
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU, narrow teacher"
    figures["gpu"] = {"device": name, "torch": torch.__version__, "answer_tokens": ANSWER_TOKENS, "rows": rows}
    write_whole(options.json, json.dumps(figures, indent=1) + "\n")
    write_whole(options.page, performance_page(figures))


def measure(device: torch.device, *, small_size: bool) -> Iterator[dict[str, Any]]:
    """A row for each network, type and way of computing; one that fails (memory, no compiler) has an ``error``."""
    repeats = 1 if small_size else REPEATS
    configs = [pico(LABELS)] if small_size else [pico(LABELS), small(LABELS), paper(LABELS)]
    types = [torch.bfloat16] if small_size else [torch.bfloat16, torch.float16]
    ways = ["eager"] if small_size else ["eager", "CUDA graphs"]
    for dtype in types:
        for config in configs:
            for way in ways:
                yield _row(config.preset, dtype, way, device, repeats, partial(_student, config, device, way))
        teacher = llava3d_7b(narrow=small_size)
        yield _row("LLaVA-3D-7B's shape", dtype, "eager", device, repeats, partial(_teacher, teacher, device))


def _row(
    name: str, dtype: torch.dtype, way: str, device: torch.device, repeats: int, build: Callable[[], Any]
) -> dict[str, Any]:
    row: dict[str, Any] = {"network": name, "dtype": str(dtype).removeprefix("torch."), "way": way}
    print(f"{name}, {row['dtype']}, {way} ...", flush=True)
    _forget(device)
    try:
        with _default_type(dtype):
            answer, parameters = build()
        with torch.inference_mode(), torch.autocast(device.type, dtype):
            for _ in range(min(repeats, 3)):
                answer()
            spent = [_milliseconds(answer, device) for _ in range(repeats)]
    except (RuntimeError, torch.cuda.OutOfMemoryError) as error:
        return row | {"error": str(error).strip().splitlines()[0][:120]}
    gib = torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else None
    p50, p95 = (float(np.percentile(spent, q)) for q in (50, 95))
    return row | {"parameters": parameters, "p50_ms": p50, "p95_ms": p95, "count": repeats, "peak_gib": gib}


def _student(config: StudentConfig, device: torch.device, way: str) -> tuple[Callable[[], None], int]:
    """A function from a picture to an answer of ANSWER_TOKENS, and the number of parameters."""
    language = config.language
    tokens = new_tokenizer(2048 if language.causal_lm else language.vocab_size, end_token=language.end_token)
    with _default_type(torch.float32):  # heads compute places in float32; autocast rounds the products
        student = Student(replace(config, language=replace(language, max_answer_tokens=ANSWER_TOKENS)), tokens)
    student = student.to(device).eval()
    student.language.encoder.end = -1  # random weights would end an answer anywhere
    if way == "CUDA graphs":
        for part in (student.encoder, student.depth_head, student.detection_head):
            part.compile(mode="reduce-overhead")
    given = student_inputs(config, [benchmark_frame()])
    images, intrinsics = torch.from_numpy(given.images), torch.from_numpy(given.intrinsics)

    def answer() -> None:
        perception = student.perceive_unchecked(images.to(device), intrinsics.to(device))
        student.answer(student.cache(student.prefix(perception)), [QUESTIONS[0]])

    return answer, sum(p.numel() for p in student.parameters())


def _teacher(config: Llava3dConfig, device: torch.device) -> tuple[Callable[[], None], int]:
    """The same of LLaVA-3D; its weights are of the default type, those of places float32."""
    with device:
        model = Llava3d(config).eval()
    model.patch_position.float()
    model.click_position.float()
    views = _posed(config, device)
    before, after = list(range(5, 5 + WORDS)), list(range(40, 40 + WORDS))

    def answer() -> None:
        visual = model.visual_tokens(views)
        none = torch.zeros(0, visual.shape[-1], device=device)
        prefix, _ = model.splice([*before, VIEWS_ID], visual, none)
        question, _ = model.splice(after, none, none)
        cache = read_prefix(model.language, prefix)
        greedy(model.language, cache, [question], end=-1, longest=ANSWER_TOKENS, top_k=1)

    return answer, sum(p.numel() for p in model.parameters())


def llava3d_7b(*, narrow: bool = False) -> Llava3dConfig:
    """The shape of the published LLaVA-3D-7B (Vicuna-7B and CLIP ViT-L/14 at 336), or a narrow one."""
    words: dict[str, Any] = {
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
    }
    clip: dict[str, Any] = {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 23,
        "num_attention_heads": 16,
        "image_size": 336,
        "patch_size": 14,
    }
    if narrow:
        words = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 2}
        clip |= {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    return Llava3dConfig(
        llama=LlamaConfig(vocab_size=32000, max_position_embeddings=4096, rms_norm_eps=1e-5, **words),
        clip=CLIPVisionConfig(**clip),
        tower="",
        frames=VIEWS,
        max_length=4096,
    )


def _posed(config: Llava3dConfig, device: torch.device) -> Views:
    """Views of noise, at depths that put each patch into a voxel of its own."""
    side, rng = config.side, torch.Generator().manual_seed(0)
    camera = torch.eye(4).repeat(VIEWS, 1, 1)
    camera[:, 0, 0] = camera[:, 1, 1] = 0.9 * side
    camera[:, :2, 2] = side / 2
    return Views(
        images=torch.rand(VIEWS, 3, side, side, generator=rng).to(device),
        depths=torch.rand(VIEWS, side, side, generator=rng) * 4 + 4,
        world_from_camera=torch.eye(4).repeat(VIEWS, 1, 1),
        intrinsics=camera,
        repeats=torch.ones(VIEWS, dtype=torch.long),
    )


def _milliseconds(work: Callable[[], None], device: torch.device) -> float:
    _wait(device)
    begin = time.perf_counter()
    work()
    _wait(device)
    return 1e3 * (time.perf_counter() - begin)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _forget(device: torch.device) -> None:
    """Frees what the network before has left."""
    gc.collect()
    torch.compiler.reset()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


@contextmanager
def _default_type(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


if __name__ == "__main__":
    main()
