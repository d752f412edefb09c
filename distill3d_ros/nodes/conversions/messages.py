"""Conversions between scenes, answers and their ROS messages. Poses are in the camera's optical frame."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from geometry_msgs.msg import Pose
from std_msgs.msg import Header

from distill3d_ros.nodes.conversions.images import set_stamp
from distill3d_ros.questions.answer import VALUE_TYPES, Answer
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
    "answer_message",
    "detections_message",
    "header_of",
    "object_message",
    "objects_message",
    "pose_of",
    "quaternion_of",
    "refusal_message",
    "value_from",
]
if HAVE_INTERFACES:
    __all__ += ["AskSpatial", "SpatialAnswer", "SpatialObject", "SpatialObjectArray"]
if HAVE_VISION_MSGS:
    __all__ += ["Detection3DArray"]


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
    center = level_from_optical.T @ box.center
    q = quaternion_of(level_from_optical.T @ box.rotation)
    pose = Pose()
    pose.position.x, pose.position.y, pose.position.z = map(float, center)
    pose.orientation.x, pose.orientation.y, pose.orientation.z, pose.orientation.w = map(float, q)
    return pose


def object_message(o: SceneObject, scene: Scene) -> Any:
    """SpatialObject: size along the pose's own axes (width, height, depth); distance to the nearest surface."""
    message = SpatialObject(id=o.id, label=o.label, score=float(o.score), distance=box_distance(o.box))
    message.pose = pose_of(o.box, scene.level_from_optical)
    message.size.x, message.size.y, message.size.z = map(float, o.box.size)
    return message


def objects_message(scene: Scene) -> Any:
    """SpatialObjectArray."""
    return SpatialObjectArray(header=header_of(scene), objects=[object_message(o, scene) for o in scene.objects])


def answer_message(scene: Scene, question: str, answer: Answer) -> Any:
    """SpatialAnswer."""
    return SpatialAnswer(
        header=header_of(scene),
        question=question,
        answer=answer.text if answer.understood else "",
        **_value_fields(answer),
        confidence=float(answer.confidence),
        # Boxes are in metres; of a scene without a scale they cannot be told.
        objects=[object_message(scene.by_id(i), scene) for i in answer.object_ids if scene.is_metric],
        latency_ms=float(answer.latency_ms),
        success=answer.understood,
        message="" if answer.understood else answer.text,
    )


def refusal_message(question: str, reason: str, latency_ms: float) -> Any:
    """SpatialAnswer to a question that was not answered on any image: no header, no value, no objects."""
    return SpatialAnswer(
        question=question, **_value_fields(None), latency_ms=float(latency_ms), success=False, message=reason
    )


def _value_fields(answer: Answer | None) -> dict[str, str | float]:
    """The fields of SpatialAnswer and AskSpatial.Response that hold an answer's value; None for no answer."""
    if answer is None or answer.value is None:
        return {"value_type": "", "value": math.nan, "unit": "", "label": ""}
    is_label = isinstance(answer.value, str)
    return {
        "value_type": answer.value_type,
        "value": math.nan if is_label else float(answer.value),
        "unit": answer.unit,
        "label": str(answer.value) if is_label else "",
    }


def value_from(message: Any) -> bool | int | float | str | None:
    """``Answer.value`` of a SpatialAnswer or an AskSpatial.Response: yes or no, a count, metres, a label, or None."""
    if not message.value_type:
        return None
    read = {name: kind for kind, name in VALUE_TYPES.items()}[message.value_type]
    return read(message.label if read is str else message.value)


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
