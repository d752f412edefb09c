"""Conversions between scenes, answers and their ROS messages. Poses are in the camera's optical frame."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from geometry_msgs.msg import Pose, PoseStamped
from std_msgs.msg import Header

from distill3d_ros.nodes.conversions.images import set_stamp
from distill3d_ros.questions.answer import Answer, Place, Size, Value
from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.scene.geometry import box_distance
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject

try:
    from distill3d_interfaces.msg import SpatialAnswer, SpatialObject, SpatialObjectArray
    from distill3d_interfaces.srv import AskSpatial

    HAVE_INTERFACES = True
except ImportError:  # the interface package is not built: the node serves ~/question and a text on ~/answer
    HAVE_INTERFACES = False
try:
    from vision_msgs.msg import Detection3D, Detection3DArray, ObjectHypothesisWithPose

    HAVE_VISION_MSGS = True
except ImportError:
    HAVE_VISION_MSGS = False

__all__ = [
    "HAVE_INTERFACES",
    "HAVE_VISION_MSGS",
    "PoseFrame",
    "answer_message",
    "answer_messages",
    "detections_message",
    "fill_response",
    "header_of",
    "object_message",
    "objects_message",
    "pose_in",
    "pose_of",
    "quaternion_of",
    "refusal_message",
    "value_from",
]
if HAVE_INTERFACES:
    __all__ += ["AskSpatial", "SpatialAnswer", "SpatialObject", "SpatialObjectArray"]
if HAVE_VISION_MSGS:
    __all__ += ["Detection3DArray"]


ACROSS_ERROR = 0.05
"""Error of a thing's place across the line of sight, as a share of its distance."""
YAW_ERROR_RAD = 0.35
"""Error of a box's yaw. Both are assumptions about a usual student, not measured ones."""


class PoseFrame(NamedTuple):
    """A tf frame in which poses are wanted."""

    frame_id: str
    from_optical: FloatArray
    """(4, 4) pose of the camera's optical frame in it, metres."""


def header_of(scene: Scene) -> Header:
    header = Header(frame_id=scene.frame_id)
    set_stamp(header.stamp, scene.stamp_ns)
    return header


def quaternion_of(rotation: FloatArray) -> FloatArray:
    """(x, y, z, w), w >= 0, of a (3, 3) rotation; Shepperd's method, stable for every angle."""
    r = np.asarray(rotation, float)
    products = np.array([1 + 2 * r[0, 0], 1 + 2 * r[1, 1], 1 + 2 * r[2, 2], 1 + 2 * np.trace(r)])
    products[:3] -= np.trace(r)
    i = int(np.argmax(products))
    q = np.empty(4)
    if i == 3:
        q[:] = r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], 1 + np.trace(r)
    else:
        j, k = (i + 1) % 3, (i + 2) % 3
        q[i] = 1 + r[i, i] - r[j, j] - r[k, k]
        q[j], q[k], q[3] = r[i, j] + r[j, i], r[i, k] + r[k, i], r[k, j] - r[j, k]
    q /= np.linalg.norm(q)
    return q if q[3] >= 0 else -q


def pose_of(box: Box3D, level_from_optical: FloatArray) -> Pose:
    """The box's centre and own axes in the optical frame."""
    return pose_in(np.eye(4), box, level_from_optical)


def pose_in(frame_from_optical: FloatArray, box: Box3D, level_from_optical: FloatArray) -> Pose:
    """The box's centre and own axes in another frame, given by the (4, 4) pose of the optical frame in it."""
    rotation, translation = frame_from_optical[:3, :3], frame_from_optical[:3, 3]
    center = rotation @ (level_from_optical.T @ box.center) + translation
    q = quaternion_of(rotation @ level_from_optical.T @ box.rotation)
    pose = Pose()
    pose.position.x, pose.position.y, pose.position.z = map(float, center)
    pose.orientation.x, pose.orientation.y, pose.orientation.z, pose.orientation.w = map(float, q)
    return pose


def object_message(o: SceneObject, scene: Scene, frame: PoseFrame | None = None) -> Any:
    """SpatialObject: size along the pose's own axes (width, height, depth); distance to the nearest surface."""
    message = SpatialObject(id=o.id, label=o.label, score=float(o.score), distance=box_distance(o.box))
    turn = np.eye(4) if frame is None else np.asarray(frame.from_optical, float)
    message.pose = pose_in(turn, o.box, scene.level_from_optical)
    message.size.x, message.size.y, message.size.z = map(float, o.box.size)
    message.covariance = covariance_of(o, scene, turn[:3, :3]).ravel()
    return message


def covariance_of(o: SceneObject, scene: Scene, rotation: FloatArray) -> FloatArray:
    """(6, 6) of the pose of an object, position then rotation, in a frame turned from the optical one by ``rotation``.

    Along the line of sight the error of the scale moves the thing, across it the error of its direction; of its
    rotation only the yaw about gravity is uncertain. Zeros without a scale error: nothing is known.
    """
    covariance = np.zeros((6, 6))
    if scene.scale_error is None:
        return covariance
    optical_from_level = scene.level_from_optical.T
    center = optical_from_level @ o.box.center
    far = float(np.linalg.norm(center)) or 1.0
    ray = rotation @ (center / far)
    along, across = (scene.scale_error * far) ** 2, (ACROSS_ERROR * far) ** 2
    covariance[:3, :3] = across * np.eye(3) + max(along - across, 0.0) * np.outer(ray, ray)
    up = rotation @ -optical_from_level[:, 1]
    covariance[3:, 3:] = YAW_ERROR_RAD**2 * np.outer(up, up)
    return covariance


