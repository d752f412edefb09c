"""Scenes -> RViz markers: a box and a name for every object."""

from __future__ import annotations

import colorsys
import zlib

from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from distill3d_ros.nodes.conversions.images import set_stamp
from distill3d_ros.nodes.conversions.messages import header_of, pose_of
from distill3d_ros.scene.geometry import BOX_EDGES
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject

_EDGE_WIDTH_M = 0.012
_TEXT_HEIGHT_M = 0.12


def markers_from(scene: Scene, *, lifetime_s: float) -> MarkerArray:
    """First one that deletes what is there, then edges, faces and a text for each object, their ids its id."""
    header = header_of(scene)
    clear = Marker(header=header, action=Marker.DELETEALL)
    markers = [clear]
    for o in scene.objects:
        markers += [_edges(o, scene), _faces(o, scene), _text(o, scene)]
    for marker in markers[1:]:
        marker.header, marker.action = header, Marker.ADD
        set_stamp(marker.lifetime, round(lifetime_s * 1e9))
    return MarkerArray(markers=markers)


def colour_of(label: str, alpha: float = 1.0) -> ColorRGBA:
    """The same colour for a label in every frame and every run."""
    hue = zlib.crc32(label.encode()) % 360 / 360
    r, g, b = colorsys.hsv_to_rgb(hue, 0.75, 0.95)
    return ColorRGBA(r=r, g=g, b=b, a=alpha)


def _edges(o: SceneObject, scene: Scene) -> Marker:
    marker = Marker(ns="edges", id=o.id, type=Marker.LINE_LIST, color=colour_of(o.label))
    marker.pose.orientation.w = 1.0
    marker.scale.x = _EDGE_WIDTH_M
    corners = o.box.corners() @ scene.level_from_optical  # level -> optical: the transpose, for row vectors
    points = [Point(x=float(x), y=float(y), z=float(z)) for x, y, z in corners]
    marker.points = [points[end] for edge in BOX_EDGES for end in edge]
    return marker


def _faces(o: SceneObject, scene: Scene) -> Marker:
    marker = Marker(ns="boxes", id=o.id, type=Marker.CUBE, color=colour_of(o.label, 0.15))
    marker.pose = pose_of(o.box, scene.level_from_optical)
    marker.scale.x, marker.scale.y, marker.scale.z = map(float, o.box.size)
    return marker


def _text(o: SceneObject, scene: Scene) -> Marker:
    marker = Marker(ns="names", id=o.id, type=Marker.TEXT_VIEW_FACING, color=colour_of(o.label))
    above = o.box.center.copy()
    above[1] = o.box.top - _TEXT_HEIGHT_M
    marker.pose = pose_of(Box3D(center=above, size=o.box.size, yaw=0.0), scene.level_from_optical)
    marker.scale.z = _TEXT_HEIGHT_M
    marker.text = f"{o.label} {o.score:.2f}"
    return marker
