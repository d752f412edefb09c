"""Configuration of a student; ``presets`` has the sizes.

A configuration is plain data: ``to_dict`` and ``from_dict`` carry it through the ``config.json`` of a checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, get_type_hints

PATCH_EMBEDS = ("efficientnet_lite0", "dinov2")
DEPTH_KINDS = ("fusion", "dpt", "measured")
COT_POSITIONS = ("after_question", "before_question")
COT_MODES = ("learned", "zero", "random_frozen", "recurrent")
DTYPES = ("float32", "bfloat16")
MAX_VIEWS = 8
"""Frames of one scene; attention between all of them grows with their number squared."""


def _at_least(owner: str, low: float, **values: float) -> None:
    for name, value in values.items():
        if not value >= low:
            raise ValueError(f"{owner}.{name} must be at least {low}. Got {value}")


def _one_of(owner: str, name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{owner}.{name} must be one of {', '.join(allowed)}. Got {value!r}")


def _divides(owner: str, name: str, divisor: int, dim: int) -> None:
    if divisor < 1 or dim % divisor or (dim // divisor) % 4:
        raise ValueError(
            f"{owner}.{name} must split the width {dim} into heads of a multiple of 4 channels. Got {divisor}"
        )


@dataclass(kw_only=True, slots=True)
class Dinov2Config:
    """DINOv2 with registers as patch embedding; its width is the encoder's. The defaults are ViT-L/14's."""

    layers: int = 24
    heads: int = 16
    registers: int = 4
    patch_size: int = 14
    image_size: int = 518
    """Side of the square image of the table of positions; it is resized for other sizes."""

    def __post_init__(self) -> None:
        _at_least("dinov2", 1, layers=self.layers, heads=self.heads, patch_size=self.patch_size)
        _at_least("dinov2", 0, registers=self.registers)
        if self.image_size < self.patch_size or self.image_size % self.patch_size:
            raise ValueError(
                f"dinov2.image_size must be a multiple of the patch size {self.patch_size}. Got {self.image_size}"
            )


@dataclass(kw_only=True, slots=True)
class EncoderConfig:
    """Patch embedding and alternating attention (VGGT)."""

    patch_embed: str = "efficientnet_lite0"
    """Which network turns pixels into patch tokens."""
    frozen_blocks: int = 5
    """How many of the patch embedding's first blocks (and its stem) are not trained; 16 freezes it whole."""
    dim: int = 256
    """Width of a token."""
    pairs: int = 2
    """Number of (frame block, global block) pairs."""
    heads: int = 4
    mlp_ratio: float = 4.0
    registers: int = 4
    """Register tokens a frame, beside its camera token."""
    layer_scale: float = 0.2
    """Initial LayerScale. VGGT starts at 0.01, on top of a strong patch embedding; too slow from scratch."""
    rope_base: float = 100.0
    intermediate_layers: tuple[int, ...] = ()
    """The pairs whose outputs the heads read, frame half and global half side by side (VGGT: 4, 11, 17, 23); without
    any they read the last output, normalised."""
    joint_frames: bool = True
    """Whether the frames of a scene attend to each other. A student that was trained on single frames sees several
    best one by one."""
    dinov2: Dinov2Config = field(default_factory=Dinov2Config)
    """Used where ``patch_embed`` is ``dinov2``."""

    def __post_init__(self) -> None:
        self.intermediate_layers = tuple(int(t) for t in self.intermediate_layers)
        if list(self.intermediate_layers) != sorted(set(self.intermediate_layers)) or any(
            not 0 <= t < self.pairs for t in self.intermediate_layers
        ):
            raise ValueError(
                f"encoder.intermediate_layers must be ascending numbers of the {self.pairs} pairs. "
                f"Got {self.intermediate_layers}"
            )
        if self.intermediate_layers and self.intermediate_layers[-1] != self.pairs - 1:
            raise ValueError(
                f"encoder.intermediate_layers must end with the last pair, {self.pairs - 1}; later pairs would be "
                f"computed in vain. Got {self.intermediate_layers}"
            )
        _one_of("encoder", "patch_embed", self.patch_embed, PATCH_EMBEDS)
        _at_least("encoder", 0, frozen_blocks=self.frozen_blocks, registers=self.registers)
        _at_least("encoder", 0, layer_scale=self.layer_scale)
        _at_least("encoder", 1, dim=self.dim, pairs=self.pairs, mlp_ratio=self.mlp_ratio, rope_base=self.rope_base)
        _divides("encoder", "heads", self.heads, self.dim)

    @property
    def width(self) -> int:
        """Channels of the tokens that the heads read."""
        return self.dim * (2 if self.intermediate_layers else 1)


