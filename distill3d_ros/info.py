"""What a student consists of, in numbers."""

from __future__ import annotations

from collections.abc import Iterator


def parameter_counts(preset: str) -> Iterator[tuple[str, int]]:
    """(part, parameters) for every part of a preset's student, ``total`` last.

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
    from distill3d_ros.training.vocabulary import new_tokenizer

    config = PRESETS[preset](LABELS)
    language = config.language
    # A pretrained language model brings its own tokenizer; any other serves to count its parameters.
    vocabulary = 2048 if language.causal_lm else language.vocab_size
    tokenizer = new_tokenizer(vocabulary, end_token=language.end_token)
    with torch.device("meta"):  # shapes without memory
        student = Student(config, tokenizer)
    yield from count_parameters(student).items()


def print_parameters(preset: str) -> None:
    from rich.console import Console
    from rich.table import Table

    counts = dict(parameter_counts(preset))
    total = counts.pop("total")
    table = Table(title=f"student preset {preset}")
    table.add_column("part")
    table.add_column("parameters", justify="right")
    for name, count in counts.items():
        table.add_row(name, f"{count:,}")
    table.add_section()
    table.add_row("all", f"{total:,}")
    Console().print(table)
