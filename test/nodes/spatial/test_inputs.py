"""Images and their camera_info, and the words when they do not come."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from support.ros_robot import until
from support.scene_samples import OPTICAL_FROM_BODY

from distill3d_ros.nodes.camera.transforms import CameraTransformBroadcaster
from distill3d_ros.nodes.conversions.camera_info import info_from
from distill3d_ros.nodes.conversions.images import rgb_to_compressed, rgb_to_image
from distill3d_ros.nodes.parameters import CAMERA_SETTINGS, SPATIAL_SETTINGS, declare, up_or_none
from distill3d_ros.nodes.spatial.camera_transforms import CameraTransforms
from distill3d_ros.nodes.spatial.inputs import CameraInputs, CameraItem, InfoMatcher
from distill3d_ros.nodes.spatial.tf import TF_STATE
from distill3d_ros.scene.frame import Frame, Intrinsics

CAMERA = Intrinsics(fx=50.0, fy=50.0, cx=31.5, cy=23.5, width=64, height=48)
PICTURE = np.zeros((48, 64, 3), np.uint8)

needs_tf = pytest.mark.skipif(TF_STATE == "none", reason="neither tf2_ros nor tf2_msgs is installed")


def image(stamp_ns: int) -> Image:
    return rgb_to_image(PICTURE, stamp_ns=stamp_ns, frame_id="front")


def info(stamp_ns: int) -> CameraInfo:
    return info_from(CAMERA, stamp_ns=stamp_ns)


def test_an_image_waits_for_its_own_camera_info():
    matcher = InfoMatcher()
    first, second = image(1), image(2)
    assert matcher.image(first) is None
    assert matcher.info(info(1))[0] is first
    assert matcher.image(second) is None  # its camera's stamps match, so it is worth waiting
    assert matcher.info(info(1)) is None
    own = info(2)
    assert matcher.info(own) == (second, own)


def test_a_camera_info_that_comes_first_is_found():
    matcher = InfoMatcher()
    infos = [info(stamp) for stamp in (1, 2, 3)]
    for message in infos:
        assert matcher.info(message) is None
    assert matcher.image(image(2))[1] is infos[1]


def test_stamps_that_never_match_get_the_newest():
    matcher = InfoMatcher()
    latched = info(0)
    matcher.info(latched)
    assert matcher.image(image(5))[1] is latched
    assert matcher.image(image(6))[1] is latched


def test_a_camera_whose_infos_cease_goes_on_with_the_last():
    matcher = InfoMatcher()
    last = info(1)
    matcher.info(last)
    assert matcher.image(image(1)) is not None
    pairs = [matcher.image(image(stamp)) for stamp in range(2, 8)]
    assert pairs[0] is None
    assert pairs[-1][1] is last


def test_items_become_frames():
    message = rgb_to_compressed(PICTURE, stamp_ns=5, frame_id="front")
    for picture in (image(5), message):
        frame = CameraItem(picture, info(5), 0.0).to_frame(rectified=False, up=None)
        assert (frame.stamp_ns, frame.frame_id, frame.intrinsics) == (5, "front", CAMERA)


@pytest.fixture
def node() -> Iterator[Node]:
    rclpy.init()
    node = Node("listener")
    yield node
    node.destroy_node()
    rclpy.try_shutdown()


def listening(node: Node, **options) -> tuple[CameraInputs, list[CameraItem]]:
    items: list[CameraItem] = []
    options = {"compressed": False, "reliability": "best_effort"} | options
    return CameraInputs(node, on_item=items.append, **options), items


def spin_until(node: Node, condition) -> None:
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    end = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < end
        executor.spin_once(timeout_sec=0.02)
    executor.remove_node(node)
    executor.shutdown()


def test_without_a_publisher_the_topics_that_have_images_are_named(node):
    inputs, _ = listening(node)
    assert "no image on /image: no publisher. No topic has images; is the camera running" in inputs.complaint()
    node.create_publisher(Image, "front/rgb", 1)
    node.create_publisher(CompressedImage, "rear/compressed", 1)
    until(lambda: "Topics with images" in inputs.complaint())
    assert "/front/rgb, /rear/compressed; remap `image`" in inputs.complaint()


def test_a_publisher_that_does_not_suit_is_named_with_its_qos(node):
    inputs, _ = listening(node, reliability="reliable")
    node.create_publisher(Image, "image", QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))
    until(lambda: "1 publisher" in inputs.complaint())
    text = inputs.complaint()
    assert "/listener (best_effort, volatile, sensor_msgs/msg/Image)" in text
    assert "asks for reliable" in text


def test_a_missing_camera_info_is_named(node):
    inputs, items = listening(node)
    publisher = node.create_publisher(Image, "image", 1)
    seen = []
    node.create_subscription(Image, "image", seen.append, 1)
    until(lambda: publisher.get_subscription_count() == 2)
    publisher.publish(image(1))
    spin_until(node, lambda: "images arrive" in inputs.complaint())
    assert "images arrive on /image but no camera_info on /camera_info (no publisher)" in inputs.complaint()
    assert "Remap `camera_info`" in inputs.complaint()
    assert not items


def test_compressed_images_come_through(node):
    inputs, items = listening(node, compressed=True)
    images = node.create_publisher(CompressedImage, "image/compressed", 1)
    infos = node.create_publisher(CameraInfo, "camera_info", 1)
    until(lambda: images.get_subscription_count() and infos.get_subscription_count())
    infos.publish(info(3))
    images.publish(rgb_to_compressed(PICTURE, stamp_ns=3))
    spin_until(node, lambda: bool(items))
    assert items[0].to_frame(rectified=True, up=None).image.shape == (48, 64, 3)
    assert inputs.quiet_for() < 20.0
    inputs.close()


@pytest.mark.parametrize("settings", [SPATIAL_SETTINGS, CAMERA_SETTINGS])
def test_every_parameter_has_words_a_type_and_a_fair_default(node, settings):
    declare(node, settings, configured=lambda: False)
    for setting in settings:
        descriptor = node.describe_parameter(setting.name)
        assert len(descriptor.description) > 15
        assert node.get_parameter(setting.name).value == setting.default
        assert setting.problem(setting.default) == ""
        if setting.low is not None:
            assert descriptor.integer_range or descriptor.floating_point_range
            assert setting.low <= setting.default <= setting.high


def test_a_wrong_value_at_the_start_is_named(node):
    from dataclasses import replace

    wrong = replace(next(s for s in SPATIAL_SETTINGS if s.name == "device"), default="abacus")
    with pytest.raises(ValueError, match=r"parameter 'device' must be one of auto, cpu, cuda. Got 'abacus'"):
        declare(node, [wrong], configured=lambda: False)


@needs_tf
def test_tf_tells_which_way_is_up_how_high_and_where_the_camera_stands(node):
    """Over /tf, from the poses that the camera node sends: 15 degrees down, and the robot turned on the floor."""
    place = CameraTransforms(
        node, gravity_frame="base_link", floor_frame="base_footprint", odom_frame="odom", base_frame=""
    )
    transforms = CameraTransformBroadcaster(node, "cam")
    until(lambda: node.count_subscribers("/tf"))
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler("ZY", [70, 15], degrees=True).as_matrix() @ OPTICAL_FROM_BODY.T
    pose[:3, 3] = 1.5, -0.5, 0.9
    frame = Frame(image=PICTURE, intrinsics=CAMERA, world_from_camera=pose)
    found: list[np.ndarray | None] = []

    def known() -> bool:
        transforms.send(frame, 10**9)
        found.append(place.up("cam", 10**9))
        return found[-1] is not None

    spin_until(node, known)
    tilt = np.radians(15)
    np.testing.assert_allclose(found[-1], [0.0, -np.cos(tilt), -np.sin(tilt)], atol=1e-6)
    stands = place.world_from_camera("cam", 10**9)
    np.testing.assert_allclose(stands, pose, atol=1e-6)
    assert place.height("cam", 10**9) == pytest.approx(0.9)
    assert place.up("another", 10**9) is None
    assert place.world_from_camera("another", 10**9) is None
    assert place.height("another", 10**9) is None
    place.close()
    assert place.up("cam", 10**9) is None


@needs_tf
def test_a_frame_that_tf_never_knew_does_not_hold_up_every_image(node, monkeypatch):
    place = CameraTransforms(node, gravity_frame="", floor_frame="base_footprint", odom_frame="", base_frame="")
    asked: list[str] = []
    find = place._transforms.find

    def spy(target: str, source: str, stamp_ns: int) -> np.ndarray:
        asked.append(source)
        return find(target, source, stamp_ns)

    monkeypatch.setattr(place._transforms, "find", spy)
    monkeypatch.setattr("distill3d_ros.nodes.spatial.camera_transforms.RETRY_S", 0.5)
    for _ in range(5):
        assert place.height("cam", 10**9) is None
    assert asked == ["cam"]
    time.sleep(0.6)
    assert place.height("cam", 10**9) is None
    assert asked == ["cam", "cam"], "it may have come since"
    place.close()


def test_without_frames_to_look_up_nothing_is_listened_to(node):
    place = CameraTransforms(node, gravity_frame="", floor_frame="", odom_frame="", base_frame="")
    assert place.up("cam", 10**9) is None
    assert place.world_from_camera("cam", 10**9) is None
    assert node.count_subscribers("/tf") == 0
    place.close()


def test_up_is_made_a_unit_vector():
    assert up_or_none([0.0, 0.0, 0.0]) is None
    assert up_or_none([0.0, -2.0, 0.0]) == (0.0, -1.0, 0.0)
