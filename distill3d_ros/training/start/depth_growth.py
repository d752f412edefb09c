"""Growth of a student in depth: a larger one that begins with the answers of a smaller trained one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from distill3d_ros.student.student import Student

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
class DepthGrowth:
    """The tensors that a student took from a smaller one, by name."""

    taken: tuple[str, ...]
    new: tuple[str, ...]
    """Those of the larger student that begin anew."""
    not_used: tuple[str, ...]
    """Those of the smaller one that the larger does not have."""

    def describe(self) -> str:
        """ "194 tensors taken; new: encoder.frame_blocks.2 (16 tensors), ...; not used: depth_head (30)"."""
        text = f"{len(self.taken)} tensors taken"
        for what, names in (("new", self.new), ("not used", self.not_used)):
            counts: dict[str, int] = {}
            for name in names:
                counts[_part(name)] = counts.get(_part(name), 0) + 1
            if counts:
                text += f"; {what}: " + ", ".join(f"{part} ({count})" for part, count in counts.items())
        return text


@torch.no_grad()
def deepen(student: Student, smaller: Student) -> DepthGrowth:
    """Copies every tensor of ``smaller`` that ``student`` has under the same name in the same shape.

    Blocks that the larger one has more of begin as the identity (Net2DeeperNet, Chen et al., ICLR 2016): what they add
    to the tokens is multiplied by zero weights, which learn from the first step on.

    Raises:
        ValueError: they know different classes or words.
    """
    if student.config.labels != smaller.config.labels:
        raise ValueError("a student can only begin with one that knows the same classes in the same order")
    if student.language.tokenizer.to_str() != smaller.language.tokenizer.to_str():
        raise ValueError("a student can only begin with one that has the same tokenizer")
    ours, given = student.state_dict(), smaller.state_dict()
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
    return DepthGrowth(taken=tuple(taken), new=tuple(new), not_used=tuple(n for n in given if n not in taken))


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
