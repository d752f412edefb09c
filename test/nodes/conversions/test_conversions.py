"""Images, camera_info and clouds between ROS messages and numpy."""

from __future__ import annotations

import math
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from distill3d_ros.nodes.conversions.camera_info import info_from
from distill3d_ros.nodes.conversions.clouds import cloud_from, points_of
from distill3d_ros.nodes.conversions.images import (
    byte_array,
    depth_to_image,
    image_to_rgb,
    rgb_to_compressed,
    rgb_to_image,
)
from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.system.camera_messages import intrinsics_from
from distill3d_ros.system.ros_messages import BadMessageError, compressed_to_rgb, image_to_depth

SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))
PICTURES = SIZES.flatmap(lambda s: hnp.arrays(np.uint8, (*s, 3)))
CAMERA = Intrinsics(fx=50.0, fy=52.0, cx=31.5, cy=23.5, width=64, height=48)


def message_of(pixels: np.ndarray, encoding: str, *, padding: int = 0, big_endian: bool = False) -> Image:
    """An Image with ``padding`` bytes of rubbish at the end of each row."""
    height, width = pixels.shape[:2]
    rows = np.ascontiguousarray(pixels).reshape(height, -1).view(np.uint8)
    rows = np.concatenate([rows, np.full((height, padding), 0xAB, np.uint8)], 1)
    step = rows.shape[1]
    return Image(
        height=height, width=width, encoding=encoding, step=step, data=byte_array(rows), is_bigendian=int(big_endian)
    )


@settings(deadline=None, max_examples=60)
@given(picture=PICTURES, encoding=st.sampled_from(["rgb8", "bgr8", "rgba8", "bgra8"]), padding=st.integers(0, 5))
def test_every_colour_order_and_padding_gives_the_same_picture(picture, encoding, padding):
    stored = picture[..., ::-1] if encoding.startswith("bgr") else picture
    if encoding.endswith("a8"):
        alpha = np.full((*picture.shape[:2], 1), 7, np.uint8)
        stored = np.concatenate([stored, alpha], 2)
    read = image_to_rgb(message_of(stored, encoding, padding=padding), bridge=False)
    assert read.flags.c_contiguous
    np.testing.assert_array_equal(read, picture)


@settings(deadline=None, max_examples=30)
@given(picture=PICTURES)
def test_rgb_goes_there_and_back(picture):
    message = rgb_to_image(picture, stamp_ns=3_000_000_007, frame_id="camera")
    assert (message.header.stamp.sec, message.header.stamp.nanosec, message.header.frame_id) == (3, 7, "camera")
    np.testing.assert_array_equal(image_to_rgb(message, bridge=False), picture)


def test_mono_becomes_grey():
    read = image_to_rgb(message_of(np.array([[0, 200]], np.uint8), "mono8"), bridge=False)
    np.testing.assert_array_equal(read, [[[0, 0, 0], [200, 200, 200]]])


@settings(deadline=None, max_examples=40)
@given(mm=SIZES.flatmap(lambda s: hnp.arrays(np.uint16, s)), big_endian=st.booleans(), padding=st.integers(0, 3))
def test_millimetres_in_any_byte_order(mm, big_endian, padding):
    message = message_of(mm.astype(">u2" if big_endian else "<u2"), "16UC1", padding=padding, big_endian=big_endian)
    expected = np.where(mm == 0, np.nan, mm.astype(np.float32) * np.float32(0.001))
    np.testing.assert_array_equal(image_to_depth(message), expected)


def test_metres_keep_nan_and_infinity_and_zero_is_unknown():
    metres = np.array([[1.5, np.nan], [np.inf, 0.0]], ">f4")
    read = image_to_depth(message_of(metres, "32FC1", big_endian=True))
    np.testing.assert_array_equal(read, np.array([[1.5, np.nan], [np.inf, np.nan]], np.float32))


