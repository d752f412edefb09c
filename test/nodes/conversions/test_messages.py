"""Scenes as ROS messages and markers, and rotations from tf."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from support.scene_samples import OPTICAL_FROM_BODY
from visualization_msgs.msg import Marker

from distill3d_ros.nodes.camera.transforms import split_pose, transform_message
from distill3d_ros.nodes.conversions import messages
from distill3d_ros.nodes.conversions.markers import markers_from
from distill3d_ros.nodes.spatial.tf import STALE_NS, NoTransformError, TransformTree, rotation_of
from distill3d_ros.questions.answer import REASONS, SEVERAL, VALUE_TYPES, Answer, Place, Size
from distill3d_ros.questions.answer_text import NOTHING
from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.scene.geometry import level_rotation
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject

CAMERA = Intrinsics(fx=50.0, fy=50.0, cx=31.5, cy=23.5, width=64, height=48)
TILTED = level_rotation(np.array([0.0, -math.cos(0.3), -math.sin(0.3)]))


def tilted_scene() -> Scene:
    chair = SceneObject(
        id=1,
        label="chair",
        box=Box3D(center=[0.5, 0.4, 2.0], size=[0.5, 0.9, 0.6], yaw=0.7),
        score=0.8,
        label_scores={"chair": 0.8, "stool": 0.2},
    )
    lamp = SceneObject(id=2, label="lamp", box=Box3D(center=[-0.5, 0.1, 3.0], size=[0.2, 0.5, 0.2], yaw=-2.0))
    return Scene(
        objects=(chair, lamp), intrinsics=CAMERA, level_from_optical=TILTED, stamp_ns=12_000_000_034, frame_id="cam"
    )


def matrix_of(orientation) -> np.ndarray:
    return Rotation.from_quat([orientation.x, orientation.y, orientation.z, orientation.w]).as_matrix()


@settings(deadline=None, max_examples=100)
@given(st.tuples(*[st.floats(-3.15, 3.15)] * 3))
def test_quaternions_agree_with_scipy(angles):
    rotation = Rotation.from_euler("xyz", angles).as_matrix()
    q = messages.quaternion_of(rotation)
    assert q[3] >= 0
    assert np.linalg.norm(q) == pytest.approx(1.0)
    np.testing.assert_allclose(Rotation.from_quat(q).as_matrix(), rotation, atol=1e-9)
    np.testing.assert_allclose(rotation_of(*q), rotation, atol=1e-9)


@pytest.mark.parametrize("axis", np.eye(3).tolist())
def test_half_turns_have_a_quaternion(axis):
    rotation = Rotation.from_rotvec(np.pi * np.array(axis)).as_matrix()
    np.testing.assert_allclose(np.abs(messages.quaternion_of(rotation)), [*axis, 0.0], atol=1e-9)


def test_a_pose_puts_the_box_where_it_is_in_the_optical_frame():
    scene = tilted_scene()
    box = scene.objects[0].box
    pose = messages.pose_of(box, scene.level_from_optical)
    corner = box.size / 2  # own coordinates of one corner
    in_optical = np.array([pose.position.x, pose.position.y, pose.position.z]) + matrix_of(pose.orientation) @ corner
    in_level = scene.level_from_optical @ in_optical
    assert np.abs(box.corners() - in_level).sum(1).min() < 1e-9


@pytest.mark.skipif(not messages.HAVE_INTERFACES, reason="distill3d_interfaces is not built")
def test_objects_and_answers_carry_what_the_scene_says():
    scene = tilted_scene()
    message = messages.objects_message(scene)
    assert (message.header.stamp.sec, message.header.stamp.nanosec, message.header.frame_id) == (12, 34, "cam")
    assert [(o.id, o.label) for o in message.objects] == [(1, "chair"), (2, "lamp")]
    assert message.objects[0].size.y == pytest.approx(0.9)
    answer = Answer(text="yes", value=True, confidence=0.9, object_ids=(2, 1), latency_ms=3.0)
    said = messages.answer_message(scene, "Is it?", answer)
    assert (said.success, said.answer, said.message, [o.id for o in said.objects]) == (True, "yes", "", [2, 1])
    lost = messages.answer_message(scene, "?", Answer(text="I do not understand", value=None, understood=False))
    assert (lost.success, lost.answer, lost.message) == (False, "", "I do not understand")
    refused = messages.refusal_message("Is it?", "no frame arrived", 7.0, reason="no_frame")
    assert (refused.success, refused.answer, refused.message) == (False, "", "no frame arrived")
    assert (refused.question, refused.latency_ms, refused.header.frame_id) == ("Is it?", 7.0, "")
    assert messages.value_from(refused) is None
    assert refused.reason == "no_frame"
    assert math.isnan(refused.value)


@pytest.mark.skipif(not messages.HAVE_INTERFACES, reason="distill3d_interfaces is not built")
@pytest.mark.parametrize(
    ("value", "value_type", "number", "unit", "label"),
    [
        (True, "yes_no", 1.0, "", ""),
        (False, "yes_no", 0.0, "", ""),
        (0, "count", 0.0, "", ""),
        (12, "count", 12.0, "", ""),
        (1.375, "length", 1.375, "m", ""),
        ("chair", "label", math.nan, "", "chair"),
        (NOTHING, "label", math.nan, "", "nothing"),
        (None, "", math.nan, "", ""),
    ],
)
def test_a_program_reads_the_value_without_reading_text(value, value_type, number, unit, label):
    answer = Answer(text="as a person says it", value=value)
    message = messages.answer_message(tilted_scene(), "?", answer)
    assert (message.value_type, message.unit, message.label) == (value_type, unit, label)
    assert message.value == pytest.approx(number, nan_ok=True)
    back = messages.value_from(message)
    assert (back, type(back)) == (value, type(value))
    assert (answer.value_type, answer.unit) == (value_type, unit)


@pytest.mark.skipif(not messages.HAVE_INTERFACES, reason="distill3d_interfaces is not built")
@pytest.mark.parametrize("kind", ["SpatialAnswer", "AskSpatial"])
def test_messages_name_every_type_of_value(kind):
    message = messages.SpatialAnswer if kind == "SpatialAnswer" else messages.AskSpatial.Response
    named = {getattr(message, name.upper()) for name in (*VALUE_TYPES.values(), SEVERAL)}
    assert named == {*VALUE_TYPES.values(), SEVERAL}
    assert {getattr(message, name.upper()) for name in REASONS} == set(REASONS)


@pytest.mark.skipif(not messages.HAVE_INTERFACES, reason="distill3d_interfaces is not built")
def test_a_place_has_its_pose_in_the_frame_that_was_wished_for():
    """A robot whose camera sits 1 m over its base and looks the same way, but with the optical frame's axes."""
    scene = replace(tilted_scene(), level_from_optical=np.eye(3), scale_source="camera_height")
    pose = motion(OPTICAL_FROM_BODY.T, (0.1, 0.0, 1.0))
    place = Place(distance=2.0, bearing=0.25, beside="lamp")
    answer = Answer(text="2 metres ahead", value=place, object_ids=(1,))
    message = messages.answer_message(
        scene, "?", answer, now_ns=scene.stamp_ns + 500_000_000, frame=messages.PoseFrame("base_link", pose)
    )
    x, y, z = scene.objects[0].box.center
    p = message.pose.pose.position
    assert (message.value_type, message.value, message.unit, message.label) == ("place", 2.0, "m", "lamp")
    assert (message.header.frame_id, message.pose.header.frame_id) == ("base_link", "base_link")
    np.testing.assert_allclose((p.x, p.y, p.z), (z + 0.1, -x, 1.0 - y), atol=1e-9)
    assert message.objects[0].pose == message.pose.pose
    assert message.frame_age == pytest.approx(0.5)
    assert (message.scale_source, message.scale_error > 0) == ("camera_height", True)
    assert messages.value_from(message) == place
    error = np.array(message.objects[0].covariance).reshape(6, 6)
    np.testing.assert_allclose(error, error.T)
    ray = np.array([z, -x, -y]) / np.linalg.norm([x, y, z])
    along = math.sqrt(ray @ error[:3, :3] @ ray)
    assert along == pytest.approx(message.scale_error * float(np.linalg.norm([x, y, z])), rel=1e-6)
    assert np.linalg.matrix_rank(error[:3, :3]) == 3
    assert error[5, 5] > 0  # yaw about base_link's z
    np.testing.assert_allclose(error[3:5, 3:5], 0.0, atol=1e-12)


