"""Data types of the student: perception, language input, questions as tokens, answers. Importing them takes no torch.

Tensors are torch's; of a perception that ONNX Runtime computed they are numpy's arrays.

Letters: B scenes, S frames of a scene, H W pixels, h w the patch grid, P = h w patches, N boxes, C classes,
D width of an encoder token, V visual tokens, E width of a language model token, Q questions of a scene, T tokens of a
question with its thoughts and answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from distill3d_ros.student.arrays import atan2, exp, is_array, sigmoid

if TYPE_CHECKING:
    from torch import Tensor

FIT_POWER = 0.25
"""Weight of a box's expected overlap in its score; chosen by the average precision on validation rooms."""


def map_tensors(value: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """A copy of an output with ``function`` applied to each of its tensors, nested ones included."""
    if is_array(value):
        return function(value)
    if isinstance(value, list | tuple):
        return type(value)(map_tensors(v, function) for v in value)
    if hasattr(value, "__dataclass_fields__"):
        return replace(value, **{f.name: map_tensors(getattr(value, f.name), function) for f in fields(value)})
    return value


def to_float(x: Tensor) -> Tensor:
    """float32, unless it holds integers or booleans; for ``map_tensors``."""
    return x.float() if x.is_floating_point() else x


@dataclass(kw_only=True, slots=True)
class Boxes:
    """Labelled 3D boxes, raw enough for the losses. ``N`` is the number of queries, or of patches for proposals.

    ``center_uv`` and ``depth`` are in the frame of the box's query patch, ``center`` in the first camera's.
    """

    class_logits: Tensor  # (B, N, C) one sigmoid a class
    objectness: Tensor  # (B, N) logit: is there any object; of a refined box, its fit (``box_fit`` of the losses)
    center_uv: Tensor  # (B, N, 2) pixel of the box centre, may lie outside the image
    log_depth_ratio: Tensor  # (B, N) log of the centre's depth over the dense depth at the token
    log_size: Tensor  # (B, N, 3)
    angle: Tensor  # (B, N, 2) unit (sin, cos) of yaw minus the azimuth of the centre's ray
    depth: Tensor  # (B, N) metres along the optical axis, of the centre
    center: Tensor  # (B, N, 3) optical frame, metres
    center_level: Tensor  # (B, N, 3) level frame, metres
    size: Tensor  # (B, N, 3) metres
    yaw_vector: Tensor  # (B, N, 2) unit (sin yaw, cos yaw) in the level frame
    feature: Tensor  # (B, N, D)

    @property
    def scores(self) -> Tensor:
        """(B, N, C) in 0..1, by which boxes are ranked: the probability of the class, tempered by how well it fits."""
        fit = sigmoid(self.objectness) ** FIT_POWER
        return sigmoid(self.class_logits) * fit[..., None]

    @property
    def yaw(self) -> Tensor:
        """(B, N) radians in the level frame."""
        return atan2(self.yaw_vector[..., 0], self.yaw_vector[..., 1])


@dataclass(kw_only=True, slots=True)
class Perception:
    """The perception of a scene, before any question.

    Boxes are in the first camera's frame: of what the first frame shows, or, with known poses, all frames. Then there
    are S times as many queries and proposals, and a thing that several frames show has a box from each.
    """

    depth: Tensor  # (B, S, H, W) metres
    depth_log_error: Tensor  # (B, S, H, W) log of the expected |log depth error| (Laplace scale)
    log_depth: Tensor  # (B, S, H/4, W/4) output of the head before upsampling, (B, S, H, W) if measured; metric
    up: Tensor  # (B, S, 3) predicted, unit, optical frame
    fov: Tensor  # (B, S, 2) predicted (vertical, horizontal), radians
    level_from_optical: Tensor  # (B, 3, 3) of the first frame, from the known up vector or else the predicted one
    detections: Boxes  # N queries
    proposals: Boxes  # N = P, one a patch of the first frame (of each frame with poses), row-major
    decoder_layers: list[Boxes]  # after each decoder layer but the last, for auxiliary losses
    query_patch: Tensor  # (B, N) the patch of whose proposal each query started
    patch_tokens: Tensor  # (B, S, P, D)
    camera_token: Tensor  # (B, S, D)
    patch_points: Tensor  # (B, S, P, 3) level-frame position of each patch's surface, metres; no gradient
    grid: tuple[int, int]  # (h, w)
    image_size: tuple[int, int]  # (H, W)
    intrinsics: Tensor  # (B, S, 4) fx, fy, cx, cy
    poses: Tensor | None = None  # (B, S, 4, 4) the first camera from each, known or estimated; None: unknown
    depth_measured: bool = False  # the depth was an input, not predicted
    semantics: Tensor | None = None  # (B, S, C + 1, H/8, W/8) logits, the last for no category; only if requested

    def scaled(self, factor: float) -> Perception:
        """The same scene at ``factor`` times the size, for a perception of one frame."""
        shift = math.log(factor)

        def boxes(found: Boxes) -> Boxes:
            larger = {name: getattr(found, name) * factor for name in ("depth", "center", "center_level", "size")}
            return replace(found, log_size=found.log_size + shift, **larger)

        return replace(
            self,
            depth=self.depth * factor,
            log_depth=self.log_depth + shift,
            detections=boxes(self.detections),
            proposals=boxes(self.proposals),
            decoder_layers=[boxes(layer) for layer in self.decoder_layers],
            patch_points=self.patch_points * factor,
        )

    @property
    def depth_confidence(self) -> Tensor:
        """(B, S, H, W) in (0, 1): 1 / (1 + expected relative error * 10); 0.5 is an expected error of a tenth."""
        return 1.0 / (1.0 + 10.0 * exp(self.depth_log_error))


@dataclass(kw_only=True, slots=True)
class ObjectSet:
    """The objects as input of the language model: predicted, or noisy true ones in the stage without pixels."""

    center: Tensor  # (B, N, 3) level frame, metres
    size: Tensor  # (B, N, 3) metres
    yaw: Tensor  # (B, N) radians, level frame
    class_probs: Tensor  # (B, N, C) independent scores in 0..1
    score: Tensor  # (B, N) 0..1: probability that it is an object
    mask: Tensor  # (B, N) bool, False for padding
    feature: Tensor | None = None  # (B, N, D) of the detection head; None where there are no pixels


@dataclass(kw_only=True, slots=True)
class LanguageInput:
    """The inputs of the language model from a perception, before any of its weights; enough to cache a perception."""

    objects: ObjectSet
    patch_tokens: Tensor  # (B, S, P, D)
    patch_points: Tensor  # (B, S, P, 3) level frame, metres
    camera: Tensor  # (B, S, D + 6) camera token and lens
    grid: tuple[int, int]  # (h, w)


@dataclass(kw_only=True, slots=True)
class Prefix:
    """The visual tokens of the language model, objects first."""

    tokens: Tensor  # (B, V, E)
    mask: Tensor  # (B, V) bool
    objects: ObjectSet
    pairs: Tensor  # (B, N, N, F) geometry of object j relative to object i


@dataclass(frozen=True, slots=True, kw_only=True)
class NameSpan:
    """A name in a question, and its referents."""

    start: int
    """First character."""
    end: int
    """One past the last character."""
    label: int | None = None
    """Index in the student's labels; None when the name stands for none of them."""
    objects: tuple[int, ...] | None = None
    """Indices of the referents among the prefix's objects; empty: absent; None: the pointer is not supervised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionText:
    """One question in words; with its answer for training."""

    text: str
    answer: str | None = None
    names: tuple[NameSpan, ...] = ()


@dataclass(kw_only=True, slots=True)
class QuestionBatch:
    """Q questions a scene as tokens. A row is [question][T1..TK][answer][padding] (or thoughts first)."""

    token_ids: Tensor  # (B, Q, T); padding and thoughts hold the pad token
    kind: Tensor  # (B, Q, T) one of PAD, QUESTION, THOUGHT, ANSWER
    targets: Tensor  # (B, Q, T) the next token where it belongs to the answer, else IGNORE
    name_targets: Tensor  # (B, Q, T) label at the last token of a name, C ("no name") at other words, else IGNORE
    pointer_targets: Tensor  # (B, Q, T, N + 1) bool: the referents; the last entry is "none"
    pointer_supervised: Tensor  # (B, Q, T) bool: where pointer_targets holds; ordinary words mean "none"
    is_name: Tensor  # (B, Q, T) bool: the last token of a supervised name


PAD, QUESTION, THOUGHT, ANSWER = range(4)
IGNORE = -100


@dataclass(kw_only=True, slots=True)
class LanguageOutput:
    """Of all questions in one pass. ``M`` counts the answer tokens (end of answer included) of all rows."""

    logits: Tensor  # (M, vocabulary) at the positions before an answer token
    targets: Tensor  # (M,)
    scene: Tensor  # (M,) index of the scene
    question: Tensor  # (M,) index of the question in its scene
    name_logits: Tensor  # (B, Q, T, C + 1)
    pointer_logits: Tensor  # (B, Q, T, N + 1); softmax over the last axis; -inf at padded objects
    before_answer: Tensor  # (B, Q, E) hidden state from which the first answer token is predicted


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerScores:
    """Token scores of an answer; L counts the answer's tokens with the end token."""

    top_tokens: Tensor  # (L, K) the likeliest at each token of the answer, best first
    top_logits: Tensor  # (L, K) their log probabilities: logits that are normalised over the whole vocabulary
    before_answer: Tensor  # (E,) the hidden state from which the first token was predicted


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedAnswer:
    """An answer of the language model."""

    text: str
    confidence: float
    """Product of the probabilities of its tokens, 0..1."""
    object_indices: tuple[int, ...] = field(default=())
    """Objects of the prefix that the question's names pointed at, in the order of the names."""
    scores: AnswerScores | None = None
    """Only if requested."""
