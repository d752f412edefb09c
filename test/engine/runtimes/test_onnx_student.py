"""A student by ONNX Runtime: scenes and answers equal to torch's, and what is said where it cannot be had."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from support.causal_lm import SHAPE
from support.random_student import random_student, save_random_student
from support.student_fixtures import questions, small_student
from transformers import AutoConfig

from distill3d_ros.cli.main import main
from distill3d_ros.engine.engine import Engine
from distill3d_ros.engine.runtimes import onnx_sessions
from distill3d_ros.engine.runtimes.onnx_sessions import Sessions
from distill3d_ros.engine.runtimes.runtime import load_runtime
from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.questions.templates import SLOT, before_name, in_form, templates
from distill3d_ros.scene.frame import Frame, Intrinsics
from distill3d_ros.scene.labels import LABELS
from distill3d_ros.student.checkpoint import save_student
from distill3d_ros.student.config import HiddenCotConfig, LanguageConfig
from distill3d_ros.student.onnx_export import export_onnx
from distill3d_ros.student.presets import privileged
from distill3d_ros.student.student import Student

pytest.importorskip("onnx", reason="the export needs the package onnx, an extra")
pytest.importorskip("onnxruntime", reason="the backend needs the package onnxruntime, an extra")

FILE = "perception_288x224.onnx"


def frame(*, width: int = 320, height: int = 240, seed: int = 0, up: np.ndarray | None = None) -> Frame:
    picture = np.random.default_rng(seed).integers(0, 255, (height // 20, width // 20, 3), dtype=np.uint8)
    image = picture.repeat(20, 0).repeat(20, 1)
    return Frame(image=image, intrinsics=Intrinsics.from_fov(width=width, height=height, horizontal_fov=1.1), up=up)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student of random weights with files for pictures of 4:3 and 16:9."""
    folder = save_random_student(tmp_path_factory.mktemp("exported"))
    assert main(["export", "--out", str(folder), "--onnx", "320x240,640x360"]) == 0
    return folder


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "copy"))


@pytest.fixture(scope="module")
def both(exported: Path) -> tuple[Engine, Engine]:
    """By torch, and by ONNX Runtime."""
    return tuple(Engine.from_pretrained(exported, device="cpu", backend=b) for b in ("torch", "onnxruntime"))


@pytest.mark.parametrize("up", [None, np.array([0.1, -0.98, 0.17])], ids=["up unknown", "up known"])
def test_scenes_are_those_of_torch(both: tuple[Engine, Engine], up: np.ndarray | None) -> None:
    if up is not None:
        up = up / np.linalg.norm(up)
    for seed in range(3):
        by_torch, by_onnx = (engine.perceive(frame(seed=seed, up=up)) for engine in both)
        np.testing.assert_allclose(by_onnx.depth, by_torch.depth, rtol=1e-4)
        np.testing.assert_allclose(by_onnx.depth_confidence, by_torch.depth_confidence, rtol=1e-4)
        np.testing.assert_allclose(by_onnx.level_from_optical, by_torch.level_from_optical, atol=1e-5)
        assert [o.label for o in by_onnx.objects] == [o.label for o in by_torch.objects]
        for a, b in zip(by_onnx.objects, by_torch.objects, strict=True):
            np.testing.assert_allclose(a.box.center, b.box.center, atol=1e-3)
            np.testing.assert_allclose(a.box.size, b.box.size, atol=1e-3)
            assert a.score == pytest.approx(b.score, abs=1e-4)


def test_answers_are_those_of_torch(both: tuple[Engine, Engine]) -> None:
    questions = ["Is there a chair?", "How far is the door?", "How many lamps are there?"]
    by_torch, by_onnx = (engine.ask_many(engine.perceive(frame()), questions) for engine in both)
    for a, b in zip(by_onnx, by_torch, strict=True):
        assert (a.text, a.object_ids) == (b.text, b.object_ids)
        assert a.confidence == pytest.approx(b.confidence, abs=1e-3)


def test_200_questions_of_all_kinds_have_the_answers_of_torch(both: tuple[Engine, Engine]) -> None:
    rng, texts = np.random.default_rng(0), [_asked(kind, number) for number in range(14) for kind in KINDS][:200]
    assert len(texts) == 200
    for seed, some in enumerate(np.array_split(rng.permutation(np.array(texts)), 4)):
        told = []
        for engine in both:
            scene = engine.perceive(frame(seed=seed))
            told.append(engine.runtime.answer(scene.features.reading(engine.runtime), some.tolist()))
        for text, a, b in zip(some, *told, strict=True):
            assert (a.text, a.object_indices) == (b.text, b.object_indices), text
            assert a.confidence == pytest.approx(b.confidence, rel=1e-2, abs=1e-6), text


def _asked(kind: str, number: int) -> str:
    """A question of a kind about three things."""
    known = templates(kind, False)
    names = [tuple(LABELS)[(7 * number + k) % len(LABELS)] for k in range(3)]
    template = known[number % len(known)]
    return SLOT.sub(lambda m: before_name(names[int(m[1])], m[2]) + in_form(names[int(m[1])], m[2]), template)


