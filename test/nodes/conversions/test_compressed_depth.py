"""Depth in the layout of image_transport's compressedDepth, read back as its subscribers read it."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage

from distill3d_ros.nodes.conversions.compressed_depth import FARTHEST_M, depth_to_compressed


def decoded(message: CompressedImage) -> np.ndarray:
    """(H, W) metres, NaN where unknown: as compressed_depth_image_transport decodes 32FC1."""
    encoding, _, compression = message.format.partition(";")
    assert (encoding, compression) == ("32FC1", " compressedDepth png")
    data = bytes(message.data)
    kind, a, b = struct.unpack("<iff", data[:12])
    assert kind == 0
    codes = cv2.imdecode(np.frombuffer(data[12:], np.uint8), cv2.IMREAD_UNCHANGED)
    assert codes.dtype == np.uint16
    with np.errstate(divide="ignore"):
        return np.where(codes == 0, np.nan, a / (codes.astype(np.float32) - b)).astype(np.float32)


def test_depth_comes_back_to_a_step() -> None:
    depth = np.random.default_rng(0).uniform(0.2, 40.0, (48, 64)).astype(np.float32)
    found = decoded(depth_to_compressed(depth))
    step = depth**2 / 10_100  # of a / depth with a = 100 * 101
    assert (np.abs(found - depth) <= 0.55 * step + 1e-4 * depth).all()


def test_what_is_unknown_stays_unknown() -> None:
    depth = np.array([[0.0, np.nan, np.inf, -1.0, FARTHEST_M + 1, 2.0]], np.float32)
    found = decoded(depth_to_compressed(depth))[0]
    assert np.isnan(found[:5]).all()
    assert found[5] == pytest.approx(2.0, abs=1e-3)


def test_what_is_very_near_does_not_become_far() -> None:
    found = decoded(depth_to_compressed(np.array([[0.01, 0.15]], np.float32)))
    assert ((found > 0.1) & (found < 0.16)).all()


def test_stamp_and_frame_are_told_and_a_smooth_picture_is_small() -> None:
    depth = np.broadcast_to(np.linspace(1.0, 6.0, 480, dtype=np.float32)[:, None], (480, 640))
    message = depth_to_compressed(depth, stamp_ns=3_000_000_007, frame_id="camera")
    assert (message.header.stamp.sec, message.header.stamp.nanosec, message.header.frame_id) == (3, 7, "camera")
    assert len(message.data) < depth.nbytes / 10


def test_depth_of_another_shape_is_named() -> None:
    with pytest.raises(ValueError, match=r"depth must be \(H, W\)\. Got shape \(2, 2, 1\)"):
        depth_to_compressed(np.ones((2, 2, 1), np.float32))
