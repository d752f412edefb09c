"""Images and camera_infos as a broken driver may send them: every field of a good pair may be anything of its type."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from sensor_msgs.msg import CameraInfo, Image

from distill3d_ros.nodes.conversions.camera_info import info_from
from distill3d_ros.nodes.conversions.images import byte_array, rgb_to_image
from distill3d_ros.scene.frame import Intrinsics

WIDTH, HEIGHT = 64, 48
ENCODINGS = (
    "rgb8", "bgr8", "rgba8", "bgra8", "mono8", "mono16", "8UC3", "rgb16", "bayer_rggb8", "bayer_gbrg8", "yuv422",
    "yuv422_yuy2", "uyvy", "nv12", "nv21", "16UC1", "32FC1", "", "RGB8", "jpeg", "\x1b[2J", "x" * 10_000,
)  # fmt: skip
LENSES = ("plumb_bob", "rational_polynomial", "equidistant", "fisheye", "", "none", "\u202egnp", "x" * 10_000)
SIZES = (0, 1, 2, 3, 31, WIDTH, HEIGHT, 65_536, 2**31, 2**32 - 1)
NUMBERS = (0.0, -0.0, 1.0, -1.0, 1e-300, 1e9, 1e300, math.nan, math.inf, -math.inf)

Random = np.random.Generator


def good_pair(stamp_ns: int = 0) -> tuple[Image, CameraInfo]:
    """A picture of 64 x 48 with its camera."""
    picture = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)
    picture[: HEIGHT // 2, : WIDTH // 2] = 155
    camera = Intrinsics.from_fov(width=WIDTH, height=HEIGHT, horizontal_fov=1.0)
    image = rgb_to_image(picture, stamp_ns=stamp_ns, frame_id="camera")
    return image, info_from(camera, stamp_ns=stamp_ns, frame_id="camera")


def spoilt_pair(rng: Random, stamp_ns: int = 0) -> tuple[Image, CameraInfo]:
    """A good pair with one to four things wrong."""
    image, info = good_pair(stamp_ns)
    for _ in range(int(rng.integers(1, 5))):
        _SPOILERS[int(rng.integers(len(_SPOILERS)))](image, info, rng)
    return image, info


def _size(rng: Random) -> int:
    return SIZES[int(rng.integers(len(SIZES)))] if rng.random() < 0.8 else int(rng.integers(2**32))


def _number(rng: Random) -> float:
    return NUMBERS[int(rng.integers(len(NUMBERS)))] if rng.random() < 0.7 else float(rng.normal(0, 100))


def _encoding(image: Image, info: CameraInfo, rng: Random) -> None:
    image.encoding = ENCODINGS[int(rng.integers(len(ENCODINGS)))]


def _picture_size(image: Image, info: CameraInfo, rng: Random) -> None:
    setattr(image, ("width", "height", "step")[int(rng.integers(3))], _size(rng))


def _data(image: Image, info: CameraInfo, rng: Random) -> None:
    count = int(rng.integers(0, 3 * WIDTH * HEIGHT + 100))
    image.data = byte_array(rng.integers(0, 256, count, dtype=np.uint8))


def _byte_order(image: Image, info: CameraInfo, rng: Random) -> None:
    image.is_bigendian = int(rng.integers(256))


def _camera_size(image: Image, info: CameraInfo, rng: Random) -> None:
    setattr(info, ("width", "height", "binning_x", "binning_y")[int(rng.integers(4))], _size(rng))


def _matrix(image: Image, info: CameraInfo, rng: Random) -> None:
    values = (info.k, info.p, info.r)[int(rng.integers(3))]
    for at in rng.integers(0, len(values), int(rng.integers(1, 6))):
        values[int(at)] = _number(rng)


def _lens(image: Image, info: CameraInfo, rng: Random) -> None:
    info.distortion_model = LENSES[int(rng.integers(len(LENSES)))]
    info.d = [_number(rng) for _ in range(int(rng.integers(0, 16)))]


def _region(image: Image, info: CameraInfo, rng: Random) -> None:
    info.roi.x_offset, info.roi.y_offset, info.roi.width, info.roi.height = (_size(rng) for _ in range(4))


def _names(image: Image, info: CameraInfo, rng: Random) -> None:
    image.header.frame_id = ("", "camera", "\x07" * 50, "/" * 10_000, "\u202e")[int(rng.integers(5))]


_SPOILERS: tuple[Callable[[Image, CameraInfo, Random], None], ...] = (
    _encoding, _picture_size, _data, _byte_order, _camera_size, _matrix, _lens, _region, _names,
)  # fmt: skip
