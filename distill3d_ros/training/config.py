"""Configuration of a training run: dataclasses, filled from YAML and the command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distill3d_ros.questions.kind_record import FAMILIES
from distill3d_ros.system.config_loading import build, load_yaml, read_yaml, to_dict
from distill3d_ros.training.augment_config import OF_A_BATCH, AugmentConfig

PERCEPTION_PARTS = ("encoder", "depth_head", "camera_head", "detection_head")
AUXILIARY_PARTS = ("segmentation_head",)
"""Heads that a student may have for its training alone."""
TRAINED_PARTS = {
    "perception": (*PERCEPTION_PARTS, *AUXILIARY_PARTS),
    "reasoning": ("language",),
    "joint": (*PERCEPTION_PARTS, *AUXILIARY_PARTS, "language"),
    "distill": (*PERCEPTION_PARTS, *AUXILIARY_PARTS, "language"),
    "cached": ("language",),
}
"""Kind of stage -> the parts of the student that learn in it (``lr_scales`` may freeze some)."""
STAGE_KINDS = tuple(TRAINED_PARTS)
OPTIMIZERS = ("adamw", "muon")


@dataclass(kw_only=True, slots=True)
class NoiseConfig:
    """Detector-like errors put on true boxes when the language model learns without pixels."""

    ray: tuple[float, float] = (0.02, 0.12)
    """Relative error along the viewing ray: the scene's standard deviation is drawn from this range."""
    lateral: float = 0.02
    """Standard deviation of the viewing direction, radians."""
    size: tuple[float, float] = (0.05, 0.25)
    """Relative error of each extent: the scene's standard deviation is drawn from this range."""
    yaw: float = 0.2
    """Standard deviation in radians; a tenth of the objects with a front are turned round."""
    confusion: float = 0.15
    """Probability that another label scores highest."""
    miss: float = 0.05
    """Probability that an object is not found; smaller ones are missed up to four times as often."""
    duplicate: float = 0.1
    """Probability that an object is found twice."""
    false_positives: float = 1.0
    """Mean number of things found that are not there."""
    clean: float = 0.1
    """Share of the scenes that are left without noise."""

    def __post_init__(self) -> None:
        self.ray = (float(self.ray[0]), float(self.ray[1]))
        self.size = (float(self.size[0]), float(self.size[1]))
        for name in ("confusion", "miss", "duplicate", "clean"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"noise.{name} is a probability, 0 to 1. Got {getattr(self, name)}")
        for name in ("lateral", "yaw", "false_positives"):
            if getattr(self, name) < 0:
                raise ValueError(f"noise.{name} must not be negative. Got {getattr(self, name)}")


HIGHER_IS_BETTER = ("accuracy", "map25", "map50", "delta1", "miou", *FAMILIES)
LOWER_IS_BETTER = ("absrel", "rmse")
"""What is measured against geometry or marked pixels. Figures may have a prefix: ``seen_accuracy``, ``noisy_contact``,
``real_delta1`` of real pictures."""


@dataclass(kw_only=True, slots=True)
class StopEarlyConfig:
    """The validation figure of early stopping, and its patience."""

    figure: str = ""
    """A figure of geometry, as validation names it; ``accuracy`` alone is enough where there is one. Empty: none."""
    patience: int = 0
    """End after so many validations in a row without a better figure; 0 never ends a stage early."""

    def __post_init__(self) -> None:
        if self.patience < 0:
            raise ValueError(f"stop_early.patience must not be negative. Got {self.patience}")
        if self.patience and not self.figure:
            raise ValueError("stop_early.patience needs stop_early.figure, e.g. accuracy")
        if self.figure and not self.figure.endswith((*HIGHER_IS_BETTER, *LOWER_IS_BETTER)):
            raise ValueError(
                "stop_early.figure must be a validation figure that is measured against geometry: "
                f"{', '.join((*HIGHER_IS_BETTER, *LOWER_IS_BETTER))}. A loss, or the weighted total of several, falls "
                f"when its weights do and says little about answers. Got {self.figure!r}"
            )


