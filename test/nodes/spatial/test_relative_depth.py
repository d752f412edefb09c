"""A student without a metric scale in the node: nothing of it is published as metres."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from sensor_msgs.msg import CompressedImage, Image, PointCloud2
from support.random_student import save_random_student
from support.ros_robot import NodeProcess, Robot, until
from visualization_msgs.msg import MarkerArray

from distill3d_ros.nodes.conversions import messages
from distill3d_ros.system.ros_messages import image_to_depth

pytestmark = pytest.mark.skipif(not messages.HAVE_INTERFACES, reason="distill3d_interfaces is not built")

NODE = "/spatial_node"
IN_METRES = {
    "depth/image": Image,
    "depth/image/compressedDepth": CompressedImage,
    "points": PointCloud2,
    "markers": MarkerArray,
    "objects": messages.SpatialObjectArray if messages.HAVE_INTERFACES else None,
}


def test_depth_without_a_scale_is_never_published_as_metres(tmp_path: Path) -> None:
    student = save_random_student(tmp_path / "student", metric=False)
    settings = {"model": student, "min_score": 0.0, "threads": 1, "gravity_frame": "", "relative_depth": True}
    with NodeProcess("spatial_node", settings) as node:
        node.says("depth has no metric scale")
        node.says("active")
        robot = Robot()
        try:
            until(lambda: robot.image.get_subscription_count(), what="discovery")
            for topic, kind in (IN_METRES | {"depth/relative": Image, "image_annotated": Image}).items():
                robot.listen(kind, f"{NODE}/{topic}")

            def seen() -> bool:
                robot.show()
                time.sleep(0.3)
                return bool(robot.received[f"{NODE}/depth/relative"] and robot.received[f"{NODE}/image_annotated"])

            until(seen, what="relative depth")
            time.sleep(0.5)
            depth = image_to_depth(robot.received[f"{NODE}/depth/relative"][-1])
            assert depth.shape == (48, 64)
            assert (depth > 0).all()
            assert not any(robot.received[f"{NODE}/{topic}"] for topic in IN_METRES)
            reply = robot.call(
                messages.AskSpatial, f"{NODE}/ask", messages.AskSpatial.Request(question="How far away is the chair?")
            )
            assert reply.success
            assert reply.answer == "I cannot tell metres here."
            assert not reply.objects
        finally:
            robot.close()
