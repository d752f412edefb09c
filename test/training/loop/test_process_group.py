"""Several processes: two real ones, started by torchrun, learn what one learns alone, and teach what one teaches."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from support.programs import start_module
from support.training.adding_trainer import STEPS, make_trainer, train
from support.training.tiny_training import data_folder, tiny_config
from torch import Tensor

from distill3d_ros.student.checkpoint import save_student
from distill3d_ros.training.data.answers.teacher_cache import TeacherCache, read_info
from distill3d_ros.training.loop.checkpointing import load_checkpoint
from distill3d_ros.training.loop.curves import read_metrics
from distill3d_ros.training.loop.optimization import OptimizerPair
from distill3d_ros.training.loop.process_group import ProcessGroup
from distill3d_ros.training.start.initial_student import new_student
from distill3d_ros.training.teachers.make_teacher import make_teacher
from distill3d_ros.training.teachers.teach import teach
from distill3d_ros.training.teachers.teach_options import AnswerOptions, TeacherOptions


def two_processes(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return start_module(
        "support.training.adding_trainer",
        str(folder),
        *arguments,
        processes=2,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def ended(run: subprocess.Popen[str]) -> str:
    output = run.communicate(timeout=250)[0]
    assert run.returncode == 0, output
    return output


@pytest.mark.timeout(900)  # two launches of two processes, each with its own imports; a busy machine must not fail
def test_two_processes_stop_together_go_on_and_learn_what_one_learns(tmp_path: Path) -> None:
    """Each sends its half of a batch through the network in two parts."""
    two, one = tmp_path / "two", tmp_path / "one"
    run = two_processes(two, "0.2", "2")
    metrics = two / "metrics.jsonl"
    deadline = time.monotonic() + 250
    while not (metrics.exists() and len(metrics.read_text().splitlines()) > 2) and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(run.pid, signal.SIGTERM)  # what a batch system does
    run.communicate(timeout=250)
    stopped = load_checkpoint(two)
    assert stopped is not None
    assert 0 < stopped["step"] < STEPS
    run = two_processes(two, "0", "2")
    alone = train(one, ProcessGroup())
    ended(run)
    first, second = (load_file(two / f"rank{rank}.safetensors") for rank in range(2))
    state = load_checkpoint(two)
    assert state is not None
    assert state["step"] == STEPS
    for name, value in alone.student.state_dict().items():
        assert torch.equal(first[name], second[name]), name
        torch.testing.assert_close(state["student"][name], value, rtol=1e-3, atol=1e-4)
    losses = [
        [[row.get(name, 0.0) for name in ("total", "text", "names")] for row in read_metrics(folder) if "text" in row]
        for folder in (one / "metrics.jsonl", metrics)
    ]
    assert len(losses[1]) == STEPS
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-3, atol=1e-4)


def test_a_batch_that_cannot_be_shared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"batch_size must be a multiple of the number of processes, 2\. Got 5"):
        make_trainer(tmp_path, ProcessGroup(0, 2), batch_size=5)


def test_muon_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    whole = make_trainer(tmp_path / "whole", optimizer="muon")
    assert isinstance(whole.optimizer, OptimizerPair)
    matrices = [p for part in whole.optimizer.parts[1:] for g in part.param_groups for p in g["params"]]
    assert [p.shape for p in matrices] == [whole.student.language.weight.shape]
    assert whole.run()
    first = make_trainer(tmp_path / "parts", optimizer="muon")
    update = first._update

    def stop_after_ten(batch: Tensor, keys: list[str]) -> dict[str, float]:
        if first.step == 9:
            first._stop.set()
        return update(batch, keys)

    first._update = stop_after_ten  # type: ignore[method-assign]
    assert not first.run()
    second = make_trainer(tmp_path / "parts", optimizer="muon")
    assert second.step == 10
    assert second.run()
    for a, b in zip(whole.student.parameters(), second.student.parameters(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(ValueError, match="optimizer was 'muon' and is now 'adamw'"):
        make_trainer(tmp_path / "parts", optimizer="adamw")


def test_two_processes_teach_what_one_teaches(tmp_path: Path) -> None:
    """Three shards: in the second round one of them has nothing to do."""
    data = data_folder(tmp_path / "data", ("train", "val"))
    torch.manual_seed(0)
    model = save_student(tmp_path / "model", new_student(replace(tiny_config(), preset="privileged")))
    settings = {"limit": 3, "questions": 4, "measure": 1}
    run = two_processes(tmp_path / "two", "teach", str(model), str(data), json.dumps(settings))
    teacher = make_teacher(TeacherOptions(teacher="privileged", model=str(model), device="cpu"))
    options = AnswerOptions(data=(data,), out=tmp_path / "one", **settings)
    alone = teach(teacher, options, shard_samples=1, report=lambda _: None)
    said = ended(run)
    together = read_info(tmp_path / "two")
    assert [s.keys for s in together.shards] == [s.keys for s in alone.shards]
    assert replace(together, shards=()) == replace(alone, shards=())
    assert said.count("right in") == said.count("3 samples, ") == 1, said
    for ours, theirs in zip(*(TeacherCache(tmp_path / name, (data,)) for name in ("one", "two")), strict=True):
        assert ours.questions == theirs.questions
        for a, b in zip(ours.answers, theirs.answers, strict=True):
            assert a.text == b.text
            np.testing.assert_allclose(a.top_logits, b.top_logits, rtol=1e-2, atol=1e-2)


def test_every_sample_of_a_batch_goes_to_one_process() -> None:
    keys = list("abcdef")
    parts = [ProcessGroup(rank, 3).part(keys) for rank in range(3)]
    assert sorted(key for part in parts for key in part) == keys
    assert {len(p) for p in parts} == {2}
