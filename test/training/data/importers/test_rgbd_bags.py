"""Bags of an RGB-D camera: pairing, gravity from tf, held-out frames, and bags that cannot be used."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="rosbags is not installed: pip install rosbags")

from support.bags import write_rgbd_bag

from distill3d_ros.training.data.importers.import_options import RgbdOptions
from distill3d_ros.training.data.importers.published_files import SourceError
from distill3d_ros.training.data.importers.rgbd.import_rgbd import import_rgbd
from distill3d_ros.training.data.shards import ShardReader, verify_folder


def imported(bag: Path, out: Path, **options: object) -> tuple[ShardReader, list[str]]:
    lines: list[str] = []
    given = {"every": 1, "size": (64, 48), "split": "train"} | options
    import_rgbd(RgbdOptions(folder=bag, out=out, **given), report=lines.append)
    assert verify_folder(out).complete
    return ShardReader(out, str(given["split"])), lines


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_pictures_get_the_depth_and_the_camera_of_the_bag(tmp_path: Path, encoding: str):
    depth = np.full((48, 64), 1.5)
    depth[:10] = 0 if encoding == "16UC1" else np.nan
    reader, _ = imported(write_rgbd_bag(tmp_path / "bag", depth=depth, encoding=encoding), tmp_path / "out", every=2)
    assert reader.keys == ["000000-00", "000002-00", "000004-00"]
    for number, sample in zip((0, 2, 4), reader, strict=True):
        assert sample.frame.image.mean() == pytest.approx(10 * number, abs=1)
        assert (sample.scene.depth[:10] == 0).all()
        assert sample.scene.depth[20, 20] == pytest.approx(1.5, abs=1e-3)
        assert (sample.frame.intrinsics.fx, sample.frame.intrinsics.cx) == (60, 31.5)
        annotation = sample.scene.annotation
        assert (annotation.depth, annotation.boxes, annotation.gravity) == ("measured", "none", False)


def test_tf_tells_gravity_and_height(tmp_path: Path):
    reader, lines = imported(write_rgbd_bag(tmp_path / "bag", tilt=0.3), tmp_path / "out")
    sample = reader[2]
    assert sample.frame.up == pytest.approx([0, -math.cos(0.3), -math.sin(0.3)], abs=1e-5), "it looks down"
    assert sample.frame.world_from_camera[2, 3] == pytest.approx(0.8)
    assert any("6 of 6 frames" in line for line in lines)


def test_the_end_of_a_recording_is_held_out(tmp_path: Path):
    reader, _ = imported(write_rgbd_bag(tmp_path / "bag"), tmp_path / "out", val_share=0.34)
    assert reader.keys == [f"{i:06d}-00" for i in range(4)]
    assert ShardReader(tmp_path / "out", "val").keys == ["000004-00", "000005-00"]


def test_bags_that_cannot_be_used(tmp_path: Path):
    def fails(message: str, **bag: object) -> None:
        folder = write_rgbd_bag(tmp_path / f"bag{len(list(tmp_path.iterdir()))}", frames=2, **bag)
        with pytest.raises(SourceError, match=message):
            import_rgbd(RgbdOptions(folder=folder, out=tmp_path / "out"), report=print)
        assert not (tmp_path / "out").exists() or not list((tmp_path / "out").glob("*.tar*"))

    topics = r"has no topic with depth \(16UC1 or mono16 or 32FC1\); record it, too. Its topics: /camera/color"
    fails(topics, depth=np.array([]))
    fails("has no sensor_msgs/msg/CameraInfo", info=False)
    fails("has 32x24 pixels and '/camera/color/image_raw' 64x48: depth must be registered", depth=np.ones((24, 32)))
    fails("has depth on .* within 50 ms", late_ns=60_000_000)
    (tmp_path / "broken.mcap").write_bytes(b"this is no bag")
    with pytest.raises(SourceError, match="cannot be read as a bag"):
        import_rgbd(RgbdOptions(folder=tmp_path / "broken.mcap", out=tmp_path / "out"), report=print)
    with pytest.raises(SourceError, match="--depth-topic must have depth"):
        import_rgbd(
            RgbdOptions(folder=write_rgbd_bag(tmp_path / "b"), out=tmp_path / "out", depth_topic="/other"), report=print
        )