@dataclass(kw_only=True, slots=True)
class DepthConfig:
    """Dense metric depth."""

    kind: str = "fusion"
    """``fusion`` of the patch embedding's own finer maps, VGGT's ``dpt`` over four intermediate layers of the
    encoder, or ``measured``: the depth of every frame is an input, from an RGB-D camera or, for a teacher, from the
    simulation."""
    dim: int = 64
    """``fusion``: channels at stride 8 and 4."""
    dpt_features: int = 256
    """``dpt``: channels of its fusion."""
    dpt_channels: tuple[int, ...] = (256, 512, 1024, 1024)
    """``dpt``: channels of its levels, finest first."""
    metric: bool = True
    """Whether the depth is in metres. False until the scale of a loaded VGGT, whose depth is relative, is trained."""
    canonical_focal: float = 200.0
    """Focal length in pixels for which the head predicts; the result is multiplied by focal / canonical_focal."""
    initial_depth: float = 2.5
    """Metres at the canonical focal length that an untrained head predicts."""

    def __post_init__(self) -> None:
        _one_of("depth", "kind", self.kind, DEPTH_KINDS)
        self.dpt_channels = tuple(self.dpt_channels)
        if len(self.dpt_channels) != 4 or any(c < 4 or c % 4 for c in (*self.dpt_channels, self.dpt_features // 2)):
            raise ValueError(
                "depth.dpt_channels must be four multiples of 4 and depth.dpt_features a multiple of 8. "
                f"Got {self.dpt_channels}, {self.dpt_features}"
            )
        if self.kind == "measured" and not self.metric:
            raise ValueError("depth.metric must be true with depth.kind 'measured': the input is in metres")
        _at_least("depth", 8, dim=self.dim)
        _at_least("depth", 1e-3, canonical_focal=self.canonical_focal, initial_depth=self.initial_depth)


@dataclass(kw_only=True, slots=True)
class DetectionConfig:
    """Labelled 3D boxes."""

    queries: int = 32
    """How many boxes a scene can have."""
    dim: int = 0
    """Width of the tokens inside; 0 takes the encoder's."""
    layers: int = 2
    """Decoder layers that refine the chosen proposals."""
    heads: int = 4
    mlp_ratio: float = 2.0
    hidden: int = 256
    """Width of the proposal and box heads."""
    region: int = 0
    """Each layer reads the patch embedding's finer maps and the depth at region x region points of a box's rectangle;
    0 does not."""

    def __post_init__(self) -> None:
        _at_least("detection", 1, queries=self.queries, heads=self.heads, hidden=self.hidden, mlp_ratio=self.mlp_ratio)
        _at_least("detection", 0, layers=self.layers, dim=self.dim, region=self.region)


@dataclass(kw_only=True, slots=True)
class SegmentationConfig:
    """Semantic segmentation, an auxiliary task of training; nothing of it is computed otherwise."""

    dim: int = 0
    """Channels; 0 leaves the head out."""

    def __post_init__(self) -> None:
        _at_least("segmentation", 0, dim=self.dim)


@dataclass(kw_only=True, slots=True)
class LanguageConfig:
    """The causal language model and its visual tokens."""

    vocab_size: int = 2048
    dim: int = 256
    layers: int = 4
    heads: int = 4
    mlp_dim: int = 640
    max_question_tokens: int = 96
    """Longer questions are refused."""
    max_answer_tokens: int = 16
    pointer_dim: int = 128
    """Width of the grounding pointer and of the pair features."""
    name_window: int = 7
    """Tokens, the current one included, that the pointer reads to recognise a name."""
    patch_pool: int = 2
    """Patch tokens are averaged over patch_pool x patch_pool before they become visual tokens; 0 leaves them out."""
    prefix_positions: str = "shared"
    """``shared``: every visual token has position 0 (a set has no order); ``ordered`` counts, for pretrained models."""
    causal_lm: dict[str, Any] = field(default_factory=dict)
    """Configuration of one of transformers' causal language models, with its ``model_type``; it decides ``dim``.
    Empty: a small Llama of the sizes above."""
    end_token: str = "</s>"
    """Ends an answer; also fills up rows."""
    lora_rank: int = 0
    """Rank of the adapters that learn in place of a ``causal_lm``; 0 trains the whole."""

    def __post_init__(self) -> None:
        if self.causal_lm:
            if "hidden_size" not in self.causal_lm or "model_type" not in self.causal_lm:
                raise ValueError("language.causal_lm must have a model_type and a hidden_size")
            self.dim = int(self.causal_lm["hidden_size"])
        elif self.lora_rank:
            raise ValueError("language.lora_rank adapts a causal_lm, and there is none")
        _at_least("language", 0, lora_rank=self.lora_rank)
        _at_least("language", 300, vocab_size=self.vocab_size)
        _at_least("language", 1, dim=self.dim, layers=self.layers, mlp_dim=self.mlp_dim, pointer_dim=self.pointer_dim)
        _at_least("language", 1, name_window=self.name_window, max_answer_tokens=self.max_answer_tokens)
        _at_least("language", 8, max_question_tokens=self.max_question_tokens)
        _at_least("language", 0, patch_pool=self.patch_pool)
        if not self.causal_lm:
            _divides("language", "heads", self.heads, self.dim)
        _one_of("language", "prefix_positions", self.prefix_positions, ("shared", "ordered"))


@dataclass(kw_only=True, slots=True)
class HiddenCotConfig:
    """The latent scratchpad T1..TK: tokens that are never decoded."""

    tokens: int = 8
    """K; 0 switches it off."""
    position: str = "after_question"
    """``before_question`` is the paper's order, where a causal mask keeps T from seeing the question."""
    mode: str = "learned"
    """``zero`` and ``random_frozen`` are the controls for a gain of ``learned``; ``recurrent`` adds the hidden state
    before each thought to its embedding."""

    def __post_init__(self) -> None:
        _at_least("hidden_cot", 0, tokens=self.tokens)
        _one_of("hidden_cot", "position", self.position, COT_POSITIONS)
        _one_of("hidden_cot", "mode", self.mode, COT_MODES)


@dataclass(kw_only=True, slots=True)
class PoseConfig:
    """VGGT's camera head: poses and fields of view of several frames, where no pose is known."""

    layers: int = 0
    """Blocks of its trunk, 4 in VGGT-1B; 0 leaves the head out."""
    heads: int = 16
    iterations: int = 4
    """How often it refines its estimate."""

    def __post_init__(self) -> None:
        _at_least("pose", 0, layers=self.layers)
        _at_least("pose", 1, heads=self.heads, iterations=self.iterations)


@dataclass(kw_only=True, slots=True)
class StudentConfig:
    """The whole student."""

    preset: str
    labels: tuple[str, ...]
    """The classes of the detection head, in the order of its logits."""
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    depth: DepthConfig = field(default_factory=DepthConfig)
    detection: DetectionConfig = field(default_factory=DetectionConfig)
    segmentation: SegmentationConfig = field(default_factory=SegmentationConfig)
    pose: PoseConfig = field(default_factory=PoseConfig)
    language: LanguageConfig = field(default_factory=LanguageConfig)
    hidden_cot: HiddenCotConfig = field(default_factory=HiddenCotConfig)
    image_area: int = 224 * 224
    """Pixels of the network's image; the aspect of the camera's image is kept."""
    inference_dtype: str = "float32"
    """Arithmetic of the perception outside training. ``bfloat16`` (autocast) takes three quarters of the time on a CPU
    with AMX and rounds features to 8 bits; the language model, whose steps are small, gets slower and stays float32."""

    def __post_init__(self) -> None:
        if self.depth.kind == "dpt" and len(self.encoder.intermediate_layers) != len(self.depth.dpt_channels):
            raise ValueError(
                f"depth.kind 'dpt' reads {len(self.depth.dpt_channels)} intermediate layers of the encoder. "
                f"Got {self.encoder.intermediate_layers}"
            )
        if self.depth.kind == "fusion" and self.encoder.patch_embed == "dinov2":
            raise ValueError("depth.kind 'fusion' reads finer maps, which dinov2 has not; use 'dpt'")
        if self.encoder.patch_embed == "dinov2" and self.detection.region:
            raise ValueError(
                f"detection.region must be 0 with dinov2, which has no finer maps. Got {self.detection.region}"
            )
        if self.encoder.patch_embed == "dinov2" and self.segmentation.dim:
            raise ValueError(
                f"segmentation.dim must be 0 with dinov2, which has no finer maps. Got {self.segmentation.dim}"
            )
        if self.pose.layers:
            _divides("pose", "heads", self.pose.heads, self.encoder.width)
            if not self.encoder.joint_frames:
                raise ValueError("pose.layers must be 0 with encoder.joint_frames false: frames must see each other")
        self.labels = tuple(self.labels)
        if not self.labels or len(set(self.labels)) != len(self.labels):
            raise ValueError(f"labels must be a non-empty list without repetitions. Got {self.labels}")
        _at_least("student", 32 * 32, image_area=self.image_area)
        _one_of("student", "inference_dtype", self.inference_dtype, DTYPES)

    def to_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return asdict(self) | {"labels": list(self.labels)}

    @property
    def multiple(self) -> int:
        """Pixels: what the sides of the network's image must be multiples of."""
        return self.encoder.dinov2.patch_size if self.encoder.patch_embed == "dinov2" else 32

    @property
    def patch_size(self) -> int:
        """Pixels of the network's image along a side of a patch."""
        return self.encoder.dinov2.patch_size if self.encoder.patch_embed == "dinov2" else 16

    @property
    def takes_depth(self) -> bool:
        """Whether the depth of every frame is an input instead of a prediction."""
        return self.depth.kind == "measured"

    @property
    def box_dim(self) -> int:
        """Width of the detection head's feature of each box."""
        return self.detection.dim or self.encoder.width

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> StudentConfig:
        """Reads ``to_dict`` back; an unknown or missing field is an error that names it."""
        return _build(cls, "student", data)


def _build(cls: type, owner: str, values: Mapping[str, Any]) -> Any:
    """A configuration and those inside it."""
    hints = get_type_hints(cls)
    known = [f.name for f in fields(cls)]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ValueError(f"{owner} configuration has unknown fields {unknown}; known are {known}")
    values = {name: _build(hints[name], name, v) if is_dataclass(hints[name]) else v for name, v in values.items()}
    try:
        return cls(**values)
    except TypeError as error:
        raise ValueError(f"{owner} configuration is incomplete: {error}") from error