@pytest.mark.skipif(not messages.HAVE_INTERFACES, reason="distill3d_interfaces is not built")
def test_several_questions_have_an_answer_each():
    scene = tilted_scene()
    first = Answer(text="yes", value=True, object_ids=(1,), question="Is there a chair")
    second = Answer(text="I do not see a bed.", value=None, reason="not_seen", question="how far is the bed?")
    whole = Answer(text="yes I do not see a bed.", value=None, parts=(first, second))
    parts = messages.answer_messages(scene, "Is there a chair and how far is the bed?", whole)
    assert [(m.question, m.value_type, m.reason) for m in parts] == [
        ("Is there a chair", "yes_no", ""),
        ("how far is the bed?", "", "not_seen"),
    ]
    said = messages.answer_message(scene, "?", whole)
    response = messages.fill_response(messages.AskSpatial.Response(), said, parts)
    assert (response.value_type, len(response.answers), response.success) == ("several", 2, True)
    assert messages.value_from(response) is None
    assert [messages.value_from(m) for m in response.answers] == [True, None]


@pytest.mark.skipif(not messages.HAVE_INTERFACES, reason="distill3d_interfaces is not built")
def test_sizes_are_those_of_the_first_object():
    scene = tilted_scene()
    width, height, depth = scene.objects[0].box.size
    size = Size(width=max(width, depth), height=height, depth=min(width, depth))
    message = messages.answer_message(scene, "?", Answer(text="sizes", value=size, object_ids=(1,)))
    assert (message.value_type, message.unit, message.value) == ("size", "m", pytest.approx(max(width, height, depth)))
    assert messages.value_from(message) == size