@dataclass(kw_only=True, slots=True)
class StageConfig:
    """One stage of training; a stage is configuration, the loop is the same for all."""

    name: str
    """Folder of its checkpoints."""
    kind: str
    """perception: depth, boxes and camera from pixels. reasoning: questions on noisy true boxes, without pixels.
    joint: questions on what the student itself perceives. distill: the same, with a teacher's cached answers.
    cached: as joint, on a frozen perception that was computed once."""
    steps: int = 10_000
    """Optimiser steps; warm-up and cosine are planned over them."""
    minutes: float = 0.0
    """End after so many minutes of training even if steps are left, with the cosine planned to end then too. For
    machines of unknown speed; only runs without it (0) are repeatable to the bit."""
    batch_size: int = 16
    """Images (perception, joint, cached, distill) or scenes (reasoning) a step."""
    accumulate: int = 1
    """Parts in which a batch goes through the network, one after the other: as many times less memory, and the step of
    the whole batch. A loss is the mean over the parts of what it is in each."""
    gradient_checkpointing: bool = False
    """Compute what the transformer blocks hold for their gradients a second time in place of keeping it."""
    questions_per_scene: int = 24
    """Questions asked about each scene of a batch, in one pass."""
    family_shares: dict[str, int | float] = field(default_factory=dict)
    """Question family -> share of its turns that it takes when questions are drawn; 1 without an entry."""
    optimizer: str = "adamw"
    """adamw, or muon: Muon (Jordan et al. 2024) for the matrices of hidden layers, scaled so that the same ``lr``
    serves, and AdamW for everything else."""
    lr: float = 1e-3
    lr_scales: dict[str, int | float] = field(default_factory=dict)
    """Prefix of parameter names -> factor on ``lr``; the longest matching prefix counts, 0 freezes."""
    min_lr: float = 0.01
    """Last learning rate as a share of ``lr``."""
    warmup_steps: int = 200
    weight_decay: float = 0.05
    """Not on biases, norms, embeddings of one dimension or the loss weights."""
    betas: tuple[float, float] = (0.9, 0.98)
    grad_clip: float = 1.0
    ema: float = 0.999
    """Decay of the averaged weights, which are what is saved as the student; 0 switches averaging off."""
    precision: str = "bf16"
    """bf16 (autocast), or fp32. Where the processor does not multiply in bfloat16, training says so and is in fp32."""
    weighting: str = "static"
    """uncertainty, static or equal."""
    loss_weights: dict[str, int | float] = field(default_factory=dict)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    augment_real: dict[str, Any] = field(default_factory=dict)
    """Changes to ``augment`` for the pictures of real cameras, by its field names."""
    real_share: float | None = None
    """Share of each batch that comes from data folders of real pictures, whatever their number; rendered and real ones
    then have epochs of their own. None: every sample of every folder once an epoch."""
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    min_visible_pixels: int = 40
    """Objects that show fewer pixels of a 224 x 224 image are no targets and are not asked about."""
    epoch_samples: int = 0
    """At most so many samples an epoch (a new epoch sees what a growing data folder has by then); 0 is all."""
    workers: int = 1
    """Processes that prepare batches in the stages that ask questions; 0 prepares them in a thread."""
    teacher: str = ""
    """Folder of the answers that ``distill3d teach`` kept; for stages of kind distill, cached and perception. In the
    last its depth and boxes take the place of a truth that a sample lacks."""
    teacher_min_score: float = 0.5
    """Class probability from which the teacher's boxes are objects, in pictures where nobody looked for any."""
    teacher_unsure_score: float = 0.1
    """Class probability below which the teacher has seen nothing there; boxes between are left open."""
    temperature: float = 2.0
    """Of the teacher's and the student's next tokens where they are compared (``text_kl``)."""
    multi_view_pairs: bool = False
    """Whether a second view of its room comes with each image, for the loss ``multi_view``."""
    log_every: int = 20
    validate_every: int = 1000
    validate_samples: int = 200
    perception_cache: str = ""
    """Kind cached: folder of the cached perception (``cache_perception``)."""
    checkpoint_minutes: float = 10.0
    stop_early: StopEarlyConfig = field(default_factory=StopEarlyConfig)
    best: bool = False
    """Keep the student whose ``stop_early.figure`` was best as ``student_best``, beside the last one."""
    settings_may_change: bool = False
    """Go on from a checkpoint that was begun with other settings, such as another ``lr``; refused otherwise."""
    max_minutes: float = 0.0
    """Stop cleanly with a checkpoint after so many minutes of this call; 0 is no limit."""

    def __post_init__(self) -> None:
        if self.kind not in STAGE_KINDS:
            raise ValueError(f"stage {self.name!r}: kind must be one of {', '.join(STAGE_KINDS)}. Got {self.kind!r}")
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(
                f"stage {self.name!r}: optimizer must be one of {', '.join(OPTIMIZERS)}. Got {self.optimizer!r}"
            )
        for name in ("steps", "batch_size", "questions_per_scene", "accumulate", "log_every", "validate_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"stage {self.name!r}: {name} must be at least 1. Got {getattr(self, name)}")
        if self.best and not self.stop_early.figure:
            raise ValueError(f"stage {self.name!r}: best needs stop_early.figure, which says what is best. Got none")
        for family, share in self.family_shares.items():
            if family not in FAMILIES or not 0 < share <= 1:
                raise ValueError(
                    f"stage {self.name!r}: family_shares maps {', '.join(FAMILIES)} to shares in (0, 1]. "
                    f"Got {family!r}: {share}"
                )
        if self.lr <= 0 or not 0 <= self.min_lr <= 1:
            raise ValueError(
                f"stage {self.name!r}: lr must be positive and min_lr in 0..1. Got {self.lr}, {self.min_lr}"
            )
        if not 0 <= self.ema < 1:
            raise ValueError(f"stage {self.name!r}: ema must lie in 0..1, 1 excluded. Got {self.ema}")
        if self.precision not in ("bf16", "fp32"):
            raise ValueError(f"stage {self.name!r}: precision must be bf16 or fp32. Got {self.precision!r}")
        if self.max_minutes < 0 or self.minutes < 0 or self.checkpoint_minutes <= 0:
            raise ValueError(
                f"stage {self.name!r}: minutes and max_minutes must not be negative, checkpoint_minutes positive. "
                f"Got {self.minutes}, {self.max_minutes}, {self.checkpoint_minutes}"
            )
        self.betas = (float(self.betas[0]), float(self.betas[1]))
        self._check_mixing()
        self._check_teaching()

    @property
    def augmentation_of_real(self) -> AugmentConfig:
        """The augmentation of the pictures of real cameras."""
        where = f"stage {self.name!r}: augment_real"
        return build(AugmentConfig, {**to_dict(self.augment), **self.augment_real}, where=where)

    def _check_mixing(self) -> None:
        """Checks the fields about rendered and real pictures."""
        shared = [name for name in OF_A_BATCH if name in self.augment_real]
        if shared:
            raise ValueError(
                f"stage {self.name!r}: augment_real must leave out {' and '.join(shared)}, which all pictures of a "
                f"batch share; set it in augment. Got {self.augment_real[shared[0]]}"
            )
        _ = self.augmentation_of_real  # names what is wrong in it
        if self.real_share is None:
            return
        if not 0.0 <= self.real_share <= 1.0:
            raise ValueError(f"stage {self.name!r}: real_share must lie in 0..1. Got {self.real_share}")
        if self.kind == "cached":
            raise ValueError(
                f"stage {self.name!r}: real_share belongs to a stage that reads data folders; leave it out"
            )

    def _check_teaching(self) -> None:
        """Checks the fields of stages that learn from a teacher."""
        where = f"stage {self.name!r}:"
        if self.temperature <= 0:
            raise ValueError(f"{where} temperature must be positive. Got {self.temperature}")
        for name, kinds in (("teacher", ("distill", "cached", "perception")), ("multi_view_pairs", ("distill",))):
            if getattr(self, name) and self.kind not in kinds:
                of = " or ".join(kinds)
                raise ValueError(f"{where} {name} belongs to a stage of kind {of}; leave it out. Got {self.kind}")
        if not 0 < self.teacher_unsure_score <= self.teacher_min_score <= 1:
            raise ValueError(
                f"{where} teacher_unsure_score must be above 0 and at most teacher_min_score, which is at most 1. "
                f"Got {self.teacher_unsure_score} and {self.teacher_min_score}"
            )
        if self.kind != "distill":
            return
        if not self.teacher:
            raise ValueError(f"{where} teacher must name the folder that `distill3d teach` wrote. Got none")
        self.augment.check_whole(f"stage {self.name!r}: augment")
        self.augmentation_of_real.check_whole(f"stage {self.name!r}: augment_real")


@dataclass(kw_only=True, slots=True)
class TrainConfig:
    """A whole run: a student and its stages, one after the other."""

    stages: tuple[StageConfig, ...]
    preset: str = "pico"
    """The student's preset."""
    student: dict[str, Any] = field(default_factory=dict)
    """Changes to the preset, by the field names of StudentConfig."""
    language_model: str = ""
    """The pretrained language model that a new student begins with, where its preset has one: smollm2-135m, a folder
    in transformers' format, owner/name@revision on a hub, or scratch for random weights and a tokenizer of its own."""
    vggt: str = ""
    """VGGT's public weights (.safetensors or .pt), for the encoder and depth head of a new student that has VGGT's."""
    perception: str = ""
    """Folder of a trained student; a new one begins with its encoder and heads, its tokenizer and its settings."""
    start_from: str = ""
    """A smaller trained student (a folder, or owner/name@revision on a hub) that a new one begins as: its classes, its
    words and its tensors are taken, and additional layers do nothing at first."""
    seed: int = 0
    threads: int = 0
    """CPU threads of the step; 0 leaves it to torch."""
    device: str = "auto"
    """auto (CUDA where there is one), cpu, cuda, cuda:1."""

    def __post_init__(self) -> None:
        names = [stage.name for stage in self.stages]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"stages must be a list with a name for each, none twice. Got {names}")
        if self.threads < 0:
            raise ValueError(f"threads must not be negative. Got {self.threads}")

    def stage(self, name: str) -> StageConfig:
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise ValueError(f"no stage {name!r} in this configuration; it has {', '.join(s.name for s in self.stages)}")


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Reads a YAML file. ``overrides`` are ``key=value`` with dotted keys, ``perception.steps=100`` for a stage.

    Raises:
        ValueError: a key that does not exist (the message names it and its neighbours), a value of a wrong type.
    """
    path = Path(path)
    data = load_yaml(path, what="training configuration", example="config/train/pico.yaml")
    for override in overrides:
        _override(data, override)
    return build(TrainConfig, data, where=str(path))


def _override(data: dict[str, Any], text: str) -> None:
    key, sign, raw = text.partition("=")
    if not sign:
        raise ValueError(f"an override reads key=value, e.g. perception.steps=100. Got {text!r}")
    change(data, key, read_yaml(raw))


def change(data: dict[str, Any], key: str, value: Any) -> None:
    """Sets a dotted key of a configuration as YAML has it; the name of a stage may come first."""
    *path, last = key.split(".")
    node: Any = data
    if path:
        stages = {s.get("name"): s for s in data.get("stages", []) if isinstance(s, dict)}
        if path[0] in stages:
            node, path = stages[path[0]], path[1:]
        elif path[0] not in {f.name for f in dataclasses.fields(TrainConfig)}:
            raise ValueError(f"override {key!r}: {path[0]!r} is no stage; there are {', '.join(map(str, stages))}")
    for part in path:
        node = node.setdefault(part, {})
    node[last] = value
