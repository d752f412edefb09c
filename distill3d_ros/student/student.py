"""The student: one small network from RGB frames to depth, 3D boxes and answers in words."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from distill3d_ros.student.config import StudentConfig
from distill3d_ros.student.encoder.vggt import Encoder
from distill3d_ros.student.heads.camera import CameraHead
from distill3d_ros.student.heads.depth import build_depth_head
from distill3d_ros.student.heads.detection import DetectionHead
from distill3d_ros.student.heads.measured_depth import MeasuredDepth
from distill3d_ros.student.heads.pose import PoseHead
from distill3d_ros.student.heads.pose_encoding import first_from_each
from distill3d_ros.student.heads.segmentation import SegmentationHead
from distill3d_ros.student.language.language import LanguageModel, PrefixCache
from distill3d_ros.student.outputs import (
    GeneratedAnswer,
    LanguageInput,
    LanguageOutput,
    ObjectSet,
    Perception,
    Prefix,
    QuestionBatch,
    QuestionText,
)
from distill3d_ros.student.rays import check_depth, check_views, level_from_optical, level_points


class Student(nn.Module):
    """Encoder, depth, camera and detection heads, and a language model that reads their outputs."""

    def __init__(self, config: StudentConfig, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.config = config
        self.inference_dtype = config.inference_dtype
        self.encoder = Encoder(config.encoder)
        self.depth_head: nn.Module = (
            MeasuredDepth(config.depth, dim=config.encoder.dim)
            if self.takes_depth
            else build_depth_head(config.depth, self.encoder)
        )
        self.camera_head = CameraHead(config.encoder.width)
        self.detection_head = DetectionHead(
            config.detection,
            width=config.encoder.width,
            classes=len(config.labels),
            channels=getattr(self.encoder.patch_embed, "channels", None),
        )
        self.segmentation_head = None
        if config.segmentation.dim:
            self.segmentation_head = SegmentationHead(
                config.segmentation,
                width=config.encoder.width,
                classes=len(config.labels),
                channels=self.encoder.patch_embed.channels,
            )
        self.pose_head = None
        if config.pose.layers:
            self.pose_head = PoseHead(
                config.encoder.width,
                layers=config.pose.layers,
                heads=config.pose.heads,
                iterations=config.pose.iterations,
            )
        self.language = LanguageModel(config, tokenizer)

    @property
    def multiple(self) -> int:
        """Pixels: what the sides of an image must be multiples of."""
        return self.encoder.patch_embed.multiple

    @property
    def takes_depth(self) -> bool:
        """Whether the depth of every frame is an input instead of a prediction."""
        return self.config.takes_depth

    def perceive(
        self,
        images: Tensor,
        intrinsics: Tensor,
        up: Tensor | None = None,
        poses: Tensor | None = None,
        depth: Tensor | None = None,
        *,
        semantics: bool = False,
    ) -> Perception:
        """Depth of every frame, and the boxes of what they show, in the first camera's frame.

        Without ``poses`` a student with a pose head estimates them; one without takes boxes from the first frame
        alone, and treats the other frames as taken from the same pose.

        Args:
            images: (B, S, 3, H, W) in 0..1, 1 to 8 frames a scene, sides multiples of ``multiple``.
            intrinsics: (B, S, 4) fx, fy, cx, cy in pixels of these images.
            up: (B, S, 3) unit vectors against gravity in each optical frame where known.
            poses: (B, S, 4, 4) metres; the first camera's optical frame from each frame's, where known.
            depth: (B, S, H, W) metres along the optical axis, 0 or NaN where unknown; for a student that
                ``takes_depth``, and only for such a one.
            semantics: also compute the semantic segmentation, where the student has its head.
        """
        check_views(images, intrinsics, up, poses, multiple=self.multiple)
        check_depth(depth, images, taken=self.takes_depth)
        with self._arithmetic(images.device.type):
            return self.perceive_unchecked(images, intrinsics, up, poses, depth, semantics)

    def _arithmetic(self, device: str) -> AbstractContextManager[object]:
        """The configured type outside training; in training the trainer decides."""
        if torch.is_grad_enabled() or self.inference_dtype == "float32":
            return nullcontext()
        return torch.autocast(device, getattr(torch, self.inference_dtype))

    def perceive_unchecked(
        self,
        images: Tensor,
        intrinsics: Tensor,
        up: Tensor | None = None,
        poses: Tensor | None = None,
        measured: Tensor | None = None,
        semantics: bool = False,
        *,
        up_known: Tensor | None = None,
    ) -> Perception:
        """``perceive`` of valid inputs in the caller's arithmetic, as one graph.

        ``up_known`` (B,) bool says of which scenes ``up`` is to be used; None: of all.
        """
        if measured is None:
            features = self.encoder(images)
            depth = self.depth_head(features, intrinsics)
        else:
            assert isinstance(self.depth_head, MeasuredDepth)
            known_level = None if up is None else level_from_optical(up[:, 0])
            patch = self.encoder.patch_embed.patch_size
            points = self.depth_head.point_embedding(measured, intrinsics, known_level, poses, patch)
            features = self.encoder(images, points)
            depth = self.depth_head(features, intrinsics, measured)
        predicted_up, fov = self.camera_head(features.camera, intrinsics, (images.shape[-2], images.shape[-1]))
        first_up = (predicted_up if up is None else up)[:, 0]
        if up_known is not None:
            first_up = torch.where(up_known[:, None], first_up, predicted_up[:, 0])
        level = level_from_optical(first_up)  # (B, 3, 3)
        if poses is None and self.pose_head is not None and images.shape[1] > 1:
            poses = first_from_each(self.pose_head(features.camera)[-1], depth.scale)
        boxes = self.detection_head(features, depth, intrinsics, level, poses)
        return Perception(
            depth=depth.depth,
            depth_log_error=depth.log_error,
            log_depth=depth.log_depth,
            up=predicted_up,
            fov=fov,
            level_from_optical=level,
            detections=boxes.layers[-1],
            proposals=boxes.proposals,
            decoder_layers=boxes.layers[:-1],
            query_patch=boxes.query_patch,
            patch_tokens=features.patches,
            camera_token=features.camera,
            patch_points=level_points(
                depth.at_patches.detach(),
                intrinsics,
                features.grid,
                level.detach(),
                patch=features.patch_size,
                poses=poses,
            ),
            grid=features.grid,
            image_size=(images.shape[-2], images.shape[-1]),
            intrinsics=intrinsics,
            poses=poses,
            depth_measured=measured is not None,
            semantics=self.segmentation_head(features) if semantics and self.segmentation_head else None,
        )

    def objects(self, perception: Perception) -> ObjectSet:
        """The detected objects as input of the language model."""
        return self.language.visual.objects(perception)

    def language_input(self, perception: Perception) -> LanguageInput:
        """The inputs of the language model from a perception; no learned weights in between."""
        return self.language.visual.language_input(perception)

    def prefix(self, perception: Perception | LanguageInput, *, stop_gradient: bool = False) -> Prefix:
        """The visual tokens of a perception; ``stop_gradient`` keeps the answers' loss out of the perception."""
        return self.language.prefix(perception, stop_gradient=stop_gradient)

    def prefix_from_objects(self, objects: ObjectSet) -> Prefix:
        """The visual tokens of objects alone, without pixels."""
        return self.language.prefix(objects)

    def collate(self, questions: Sequence[Sequence[QuestionText]], objects: int) -> QuestionBatch:
        """Questions of each scene as one batch; ``objects`` is the number of object tokens of its prefix."""
        return self.language.collate(questions, objects)

    def read(self, prefix: Prefix, questions: QuestionBatch) -> LanguageOutput:
        """All questions of all scenes in one pass, each as if it were alone with its scene; for training."""
        return self.language(prefix, questions)

    def cache(self, prefix: Prefix) -> PrefixCache:
        """Reads the visual tokens of one scene once, for all questions about it."""
        return self.language.cache(prefix)

    def answer(self, cache: PrefixCache, questions: Sequence[str], *, top: int = 0) -> list[GeneratedAnswer]:
        """The likeliest answers to any number of questions about one scene; ``top`` above 0 also keeps the scores of
        that many tokens at each position, for distillation."""
        return self.language.answer(cache, questions, top=top)
