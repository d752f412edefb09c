"""A teacher's answers: asked, kept, read again, resumed, and refused where they do not fit."""

from __future__ import annotations

import errno
import json
import os
import pickle
import signal
import stat
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.training.parrot_teacher import Parrot
from support.training.tiny_training import data_folder, tiny_config

from distill3d_ros.cli.main import main
from distill3d_ros.student.checkpoint import WEIGHTS, read_description, save_student
from distill3d_ros.student.language.text import tokenizer_sha256
from distill3d_ros.training.data.answers.teacher_answer import TeacherAnswer
from distill3d_ros.training.data.answers.teacher_cache import (
    MANIFEST_NAME,
    CacheError,
    CacheInfo,
    TeacherCache,
    read_info,
)
from distill3d_ros.training.data.mixture import open_split
from distill3d_ros.training.data.sample import Sample
from distill3d_ros.training.data.shards import ShardReader
from distill3d_ros.training.inputs.question_sampling import balance_from_data, sample_questions
from distill3d_ros.training.start.initial_student import new_student
from distill3d_ros.training.teachers.make_teacher import make_teacher
from distill3d_ros.training.teachers.privileged import PrivilegedTeacher
from distill3d_ros.training.teachers.teach import teach
from distill3d_ros.training.teachers.teach_options import AnswerOptions, TeacherOptions
from distill3d_ros.training.teachers.teacher import Teacher

SPLITS = ("train", "val")


def answers(
    teacher: Teacher, data: Path, out: Path, *, report: Callable[[str], None] = lambda _: None, **changes: Any
) -> CacheInfo:
    """A teacher's answers to 5 questions a sample."""
    shard_samples = changes.pop("shard_samples", 2)
    options = AnswerOptions(data=(data,), out=out, **{"questions": 5, "measure": 2, **changes})
    return teach(teacher, options, shard_samples=shard_samples, report=report)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    student = new_student(replace(tiny_config(), preset="privileged"))
    return save_student(tmp_path_factory.mktemp("model"), student)


@pytest.fixture(scope="module")
def privileged(model: Path) -> PrivilegedTeacher:
    teacher = make_teacher(TeacherOptions(teacher="privileged", model=str(model), device="cpu", top_k=7))
    assert isinstance(teacher, PrivilegedTeacher)
    return teacher


