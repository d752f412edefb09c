"""Drawing of scenes: boxes in the image, coloured depth, a plan from above.

All pictures are (H, W, 3) uint8 RGB. numpy and OpenCV only.
"""

from __future__ import annotations

import colorsys
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distill3d_ros.pictures.sheets import FAINT, FONT, INK, PAPER, Color, Picture, with_caption
from distill3d_ros.questions.answer import Answer
from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.scene.geometry import BOX_EDGES, image_rectangle, project
from distill3d_ros.scene.labels import LABELS
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject

NEAR = 0.05
"""Metres; edges are cut at this distance in front of the camera."""
SUBPIXEL_BITS = 4
UNKNOWN: Color = (96, 96, 96)
_BACK_EDGES = 0.45
"""Opacity of the edges that the box itself hides."""
_BESIDES = 0.4
"""Opacity of the boxes that an answer does not rest on."""


def label_color(label: str) -> Color:
    """The colour of a category, the same in every picture; neighbours in the list differ clearly."""
    names = list(LABELS)
    number = names.index(label) if label in names else len(names) + sum(map(ord, label))
    hue = number * 0.61803398875 % 1.0  # golden ratio: never close to the colours before it
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.72 if number % 2 else 0.9, 1.0 if number % 3 else 0.82)
    return int(red * 255), int(green * 255), int(blue * 255)


def enlarged(image: Picture, least_width: int = 640) -> Picture:
    """A copy, enlarged by a whole factor (at most 4) to be at least ``least_width`` wide."""
    factor = int(np.clip(np.ceil(least_width / image.shape[1]), 1, 4))
    size = (image.shape[1] * factor, image.shape[0] * factor)
    return image.copy() if factor == 1 else np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def draw_scene(
    image: Picture,
    scene: Scene,
    answer: Answer | None = None,
    *,
    question: str | None = None,
    least_width: int = 640,
    scores: bool = True,
) -> Picture:
    """The image, enlarged if it is small, with every object's 3D box and name.

    With an answer, the objects that it rests on stand out and the words are written below.
    """
    picture = enlarged(image, least_width)
    height, width = picture.shape[:2]
    intrinsics = scene.intrinsics.resized(width=width, height=height)
    named = set(answer.object_ids) if answer else set()
    far_first = sorted(scene.objects, key=lambda o: -float(np.linalg.norm(o.box.center)))
    layer = picture.copy()
    for thing in far_first:
        _draw_edges(layer, thing, scene, intrinsics, hidden=True)
    picture = np.asarray(cv2.addWeighted(layer, _BACK_EDGES, picture, 1 - _BACK_EDGES, 0), np.uint8)
    layer = picture.copy()
    for thing in far_first:
        _draw_edges(layer, thing, scene, intrinsics)
    strength = _BESIDES if named else 1.0
    picture = np.asarray(cv2.addWeighted(layer, strength, picture, 1 - strength, 0), np.uint8)
    for thing in far_first:
        if thing.id in named:
            _draw_edges(picture, thing, scene, intrinsics, thickness=3)
    taken: list[tuple[int, int, int, int]] = []
    for thing in sorted(scene.objects, key=lambda o: (o.id not in named, float(np.linalg.norm(o.box.center)))):
        if named and thing.id not in named:
            continue
        anchor = _label_anchor(thing.box, scene.level_from_optical, intrinsics)
        if anchor is not None:
            text = thing.label if thing.score >= 1.0 or not scores else f"{thing.label} {thing.score:.2f}"
            _draw_tag(picture, text, anchor, label_color(thing.label), taken)
    if answer is not None or question:
        lines = [line for line in (question, None if answer is None else f"> {answer.text}") if line]
        picture = with_caption(picture, lines)
    return picture


