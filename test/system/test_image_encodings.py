"""Every encoding of a colour image, from pixels that are known, and beside cv_bridge where it is installed."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import Image

from distill3d_ros.nodes.conversions.images import byte_array, image_to_rgb
from distill3d_ros.system.image_encodings import COLOUR_ENCODINGS, encoding_warning
from distill3d_ros.system.ros_messages import BadMessageError

HEIGHT, WIDTH = 8, 12
RED, GREEN, BLUE = 200, 120, 40
PATTERNS = {"rggb": "rggb", "bggr": "bggr", "gbrg": "gbrg", "grbg": "grbg"}


def message(rows: np.ndarray, encoding: str, *, padding: int = 0, big_endian: bool = False) -> Image:
    """Rows of bytes or 16-bit numbers as they lie in memory, each followed by ``padding`` bytes of rubbish."""
    raw = np.ascontiguousarray(rows).reshape(rows.shape[0], -1).view(np.uint8)
    raw = np.concatenate([raw, np.full((raw.shape[0], padding), 0xAB, np.uint8)], 1)
    return Image(
        height=HEIGHT,
        width=WIDTH,
        encoding=encoding,
        step=raw.shape[1],
        data=byte_array(raw),
        is_bigendian=int(big_endian),
    )


def mosaic(pattern: str, scale: int = 1) -> np.ndarray:
    """(H, W) of a sensor that looks at one colour; ``pattern`` is the upper left 2 x 2 pixels, row by row."""
    value = {"r": RED, "g": GREEN, "b": BLUE}
    cell = np.array([[value[pattern[0]], value[pattern[1]]], [value[pattern[2]], value[pattern[3]]]])
    return np.tile(cell, (HEIGHT // 2, WIDTH // 2)) * scale


@pytest.mark.parametrize("padding", [0, 4])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_four_bayer_patterns(pattern: str, padding: int) -> None:
    eight = image_to_rgb(message(mosaic(pattern).astype(np.uint8), f"bayer_{pattern}8", padding=padding), bridge=False)
    np.testing.assert_array_equal(eight, np.broadcast_to([RED, GREEN, BLUE], (HEIGHT, WIDTH, 3)))
    for big_endian, kind in ((False, "<u2"), (True, ">u2")):
        raw = mosaic(pattern, 257).astype(kind)
        sixteen = message(raw, f"bayer_{pattern}16", padding=padding, big_endian=big_endian)
        np.testing.assert_array_equal(image_to_rgb(sixteen, bridge=False), eight)


def smooth_picture() -> np.ndarray:
    """Colour is equal in each block of 2 x 2, as formats with half the colour need it."""
    small = np.random.default_rng(3).integers(60, 190, (HEIGHT // 2, WIDTH // 2, 3)).astype(np.uint8)
    return small.repeat(2, 0).repeat(2, 1)


def yuv_of(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Y, U, V of BT.601 in the studio range, by its formula."""
    r, g, b = (picture[..., i].astype(float) for i in range(3))
    y = 16 + 0.257 * r + 0.504 * g + 0.098 * b
    u = 128 - 0.148 * r - 0.291 * g + 0.439 * b
    v = 128 + 0.439 * r - 0.368 * g - 0.071 * b
    return tuple(np.rint(x).astype(np.uint8) for x in (y, u, v))  # type: ignore[return-value]


def packed(encoding: str) -> np.ndarray:
    y, u, v = yuv_of(smooth_picture())
    rows = np.empty((HEIGHT, WIDTH * 2), np.uint8)
    luma, first, second = (1, 0, 2) if encoding in ("uyvy", "yuv422", "UYVY") else (0, 1, 3)
    rows[:, luma::2], rows[:, first::4], rows[:, second::4] = y, u[:, ::2], v[:, ::2]
    return rows


def planar(encoding: str) -> np.ndarray:
    y, u, v = yuv_of(smooth_picture())
    pairs = (u, v) if encoding == "nv12" else (v, u)
    colour = np.stack([pairs[0][::2, ::2], pairs[1][::2, ::2]], -1).reshape(HEIGHT // 2, WIDTH)
    return np.concatenate([y, colour])


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("encoding", ["yuv422_yuy2", "yuyv", "YUY2", "uyvy", "UYVY", "yuv422", "nv12", "nv21"])
def test_yuv_becomes_the_colours_it_was_made_from(encoding: str, padding: int) -> None:
    rows = planar(encoding) if encoding.startswith("nv") else packed(encoding)
    read = image_to_rgb(message(rows, encoding, padding=padding), bridge=False)
    assert np.abs(read.astype(int) - smooth_picture()).max() <= 4


def test_pictures_of_opencv_without_a_colour_order_are_bgr_with_a_warning() -> None:
    picture = smooth_picture()
    np.testing.assert_array_equal(image_to_rgb(message(picture[..., ::-1], "8UC3"), bridge=False), picture)
    assert "'8UC3' does not say in which order the colours are: it is taken for bgr8" in encoding_warning("8UC3")
    assert encoding_warning("bgr8") == encoding_warning("8UC1") == ""
    grey = image_to_rgb(message(picture[..., 0], "8UC1"), bridge=False)
    np.testing.assert_array_equal(grey, picture[..., :1].repeat(3, 2))


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("encoding", ["rgb16", "bgr16", "rgba16", "bgra16", "mono16"])
def test_16_bits_become_8(encoding: str, big_endian: bool) -> None:
    picture = smooth_picture()
    stored = picture[..., ::-1] if encoding.startswith("bgr") else picture
    if encoding.endswith("a16"):
        stored = np.concatenate([stored, stored[..., :1]], -1)
    if encoding == "mono16":
        stored, picture = picture[..., 0], picture[..., :1].repeat(3, 2)
    wide = (stored.astype(np.uint32) * 257 - 60).astype(">u2" if big_endian else "<u2")
    np.testing.assert_array_equal(image_to_rgb(message(wide, encoding, big_endian=big_endian), bridge=False), picture)


def test_odd_sizes_that_a_format_cannot_have_are_refused() -> None:
    odd = Image(height=5, width=6, encoding="nv12", step=6, data=byte_array(np.zeros(60, np.uint8)))
    with pytest.raises(BadMessageError, match=r"image height must be even for nv12\. Got 5"):
        image_to_rgb(odd, bridge=False)
    odd = Image(height=4, width=5, encoding="yuyv", step=10, data=byte_array(np.zeros(60, np.uint8)))
    with pytest.raises(BadMessageError, match=r"image width must be even for yuyv\. Got 5"):
        image_to_rgb(odd, bridge=False)
    short = Image(height=4, width=6, encoding="nv12", step=6, data=byte_array(np.zeros(24, np.uint8)))
    with pytest.raises(BadMessageError, match=r"6 x 6 = 36 bytes\. Got 24"):
        image_to_rgb(short, bridge=False)


def test_cv_bridge_gives_the_same_arrays() -> None:
    bridge = pytest.importorskip("cv_bridge").CvBridge()
    raw = np.random.default_rng(0).integers(0, 256, (HEIGHT * 3 // 2, WIDTH * 8), np.uint8)
    for encoding in COLOUR_ENCODINGS:
        try:
            expected = bridge.imgmsg_to_cv2(message(raw[:HEIGHT], encoding), "rgb8")
        except (
            cv2.error,
            RuntimeError,
            TypeError,
            ValueError,
        ):  # CvBridgeError is a TypeError: it has no such encoding
            continue
        np.testing.assert_array_equal(image_to_rgb(message(raw[:HEIGHT], encoding), bridge=False), expected)
