"""The engine: frames in, a scene out; questions in, answers out. Knows no ROS.

Letters in shape comments: S frames, H W pixels of the camera's image, h w pixels of the network's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from distill3d_ros.engine.asking import answer_questions
from distill3d_ros.engine.box_decoding import DecodingConfig, RawBoxes, decode_objects
from distill3d_ros.engine.calibration import IDENTITY, Calibration
from distill3d_ros.engine.metric_scale import scale_source, scaled_by_depth, scaled_by_floor
from distill3d_ros.engine.registration import first_from_second
from distill3d_ros.engine.resizing import resized
from distill3d_ros.engine.runtimes.runtime import Runtime, as_runtime, load_runtime
from distill3d_ros.engine.scene_features import SceneFeatures, deduplicate_views
from distill3d_ros.questions.answer import Answer
from distill3d_ros.scene.frame import FloatArray, Frame, Intrinsics, check_image_size
from distill3d_ros.scene.geometry import invert_pose, turned_pose
from distill3d_ros.scene.objects import Scene, SceneObject
from distill3d_ros.scene.orientation import quarter_turns_to_upright, turn_frame, turn_scene_back
from distill3d_ros.student.arrays import to_numpy
from distill3d_ros.student.config import MAX_VIEWS
from distill3d_ros.student.description import weights_sha256
from distill3d_ros.student.hub import student_folder
from distill3d_ros.system.environment import shared_path

if TYPE_CHECKING:
    from distill3d_ros.student.student import Student


class Engine:
    """Perceives frames and answers questions about them. One thread at a time may use it."""

    def __init__(
        self,
        student: Student | Runtime,
        *,
        device: str = "auto",
        threads: int | None = None,
        precision: str = "",
        compiled: bool = False,
        decoding: DecodingConfig | None = None,
        min_confidence: float | None = None,
        calibration: Calibration = IDENTITY,
        model_sha256: str = "",
    ) -> None:
        """
        Args:
            student: of torch, computed as the next four arguments say; or what computes one already.
            device: one of DEVICES; ``auto`` takes a GPU where there is one.
            threads: CPU threads of torch, for the whole process; None leaves them as they are.
            precision: one of PRECISIONS for the perception's arithmetic; empty is the student's own. bfloat16 takes
                0.7 of float32's time on a CPU with AMX.
            compiled: compile the perception with torch.compile at the first frame of each size, which takes a minute
                or two and needs a C++ compiler (Triton on a GPU). On a CPU it gained nothing, 0.95 with bfloat16.
            min_confidence: answers that are less sure are not given, see ``ask_many``; 0 gives all, None takes the
                calibration's.
        """
        self.runtime = as_runtime(student, device=device, threads=threads, precision=precision, compiled=compiled)
        self.calibration = calibration
        self.min_confidence = calibration.min_confidence if min_confidence is None else min_confidence
        if not 0.0 <= self.min_confidence <= 1.0:
            raise ValueError(f"min_confidence must lie in 0..1. Got {min_confidence}")
        self.decoding = decoding or DecodingConfig()
        self.model_sha256 = model_sha256

    @classmethod
    def from_pretrained(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        device: str = "auto",
        threads: int | None = None,
        precision: str = "",
        compiled: bool = False,
        backend: str = "torch",
        execution_provider: str = "cpu",
        picture_size: tuple[int, int] | None = None,
    ) -> Engine:
        """Loads the student in folder ``path``, or ``owner/name@revision`` from a hub; None takes the packaged one.

        Args:
            backend: one of BACKENDS. ``onnxruntime`` needs files of ``distill3d export --onnx``, and imports torch only
                for what they do not hold: frames of one place, language models of transformers. ``auto`` takes it
                where it is installed and the files fit, else torch.
            execution_provider: of ONNX Runtime: ``cpu``, ``cuda``, ``tensorrt`` or another that it has here.
            picture_size: width and height of all pictures that will come: ONNX Runtime then opens one file alone.

        Raises:
            FileNotFoundError, ValueError: there is none, or its files are damaged; the message says which.
        """
        folder = packaged_model() if path is None else student_folder(path)
        runtime = load_runtime(
            folder,
            backend=backend,
            execution_provider=execution_provider,
            device=device,
            threads=threads,
            precision=precision,
            compiled=compiled,
            picture_size=picture_size,
        )
        return cls(runtime, calibration=Calibration.of_student(folder), model_sha256=weights_sha256(folder))

    @property
    def student(self) -> Student:
        """The student in torch, which is loaded for it where something else computes."""
        return self.runtime.student

    @property
    def backend(self) -> str:
        """What computes, and why, for a log."""
        return self.runtime.backend

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of things that the student knows."""
        return tuple(self.runtime.config.labels)

    @property
    def is_metric(self) -> bool:
        """Whether depth and boxes are in metres; otherwise their scale is arbitrary, and another one in each scene."""
        return self.runtime.config.depth.metric

    @property
    def takes_depth(self) -> bool:
        """Whether every frame must come with the depth that a camera measured."""
        return self.runtime.config.takes_depth

    @property
    def device_name(self) -> str:
        return self.runtime.device_name

    def describe(self) -> str:
        """One line for a log."""
        millions = self.runtime.parameters / 1e6
        return (
            f"student '{self.runtime.config.preset}', {millions:.1f} M parameters, {len(self.labels)} labels, "
            f"weights {self.model_sha256[:12] or 'unsaved'}, on {self.device_name}; {self.backend}"
        )

    def warm_up(self) -> float:
        """Runs an empty frame and a question, so that the first real ones are not slow; returns milliseconds."""
        started = time.perf_counter()
        width, height = self.runtime.sizes[0] if self.runtime.sizes else (640, 480)
        camera = Intrinsics.from_fov(width=width, height=height, horizontal_fov=1.0)
        depth = np.full((height, width), 2.0) if self.takes_depth else None
        scene = self.perceive(Frame(image=np.full((height, width, 3), 128, np.uint8), intrinsics=camera, depth=depth))
        self.ask(scene, f"Is there a {self.labels[0]}?")
        return 1e3 * (time.perf_counter() - started)

    def perceive(
        self,
        frames: Frame | Sequence[Frame],
        *,
        min_score: float | None = None,
        quarter_turns: int | None = None,
        scale_by_depth: bool = False,
    ) -> Scene:
        """The scene of a frame, or of up to eight frames of the same place, in the level frame of the first camera.

        Where every frame knows its ``world_from_camera``, these poses tell how they belong together. Otherwise their
        motion is what a student with a pose head makes of it, or else found by matching the images, which needs views
        that overlap; a frame whose place cannot be found is left out (``Scene.views`` counts those that were used).
        Depth is that of the first frame. A student that takes depth needs the ``depth`` of every frame. Of a single
        frame a known ``camera_height`` corrects the scale, see ``scale``. A camera on its side or upside down, as the
        first frame's ``up`` tells, is looked through with its picture turned upright.

        Args:
            min_score: leaves objects with a lower score out; None for the decoding's own.
            quarter_turns: counter-clockwise turns that make the pictures upright; None: ``up`` tells, 0 without it.
            scale_by_depth: a single frame's ``depth`` corrects the scale, rather than ``camera_height``.

        Raises:
            ValueError: a frame cannot be used.
        """
        views = [frames] if isinstance(frames, Frame) else list(frames)
        if not 1 <= len(views) <= MAX_VIEWS:
            raise ValueError(f"perceive needs 1 to {MAX_VIEWS} frames of a place. Got {len(views)}")
        shapes = sorted({f.image.shape[:2] for f in views})
        if len(shapes) > 1:
            raise ValueError(f"all frames of a scene must have the same size. Got (height, width) {shapes}")
        check_image_size(width=shapes[0][1], height=shapes[0][0])
        turns = quarter_turns_to_upright(views[0].up) if quarter_turns is None else quarter_turns
        upright = [turn_frame(f, turns) for f in views]
        return turn_scene_back(self._perceive_upright(upright, min_score, scale_by_depth), turns)

    def _perceive_upright(self, views: list[Frame], min_score: float | None, scale_by_depth: bool) -> Scene:
        first = views[0]
        views, poses = self._resolve_poses(views)
        perception = self.runtime.perceive(views, poses)
        source = scale_source(self.runtime.config, views)
        if len(views) == 1 and self.is_metric:
            perception, by_depth = scaled_by_depth(perception, first.depth if scale_by_depth else None)
            perception, by_floor = scaled_by_floor(perception, None if by_depth else first.camera_height)
            source = "depth" if by_depth else "camera_height" if by_floor else source
        level = to_numpy(perception.level_from_optical[0]).astype(np.float64)
        boxes = self.calibration.of_boxes(RawBoxes.of(perception), self.labels)
        objects, owner = decode_objects(
            boxes,
            self.labels,
            level_from_optical=level,
            intrinsics=first.intrinsics,
            config=self.decoding,
            min_score=min_score,
        )
        if len(views) > 1:
            perception, owner = deduplicate_views(perception, owner, self.runtime.config.detection.queries)
        size = first.image.shape[:2]
        return Scene(
            objects=objects,
            intrinsics=first.intrinsics,
            level_from_optical=level,
            depth=resized(perception.depth[0, 0], size),
            depth_confidence=resized(perception.depth_confidence[0, 0], size),
            stamp_ns=first.stamp_ns,
            frame_id=first.frame_id,
            is_metric=self.is_metric,
            scale_source=source,
            base_from_level=turned_pose(first.base_from_camera, level.T),
            views=len(views),
            features=SceneFeatures(perception, boxes, owner),
        )

    def objects(self, scene: Scene, *, min_score: float) -> tuple[SceneObject, ...]:
        """A perceived scene's objects down to another score, best first, without looking at the picture again.

        Raises:
            ValueError: the scene was not perceived by an engine.
        """
        found, _ = decode_objects(
            _features(scene).boxes,
            self.labels,
            level_from_optical=scene.level_from_optical,
            intrinsics=scene.intrinsics,
            config=self.decoding,
            min_score=min_score,
        )
        return found

    def ask(self, scene: Scene, question: str, *, min_confidence: float | None = None) -> Answer:
        """The answer to one question; see ``ask_many``."""
        return self.ask_many(scene, [question], min_confidence=min_confidence)[0]

    def ask_many(
        self,
        scene: Scene,
        questions: Sequence[str],
        *,
        as_worded: bool = False,
        min_confidence: float | None = None,
    ) -> list[Answer]:
        """Answers to questions about a scene that this engine perceived.

        The text is the language model's, which is asked in words of its training unless ``as_worded``. The geometric
        rules answer too, on the scene's boxes: where both agree the answer is surer. A description ("What do you
        see?"), places, sizes and what is between things come from the boxes. A text with several questions has an
        answer with ``parts``. What is not understood is an answer that says so and why, not an exception.

        Args:
            min_confidence: answers that are less sure have no value, and "too_unsure" for a reason; None for the
                engine's own.

        Raises:
            ValueError: the scene was not perceived by an engine.
        """
        least = self.min_confidence if min_confidence is None else min_confidence
        features = _features(scene)
        return answer_questions(
            self.runtime,
            scene,
            features,
            questions,
            as_worded=as_worded,
            calibration=self.calibration,
            min_confidence=least,
        )

    def _resolve_poses(self, views: list[Frame]) -> tuple[list[Frame], FloatArray | None]:
        """The frames that can be used, and where they stand: (S, 4, 4), first camera from each; None if there is
        one, or if the student tells."""
        if len(views) == 1:
            return views, None
        first = views[0]
        poses: list[FloatArray | None] = [np.eye(4)]
        if all(f.world_from_camera is not None for f in views):
            camera_from_world = invert_pose(np.asarray(first.world_from_camera))
            poses += [camera_from_world @ np.asarray(f.world_from_camera) for f in views[1:]]
        elif self.runtime.config.pose.layers:
            return views, None
        else:
            depth = self.runtime.perceive([first], None).depth[0, 0]
            metres = resized(depth, first.image.shape[:2])
            poses += [first_from_second(first, metres, f) for f in views[1:]]
        known = [(frame, pose) for frame, pose in zip(views, poses, strict=True) if pose is not None]
        if len(known) == 1:
            return [first], None
        return [frame for frame, _ in known], np.stack([pose for _, pose in known])


def packaged_model() -> Path:
    """The folder of the student that comes with this package."""
    return shared_path("models", "pico")


def _features(scene: Scene) -> SceneFeatures:
    if not isinstance(scene.features, SceneFeatures):
        raise ValueError("the engine needs a scene that Engine.perceive made; this one carries no features")
    return scene.features
