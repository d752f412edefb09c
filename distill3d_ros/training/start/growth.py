"""Growth of a student in depth and in classes: a larger one that begins with the answers of a smaller trained one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from distill3d_ros.student.student import Student

NEW_CLASS = -9.0
"""Logit of a class before it is learned: low enough to leave the choice of the queries to the others. Focal loss learns
as fast from here as from a likelier prior."""
OUTPUTS = (
    "attn.proj",
    "mlp.fc2",
    "proj_self",
    "proj_cross",
    "self_attn.o_proj",
    "mlp.down_proj",
    "labels.fc2",
    "geometry.fc2",
)
"""Ends of the names of the layers by which a block, or a box's correction, is added to what was there before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """The tensors that a student took from a smaller one, by name."""

    taken: tuple[str, ...]
    new: tuple[str, ...]
    """Those of the larger student that begin anew."""
    not_used: tuple[str, ...]
    """Those of the smaller one that the larger does not have."""
    classes: tuple[str, ...] = ()
    """Classes that only the larger one has."""

    def describe(self) -> str:
        """ "194 tensors taken; new: encoder.frame_blocks.2 (16 tensors), ...; not used: depth_head (30)"."""
        text = f"{len(self.taken)} tensors taken"
        if self.classes:
            text += f"; new classes: {', '.join(self.classes)}"
        for what, names in (("new", self.new), ("not used", self.not_used)):
            counts: dict[str, int] = {}
            for name in names:
                counts[_part(name)] = counts.get(_part(name), 0) + 1
            if counts:
                text += f"; {what}: " + ", ".join(f"{part} ({count})" for part, count in counts.items())
        return text


@torch.no_grad()
def grow(student: Student, smaller: Student) -> Growth:
    """Copies every tensor of ``smaller`` that ``student`` has under the same name in the same shape, class by class.

    Blocks that the larger one has more of begin as the identity (Net2DeeperNet, Chen et al., ICLR 2016): what they add
    to the tokens is multiplied by zero weights, which learn from the first step on. Classes that only the larger one
    has begin with a logit of ``NEW_CLASS`` everywhere.

    Raises:
        ValueError: the larger one lacks a class, or knows other words.
    """
    missing = [label for label in smaller.config.labels if label not in student.config.labels]
    if missing:
        raise ValueError(
            "student.labels must hold every class of the student that it begins as, or be all. "
            f"Got {list(student.config.labels)}, without {', '.join(missing)}"
        )
    if student.language.tokenizer.to_str() != smaller.language.tokenizer.to_str():
        raise ValueError("a student can only begin with one that has the same tokenizer")
    ours, given = student.state_dict(), smaller.state_dict()
    if student.config.labels != smaller.config.labels:
        given = given | _with_new_classes(student, smaller, given)
    taken = [name for name, value in ours.items() if name in given and given[name].shape == value.shape]
    for name in taken:
        ours[name].copy_(given[name])
    new = [name for name in ours if name not in taken]
    fresh = set(new)
    for name, block in student.named_modules():
        if isinstance(block, nn.ModuleList):
            for number, member in enumerate(block):
                names = {f"{name}.{number}.{n}" for n, _ in member.named_parameters()}
                if names and names <= fresh:
                    _silence(member)
    classes = tuple(label for label in student.config.labels if label not in smaller.config.labels)
    not_used = tuple(n for n in given if n not in taken)
    return Growth(taken=tuple(taken), new=tuple(new), not_used=not_used, classes=classes)


def _with_new_classes(student: Student, smaller: Student, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The smaller one's tensors that have a row or column a class, with those of the larger one's classes.

    Every detail of the old classes stays: new ones have no weights, so that queries and boxes do not change with them.
    """
    number = {label: i for i, label in enumerate(student.config.labels)}
    place = torch.tensor([number[label] for label in smaller.config.labels])
    old, new = len(place), len(number)
    grown = {}
    for name, value in given.items():
        if name.startswith("detection_head.") and name.endswith(("labels.fc2.weight", "labels.fc2.bias")):
            # Rows are objectness and the classes. A refining layer adds to what was there.
            first = NEW_CLASS if name == "detection_head.propose.labels.fc2.bias" else 0.0
            wide = value.new_full((1 + new, *value.shape[1:]), first)
            wide[0], wide[1 + place] = value[0], value[1:]
        elif name == "detection_head.embed.weight":  # columns are objectness, the classes and the box
            wide = value.new_zeros(len(value), value.shape[1] + new - old)
            wide[:, 0], wide[:, 1 + place], wide[:, 1 + new :] = value[:, 0], value[:, 1 : 1 + old], value[:, 1 + old :]
        elif name.startswith("segmentation_head.output."):  # rows are the classes and "no category"
            wide = value.new_zeros(new + 1, *value.shape[1:])
            wide[place], wide[new] = value[:-1], value[-1]
        else:
            continue
        grown[name] = wide
    return grown


def _silence(block: nn.Module) -> None:
    for name, layer in block.named_modules():
        if isinstance(layer, nn.Linear) and name.endswith(OUTPUTS):
            layer.weight.zero_()
            if layer.bias is not None:
                layer.bias.zero_()


def _part(name: str) -> str:
    """The block that a tensor belongs to: up to the first number, or the first two names."""
    words = name.split(".")
    numbers = [i for i, word in enumerate(words) if word.isdigit()]
    return ".".join(words[: numbers[0] + 1] if numbers else words[:2])
