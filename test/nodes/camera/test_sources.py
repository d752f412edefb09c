"""Folders and bags as cameras."""

from __future__ import annotations

import math
import queue
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from distill3d_ros.nodes.camera.sources import Shot, bag_shots, folder_shots
from distill3d_ros.scene.frame import Frame, Intrinsics
from distill3d_ros.system.camera_calibration import read_camera_yaml

FOV = math.radians(60)
CALIBRATION = """
image_width: 64
image_height: 48
camera_name: test
camera_matrix: {rows: 3, cols: 3, data: [50.0, 0.0, 31.0, 0.0, 51.0, 23.0, 0.0, 0.0, 1.0]}
"""


def write_picture(file: Path, shade: int, size: tuple[int, int] = (48, 64)) -> None:
    cv2.imwrite(str(file), np.full((*size, 3), (10, 20, shade), np.uint8))  # OpenCV writes BGR


def test_a_folder_plays_by_name_with_its_calibration(tmp_path):
    for name, shade in (("b.png", 2), ("a.png", 1), ("c.PNG", 3)):
        write_picture(tmp_path / name, shade)
    (tmp_path / "camera.yaml").write_text(CALIBRATION)
    shots = list(folder_shots(tmp_path, horizontal_fov=FOV))
    assert [s.frame.image[0, 0].tolist() for s in shots] == [[1, 20, 10], [2, 20, 10], [3, 20, 10]]
    k = shots[0].frame.intrinsics
    assert (k.fx, k.fy, k.cx, k.cy) == (50.0, 51.0, 31.0, 23.0)


def test_without_calibration_the_field_of_view_counts(tmp_path):
    write_picture(tmp_path / "a.png", 1)
    (shot,) = folder_shots(tmp_path, horizontal_fov=FOV)
    assert shot.frame.intrinsics.fx == pytest.approx(32 / math.tan(FOV / 2))


def test_what_is_no_picture_is_left_out_with_a_warning(tmp_path):
    write_picture(tmp_path / "b.png", 1)
    (tmp_path / "a.jpg").write_bytes(b"not a picture")
    warnings: list[str] = []
    assert len(list(folder_shots(tmp_path, horizontal_fov=FOV, warn=warnings.append))) == 1
    assert "a.jpg' is no picture" in warnings[0]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: p / "nowhere", "must be a folder of pictures. Got .*nowhere"),
        (lambda p: p, "no picture .* in"),
    ],
)
def test_bad_folders_are_named(tmp_path, make, says):
    with pytest.raises(ValueError, match=says):
        next(folder_shots(make(tmp_path), horizontal_fov=FOV))


def test_a_folder_without_one_good_picture_is_named(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"x")
    with pytest.raises(ValueError, match="none of the 1 pictures"):
        list(folder_shots(tmp_path, horizontal_fov=FOV))


def test_a_picture_of_another_shape_than_the_calibration_is_named(tmp_path):
    write_picture(tmp_path / "a.png", 1, size=(64, 64))
    (tmp_path / "camera.yaml").write_text(CALIBRATION)
    with pytest.raises(ValueError, match="64x64 but its calibration is for 64x48"):
        list(folder_shots(tmp_path, horizontal_fov=FOV))


@pytest.mark.parametrize(
    "text", ["image_width: 3", "- a\n- b", "{", "camera_matrix: {data: [1]}", CALIBRATION.replace("50.0", "abc")]
)
def test_a_bad_calibration_says_what_it_needs(tmp_path, text):
    file = tmp_path / "camera.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match="must have image_width, image_height and camera_matrix"):
        read_camera_yaml(file)


