"""What a student consists of, in numbers."""

from __future__ import annotations

from collections.abc import Iterator


def parameter_counts(preset: str) -> Iterator[tuple[str, int]]:
    """(part, parameters) for every part of a preset's student.

    Raises:
        ValueError: there is no such preset.
    """
    from distill3d_ros.scene.labels import LABELS
    from distill3d_ros.student.config import PRESETS

    if preset not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}. Got '{preset}'")
    from distill3d_ros.scene.kinds import KINDS
    from distill3d_ros.scene.questions import wordings
    from distill3d_ros.student.student import Student
    from distill3d_ros.student.text import train_tokenizer

    config = PRESETS[preset](LABELS)
    texts = [text for kind in KINDS for text in wordings(kind, False)]
    student = Student(config, train_tokenizer(texts, vocab_size=config.language.vocab_size, words=LABELS))
    counted: set[int] = set()
    for name, part in student.named_children():
        own = [p for p in part.parameters() if id(p) not in counted]
        counted.update(map(id, own))
        if own:
            yield name, sum(p.numel() for p in own)
    rest = sum(p.numel() for p in student.parameters() if id(p) not in counted)
    if rest:
        yield "other", rest


def print_parameters(preset: str) -> None:
    from rich.console import Console
    from rich.table import Table

    counts = list(parameter_counts(preset))
    table = Table(title=f"student preset {preset}")
    table.add_column("part")
    table.add_column("parameters", justify="right")
    for name, count in counts:
        table.add_row(name, f"{count:,}")
    table.add_section()
    table.add_row("all", f"{sum(count for _, count in counts):,}")
    Console().print(table)