@pytest.mark.skipif(not messages.HAVE_VISION_MSGS, reason="vision_msgs is not installed")
def test_detections_keep_every_plausible_name():
    message = messages.detections_message(tilted_scene())
    assert [r.hypothesis.class_id for r in message.detections[0].results] == ["chair", "stool"]
    assert message.detections[0].results[0].hypothesis.score == pytest.approx(0.8)
    assert message.detections[1].bbox.size.y == pytest.approx(0.5)
    assert message.detections[1].header.frame_id == "cam"


def test_markers_clear_first_then_have_stable_ids_and_a_lifetime():
    scene = tilted_scene()
    markers = markers_from(scene, lifetime_s=1.5).markers
    assert markers[0].action == Marker.DELETEALL
    assert all(m.action == Marker.ADD for m in markers[1:])
    keys = [(m.ns, m.id) for m in markers[1:]]
    assert len(set(keys)) == len(keys) == 6
    assert keys == [(m.ns, m.id) for m in markers_from(scene, lifetime_s=1.5).markers[1:]]
    assert {(m.lifetime.sec, m.lifetime.nanosec) for m in markers[1:]} == {(1, 500_000_000)}
    assert {m.header.frame_id for m in markers} == {"cam"}
    edges = next(m for m in markers if m.ns == "edges" and m.id == 1)
    assert len(edges.points) == 24
    spread = np.array([[p.x, p.y, p.z] for p in edges.points])
    level = spread @ scene.level_from_optical.T
    np.testing.assert_allclose(np.ptp(level[:, 1]), 0.9, atol=1e-9)  # as high as the chair
    name = next(m for m in markers if m.ns == "names" and m.id == 2)
    assert name.text == "lamp 1.00"
    assert name.color.a == 1.0


