"""Shards: what is written comes back, equal data is equal bytes, damage is named with its remedy."""

from __future__ import annotations

import errno
import json
import os
import pickle
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.data_samples import HEIGHT, WIDTH, make_sample

from distill3d_ros.system.files import file_sha256, write_whole
from distill3d_ros.training.data.manifest import (
    MANIFEST_NAME,
    Manifest,
    ShardError,
    manifest_sha256,
    read_manifest,
    write_manifest,
)
from distill3d_ros.training.data.sample import (
    PARTS,
    Sample,
    SampleError,
    check_key,
    decode_sample,
    decode_scene,
    encode_sample,
)
from distill3d_ros.training.data.shards import ShardReader, ShardWriter, verify_folder

FRAMES = 3


def write_shard(folder: Path, number: int = 0, split: str = "train"):
    """One room of three frames."""
    with ShardWriter(folder, split=split, number=number, first_room=number, rooms=1) as writer:
        for frame in range(FRAMES):
            writer.add(make_sample(f"{split}-{number:06d}-{frame:02d}", split=split, seed=10 * number + frame))
    return writer.info


def list_shards(folder: Path, infos, *, complete: bool = True) -> None:
    manifest = Manifest(recipe={"seed": 7}, planned_rooms={"train": 2}, shards=tuple(infos), complete=complete)
    write_manifest(folder, manifest)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with two shards of three frames."""
    list_shards(tmp_path, [write_shard(tmp_path, number) for number in range(2)])
    return tmp_path


def test_sample_comes_back():
    sample = make_sample(seed=3)
    back = decode_sample(encode_sample(sample))
    assert (back.key, back.room, back.room_type, back.split) == (sample.key, sample.room, "office", "train")
    assert (back.ids == sample.ids).all()
    assert back.ids.dtype == np.uint16
    assert back.scene.depth.dtype == np.float32
    assert np.abs(back.scene.depth - sample.scene.depth).max() <= 0.000501, "depth is kept in millimetres"
    assert back.scene.to_dict() == sample.scene.to_dict()
    assert back.frame.intrinsics == sample.frame.intrinsics
    np.testing.assert_allclose(back.frame.up, sample.frame.up, atol=1e-6)
    np.testing.assert_allclose(back.frame.world_from_camera, sample.frame.world_from_camera, atol=1e-5)


def test_picture_comes_back_with_its_colours():
    """A smooth picture, which JPEG keeps well: red left, blue right, in RGB order."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[:, : WIDTH // 2, 0] = 200
    image[:, WIDTH // 2 :, 2] = 200
    sample = make_sample()
    sample.frame.image[:] = image
    back = decode_sample(encode_sample(sample)).frame.image
    assert np.abs(back[:, :24].astype(int) - [200, 0, 0]).max() < 12
    assert np.abs(back[:, -24:].astype(int) - [0, 0, 200]).max() < 12


def test_unknown_and_far_depth():
    sample = make_sample()
    sample.scene.depth[0, :4] = [np.nan, np.inf, 0.0, 1000.0]
    back = decode_sample(encode_sample(sample)).scene.depth
    np.testing.assert_allclose(back[0, :4], [0.0, 0.0, 0.0, 65.5])


def test_ids_beyond_a_byte_come_back():
    sample = make_sample()
    sample.ids[0, 0] = 700
    assert decode_sample(encode_sample(sample)).ids[0, 0] == 700


def test_members_are_plain_images_for_any_reader():
    parts = encode_sample(make_sample())
    assert tuple(parts) == PARTS
    depth = cv2.imdecode(np.frombuffer(parts["depth.png"], np.uint8), cv2.IMREAD_UNCHANGED)
    assert depth.dtype == np.uint16
    assert depth.shape == (HEIGHT, WIDTH)
    assert {"objects", "gaps", "contacts", "supports", "intrinsics"} <= set(json.loads(parts["scene.json"]))


@pytest.mark.parametrize("key", ["", "a.b", "a/b", "x" * 81])
def test_wrong_keys(key: str):
    with pytest.raises(ValueError, match="key must have"):
        check_key(key)


def test_damaged_parts_are_named():
    parts = encode_sample(make_sample())
    for part in ("rgb.jpg", "depth.png", "ids.png"):
        with pytest.raises(SampleError, match=part):
            decode_sample({**parts, part: b""})
    with pytest.raises(SampleError, match=r"scene\.json"):
        decode_scene(b"{")


def test_reader_reaches_every_sample_by_number_and_key(data: Path):
    reader = ShardReader(data, "train")
    assert len(reader) == 2 * FRAMES
    assert reader.keys == sorted(reader.keys)
    for number in (5, 0, 3, -1):
        expected = make_sample(reader.keys[number], seed=10 * (number % 6 // 3) + number % 3)
        assert reader[number].key == reader.keys[number]
        assert np.abs(reader[number].scene.depth - expected.scene.depth).max() < 0.001
    assert reader.index_of("train-000001-02") == 5
    assert [sample.key for sample in reader] == reader.keys
    with pytest.raises(IndexError, match="has 6 samples"):
        reader[6]
    with pytest.raises(KeyError, match="no sample 'train-9'"):
        reader.index_of("train-9")


def test_scenes_are_read_without_decoding_images(data: Path, monkeypatch: pytest.MonkeyPatch):
    reader = ShardReader(data, "train")
    expected = reader[4].scene.to_dict()
    monkeypatch.setattr(cv2, "imdecode", None)
    assert reader.scene(4).to_dict() == expected
    assert reader.scene(4).depth is None
    assert [s.to_dict() for s in reader.scenes()][4] == expected


def test_reader_opens_a_folder_that_still_grows(tmp_path: Path):
    first = write_shard(tmp_path, 0)
    list_shards(tmp_path, [first], complete=False)
    reader = ShardReader(tmp_path, "train")
    before, name = reader[2].scene.to_dict(), reader.sha256
    assert not reader.manifest.complete
    assert len(ShardReader(tmp_path, "val")) == 0
    list_shards(tmp_path, [first, write_shard(tmp_path, 1)])
    assert reader.refresh() == 2 * FRAMES
    assert reader[2].scene.to_dict() == before, "samples keep their numbers while later shards come"
    assert reader.sha256 != name


def test_reader_works_in_other_processes(data: Path):
    reader = ShardReader(data, "train")
    expected = reader[1].scene.to_dict()
    assert pickle.loads(pickle.dumps(reader))[1].scene.to_dict() == expected
    child = os.fork()
    if child == 0:
        os._exit(0 if reader[1].scene.to_dict() == expected else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert reader[1].scene.to_dict() == expected


def test_equal_samples_are_equal_bytes(tmp_path: Path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        list_shards(tmp_path / name, [write_shard(tmp_path / name)])
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == ["manifest.json", "train-000000.index.json", "train-000000.tar"]
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert manifest_sha256(tmp_path / "a") == manifest_sha256(tmp_path / "b")


def test_tar_is_what_webdataset_expects(data: Path):
    with tarfile.open(data / "train-000000.tar") as tar:
        members = tar.getmembers()
    assert [m.name for m in members] == [f"train-000000-{i:02d}.{part}" for i in range(FRAMES) for part in PARTS]
    assert {(m.mtime, m.uid, m.gid, m.mode, m.uname) for m in members} == {(0, 0, 0, 0o644, "")}


def test_manifest_says_what_is_there(data: Path):
    manifest = read_manifest(data)
    assert manifest.frames("train") == 2 * FRAMES
    assert read_manifest(data).to_dict() == manifest.to_dict()
    as_json = json.loads((data / MANIFEST_NAME).read_text())
    assert as_json["splits"]["train"] == {"planned_rooms": 2, "rooms": 2, "frames": 6, "bytes": _bytes(data)}
    assert verify_folder(data).complete


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.tar"))


@pytest.mark.parametrize(
    ("keys", "split", "message"),
    [
        (["train-000000-01", "train-000000-00"], "train", "keys must ascend"),
        (["train-000000-00", "train-000000-00"], "train", "keys must ascend"),
        (["val-000000-00"], "val", "takes samples of split 'train'. Got 'val'"),
    ],
)
def test_writer_refuses_what_does_not_belong(tmp_path: Path, keys: list[str], split: str, message: str):
    writer = ShardWriter(tmp_path, split="train", number=0, first_room=0, rooms=1)
    with pytest.raises(ValueError, match=message), writer:
        write_all(writer, [make_sample(key, split=split) for key in keys])
    assert list(tmp_path.iterdir()) == [], "a shard that failed leaves nothing"


def write_all(writer: ShardWriter, samples: list[Sample]) -> None:
    for sample in samples:
        writer.add(sample)


def test_no_half_written_file_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_shard(tmp_path)
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "picture.png", b"content")
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------------------------- damage


def test_folder_without_a_manifest_says_how_to_make_one(tmp_path: Path):
    with pytest.raises(ShardError, match="distill3d data generate --rooms N"):
        ShardReader(tmp_path, "train")
    with pytest.raises(ValueError, match=r"split must be one of .* Got 'training'"):
        ShardReader(tmp_path, "training")


def test_flipped_byte_names_the_file_and_both_checksums(data: Path):
    path = data / "train-000001.tar"
    expected = read_manifest(data).shards[1].sha256
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    with pytest.raises(ShardError, match=rf"train-000001\.tar has sha256 {file_sha256(path)}.*{expected}.*resum"):
        verify_folder(data)
    with pytest.raises(ShardError, match=r"train-000001\.tar"):
        ShardReader(data, "train").verify()


def test_truncated_shard_is_found_when_opened(data: Path):
    path = data / "train-000000.tar"
    size = path.stat().st_size
    os.truncate(path, size - 4096)
    with pytest.raises(
        ShardError, match=rf"train-000000\.tar has {size - 4096} bytes, the manifest says {size}.*resum"
    ):
        ShardReader(data, "train")


def test_shard_truncated_while_in_use(data: Path):
    reader = ShardReader(data, "train")
    os.truncate(data / "train-000000.tar", 2000)
    with pytest.raises(ShardError, match=r"train-000000\.tar ends early: sample train-000000-02"):
        reader[2]


@pytest.mark.parametrize("name", ["train-000001.tar", "train-000001.index.json"])
def test_missing_file_is_named(data: Path, name: str):
    (data / name).unlink()
    with pytest.raises(ShardError, match=rf"{name} is missing, but the manifest lists it.*resum"):
        ShardReader(data, "train")


def test_shard_removed_while_in_use(data: Path):
    reader = ShardReader(data, "train")
    (data / "train-000000.tar").unlink()
    with pytest.raises(ShardError, match=r"train-000000\.tar is missing"):
        reader[0]


def test_damaged_index_is_named(data: Path):
    (data / "train-000000.index.json").write_text("{}")
    with pytest.raises(ShardError, match=r"index\.json has sha256"):
        ShardReader(data, "train")


def test_damaged_image_names_sample_and_shard(data: Path):
    reader = ShardReader(data, "train")
    index = json.loads((data / "train-000000.index.json").read_text())
    offset, length = index["places"]["rgb.jpg"][1]
    with open(data / "train-000000.tar", "r+b") as file:
        file.seek(offset)
        file.write(bytes(length))
    with pytest.raises(ShardError, match=r"sample train-000000-01 in .*train-000000\.tar cannot be read: rgb\.jpg"):
        reader[1]
    assert reader[0].key == "train-000000-00", "the others can still be read"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", "is not an index of data"),
        ("[]", "is not an index of data"),
        ('{"format_version": 99}', "has format_version 99, this program reads 1"),
        ('{"format_version": 1, "recipe": {}}', r"is not an index of data \(KeyError"),
    ],
)
def test_damaged_manifest(tmp_path: Path, text: str, message: str):
    (tmp_path / MANIFEST_NAME).write_text(text)
    with pytest.raises(ShardError, match=message):
        read_manifest(tmp_path)