def depth_picture(
    depth: NDArray[Any],
    *,
    near: float | None = None,
    far: float | None = None,
    is_metric: bool = True,
    least_width: int = 640,
) -> Picture:
    """Depth (H, W) coloured from near (bright) to far (dark), with a scale; grey where depth is unknown.

    ``near`` and ``far`` fix the ends of the scale, so that pictures can be compared.
    """
    depth = np.asarray(depth, np.float32)
    known = np.isfinite(depth) & (depth > 0)
    first, last = np.percentile(depth[known], (1, 99)) if known.any() else (0.0, 1.0)
    near = float(first) if near is None else near
    far = max(float(last) if far is None else far, near + 1e-3)
    level = np.where(known, (depth - near) / (far - near), 0.0)
    picture = _colored(1.0 - level)
    picture[~known] = UNKNOWN
    picture = enlarged(picture, least_width)
    return np.hstack([picture, _depth_scale(picture.shape[0], near, far, "m" if is_metric else "")])


def id_picture(image: Picture, ids: NDArray[Any], scene: Scene, *, least_width: int = 640) -> Picture:
    """The image with every object's pixels tinted in its label's colour and outlined."""
    picture = enlarged(image, least_width)
    large = cv2.resize(ids.astype(np.uint16), picture.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    for thing in scene.objects:
        mask = (large == thing.id).astype(np.uint8)
        color = np.array(label_color(thing.label), np.float32)
        picture[mask > 0] = (0.45 * picture[mask > 0] + 0.55 * color).astype(np.uint8)
        outline, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, outline, -1, PAPER, 1, cv2.LINE_AA)
    return picture


def top_down(scene: Scene, truth: Scene | None = None, *, size: int = 640) -> Picture:
    """The scene from above: the camera and what it sees, oriented boxes with names, a grid of metres.

    ``truth`` is drawn as thin grey outlines below the scene's own boxes.
    """
    plan = _Plan(scene, truth, size)
    plan.grid()
    plan.camera(scene.intrinsics.horizontal_fov)
    for thing in truth.objects if truth else ():
        plan.outline(thing)
    for thing in sorted(scene.objects, key=lambda o: o.box.top, reverse=True):  # what stands on others comes last
        plan.filled(thing)
    taken: list[tuple[int, int, int, int]] = []
    for thing in scene.objects:
        x, y = plan.pixel(thing.box.center[[0, 2]])
        _draw_tag(plan.picture, thing.label, (int(x), int(y)), label_color(thing.label), taken)
    return plan.picture