def test_depth_goes_there_and_back():
    metres = np.array([[0.25, 0.0, 3.5]], np.float32)
    message = depth_to_image(metres)
    assert (message.encoding, message.step, message.is_bigendian) == ("32FC1", 12, int(sys.byteorder == "big"))
    np.testing.assert_array_equal(image_to_depth(message), np.array([[0.25, np.nan, 3.5]], np.float32))


def test_jpeg_is_close_and_png_is_exact():
    ramp = np.tile(np.arange(0, 240, 5, dtype=np.uint8)[None, :, None], (32, 1, 3))
    read = compressed_to_rgb(rgb_to_compressed(ramp))
    assert np.abs(read.astype(int) - ramp).max() <= 8
    picture = np.random.default_rng(1).integers(0, 256, (6, 4, 3), np.uint8)
    _, png = cv2.imencode(".png", picture[..., ::-1])
    np.testing.assert_array_equal(compressed_to_rgb(CompressedImage(format="png", data=byte_array(png))), picture)


GOOD = message_of(np.zeros((4, 6, 3), np.uint8), "rgb8")


def broken(**changes: object) -> Image:
    fields = {name: getattr(GOOD, name) for name in ("height", "width", "encoding", "step", "data")}
    return Image(**(fields | changes))


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (broken(width=0), "at least 1x1 pixels. Got 0x4"),
        (broken(height=0), "at least 1x1 pixels. Got 6x0"),
        (broken(encoding="yuv999"), "must be one of rgb8, bgr8, .* Got 'yuv999'"),
        (broken(encoding=""), "Got ''"),
        (broken(encoding="16UC1"), "depth image: remap `image`"),
        (broken(step=17), "at least 18 bytes for 6 pixels of rgb8. Got 17"),
        (broken(data=byte_array(np.zeros(71, np.uint8))), "18 x 4 = 72 bytes. Got 71"),
        (broken(data=byte_array(np.zeros(0, np.uint8))), "72 bytes. Got 0"),
        (broken(height=2**31, step=2**31), "bytes. Got 72"),
        (broken(encoding="\x1b[2J" + "x" * 10_000), r"Got '.x1b\[2Jx+\.\.\. \(10004 characters\)'"),
        (message_of(np.zeros((1, 10_000, 3), np.uint8), "rgb8"), "at most 10 times as long.*Got 10000x1"),
    ],
)
def test_bad_images_are_named(message, says):
    with pytest.raises(BadMessageError, match=says):
        image_to_rgb(message, bridge=False)


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (CompressedImage(format="jpeg"), "0 bytes, format 'jpeg'"),
        (CompressedImage(format="jpeg", data=byte_array(np.arange(50, dtype=np.uint8))), "50 bytes"),
        (CompressedImage(format="16UC1; compressedDepth", data=byte_array(np.ones(9, np.uint8))), "colour picture"),
    ],
)
def test_bad_compressed_images_are_named(message, says):
    with pytest.raises(BadMessageError, match=says):
        compressed_to_rgb(message)


def test_a_colour_image_is_no_depth():
    with pytest.raises(BadMessageError, match=r"depth encoding must be one of 16UC1, mono16, 32FC1. Got 'rgb8'"):
        image_to_depth(GOOD)


def test_camera_info_goes_there_and_back_both_ways():
    message = info_from(CAMERA, stamp_ns=5, frame_id="c")
    for rectified in (False, True):
        assert intrinsics_from(message, width=64, height=48, rectified=rectified) == CAMERA


def test_p_and_k_are_told_apart_and_an_empty_p_falls_back():
    message = info_from(CAMERA)
    message.p[0] = 40.0
    assert intrinsics_from(message, width=64, height=48, rectified=True).fx == 40.0
    assert intrinsics_from(message, width=64, height=48, rectified=False).fx == 50.0
    message.p = [0.0] * 12
    assert intrinsics_from(message, width=64, height=48, rectified=True).fx == 50.0


