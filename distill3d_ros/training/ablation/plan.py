"""Configuration of an ablation: a base training, its variants, seeds, evaluation questions and claims."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distill3d_ros.system.config_loading import build, load_yaml
from distill3d_ros.training.config import TrainConfig, change
from distill3d_ros.training.data.mixture import KINDS_OF_PICTURES
from distill3d_ros.training.data.sample import SPLITS
from distill3d_ros.training.inputs.cache_perception import CacheConfig
from distill3d_ros.training.start.initial_student import student_settings

NAME = re.compile(r"[a-z0-9_]+")
EXAMPLE = "config/ablate/added_thoughts.yaml"


@dataclass(kw_only=True, slots=True)
class VariantConfig:
    """One row of the table."""

    name: str
    """Small letters, digits and underscores; also the name of its folder."""
    says: str = ""
    """Its description, for the report."""
    changes: dict[str, Any] = field(default_factory=dict)
    """Dotted key of the base -> value: student.hidden_cot.tokens, cached.loss_weights.names (``cached``
    being a stage)."""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"variants.name must be of small letters, digits and underscores. Got {self.name!r}")


@dataclass(kw_only=True, slots=True)
class AskedConfig:
    """The evaluation questions, the same for every student."""

    splits: tuple[str, ...] = ("test_known", "test_unseen")
    """``val/real`` and ``val/rendered`` are of the data folders with such pictures."""
    frames: int = 150
    """Of each split, evenly spread."""
    questions: int = 1000
    """Of each split, balanced as in `distill3d evaluate`."""
    seed: int = 0
    attention_frames: int = 24
    """Of each split; on these the attention of answers on the thoughts is measured."""

    def __post_init__(self) -> None:
        known = {*SPLITS, *(f"{split}/{kind}" for split in SPLITS for kind in KINDS_OF_PICTURES)}
        if not self.splits or set(self.splits) - known:
            raise ValueError(
                f"evaluate.splits must name some of {', '.join(SPLITS)}, perhaps with /real or /rendered behind. "
                f"Got {list(self.splits)}"
            )
        for name in ("frames", "questions", "attention_frames"):
            if getattr(self, name) < 1:
                raise ValueError(f"evaluate.{name} must be at least 1. Got {getattr(self, name)}")


@dataclass(kw_only=True, slots=True)
class ClaimConfig:
    """A claim that one variant is better than others, tested by the differences."""

    says: str
    paper: str = ""
    """The paper's figures for it."""
    better: str = ""
    """Variant."""
    than: tuple[str, ...] = ()
    """Variants; the claim holds if ``better`` beats each of them."""


@dataclass(kw_only=True, slots=True)
class AblationConfig:
    """A table of variants."""

    base: dict[str, Any]
    """A training configuration, or {file: ..., stages: [...]} with other keys of one that replace the file's."""
    variants: tuple[VariantConfig, ...]
    reference: str
    """Variant with which the others are compared."""
    seeds: tuple[int, ...] = (0, 1, 2)
    init: str = ""
    """Folder of a student that every run starts from, its language model included; empty: as ``base`` says."""
    perception: CacheConfig = field(default_factory=CacheConfig)
    """The cache of the frozen perception of ``base.perception`` or ``base.start_from``, computed once for all variants;
    for stages of kind cached."""
    evaluate: AskedConfig = field(default_factory=AskedConfig)
    hidden_cot: tuple[str, ...] = ()
    """Variants with thoughts, for the question whether thoughts help."""
    controls: tuple[str, ...] = ()
    """Variants that each of them must beat."""
    claims: tuple[ClaimConfig, ...] = ()

    def __post_init__(self) -> None:
        names = [v.name for v in self.variants]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"variants must be a list with a name for each, none twice. Got {names}")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds must be a list of different numbers. Got {list(self.seeds)}")
        named = {"reference": [self.reference], "hidden_cot": self.hidden_cot, "controls": self.controls}
        for claim in self.claims:
            named[f"claim {claim.says!r}"] = [claim.better, *claim.than]
        for where, mentioned in named.items():
            for name in mentioned:
                if name not in names:
                    raise ValueError(f"{where} names no variant: {name!r}; there are {', '.join(names)}")

    def variant(self, name: str) -> VariantConfig:
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise ValueError(f"no variant {name!r}; there are {', '.join(v.name for v in self.variants)}")


def load_ablation(path: str | Path) -> AblationConfig:
    """Reads a YAML file; a ``file`` of its base is looked for beside it.

    Raises:
        ValueError: the file is missing or not valid, or has an unknown key (the message names it).
    """
    path = Path(path)
    data = load_yaml(path, example=EXAMPLE)
    base = data.get("base")
    if not isinstance(base, dict):
        raise ValueError(f"{path}: base must be a training configuration or name one with file. Got {base!r}")
    if "file" in base:
        rest = {key: value for key, value in base.items() if key != "file"}
        data["base"] = load_yaml(path.parent / str(base["file"]), example=EXAMPLE) | rest
    return build(AblationConfig, data, where=str(path))


def trainings(config: AblationConfig, cache: Path) -> dict[str, dict[str, Any]]:
    """Variant -> its training configuration, as YAML has it, without the seed.

    Args:
        cache: folder of the cached perception, for stages of kind cached.

    Raises:
        ValueError: a change names an unknown key.
    """
    found = {}
    for variant in config.variants:
        data = copy.deepcopy(config.base)
        where = f"variant {variant.name!r}"
        try:
            for key, value in variant.changes.items():
                if config.init and key.split(".")[0] == "student":
                    raise ValueError(f"{key} cannot change where every run starts from the student in {config.init}")
                change(data, key, copy.deepcopy(value))
            for stage in cached_stages(data):
                stage["perception_cache"] = str(cache)
                if stage.get("teacher", "") not in ("", config.perception.teacher):
                    raise ValueError(
                        f"{stage['name']}.teacher must be perception.teacher, with whose questions the perception is "
                        f"cached, {config.perception.teacher!r}. Got {stage['teacher']!r}"
                    )
            student_settings(build(TrainConfig, data, where=where))
        except ValueError as error:
            raise ValueError(str(error) if str(error).startswith(where) else f"{where}: {error}") from None
        found[variant.name] = data
    return found


def cached_stages(training: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The stages of a training configuration that train on a cached perception."""
    return [s for s in training.get("stages", []) if isinstance(s, dict) and s.get("kind") == "cached"]


def chosen(config: AblationConfig, only: Sequence[str] | None) -> tuple[str, ...]:
    """The names of the variants to run: those of ``only``, or all."""
    if not only:
        return tuple(v.name for v in config.variants)
    return tuple(config.variant(name).name for name in dict.fromkeys(only))