@pytest.mark.parametrize("config", [
    {"hidden_cot": HiddenCotConfig(tokens=3, position="before_question")},
    {"hidden_cot": HiddenCotConfig(tokens=0)},
    {"language": LanguageConfig(vocab_size=400, dim=32, layers=2, heads=2, mlp_dim=48, pointer_dim=16,
                                prefix_positions="ordered", patch_pool=0)},
], ids=["thoughts first", "no thoughts", "ordered, no patches"])  # fmt: skip
def test_every_form_of_the_language_model_answers_alike(config: dict[str, object], tmp_path: Path) -> None:
    save_student(tmp_path, small_student(**config))
    export_onnx(tmp_path, [(320, 240)])
    told = []
    for backend in ("torch", "onnxruntime"):
        runtime = load_runtime(tmp_path, backend=backend, device="cpu")
        reading = runtime.read(runtime.perceive([frame()], None))
        told.append(runtime.answer(reading, [q.text for q in questions()]))
    for a, b in zip(*told, strict=True):
        assert (a.text, a.object_indices) == (b.text, b.object_indices)
        assert a.confidence == pytest.approx(b.confidence, rel=1e-2, abs=1e-9)


def test_a_question_that_means_one_of_several_things_is_answered_alike(both: tuple[Engine, Engine]) -> None:
    told = []
    for engine in both:
        scene = engine.perceive(frame(seed=3))
        name = max({o.label for o in scene.objects}, key=lambda label: sum(o.label == label for o in scene.objects))
        asked = [f"How far away is the nearest {name}?", f"How high is the largest {name}?"]
        told.append(engine.ask_many(scene, asked))
    for a, b in zip(*told, strict=True):
        assert (a.text, a.object_ids, a.reason) == (b.text, b.object_ids, b.reason)


def test_the_camera_height_scales_what_the_language_model_reads(both: tuple[Engine, Engine]) -> None:
    told = []
    for engine in both:
        perception = engine.runtime.perceive([frame()], None).scaled(2.0)
        told.append(engine.runtime.answer(engine.runtime.read(perception), ["How far away is the chair?"])[0])
    assert told[0].text == told[1].text
    assert told[0].confidence == pytest.approx(told[1].confidence, rel=1e-2)


def test_a_question_that_is_too_long_is_named(both: tuple[Engine, Engine]) -> None:
    runtime = both[1].runtime
    reading = runtime.read(runtime.perceive([frame()], None))
    assert runtime.answer(reading, []) == []
    with pytest.raises(ValueError, match="longer than the student's context of 96 tokens"):
        runtime.answer(reading, ["chair " * 200])


def test_a_picture_is_perceived_by_the_file_of_its_shape(exported: Path, both: tuple[Engine, Engine]) -> None:
    for picture in (frame(), frame(width=640, height=360)):
        by_torch, by_onnx = (engine.perceive(picture) for engine in both)
        np.testing.assert_allclose(by_onnx.depth, by_torch.depth, rtol=1e-4)
    one = load_runtime(exported, backend="onnxruntime", picture_size=(1280, 720))
    assert one.sizes == ((352, 192),)
    with pytest.raises(ValueError, match=r"no perception_\d+x\d+\.onnx for pictures of 640x200; .* --onnx 640x200"):
        load_runtime(exported, backend="onnxruntime", picture_size=(640, 200))


def test_a_language_model_of_transformers_answers_by_torch(tmp_path: Path) -> None:
    causal = LanguageConfig(vocab_size=400, dim=32, heads=4, pointer_dim=16, end_token="</s>",
                            causal_lm=AutoConfig.for_model("qwen2", **SHAPE).to_dict())  # fmt: skip
    save_student(tmp_path, small_student(language=causal))
    written = export_onnx(tmp_path, [(320, 240)])
    assert [path.name for path in written] == [FILE.replace("288x224", "256x192")]
    by_torch, by_onnx = (load_runtime(tmp_path, backend=b, device="cpu") for b in ("torch", "onnxruntime"))
    asked = [q.text for q in questions()]
    told = [r.answer(r.read(r.perceive([frame()], None)), asked) for r in (by_torch, by_onnx)]
    assert [a.text for a in told[0]] == [a.text for a in told[1]]
    assert "answers" not in by_onnx.backend