def objects_message(scene: Scene) -> Any:
    """SpatialObjectArray."""
    return SpatialObjectArray(header=header_of(scene), objects=[object_message(o, scene) for o in scene.objects])


def answer_message(
    scene: Scene, question: str, answer: Answer, *, now_ns: int | None = None, frame: PoseFrame | None = None
) -> Any:
    """SpatialAnswer.

    Args:
        now_ns: the node's clock, for the age of the image; None when it is not known.
        frame: of all poses; None for the camera's optical frame.
    """
    header = header_of(scene)
    if frame is not None:
        header.frame_id = frame.frame_id
    # Boxes are in metres; of a scene without a scale they cannot be told.
    objects = [object_message(scene.by_id(i), scene, frame) for i in answer.object_ids if scene.is_metric]
    message = SpatialAnswer(
        header=header,
        question=question,
        answer=answer.text if answer.understood else "",
        **_value_fields(answer),
        confidence=float(answer.confidence),
        reason=answer.reason,
        objects=objects,
        frame_age=math.nan if now_ns is None else (now_ns - scene.stamp_ns) / 1e9,
        scale_source=scene.scale_source if scene.is_metric else "",
        scale_error=math.nan if scene.scale_error is None else scene.scale_error,
        latency_ms=float(answer.latency_ms),
        success=answer.understood,
        message="" if answer.understood else answer.text,
    )
    if isinstance(answer.value, Place) and objects:
        message.pose = PoseStamped(header=header, pose=objects[0].pose)
    return message


def refusal_message(question: str, problem: str, latency_ms: float, *, reason: str = "") -> Any:
    """SpatialAnswer to a question that was not answered on any image: no header, no value, no objects.

    Args:
        problem: what is wrong, for a person.
        reason: the same for a program, one of ``questions.answer.REASONS``.
    """
    return SpatialAnswer(
        question=question,
        **_value_fields(None),
        reason=reason,
        frame_age=math.nan,
        scale_error=math.nan,
        latency_ms=float(latency_ms),
        success=False,
        message=problem,
    )


def answer_messages(
    scene: Scene, question: str, answer: Answer, *, now_ns: int | None = None, frame: PoseFrame | None = None
) -> list[Any]:
    """A SpatialAnswer for each question of the text; one where it asked one."""
    parts = answer.parts or (answer,)
    return [
        answer_message(scene, part.question if answer.parts else question, part, now_ns=now_ns, frame=frame)
        for part in parts
    ]


def fill_response(response: Any, whole: Any, parts: Sequence[Any]) -> Any:
    """AskSpatial.Response from the SpatialAnswer to the text as a whole and those to its questions."""
    for name in response.get_fields_and_field_types():
        setattr(response, name, list(parts) if name == "answers" else getattr(whole, name))
    return response


def _value_fields(answer: Answer | None) -> dict[str, Any]:
    """The fields of SpatialAnswer and AskSpatial.Response that hold an answer's value; None for no answer."""
    fields: dict[str, Any] = {"value_type": "", "value": math.nan, "unit": "", "label": "", "bearing": math.nan}
    if answer is None:
        return fields
    fields |= {"value_type": answer.value_type, "unit": answer.unit}
    value = answer.value
    if isinstance(value, Place):
        return fields | {"value": float(value.distance), "bearing": float(value.bearing), "label": value.beside}
    if isinstance(value, Size):
        return fields | {"value": float(max(value.width, value.height, value.depth))}
    if isinstance(value, str):
        return fields | {"label": value}
    return fields if value is None else fields | {"value": float(value)}


def value_from(message: Any) -> Value | None:
    """``Answer.value`` of a SpatialAnswer or an AskSpatial.Response; None without one, and for several questions."""
    if message.value_type == "label":
        return str(message.label)
    if message.value_type == "place":
        return Place(distance=message.value, bearing=message.bearing, beside=message.label)
    if message.value_type == "size" and message.objects:
        size = message.objects[0].size
        return Size(width=max(size.x, size.z), height=size.y, depth=min(size.x, size.z))
    read: dict[str, Callable[[float], Value]] = {"yes_no": bool, "count": int, "length": float}
    return read[message.value_type](message.value) if message.value_type in read else None


def detections_message(scene: Scene) -> Any:
    """vision_msgs/Detection3DArray."""
    message = Detection3DArray(header=header_of(scene))
    for o in scene.objects:
        detection = Detection3D(header=message.header, id=str(o.id))
        detection.bbox.center = pose_of(o.box, scene.level_from_optical)
        detection.bbox.size.x, detection.bbox.size.y, detection.bbox.size.z = map(float, o.box.size)
        for label, score in (o.label_scores or {o.label: o.score}).items():
            hypothesis = ObjectHypothesisWithPose()
            hypothesis.hypothesis.class_id, hypothesis.hypothesis.score = label, float(score)
            hypothesis.pose.pose = detection.bbox.center
            detection.results.append(hypothesis)
        message.detections.append(detection)
    return message