class _Plan:
    """A drawing from above with its scale; the camera is at the bottom, pointing up."""

    def __init__(self, scene: Scene, truth: Scene | None, size: int) -> None:
        corners = [o.box.footprint() for s in (scene, truth) if s for o in s.objects]
        points = np.concatenate([*corners, [[-1.0, 0.0], [1.0, 2.0]]])
        points = points[np.abs(points).max(1) < 20.0]  # one wild guess must not shrink the rest to dots
        self.low = np.array([points[:, 0].min(), min(points[:, 1].min(), 0.0)]) - 0.3
        high = points.max(0) + 0.3
        self.scale = (size - 1) / float(max(high - self.low))
        width, height = np.ceil((high - self.low) * self.scale).astype(int) + 1
        self.picture: Picture = np.full((height, width, 3), PAPER, np.uint8)

    def pixel(self, ground: NDArray[Any]) -> NDArray[np.floating[Any]]:
        """(..., 2) x, z in metres -> (..., 2) pixels."""
        offset = (np.asarray(ground) - self.low) * self.scale
        return np.stack([offset[..., 0], self.picture.shape[0] - 1 - offset[..., 1]], -1)

    def grid(self) -> None:
        height, width = self.picture.shape[:2]
        for metre in range(-20, 21):
            x, y = self.pixel(np.array([metre, metre]))
            if 0 <= x < width:
                cv2.line(self.picture, (int(x), 0), (int(x), height), FAINT, 1)
                cv2.putText(self.picture, f"{metre}", (int(x) + 3, height - 5), FONT, 0.38, UNKNOWN, 1, cv2.LINE_AA)
            if 0 <= y < height:
                cv2.line(self.picture, (0, int(y)), (width, int(y)), FAINT, 1)
                cv2.putText(self.picture, f"{metre} m", (3, int(y) - 4), FONT, 0.38, UNKNOWN, 1, cv2.LINE_AA)

    def camera(self, field_of_view: float) -> None:
        half, reach = field_of_view / 2, 40.0
        side = np.array([np.sin(half), np.cos(half)]) * reach
        wedge = np.array([[0.0, 0.0], side * [-1, 1], side])
        overlay = self.picture.copy()
        _fill(overlay, self.pixel(wedge), (255, 236, 170))
        self.picture[:] = cv2.addWeighted(overlay, 0.4, self.picture, 0.6, 0)
        _fill(self.picture, self.pixel(wedge / reach * 0.22), INK)

    def outline(self, thing: SceneObject) -> None:
        _polyline(self.picture, self.pixel(thing.box.footprint()), (140, 140, 140), 1)

    def filled(self, thing: SceneObject) -> None:
        points, color = self.pixel(thing.box.footprint()), label_color(thing.label)
        overlay = self.picture.copy()
        _fill(overlay, points, color)
        self.picture[:] = cv2.addWeighted(overlay, 0.45, self.picture, 0.55, 0)
        _polyline(self.picture, points, (color[0] // 2, color[1] // 2, color[2] // 2), 2)
        if thing.has_front:
            _line(self.picture, points[2], points[3], INK, 4)  # the own +z side


def _draw_edges(
    picture: Picture, thing: SceneObject, scene: Scene, view: Intrinsics, *, hidden: bool = False, thickness: int = 2
) -> None:
    """The edges that the box itself hides, or the others and an arrow on the floor from its middle to its front."""
    box, color = thing.box, label_color(thing.label)
    corners, behind = box.corners(), _hidden_edges(box)
    for edge in BOX_EDGES:
        points = _segment(corners[list(edge)] @ scene.level_from_optical, view)
        if points is not None and (edge in behind) == hidden:
            _line(picture, points[0], points[1], color, 1 if hidden else thickness)
    if thing.has_front and not hidden:
        arrow = box.center + (box.size * [[0.0, 0.5, 0.0], [0.0, 0.5, 0.5]]) @ box.rotation.T
        if (points := _segment(arrow @ scene.level_from_optical, view)) is not None:
            start, end = np.round(points).astype(int).tolist()
            cv2.arrowedLine(picture, start, end, color, thickness, cv2.LINE_AA, tipLength=0.35)


def _hidden_edges(box: Box3D) -> set[tuple[int, int]]:
    """The edges that meet at the corner which the box hides from the camera."""
    corners = box.corners()
    center = corners.mean(0)
    facing: set[int] = set()
    for face in ((0, 1, 2, 3), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)):
        middle = corners[list(face)].mean(0)
        if np.dot(middle - center, middle) < 0:  # the face is towards the camera at the origin
            facing.update(face)
    behind = set(range(8)) - facing
    return {edge for edge in BOX_EDGES if behind & set(edge)}


def _segment(optical: NDArray[Any], intrinsics: Intrinsics) -> NDArray[Any] | None:
    """(2, 3) optical points -> (2, 2) pixels of the part in front of the camera; None if there is none."""
    a, b = optical
    if a[2] < NEAR and b[2] < NEAR:
        return None
    if (a[2] < NEAR) != (b[2] < NEAR):
        cut = a + (NEAR - a[2]) / (b[2] - a[2]) * (b - a)
        a, b = (cut, b) if a[2] < NEAR else (a, cut)
    uv, _ = project(np.stack([a, b]), intrinsics)
    return np.clip(uv, -8000.0, 8000.0)  # OpenCV's fixed-point coordinates overflow beyond


def _label_anchor(box: Box3D, level_from_optical: NDArray[Any], intrinsics: Intrinsics) -> tuple[int, int] | None:
    """The pixel below the name's tag: the middle of the box's top, or of the box's visible rectangle."""
    visible = image_rectangle(box, level_from_optical, intrinsics, near=NEAR)
    if visible is None:
        return None
    middle = (box.center - [0.0, box.size[1] / 2, 0.0]) @ level_from_optical
    if middle[2] > NEAR:
        uv, _ = project(middle, intrinsics)
        if visible[0] <= uv[0] <= visible[2] and visible[1] <= uv[1] <= visible[3]:
            return int(uv[0]), int(uv[1])
    return int((visible[0] + visible[2]) / 2), int(max(visible[1], 0.0))


def _draw_tag(
    picture: Picture, text: str, anchor: tuple[int, int], color: Color, taken: list[tuple[int, int, int, int]]
) -> None:
    """A name on a coloured plate near its anchor, moved up or down until it covers no other name."""
    (width, height), _ = cv2.getTextSize(text, FONT, 0.45, 1)
    width, height = width + 8, height + 8
    left = int(np.clip(anchor[0] - width // 2, 0, max(0, picture.shape[1] - width)))
    for shift in (0, -1, 1, -2, 2, -3, 3, -4, 4):
        top = int(np.clip(anchor[1] - height + shift * (height + 1), 0, max(0, picture.shape[0] - height)))
        place = (left, top, left + width, top + height)
        if not any(left < o[2] and o[0] < place[2] and top < o[3] and o[1] < place[3] for o in taken):
            break
    taken.append(place)
    cv2.rectangle(picture, place[:2], (place[2] - 1, place[3] - 1), color, -1)
    ink = INK if np.dot(color, (0.3, 0.59, 0.11)) > 110 else PAPER
    cv2.putText(picture, text, (left + 4, top + height - 5), FONT, 0.45, ink, 1, cv2.LINE_AA)


def _colored(level: NDArray[Any]) -> Picture:
    """(...) 0..1 -> RGB of the inferno map: equal steps look equal, and bright is one end only."""
    gray = np.round(np.clip(level, 0.0, 1.0) * 255).astype(np.uint8)
    return np.ascontiguousarray(cv2.applyColorMap(np.atleast_2d(gray), cv2.COLORMAP_INFERNO)[..., ::-1])


def _depth_scale(height: int, near: float, far: float, unit: str) -> Picture:
    margin, bar = 14, 18
    strip = np.full((height, 92, 3), PAPER, np.uint8)
    ramp = _colored(np.linspace(0.0, 1.0, max(2, height - 2 * margin))[:, None])  # far at the top, as in the image
    strip[margin : margin + len(ramp), 8 : 8 + bar] = ramp
    for share in np.linspace(0.0, 1.0, 6):
        y = round(margin + (1.0 - share) * (len(ramp) - 1))
        cv2.line(strip, (8 + bar, y), (12 + bar, y), INK, 1)
        text = f"{near + share * (far - near):.2f} {unit}"
        cv2.putText(strip, text, (15 + bar, y + 4), FONT, 0.4, INK, 1, cv2.LINE_AA)
    return strip


def _fixed(points: NDArray[Any]) -> NDArray[np.int32]:
    return np.round(np.asarray(points) * (1 << SUBPIXEL_BITS)).astype(np.int32)


def _line(picture: Picture, a: NDArray[Any], b: NDArray[Any], color: Color, thickness: int) -> None:
    start, end = _fixed(a), _fixed(b)
    cv2.line(picture, start.tolist(), end.tolist(), color, thickness, cv2.LINE_AA, SUBPIXEL_BITS)


def _polyline(picture: Picture, points: NDArray[Any], color: Color, thickness: int) -> None:
    cv2.polylines(picture, [_fixed(points)], True, color, thickness, cv2.LINE_AA, SUBPIXEL_BITS)


def _fill(picture: Picture, points: NDArray[Any], color: Color) -> None:
    cv2.fillPoly(picture, [_fixed(np.clip(points, -8000, 8000))], color, cv2.LINE_AA, SUBPIXEL_BITS)