def write_bag(folder: Path, plugin: StoragePlugin, *, info: bool = True, encoding: str = "bgr8") -> Path:
    store = get_typestore(Stores.ROS2_JAZZY)
    types = store.types
    time_of, header_of = types["builtin_interfaces/msg/Time"], types["std_msgs/msg/Header"]
    with Writer(folder, version=9, storage_plugin=plugin) as writer:
        images = writer.add_connection("/front/image", "sensor_msgs/msg/Image", typestore=store)
        infos = None
        if info:
            infos = writer.add_connection("/front/camera_info", "sensor_msgs/msg/CameraInfo", typestore=store)
        for i in range(3):
            header = header_of(stamp=time_of(sec=i, nanosec=0), frame_id="front")
            pixels = np.full((4, 6, 3), (30, 20, i), np.uint8)
            image = types["sensor_msgs/msg/Image"](header, 4, 6, encoding, 0, 18, pixels.ravel())
            writer.write(images, 10 + i, store.serialize_cdr(image, "sensor_msgs/msg/Image"))
            if infos is not None:
                k = np.array([5.0, 0, 2.5, 0, 5.0, 1.5, 0, 0, 1])
                roi = types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
                message = types["sensor_msgs/msg/CameraInfo"](
                    header, 4, 6, "plumb_bob", np.zeros(5), k, np.eye(3).ravel(), np.zeros(12), 0, 0, roi
                )
                writer.write(infos, 20 + i, store.serialize_cdr(message, "sensor_msgs/msg/CameraInfo"))
    return folder


@pytest.mark.parametrize("plugin", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_a_bag_plays_with_its_camera(tmp_path, plugin):
    bag = write_bag(tmp_path / "bag", plugin)
    shots = list(bag_shots(bag))
    assert [s.frame.image[0, 0].tolist() for s in shots] == [[i, 20, 30] for i in range(3)]
    assert shots[0].frame.intrinsics == Intrinsics(fx=5.0, fy=5.0, cx=2.5, cy=1.5, width=6, height=4)


def test_a_single_mcap_file_plays_too(tmp_path):
    (file,) = write_bag(tmp_path / "bag", StoragePlugin.MCAP).glob("*.mcap")
    assert len(list(bag_shots(file))) == 3


def test_bad_bags_are_named(tmp_path):
    with pytest.raises(ValueError, match="does not exist"):
        next(bag_shots(tmp_path / "no.mcap"))
    broken = tmp_path / "broken.mcap"
    broken.write_bytes(b"this is no bag")
    with pytest.raises(ValueError, match="cannot be read as a bag"):
        next(bag_shots(broken))
    bag = write_bag(tmp_path / "bag", StoragePlugin.MCAP)
    with pytest.raises(ValueError, match="no images on '/rear/image'; its topics with images: /front/image"):
        next(bag_shots(bag, image_topic="/rear/image"))
    blind = write_bag(tmp_path / "blind", StoragePlugin.MCAP, info=False)
    with pytest.raises(ValueError, match="has no sensor_msgs/CameraInfo"):
        next(bag_shots(blind))


def test_bad_messages_in_a_bag_are_left_out_with_a_warning(tmp_path):
    bag = write_bag(tmp_path / "bag", StoragePlugin.MCAP, encoding="yuv999")
    warnings: list[str] = []
    assert list(bag_shots(bag, warn=warnings.append)) == []
    assert len(warnings) == 3
    assert "Got 'yuv999'" in warnings[0]


def numbered_shots(n: int):
    for i in range(n):
        image = np.full((2, 2, 3), i, np.uint8)
        yield Shot(frame=Frame(image=image, intrinsics=Intrinsics(fx=1, fy=1, cx=0, cy=0, width=2, height=2)))


def played(player, n: int) -> list[int | None]:
    taken: list[int | None] = []
    end = time.monotonic() + 5.0
    while len(taken) < n and time.monotonic() < end:
        try:
            shot = player.take()
        except queue.Empty:
            time.sleep(0.002)
            continue
        taken.append(None if shot is None else int(shot.frame.image[0, 0, 0]))
    return taken


def test_a_round_is_made_once_and_played_again():
    from distill3d_ros.nodes.camera.camera_player import Player

    made: list[int] = []

    def make():
        made.append(1)
        return numbered_shots(3)

    player = Player(make, loop=True)
    assert played(player, 8) == [0, 1, 2, 0, 1, 2, 0, 1]
    player.close()
    assert len(made) == 1


def test_the_end_and_the_reason_of_a_failure_are_told():
    from distill3d_ros.nodes.camera.camera_player import Player

    player = Player(lambda: numbered_shots(2), loop=False)
    assert played(player, 3) == [0, 1, None]
    assert player.error is None
    player.close()

    def fails():
        yield from numbered_shots(1)
        raise ValueError("the bag ends here")

    player = Player(fails, loop=True)
    assert played(player, 2) == [0, None]
    assert "the bag ends here" in str(player.error)
    player.close()
