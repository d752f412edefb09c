"""What a teacher saw, in place of what nobody annotated: by hand, and none of it where the truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.training.tiny_training import six_objects
from support.training.unlabelled_pictures import PICTURE_ALONE, WITH_DEPTH, unlabelled

from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.scene.objects import Box3D
from distill3d_ros.training.data.answers.teacher_answer import TeacherPerception
from distill3d_ros.training.inputs.augmentation import view_from_sample
from distill3d_ros.training.inputs.box_matching import IGNORED, NOBODY
from distill3d_ros.training.inputs.targets import PerceptionBatch, perception_batch
from distill3d_ros.training.inputs.teacher_annotation import (
    UNSURE,
    Sureness,
    annotated_by_teacher,
    box_rectangles,
    sure_objects,
)

LABELS = ("chair", "table", "lamp")
SURE = Sureness(min_score=0.5, unsure_score=0.1)


def seen(**changes: object) -> TeacherPerception:
    """A chair, perhaps a table, and something that hardly looks like a lamp; the last repeats the first."""
    corners = [[0.25, 0.25, 0.5, 0.75], [0.625, 0.5, 0.875, 0.875], [0, 0, 0.1, 0.1], [0.26, 0.25, 0.5, 0.75]]
    probs = np.array([[0.9, 0.0, 0.0], [0.05, 0.3, 0.0], [0.0, 0.0, 0.06], [0.6, 0.0, 0.0]], np.float32)
    fields: dict[str, object] = {
        "depth": None,
        "log_error": None,
        "rectangles": np.array(corners),
        "class_probs": probs,
        "labels": LABELS,
        **changes,
    }
    return TeacherPerception(**fields)  # type: ignore[arg-type]


def batch_of(*samples: object) -> PerceptionBatch:
    views = [view_from_sample(s) for s in samples]
    return perception_batch(views, {name: i for i, name in enumerate(LABELS)}, min_visible_pixels=1, grid=(8, 8))


def test_rectangles_become_visible_objects_in_pixels() -> None:
    """Edges between the pixels 15 and 16, and 31 and 32, whose centres are whole numbers."""
    sample = annotated_by_teacher(
        unlabelled(0, PICTURE_ALONE), seen(), sureness=SURE, covers={"chair": ("armchair", "stool")}
    )
    chair, maybe = sample.scene.objects
    assert (chair.label, chair.image_box) == ("chair", (15.5, 15.5, 31.5, 47.5))
    assert chair.score == pytest.approx(0.9)
    assert chair.visible_pixels == 16 * 32
    assert maybe.label == UNSURE
    annotation = sample.scene.annotation
    assert (annotation.boxes, annotation.masks, annotation.depth) == ("visible", False, "none")
    assert not annotation.gravity
    assert annotation.classes == {"chair", "lamp"}  # a table may be there
    assert annotation.covers == {"chair": ("armchair", "stool")}
    assert [o.label for o in sure_objects(sample.scene).objects] == ["chair"]


def test_the_student_learns_of_them_what_is_sure() -> None:
    """The chair's cells are its own, those of the possible table are nobody's to judge, the rest is background."""
    batch = batch_of(annotated_by_teacher(unlabelled(0, PICTURE_ALONE), seen(), sureness=SURE))
    cells = batch.cells[0].view(8, 8)
    assert batch.labels[0, 0] == 0
    assert batch.mask[0].tolist() == [True]
    assert not batch.amodal[0, 0]
    np.testing.assert_allclose(batch.rectangle[0, 0], [15.5, 15.5, 31.5, 47.5])
    assert batch.near[0, 0] == 0
    assert not batch.located[0, 0]
    assert cells[3, 2] == 0
    assert cells[5, 6] == IGNORED
    assert cells[0, 0] == NOBODY
    assert batch.judged[0].tolist() == [True, False, True]
    assert not batch.gravity[0]
    assert not batch.depth.any()


def test_depth_of_each_kind_goes_where_it_may() -> None:
    depth = np.full((32, 32), 2.0, np.float32)
    metric, relative = (
        annotated_by_teacher(unlabelled(0, PICTURE_ALONE), seen(depth=depth, depth_is_relative=kind), sureness=SURE)
        for kind in (False, True)
    )
    assert (metric.scene.annotation.depth, relative.scene.annotation.depth) == ("estimated", "relative")
    batch = batch_of(metric, relative)
    assert (batch.depth[0] == 2).all()
    assert not batch.depth[1].any()
    assert not batch.relative_depth[0].any()
    assert (batch.relative_depth[1] == 2).all()
    assert batch.near[:, 0].tolist() == [2.0, 0.0]
    chair = metric.scene.objects[0].box
    k = metric.frame.intrinsics
    np.testing.assert_allclose(chair.center, [(23.5 - k.cx) / k.fx * 2, (31.5 - k.cy) / k.fy * 2, 2], atol=1e-6)
    np.testing.assert_allclose(chair.size[:2], [16 / k.fx * 2, 32 / k.fy * 2], rtol=1e-6)


def test_what_is_known_stays() -> None:
    whole = six_objects("train", 0)
    same = annotated_by_teacher(whole, seen(depth=np.ones((32, 32))), sureness=SURE)
    assert same is whole
    measured = unlabelled(0, WITH_DEPTH)
    found = annotated_by_teacher(measured, seen(depth=np.ones((32, 32))), sureness=SURE)
    assert np.array_equal(np.asarray(found.scene.depth), np.asarray(measured.scene.depth))
    assert found.scene.annotation.depth == "measured"
    assert len(found.scene.objects) == 2
    assert annotated_by_teacher(measured, None, sureness=SURE) is measured
    empty = seen(rectangles=None, class_probs=np.zeros((0, 0), np.float32), labels=())
    assert annotated_by_teacher(measured, empty, sureness=SURE) is measured
    nothing = seen(rectangles=np.zeros((0, 4)), class_probs=np.zeros((0, 3), np.float32))
    looked = annotated_by_teacher(measured, nothing, sureness=SURE)
    assert looked.scene.annotation.marked_classes() == LABELS  # it looked for all three and saw none


def test_boxes_in_space_are_whole_objects() -> None:
    """A cube of 1 m whose near face is 1.5 m away, straight ahead of a level camera of 64 pixels and focal 32: its
    rectangle is that of the near face, 32 / 1.5 pixels wide."""
    k = Intrinsics(fx=32, fy=32, cx=31.5, cy=31.5, width=64, height=64)
    cube, behind = (Box3D(center=[0, 0, z], size=[1, 1, 1], yaw=0.0) for z in (2.0, -2.0))
    found = box_rectangles([cube, behind], np.eye(3), k)
    half = 16 / 1.5
    np.testing.assert_allclose(found[0], [32 - half, 32 - half, 32 + half, 32 + half])
    assert np.isnan(found[1]).all()
    sample = unlabelled(0, replace(WITH_DEPTH, gravity=False))
    frame = replace(sample.frame, intrinsics=k)
    sample = replace(sample, frame=frame, scene=replace(sample.scene, intrinsics=k))
    boxes = seen(
        rectangles=None,
        center_level=np.array([[0, 0, 2.0], [0, 0, -2.0]]),
        size=np.ones((2, 3)),
        yaw=np.zeros(2),
        class_probs=np.array([[0.9, 0, 0], [0.9, 0, 0]], np.float32),
    )
    (only,) = annotated_by_teacher(sample, boxes, sureness=SURE).scene.objects
    np.testing.assert_allclose(only.box.center, [0, 0, 2])
    assert annotated_by_teacher(sample, boxes, sureness=SURE).scene.annotation.boxes == "amodal"


def test_sureness_is_checked() -> None:
    with pytest.raises(ValueError, match=r"unsure_score <= min_score <= 1. Got unsure_score 0.6, min_score 0.5"):
        Sureness(min_score=0.5, unsure_score=0.6)
    with pytest.raises(ValueError, match=r"boxes must have center_level, size and yaw, or rectangles alone"):
        seen(yaw=np.zeros(4))
