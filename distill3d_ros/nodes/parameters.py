"""Parameters of both nodes: a table each, declared with description and range, changes checked before they apply."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from rcl_interfaces.msg import SetParametersResult
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from distill3d_ros.nodes.camera_settings import CAMERA_SETTINGS
from distill3d_ros.nodes.setting import Setting
from distill3d_ros.questions.parsing import MAX_QUESTION_CHARACTERS

__all__ = ["CAMERA_SETTINGS", "MAX_STANDING_QUESTIONS", "SPATIAL_SETTINGS", "Setting", "declare", "up_or_none"]

MAX_STANDING_QUESTIONS = 16


def _check_up(value: Sequence[float]) -> str:
    if len(value) != 3 or not all(math.isfinite(v) for v in value):
        return "must have three finite numbers (x right, y down, z forward)"
    return ""


def _check_questions(value: Sequence[str]) -> str:
    if len(value) > MAX_STANDING_QUESTIONS:
        return f"may have at most {MAX_STANDING_QUESTIONS} questions"
    longest = max(map(len, value), default=0)
    if longest > MAX_QUESTION_CHARACTERS:
        return f"may have at most {MAX_QUESTION_CHARACTERS} characters a question, one has {longest}"
    return ""


SPATIAL_SETTINGS: tuple[Setting, ...] = (
    Setting(
        name="model",
        default="",
        description="Folder of the student, or owner/name@revision of one on a hub; empty for the packaged one.",
    ),
    Setting(name="device", default="auto", description="Where the student runs.", choices=("auto", "cpu", "cuda")),
    Setting(name="threads", default=0, low=0, high=256, description="CPU threads of the student; 0 for the default."),
    Setting(
        name="precision",
        default="",
        choices=("", "float32", "bfloat16"),
        description="Arithmetic of the perception; bfloat16 is faster on a GPU or AMX; empty for the student's own.",
    ),
    Setting(
        name="backend",
        default="torch",
        choices=("torch", "onnxruntime", "auto"),
        description="What computes; auto: ONNX Runtime where it is installed and has files, else torch.",
    ),
    Setting(
        name="execution_provider",
        default="cpu",
        description="Of ONNX Runtime: cpu, cuda, tensorrt or another that it has here.",
    ),
    Setting(
        name="compile",
        default=False,
        description="Compile the perception at the start (a minute or two, needs a compiler); no gain on a CPU.",
    ),
    Setting(
        name="autostart",
        default=True,
        description="Configure and activate at start; false leaves that to a lifecycle manager.",
    ),
    Setting(
        name="image_transport",
        default="raw",
        choices=("raw", "compressed"),
        description="Take sensor_msgs/Image from `image`, or sensor_msgs/CompressedImage from `image/compressed`.",
    ),
    Setting(
        name="reliability",
        default="best_effort",
        choices=("best_effort", "reliable"),
        description="QoS of the image subscription; best_effort hears every publisher.",
    ),
    Setting(
        name="on_demand",
        default=True,
        live=True,
        description="Look at images only while somebody subscribes to an output or asks; false looks at every one.",
    ),
    Setting(
        name="frames_kept",
        default=8,
        low=1,
        high=64,
        description="Newest images, and newest ones looked at, that a question can name by their stamp.",
    ),
    Setting(
        name="max_frame_age",
        default=5.0,
        low=0.0,
        high=3600.0,
        live=True,
        description="Seconds that the newest image may be old for a question that names no stamp; 0 for any age.",
    ),
    Setting(
        name="image_rotation",
        default="auto",
        choices=("auto", "0", "90", "180", "270"),
        live=True,
        description="Degrees to turn the image counter-clockwise to make it upright; auto does as tf or `up` tells.",
    ),
    Setting(
        name="optical_frame",
        default="",
        description="The image's tf frame (z forward, x right) where its header names another; empty for the header's.",
    ),
    Setting(
        name="depth_input",
        default=False,
        description="Also take `depth`, a depth image registered to `image` (16UC1 or 32FC1), for the scale.",
    ),
    Setting(
        name="rectified",
        default=False,
        description="The image is rectified: its camera is P of camera_info rather than K.",
    ),
    Setting(
        name="gravity_frame",
        default="base_link",
        description="Upright tf frame that tells how the camera is tilted; empty for none.",
    ),
    Setting(
        name="floor_frame",
        default="base_footprint",
        description="tf frame on the floor: the camera's height above it gives depth its scale; empty for none.",
    ),
    Setting(
        name="camera_height",
        default=0.0,
        low=0.0,
        high=10.0,
        live=True,
        description="Metres of the camera above the floor where tf does not tell; 0: not known.",
    ),
    Setting(
        name="odom_frame",
        default="odom",
        description="tf frame in which the camera's place does not jump; empty for none.",
    ),
    Setting(
        name="base_frame",
        default="base_link",
        description="tf frame of the robot, x forward: where things are is told as seen from it; empty for the camera.",
    ),
    Setting(
        name="views",
        default=1,
        low=1,
        high=8,
        live=True,
        description="Frames looked at together: the newest and earlier ones from other places, as odom_frame tells.",
    ),
    Setting(
        name="view_memory",
        default=30.0,
        low=0.5,
        high=600.0,
        live=True,
        description="Seconds after which an earlier frame is forgotten: things may have been moved.",
    ),
    Setting(
        name="up",
        default=[0.0, 0.0, 0.0],
        live=True,
        check=_check_up,
        description="Direction against gravity in the optical frame where tf has none; zeros: it is estimated.",
    ),
    Setting(
        name="min_score",
        default=0.2,
        low=0.0,
        high=1.0,
        live=True,
        description="Objects below this score are not published.",
    ),
    Setting(
        name="min_confidence",
        default=-1.0,
        low=-1.0,
        high=1.0,
        live=True,
        description="Answers less sure than this are not given: their reason is `too_unsure`; 0 gives all, below 0 it "
        "is the student's own, which `distill3d calibrate` chose.",
    ),
    Setting(
        name="max_rate",
        default=0.0,
        low=0.0,
        high=120.0,
        live=True,
        description="Frames a second that are looked at, at most; 0 for as many as the machine can.",
    ),
    Setting(
        name="standing_questions",
        default=[""],
        live=True,
        check=_check_questions,
        description="Questions to answer on every frame, on ~/answer.",
    ),
    Setting(
        name="answer_timeout",
        default=5.0,
        low=0.1,
        high=300.0,
        live=True,
        description="Seconds that a question waits for a frame when the request names no time limit.",
    ),
    Setting(
        name="points_stride",
        default=1,
        low=1,
        high=32,
        live=True,
        description="Every how many rows and columns ~/points takes one.",
    ),
    Setting(
        name="points_organised",
        default=False,
        live=True,
        description="~/points keeps the image's rows and columns, with NaN where nothing is known.",
    ),
    Setting(
        name="relative_depth",
        default=False,
        description="Publish ~/depth/relative where the student's depth has no metric scale; never as metres.",
    ),
    Setting(
        name="marker_lifetime",
        default=1.0,
        low=0.0,
        high=60.0,
        live=True,
        description="Seconds until RViz forgets a marker; 0 for never. About two frame periods.",
    ),
    Setting(
        name="quiet_after",
        default=5.0,
        low=0.5,
        high=600.0,
        live=True,
        description="Seconds without a usable image after which the node says what is missing.",
    ),
)


def declare(node: Node, settings: Sequence[Setting], *, configured: Callable[[], bool]) -> None:
    """Declares every setting and guards later changes.

    Raises:
        ValueError: a value given at start is wrong.
    """
    table = {s.name: s for s in settings}
    for setting in settings:
        try:
            value = node.declare_parameter(setting.name, setting.default, setting.descriptor()).value
        except ParameterException as error:  # of another type, or out of range
            raise ValueError(f"parameter '{setting.name}' cannot be used: {error}") from error
        if found := setting.problem(value):
            raise ValueError(found)

    def on_change(changed: list[Parameter]) -> SetParametersResult:
        for parameter in changed:
            setting = table.get(parameter.name)
            if setting is None:
                continue
            if not setting.live and configured():
                reason = (
                    f"parameter '{setting.name}' is read when the node is configured: "
                    "deactivate and clean it up, change it, and configure it again"
                )
                return SetParametersResult(successful=False, reason=reason)
            if found := setting.problem(parameter.value):
                return SetParametersResult(successful=False, reason=found)
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(on_change)


def up_or_none(value: Sequence[float]) -> tuple[float, float, float] | None:
    """The parameter `up` as a unit vector; None for zeros."""
    norm = math.hypot(*value)
    return None if norm < 1e-6 else (value[0] / norm, value[1] / norm, value[2] / norm)