def test_the_file_is_what_perceives(both: tuple[Engine, Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("torch was asked")

    monkeypatch.setattr(Student, "perceive", never)
    both[1].warm_up()
    assert "perception of 288x224, 352x192 and answers computed by ONNX Runtime on CPU" in both[1].describe()
    with pytest.raises(AssertionError, match="torch was asked"):
        both[0].perceive(frame())


def test_frames_of_one_place_go_to_torch(both: tuple[Engine, Engine]) -> None:
    place = [Frame(**{**_fields(frame(seed=s)), "world_from_camera": np.eye(4)}) for s in (0, 1)]
    by_torch, by_onnx = (engine.perceive(place) for engine in both)
    assert by_onnx.views == by_torch.views == 2
    np.testing.assert_array_equal(by_onnx.depth, by_torch.depth)


def _fields(made: Frame) -> dict[str, object]:
    return {name: getattr(made, name) for name in ("image", "intrinsics", "up")}


def test_a_picture_of_another_shape_is_named_or_left_to_torch(exported: Path, both: tuple[Engine, Engine]) -> None:
    wide = frame(width=640, height=200)
    with pytest.raises(ValueError, match=r"no perception_\d+x\d+\.onnx for pictures of 640x200; .* --onnx 640x200"):
        both[1].perceive(wide)
    auto = Engine.from_pretrained(exported, device="cpu", backend="auto")
    assert "by ONNX Runtime" in auto.backend
    np.testing.assert_array_equal(auto.perceive(wide).depth, both[0].perceive(wide).depth)


def refused(folder: Path, message: str, **options: str) -> None:
    """``onnxruntime`` is an error with the message, ``auto`` goes on with torch and says why."""
    with pytest.raises(ValueError, match=message):
        Engine.from_pretrained(folder, device="cpu", backend="onnxruntime", **options)
    auto = Engine.from_pretrained(folder, device="cpu", backend="auto", **options)
    assert auto.backend.startswith("computed by torch (")
    assert auto.perceive(frame()).depth is not None


def test_a_file_of_another_student_is_refused(exported: Path, tmp_path: Path) -> None:
    other = save_random_student(tmp_path / "other", seed=1)
    shutil.copy(exported / FILE, other)
    refused(other, r"perception_\d+x\d+\.onnx holds other weights .* than the student beside it .* --onnx")


def test_a_language_model_without_its_file_is_refused(copy: Path) -> None:
    (copy / "language_decoder.onnx").unlink()
    refused(copy, r"finds no language_decoder\.onnx in .*; make it: distill3d export")


def test_a_tokenizer_of_another_student_is_refused(copy: Path) -> None:
    (copy / "tokenizer.json").write_text((copy / "tokenizer.json").read_text() + " ")
    with pytest.raises(ValueError, match=r"tokenizer\.json has sha256"):
        Engine.from_pretrained(copy, backend="onnxruntime")


def test_a_damaged_file_is_refused(copy: Path) -> None:
    (copy / FILE).write_bytes((copy / FILE).read_bytes()[:100_000])
    refused(copy, "cannot be used .* --onnx")


def test_a_file_that_is_none_of_ours_is_refused(copy: Path) -> None:
    import onnx

    model = onnx.load(copy / FILE)
    del model.metadata_props[:]
    onnx.save(model, copy / FILE)
    refused(copy, r"must have format 2, .* Got None")


def test_without_a_file_the_command_that_makes_it_is_named(folder: Path) -> None:
    refused(folder, r"finds no perception_\*\.onnx in .*; make it: distill3d export --out .* --onnx 640x480")


def test_a_provider_that_is_not_there_tells_which_are(exported: Path) -> None:
    refused(exported, "execution_provider must be one that this ONNX Runtime has: .*cpu.* Got 'abacus'",
            execution_provider="abacus")  # fmt: skip


def test_other_arithmetic_is_refused(exported: Path) -> None:
    refused(exported, r"computes in float32\. Got precision 'bfloat16'", precision="bfloat16")


def test_without_the_package_its_name_is_told(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_sessions.importlib.util, "find_spec", lambda name: None)
    refused(exported, "needs the package onnxruntime, which is not installed: pip install -r requirements/onnx.txt")


def test_a_backend_that_is_none_is_named(exported: Path) -> None:
    with pytest.raises(ValueError, match=r"backend must be one of torch, onnxruntime, auto\. Got 'tflite'"):
        Engine.from_pretrained(exported, backend="tflite")


@pytest.mark.parametrize(("policy", "spins"), [("PASSIVE", "0"), ("ACTIVE", "1")])
def test_its_threads_wait_as_torchs_do(
    exported: Path, policy: str, spins: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", policy)
    options = Sessions(exported, threads=2).open(exported / FILE).get_session_options()
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == spins
    assert options.intra_op_num_threads == 2


def test_a_student_that_takes_depth_has_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    student = Student(privileged(tuple(LABELS)[:3]), random_student().language.tokenizer)
    folder = save_student(tmp_path / "privileged", student)
    before = sorted(folder.iterdir())
    assert main(["export", "--out", str(folder), "--onnx", "320x240"]) == 2
    assert "no graph of a student that takes depth" in capsys.readouterr().err
    assert sorted(folder.iterdir()) == before


def test_what_torch_and_onnx_runtime_compute_is_compared_before_writing(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distill3d_ros.student import onnx_export

    original = Student.perceive_unchecked

    def shifted(self: Student, *args: torch.Tensor, **options: torch.Tensor) -> object:
        found = original(self, *args, **options)
        if not torch.jit.is_tracing():
            found.depth = found.depth + 0.1
        return found

    monkeypatch.setattr(Student, "perceive_unchecked", shifted)
    (copy / FILE).unlink()
    with pytest.raises(RuntimeError, match=r"depth differs from torch's by 0\.1; the file is not written"):
        onnx_export.export_onnx(copy, [(320, 240)])
    assert not (copy / FILE).exists()
