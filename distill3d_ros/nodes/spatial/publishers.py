"""Publishers of the spatial node. Costly messages are made only when somebody subscribes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_msgs.msg import String
from visualization_msgs.msg import MarkerArray

from distill3d_ros.nodes.conversions import messages
from distill3d_ros.nodes.conversions.camera_info import info_from
from distill3d_ros.nodes.conversions.clouds import cloud_from
from distill3d_ros.nodes.conversions.compressed_depth import depth_to_compressed
from distill3d_ros.nodes.conversions.images import depth_to_image, rgb_to_image
from distill3d_ros.nodes.conversions.markers import markers_from
from distill3d_ros.nodes.qos import output_qos
from distill3d_ros.pictures.drawing import draw_scene
from distill3d_ros.questions.answer import Answer
from distill3d_ros.scene.frame import Frame
from distill3d_ros.scene.objects import Scene


class SpatialOutputs:
    """The node's publishers."""

    def __init__(self, node: LifecycleNode, setting: Callable[[str], Any]) -> None:
        """``setting`` gives the present value of a parameter."""
        self._node, self._setting = node, setting
        self._made: list[Any] = []
        self._depth = self._publisher(Image, "~/depth/image")
        self._compressed_depth = self._publisher(CompressedImage, "~/depth/image/compressedDepth")
        self._depth_info = self._publisher(CameraInfo, "~/depth/camera_info")
        self._points = self._publisher(PointCloud2, "~/points")
        self._markers = self._publisher(MarkerArray, "~/markers")
        self._annotated = self._publisher(Image, "~/image_annotated")
        self._answer = self._publisher(messages.SpatialAnswer if messages.HAVE_INTERFACES else String, "~/answer", 10)
        self._relative: Any = None
        if setting("relative_depth"):
            self._relative = self._publisher(Image, "~/depth/relative")
        self._objects: Any = None
        self._detections: Any = None
        if messages.HAVE_INTERFACES:
            self._objects = self._publisher(messages.SpatialObjectArray, "~/objects")
        if messages.HAVE_VISION_MSGS:
            self._detections = self._publisher(messages.Detection3DArray, "~/detections")

    def wanted(self) -> bool:
        """Whether somebody listens to anything about the scenes."""
        return any(_wanted(publisher) for publisher in self._made if publisher is not self._answer)

    def publish_scene(self, frame: Frame, scene: Scene) -> None:
        """Messages in metres are for metric scenes only; of others there are pictures and relative depth."""
        where: dict[str, Any] = {"stamp_ns": scene.stamp_ns, "frame_id": scene.frame_id}
        if scene.is_metric:
            self._publish_metric(frame, scene, where)
        elif _wanted(self._relative) and scene.depth is not None:
            self._relative.publish(depth_to_image(scene.depth, **where))
        if _wanted(self._annotated):
            self._annotated.publish(rgb_to_image(draw_scene(frame.image, scene), **where))

    def _publish_metric(self, frame: Frame, scene: Scene, where: dict[str, Any]) -> None:
        if scene.depth is not None and _wanted(self._depth):
            self._depth.publish(depth_to_image(scene.depth, **where))
        if scene.depth is not None and _wanted(self._compressed_depth):
            self._compressed_depth.publish(depth_to_compressed(scene.depth, **where))
        if scene.depth is not None and _wanted(self._depth_info):
            self._depth_info.publish(info_from(scene.intrinsics, **where))
        if scene.depth is not None and _wanted(self._points):
            organised, stride = self._setting("points_organised"), self._setting("points_stride")
            cloud = cloud_from(scene.depth, scene.intrinsics, frame.image, organised=organised, stride=stride, **where)
            self._points.publish(cloud)
        if _wanted(self._objects):
            self._objects.publish(messages.objects_message(scene))
        if _wanted(self._detections):
            self._detections.publish(messages.detections_message(scene))
        if _wanted(self._markers):
            self._markers.publish(markers_from(scene, lifetime_s=self._setting("marker_lifetime")))

    def publish_answer(self, scene: Scene, question: str, answer: Answer) -> None:
        if not _wanted(self._answer):
            return
        if messages.HAVE_INTERFACES:
            now_ns = self._node.get_clock().now().nanoseconds
            for message in messages.answer_messages(scene, question, answer, now_ns=now_ns):
                self._answer.publish(message)
        else:
            self._answer.publish(String(data=answer.text))

    def publish_refusal(self, question: str, problem: str, latency_ms: float, *, reason: str) -> None:
        """Says on ~/answer why a question has no answer; ``reason`` is one of ``questions.answer.REASONS``."""
        if not _wanted(self._answer):
            return
        if messages.HAVE_INTERFACES:
            self._answer.publish(messages.refusal_message(question, problem, latency_ms, reason=reason))
        else:
            self._answer.publish(String(data=problem))

    def close(self) -> None:
        # Humble has no destroy_lifecycle_publisher; there the node keeps a dead entry in its list, which does no harm.
        destroy = getattr(self._node, "destroy_lifecycle_publisher", self._node.destroy_publisher)
        for publisher in self._made:
            destroy(publisher)
        self._made = []

    def _publisher(self, kind: Any, topic: str, depth: int = 1) -> Any:
        self._made.append(self._node.create_lifecycle_publisher(kind, topic, output_qos(depth)))
        return self._made[-1]


def _wanted(publisher: Any) -> bool:
    try:
        return publisher is not None and publisher.is_activated and publisher.get_subscription_count() > 0
    except RuntimeError:  # RCLError: the node shuts down while a frame is in work in another thread
        return False