@pytest.fixture(scope="module")
def taught(privileged: PrivilegedTeacher, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cache") / "new"
    answers(privileged, data, out)
    return out


def test_what_a_privileged_teacher_says_is_read_back(privileged: PrivilegedTeacher, data: Path, taught: Path) -> None:
    assert isinstance(privileged, Teacher)
    cache = TeacherCache(taught, (data,))
    reader = open_split((data,), "train")
    assert sorted(cache.keys) == sorted(reader.keys)
    assert len(cache) == 4
    for key in cache.keys:
        sample, found = reader[reader.index_of(key)], cache[key]
        texts = [q.text for q in found.questions]
        said = privileged.answer(sample, texts)
        seen = privileged.perceive(sample)
        assert found.perception is not None
        assert len(found.answers) == len(texts)
        for ours, theirs in zip(found.answers, said, strict=True):
            assert ours.text == theirs.text
            assert np.array_equal(ours.top_tokens, theirs.top_tokens)
            np.testing.assert_allclose(ours.top_logits, theirs.top_logits, rtol=2e-3)
            np.testing.assert_allclose(ours.hidden, theirs.hidden, rtol=2e-3, atol=1e-3)
        np.testing.assert_allclose(found.perception.depth, seen.depth, rtol=2e-3)
        assert found.perception.depth.shape == (16, 16)  # a quarter of 64
        assert found.perception.log_error is None
        for name in ("center_level", "size", "yaw"):
            np.testing.assert_allclose(getattr(found.perception, name), getattr(seen, name), rtol=1e-6)
        assert found.perception.labels == privileged.student.config.labels


def test_logits_are_normalised_and_the_first_are_the_answers(privileged: PrivilegedTeacher, data: Path) -> None:
    sample = ShardReader(data, "train")[0]
    (said,) = privileged.answer(sample, ["Is there a chair?"])
    assert said.top_logits.shape == (len(said.top_tokens), 7)
    assert (np.exp(said.top_logits).sum(1) < 1).all()
    assert (np.diff(said.top_logits, axis=1) <= 0).all()
    tokenizer, end = privileged.student.language.tokenizer, privileged.student.language.encoder.end
    ids = said.top_tokens[:, 0].tolist()
    assert said.text == tokenizer.decode([i for i in ids if i != end]).strip()
    assert end not in ids[:-1]
    many = privileged.answer(sample, ["How many chairs are there?", "Is there a chair?"])[1]
    np.testing.assert_allclose(many.top_logits, said.top_logits, rtol=1e-3, atol=1e-4)
    assert many.hidden.shape == (privileged.student.config.language.dim,)


def test_the_questions_are_those_of_the_seed(data: Path, taught: Path, tmp_path: Path) -> None:
    reader, balance = ShardReader(data, "train"), balance_from_data((data,), tmp_path)
    for found in TeacherCache(taught, (data,)):
        scene = reader.scene(reader.index_of(found.key))
        rng = np.random.default_rng([0, zlib.crc32(found.key.encode())])
        assert list(found.questions) == sample_questions(scene, balance, 5, rng)
        assert found.questions


def test_the_cache_says_what_it_is(privileged: PrivilegedTeacher, model: Path, data: Path, taught: Path) -> None:
    info = TeacherCache(taught, (data,)).info
    assert info.teacher == f"privileged-{read_description(model)['sha256'][WEIGHTS][:8]}"
    assert info.tokenizer_sha256 == tokenizer_sha256(privileged.student.language.tokenizer)
    assert info.vocabulary == privileged.student.language.tokenizer.get_vocab_size()
    assert (info.top_k, info.hidden_size, info.split, info.seed) == (7, 64, "train", 0)
    assert info.labels == privileged.student.config.labels
    assert info.description["told"] == "depth and up"
    assert info.complete
    families = info.accuracy["families"].values()
    assert info.accuracy["split"] == "val"
    assert sum(f["asked"] for f in families) == info.accuracy["overall"]["asked"] > 0
    assert sum(f["right"] for f in families) == info.accuracy["overall"]["right"]


def test_it_can_be_handed_to_another_process(data: Path, taught: Path) -> None:
    cache = TeacherCache(taught, (data,))
    key = cache.keys[0]
    cache[key]
    again = pickle.loads(pickle.dumps(cache))
    assert again[key].questions == cache[key].questions
    assert key in again
    assert "elsewhere" not in again
    with pytest.raises(KeyError, match="no answers about sample 'elsewhere'"):
        again["elsewhere"]


def test_words_alone_are_enough(data: Path, tmp_path: Path) -> None:
    said: list[str] = []
    answers(Parrot(), data, tmp_path, report=said.append)
    cache = TeacherCache(tmp_path, (data,))
    found = cache[cache.keys[0]]
    assert found.answers[0].text == f"{found.key}: {found.questions[0].text}"
    assert found.answers[0].top_tokens is None
    assert found.perception is None
    assert (cache.info.top_k, cache.info.hidden_size, cache.info.vocabulary) == (0, 0, None)
    assert any("right in" in line for line in said)
    assert any("samples/s" in line and "min left, ends about" in line for line in said)
    assert any("are free on the disk" in line for line in said)


def test_what_was_stopped_goes_on(data: Path, tmp_path: Path) -> None:
    """The same answers as without a stop, and nobody is asked twice about a finished shard."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    answers(Parrot(), data, whole)
    with pytest.raises(KeyboardInterrupt):
        answers(Parrot(2 + 3, KeyboardInterrupt()), data, parts)  # two are measured on
    assert len(read_info(parts).shards) == 1
    assert not read_info(parts).complete
    second = Parrot()
    answers(second, data, parts)
    assert second.samples == 2
    names = sorted(p.name for p in whole.iterdir())
    assert sorted(p.name for p in parts.iterdir()) == names
    for name in names:
        assert (whole / name).read_bytes() == (parts / name).read_bytes(), name
    nothing = Parrot()
    answers(nothing, data, parts)
    assert nothing.samples == 0


def test_more_samples_are_added(data: Path, tmp_path: Path) -> None:
    answers(Parrot(), data, tmp_path, limit=1)
    assert len(TeacherCache(tmp_path, (data,))) == 1
    more = Parrot()
    answers(more, data, tmp_path, limit=3)
    assert more.samples == 3  # the first shard was not full
    with pytest.raises(CacheError, match=r"answers about 3 samples; --limit must not be less. Got 1"):
        answers(Parrot(), data, tmp_path, limit=1)


def test_a_killed_teacher_leaves_a_whole_folder(model: Path, data: Path, tmp_path: Path) -> None:
    """SIGKILL as soon as the first shard is there."""
    code = (
        "import sys; from pathlib import Path; import torch; torch.set_num_threads(1)\n"
        "from distill3d_ros.training.teachers.make_teacher import make_teacher\n"
        "from distill3d_ros.training.teachers.teach import teach\n"
        "from distill3d_ros.training.teachers.teach_options import AnswerOptions, TeacherOptions\n"
        "teacher = make_teacher(TeacherOptions(teacher='privileged', model=sys.argv[1], device='cpu', top_k=7))\n"
        "data, out = (Path(sys.argv[2]),), Path(sys.argv[3])\n"
        "teach(teacher, AnswerOptions(data=data, out=out, questions=5, measure=1), shard_samples=1)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(model), str(data), str(tmp_path)], stdout=subprocess.DEVNULL
    )
    while not list(tmp_path.glob("train-*.safetensors")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    teacher = make_teacher(TeacherOptions(teacher="privileged", model=str(model), device="cpu", top_k=7))
    info = answers(teacher, data, tmp_path, measure=1, shard_samples=1)
    assert info.complete
    assert len(TeacherCache(tmp_path, (data,))) == 4
    assert not list(tmp_path.glob(".*.tmp"))


def test_answers_about_other_data_are_refused(data: Path, taught: Path, tmp_path: Path) -> None:
    other = data_folder(tmp_path / "other", ("train",))
    theirs = read_info(taught).data[0]["folder"]
    with pytest.raises(CacheError, match=rf"answers about '{theirs}' \(manifest .*training data are 'other'"):
        TeacherCache(taught, (other,))
    with pytest.raises(CacheError, match=r"another way: .*questions was 5 and is now 6; its kind was priv.*parrot"):
        answers(Parrot(), data, _copied(taught, tmp_path / "a", teacher="parrot-0"), questions=6)
    with pytest.raises(CacheError, match=r"teacher was privileged-.* and is now parrot-0"):
        answers(Parrot(), data, _copied(taught, tmp_path / "b"))


def test_what_is_missing_or_damaged_is_named_and_made_again(data: Path, tmp_path: Path) -> None:
    answers(Parrot(), data, tmp_path)
    first, second = sorted(tmp_path.glob("train-*.safetensors"))
    blob = bytearray(first.read_bytes())
    blob[-1] ^= 1
    first.write_bytes(blob)
    with pytest.raises(
        CacheError,
        match=rf"{first.name} has sha256 .* manifest says .* is damaged or was exchanged.*distill3d teach.*again",
    ):
        TeacherCache(tmp_path, (data,))
    again = Parrot()
    answers(again, data, tmp_path)
    assert again.samples == 2
    second.unlink()
    with pytest.raises(CacheError, match=rf"{second.name} is missing, but the manifest lists it"):
        TeacherCache(tmp_path, (data,))
    answers(Parrot(), data, tmp_path)
    assert len(TeacherCache(tmp_path, (data,))) == 4
    (tmp_path / MANIFEST_NAME).write_text("{}")
    with pytest.raises(CacheError, match=r"is not an index of teacher's answers"):
        TeacherCache(tmp_path, (data,))
    (tmp_path / MANIFEST_NAME).unlink()
    with pytest.raises(CacheError, match=r"no teacher's answers in .*manifest.json is missing; make them with"):
        TeacherCache(tmp_path, (data,))
    with pytest.raises(CacheError, match=r"no teacher's answers in .*nowhere: the folder does not exist; make them"):
        TeacherCache(tmp_path / "nowhere", (data,))


def test_what_is_no_number_is_not_kept(data: Path, tmp_path: Path) -> None:
    class Broken(Parrot):
        def answer(self, sample: Sample, questions: Sequence[str]) -> list[TeacherAnswer]:
            return [TeacherAnswer(text="yes", hidden=np.full(3, np.nan, np.float32)) for _ in questions]

    with pytest.raises(ValueError, match=r"the teacher's hidden about sample train-.* are not numbers"):
        answers(Broken(), data, tmp_path)


def test_a_full_disk_loses_nothing(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from distill3d_ros.training.teachers import teach as module

    write = module.write_whole

    def full(path: Path, content: bytes) -> None:
        if path.name.endswith("000001.safetensors"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write(path, content)

    monkeypatch.setattr(module, "write_whole", full)
    with pytest.raises(OSError, match=r"could not write .*000001.safetensors: No space left.*The 1 shards before it"):
        answers(Parrot(), data, tmp_path)
    monkeypatch.undo()
    rest = Parrot()
    assert answers(rest, data, tmp_path).complete
    assert rest.samples == 2


def test_bad_requests_are_named(data: Path, tmp_path: Path) -> None:
    rooms = data_folder(tmp_path / "rooms", ("train",))
    with pytest.raises(ValueError, match=r"has no samples of split 'test_known'"):
        answers(Parrot(), rooms, tmp_path, split="test_known")
    for name in ("questions", "limit", "measure"):
        with pytest.raises(ValueError, match=rf"{name} must be at least 1. Got 0"):
            answers(Parrot(), data, tmp_path, **{name: 0})
    with pytest.raises(
        ValueError,
        match=r"teacher must be one of privileged, llava3d, .*_perception. Got 'oracle'",
    ):
        make_teacher(TeacherOptions(teacher="oracle", model="x"))
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="is a file"):
        answers(Parrot(), data, tmp_path / "file")
    if os.geteuid():
        (tmp_path / "closed").mkdir(mode=stat.S_IRUSR | stat.S_IXUSR)
        with pytest.raises(PermissionError, match="no permission to write"):
            answers(Parrot(), data, tmp_path / "closed")


def test_the_command(model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["teach", "--teacher", "privileged", "--model", str(model), "--data", str(data), "--out", str(tmp_path)]
    assert main([*command, "--limit", "2", "--questions", "3", "--measure", "1", "--device", "cpu"]) == 0
    assert "2 samples, 0." in capsys.readouterr().out
    assert json.loads((tmp_path / MANIFEST_NAME).read_text())["questions"] == 3
    assert main([*command, "--limit", "2", "--seed", "5", "--device", "cpu"]) == 2
    assert "seed was 0 and is now 5" in capsys.readouterr().err


def _copied(cache: Path, to: Path, **changes: Any) -> Path:
    """The manifest alone."""
    to.mkdir()
    manifest = json.loads((cache / MANIFEST_NAME).read_text()) | changes
    (to / MANIFEST_NAME).write_text(json.dumps(manifest))
    return to