def test_an_empty_scene_clears_the_markers():
    scene = Scene(objects=(), intrinsics=CAMERA)
    assert [m.action for m in markers_from(scene, lifetime_s=1.0).markers] == [Marker.DELETEALL]


def motion(rotation, translation) -> np.ndarray:
    """(4, 4)"""
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation, translation
    return pose


def test_transforms_through_a_chain_of_frames():
    """map -> odom -> base_link -> camera: a camera that looks 20 degrees down sees up tilted away from -y."""
    tree = TransformTree(None)
    pitch = math.radians(20)  # REP 103: positive pitch about y turns x (forward) downwards
    base_from_body = Rotation.from_euler("y", pitch).as_matrix()
    tree.add("base_link", "camera", motion(base_from_body @ OPTICAL_FROM_BODY.T, (0.1, 0.0, 0.8)), stamp_ns=None)
    tree.add("odom", "base_link", motion(Rotation.from_euler("z", math.pi / 2).as_matrix(), (2, 1, 0)), stamp_ns=10**9)
    tree.add("map", "odom", motion(np.eye(3), (10, 0, 0)), stamp_ns=10**9)
    tree.add("map", "door", motion(np.eye(3), (0, 5, 0)), stamp_ns=None)
    expected = [0.0, -math.cos(pitch), -math.sin(pitch)]
    for frame in ("base_link", "odom", "map"):
        np.testing.assert_allclose(tree.find("camera", frame, 10**9)[:3, 2], expected, atol=1e-12)
    np.testing.assert_allclose(tree.find("odom", "camera", 10**9)[:3, 3], [2.0, 1.1, 0.8], atol=1e-12)
    np.testing.assert_allclose(tree.find("map", "camera", 10**9)[:3, 3], [12.0, 1.1, 0.8], atol=1e-12)
    np.testing.assert_allclose(tree.find("door", "camera", 10**9)[:3, 3], [12.0, -3.9, 0.8], atol=1e-12)
    back = tree.find("camera", "door", 10**9) @ tree.find("door", "camera", 10**9)
    np.testing.assert_allclose(back, np.eye(4), atol=1e-12)


def test_old_transforms_and_unknown_frames_say_nothing():
    tree = TransformTree(None)
    tree.add("odom", "camera", np.eye(4), stamp_ns=0)
    assert tree.find("camera", "odom", STALE_NS)[2, 2] == pytest.approx(1.0)
    with pytest.raises(NoTransformError, match="'camera' leads to camera and 'odom' to odom"):
        tree.find("odom", "camera", STALE_NS + 1)
    with pytest.raises(NoTransformError, match="'elsewhere'"):
        tree.find("odom", "elsewhere", 0)


def test_the_transform_nearest_in_time_is_taken():
    tree = TransformTree(None)
    for stamp, angle in ((0, 0.0), (10**8, 0.5)):
        tree.add("odom", "camera", motion(Rotation.from_euler("x", angle).as_matrix(), (0, 0, 0)), stamp_ns=stamp)
    assert tree.find("camera", "odom", 4 * 10**7)[2, 2] == pytest.approx(1.0)
    assert tree.find("camera", "odom", 6 * 10**7)[2, 2] == pytest.approx(math.cos(0.5))


def test_played_poses_keep_the_base_on_the_floor():
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler("ZY", [0.8, 0.2]).as_matrix() @ OPTICAL_FROM_BODY.T
    pose[:3, 3] = 1.0, 2.0, 0.9
    base, camera = split_pose(pose)
    np.testing.assert_allclose(base @ camera, pose, atol=1e-12)
    np.testing.assert_allclose(camera[:3, 3], [0.0, 0.0, 0.9], atol=1e-12)
    np.testing.assert_allclose(base[:3, 2], [0.0, 0.0, 1.0])
    message = transform_message(base, "odom", "base_link", 5)
    assert matrix_of(message.transform.rotation)[0, 0] == pytest.approx(math.cos(0.8))