def test_region_of_interest_binning_and_resized_streams():
    message = info_from(CAMERA)
    message.roi.x_offset, message.roi.y_offset, message.roi.width, message.roi.height = 10, 8, 32, 24
    message.binning_x = message.binning_y = 2
    half = intrinsics_from(message, width=16, height=12)
    # Cut out first, then halved: the centre of pixel (0, 0) is that of the four pixels it was made of.
    assert (half.fx, half.cx, half.cy) == (25.0, (31.5 - 10 + 0.5) / 2 - 0.5, (23.5 - 8 + 0.5) / 2 - 0.5)
    double = intrinsics_from(info_from(CAMERA), width=128, height=96)
    assert (double.fx, double.cx, double.width) == (100.0, 63.5, 128)


def test_a_camera_of_another_shape_is_refused():
    with pytest.raises(BadMessageError, match="camera_info is for 64x48 pixels but the image has 64x64"):
        intrinsics_from(info_from(CAMERA), width=64, height=64)


@pytest.mark.parametrize(
    ("index", "value", "says"),
    [(0, 0.0, "fx must be a pos"), (4, math.nan, "fy must be a pos"), (0, -3.0, "Got -3"), (2, math.inf, "cx must")],
)
def test_cameras_that_are_not_calibrated_are_named(index, value, says):
    message = info_from(CAMERA)
    message.k[index] = value
    with pytest.raises(BadMessageError, match=f"camera_info K cannot be used: .*{says}.*calibrate the camera"):
        intrinsics_from(message, width=64, height=48, rectified=False)


def test_an_empty_camera_info_is_named():
    with pytest.raises(BadMessageError, match="width must be at least 1"):
        intrinsics_from(CameraInfo(), width=64, height=48)


def test_clouds_hold_the_right_points_and_colours():
    depth = np.full((48, 64), 2.0, np.float32)
    depth[0, 0], depth[1, 1], depth[2, 2] = np.nan, 0.0, np.inf
    image = np.zeros((48, 64, 3), np.uint8)
    image[10, 20] = 1, 2, 3
    message = cloud_from(depth, CAMERA, image, organised=True, stamp_ns=9, frame_id="c")
    points = points_of(message)
    assert (points.shape, message.is_dense, message.row_step) == ((48, 64), False, 64 * 16)
    assert [f.name for f in message.fields] == ["x", "y", "z", "rgb"]
    assert np.isnan(points["x"][[0, 1, 2], [0, 1, 2]]).all()
    p = points[10, 20]
    np.testing.assert_allclose([p["x"], p["y"], p["z"]], [(20 - 31.5) / 50 * 2, (10 - 23.5) / 52 * 2, 2.0], rtol=1e-6)
    assert points["rgb"][10, 20].view(np.uint32) == 0x010203
    flat = cloud_from(depth, CAMERA, image)
    assert (flat.height, flat.width, flat.is_dense) == (1, 48 * 64 - 3, True)
    assert np.isfinite(points_of(flat)["z"]).all()


def test_sensor_msgs_py_reads_our_clouds():
    reader = pytest.importorskip("sensor_msgs_py.point_cloud2")
    depth = np.full((48, 64), 2.0, np.float32)
    message = cloud_from(depth, CAMERA, np.zeros((48, 64, 3), np.uint8))
    np.testing.assert_array_equal(reader.read_points(message, ["z"])["z"].ravel(), depth.ravel())


def test_cloud_stride_takes_every_nth_pixel():
    depth = np.arange(48 * 64, dtype=np.float32).reshape(48, 64) + 1
    message = cloud_from(depth, CAMERA, np.zeros((48, 64, 3), np.uint8), organised=True, stride=4)
    np.testing.assert_array_equal(points_of(message)["z"], depth[::4, ::4])
    with pytest.raises(ValueError, match=r"stride must be at least 1. Got 0"):
        cloud_from(depth, CAMERA, np.zeros((48, 64, 3), np.uint8), stride=0)
