"""The client of the nodes: what it keeps, and what it reads out of messages."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from sensor_msgs.msg import Image
from std_msgs.msg import String
from support.scene_samples import random_scene

from distill3d_interfaces.msg import SpatialAnswer
from distill3d_interfaces.srv import AskSpatial
from distill3d_ros.nodes.client import KEPT_IMAGES, Reply, RobotClient, scene_from, truth_stamp
from distill3d_ros.nodes.conversions.images import set_stamp
from distill3d_ros.nodes.conversions.messages import answer_message, fill_response, objects_message
from distill3d_ros.nodes.recorder import BagRecorder
from distill3d_ros.questions.answer import Answer


def truth_message(stamp_ns: int) -> String:
    return String(data=json.dumps({"intrinsics": {}, "stamp_ns": stamp_ns, "objects": []}))


def image_message(stamp_ns: int) -> Image:
    message = Image()
    set_stamp(message.header.stamp, stamp_ns)
    return message


def test_images_are_forgotten_before_the_truth() -> None:
    client = RobotClient()
    count = 2 * KEPT_IMAGES
    for stamp in range(1, count + 1):
        client._keep("truth", truth_message(stamp))
        client._keep("image", image_message(stamp))
    moments = [client.moment(stamp, "truth", timeout_s=0.0) for stamp in range(1, count + 1)]
    assert all(moments)
    assert [m.image is not None for m in moments if m] == [False] * KEPT_IMAGES + [True] * KEPT_IMAGES
    assert client.moment(1, "image", timeout_s=0.01) is None
    assert client.newest() is None  # nothing was perceived yet


def test_the_stamp_of_a_truth() -> None:
    assert truth_stamp(truth_message(1795321708814796995)) == 1795321708814796995
    with pytest.raises(ValueError, match="must have stamp_ns"):
        truth_stamp(String(data="hello"))


@pytest.mark.parametrize("seed", range(5))
def test_objects_come_back_as_they_were(seed: int) -> None:
    scene = random_scene(np.random.default_rng(seed), 8)
    back = scene_from(objects_message(scene), scene)
    assert [o.id for o in back.objects] == [o.id for o in scene.objects]
    for ours, theirs in zip(scene.objects, back.objects, strict=True):
        np.testing.assert_allclose(theirs.box.corners(), ours.box.corners(), atol=1e-6)
        assert theirs.label == ours.label


def reply_with(answer: Answer) -> tuple[Reply, SpatialAnswer]:
    """The service's reply with an answer, and the same on ~/answer."""
    message = answer_message(random_scene(np.random.default_rng(0), 3), "?", answer)
    response = fill_response(AskSpatial.Response(), message, [message])
    return Reply(response=response, stamp_ns=1, round_trip_ms=1.0), message


@pytest.mark.parametrize(
    ("text", "value"),
    [("yes", True), ("none", 0), ("two", 2), ("1.4 metres", 1.375), ("the chair", "chair"), ("a lamp", "lamp")],
)
def test_a_reply_has_the_value_of_the_answer(text: str, value: bool | int | float | str) -> None:
    reply, message = reply_with(Answer(text=text, value=value))
    assert (reply.text, reply.value, type(reply.value)) == (text, value, type(value))
    assert repr(reply.to_message("?")) == repr(message)  # NaN is not equal to NaN


def test_a_reply_without_an_answer_has_no_value() -> None:
    for answer in (Answer(text="I do not see a sofa.", value=None), Answer(text="Hm?", value=None, understood=False)):
        reply, _ = reply_with(answer)
        assert (reply.text, reply.value) == (answer.text, None)


def test_a_bag_carries_types_that_its_reader_does_not_know(tmp_path: Path) -> None:
    scene = random_scene(np.random.default_rng(0), 3)
    objects = objects_message(scene)
    answer = SpatialAnswer(
        question="is there a chair?",
        answer="yes",
        value_type="yes_no",
        value=1.0,
        objects=objects.objects,
        success=True,
    )
    with BagRecorder(tmp_path / "bag") as bag:
        bag.write("/answer", answer, 5)
        bag.write("/objects", objects, 6)
    with AnyReader([tmp_path / "bag"]) as reader:
        read = {c.topic: (t, reader.deserialize(raw, c.msgtype)) for c, t, raw in reader.messages()}
    assert read["/answer"][0] == 5
    assert read["/answer"][1].question == "is there a chair?"
    assert read["/answer"][1].value_type == "yes_no"
    first = read["/objects"][1].objects[0]
    assert first.label == scene.objects[0].label
    np.testing.assert_allclose(first.pose.position.x, objects.objects[0].pose.position.x)
