"""Parameters of a student by part, and the time and memory of its first frame and question."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from distill3d_ros.cli.options import InfoOptions
from distill3d_ros.system.memory import peak_rss_mib

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from distill3d_ros.student.config import StudentConfig


def parameter_counts(preset: str, labels: Sequence[str] | None = None) -> Iterator[tuple[str, int]]:
    """(part, parameters) for every part of a preset's student, ``total`` last; with these classes, or with all.

    Raises:
        ValueError: there is no such preset.
    """
    from distill3d_ros.scene.labels import LABELS
    from distill3d_ros.student.presets import PRESETS

    if preset not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}. Got '{preset}'")
    import torch

    from distill3d_ros.student.checkpoint import count_parameters
    from distill3d_ros.student.student import Student

    config = PRESETS[preset](LABELS if labels is None else labels)
    with torch.device("meta"):  # shapes without memory
        student = Student(config, _any_tokenizer(config))
    yield from count_parameters(student).items()


def _any_tokenizer(config: StudentConfig) -> Tokenizer:
    """A pretrained language model brings its own tokenizer; to count and to measure, any other serves."""
    from distill3d_ros.training.start.vocabulary import new_tokenizer

    language = config.language
    return new_tokenizer(2048 if language.causal_lm else language.vocab_size, end_token=language.end_token)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRun:
    """Time and memory of one frame with random weights, without any warm-up."""

    width: int
    height: int
    build_s: float
    perceive_s: float
    prefix_s: float
    """The language model reads the visual tokens."""
    answer_s: float
    peak_gib: float
    """Largest resident memory of the process."""


def first_run(preset: str, dtype: str = "bfloat16") -> FirstRun:
    """Builds a preset's student on the CPU, perceives one frame in ``dtype`` and asks one question.

    Raises:
        ValueError: there is no such preset or arithmetic.
    """
    from distill3d_ros.scene.labels import LABELS
    from distill3d_ros.student.presets import PRESETS

    if preset not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}. Got '{preset}'")
    import torch

    from distill3d_ros.student.student import Student

    times = [time.perf_counter()]
    config = replace(PRESETS[preset](LABELS), inference_dtype=dtype)
    student = Student(config, _any_tokenizer(config)).eval()
    times.append(time.perf_counter())
    m = student.multiple
    width = m * round((config.image_area * 4 / 3) ** 0.5 / m)
    height = m * round((config.image_area * 3 / 4) ** 0.5 / m)
    lens = torch.tensor([[[0.9 * width, 0.9 * width, width / 2 - 0.5, height / 2 - 0.5]]])
    depth = torch.full((1, 1, height, width), 2.0) if student.takes_depth else None
    with torch.inference_mode():
        perception = student.perceive(torch.rand(1, 1, 3, height, width), lens, depth=depth)
        times.append(time.perf_counter())
        cache = student.cache(student.prefix(perception))
        times.append(time.perf_counter())
        student.answer(cache, ["Is the chair near the table?"])
        times.append(time.perf_counter())
    build, perceive, prefix, answer = (b - a for a, b in pairwise(times))
    return FirstRun(
        width=width,
        height=height,
        build_s=build,
        perceive_s=perceive,
        prefix_s=prefix,
        answer_s=answer,
        peak_gib=peak_rss_mib() / 1024,
    )


def print_parameters(options: InfoOptions) -> None:
    """The table for a terminal; with ``options.run``, also what one frame costs."""
    from rich.console import Console
    from rich.table import Table

    counts = dict(parameter_counts(options.preset))
    total = counts.pop("total")
    table = Table(title=f"student preset {options.preset}")
    table.add_column("part")
    table.add_column("parameters", justify="right")
    for name, count in counts.items():
        if count:
            table.add_row(name, f"{count:,}")
    table.add_section()
    table.add_row("all", f"{total:,}")
    Console().print(table)
    if options.run:
        cost = first_run(options.preset)
        Console().print(
            f"random weights, one frame of {cost.width} x {cost.height}, bfloat16, on the CPU: built in "
            f"{cost.build_s:.3g} s, perception {cost.perceive_s:.3g} s, visual tokens read in {cost.prefix_s:.3g} s, "
            f"an answer {cost.answer_s:.3g} s; peak memory {cost.peak_gib:.1f} GiB"
        )
