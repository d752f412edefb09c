"""An ablation from its configuration to its report, with a process killed on the way, on a handful of tiny rooms."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from support.training.tiny_training import tiny_config

from distill3d_ros.student.checkpoint import load_student, save_student
from distill3d_ros.system.config_loading import build
from distill3d_ros.training.ablation.ablation_options import AblateOptions, ResultsOptions
from distill3d_ros.training.ablation.comparison import side_by_side_lines
from distill3d_ros.training.ablation.plan import load_ablation, trainings
from distill3d_ros.training.ablation.results_page import write_results
from distill3d_ros.training.ablation.runner import ablate
from distill3d_ros.training.ablation.runs import Run
from distill3d_ros.training.config import TrainConfig
from distill3d_ros.training.evaluation.evaluate import evaluate
from distill3d_ros.training.evaluation.evaluation_options import EvaluateOptions
from distill3d_ros.training.loop.checkpointing import LATEST
from distill3d_ros.training.losses.supervised import LANGUAGE_LOSSES, PERCEPTION_LOSSES, TEACHER_LOSSES
from distill3d_ros.training.start.initial_student import new_student

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def perceiver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The student whose perception all variants share."""
    torch.manual_seed(0)
    stages = [{"stage": n, "steps": 5, "minutes": 15, "seed": 3, "command": f"distill3d train --out {n}"} for n in "ab"]
    return save_student(tmp_path_factory.mktemp("perceiver"), new_student(tiny_config()), {"stages": stages})


def tiny_ablation(perceiver: Path) -> dict[str, Any]:
    """Two variants with two seeds, three steps each."""
    stage = {
        "name": "cached",
        "kind": "cached",
        "steps": 3,
        "batch_size": 2,
        "questions_per_scene": 4,
        "warmup_steps": 1,
        "ema": 0.0,
        "validate_samples": 2,
        "workers": 0,
        "checkpoint_minutes": 1e-6,
        "weighting": "static",
    }
    return {
        "base": {"perception": str(perceiver), "stages": [stage]},
        "perception": {
            "views": 4,
            "validation_views": 2,
            "rounds": 2,
            "questions": 6,
            "augment": {"sizes": [[64, 64]]},
        },
        "evaluate": {"frames": 3, "questions": 12, "attention_frames": 1},
        "seeds": [0, 1],
        "reference": "k2",
        "variants": [
            {"name": "k2", "says": "two thoughts", "changes": {"student.hidden_cot.tokens": 2}},
            {"name": "k0", "says": "none", "changes": {"student.hidden_cot.tokens": 0}},
        ],
        "hidden_cot": ["k2"],
        "controls": ["k0"],
        "claims": [{"says": "thoughts help", "paper": ".64 to .71", "better": "k2", "than": ["k0"]}],
    }


def write(folder: Path, content: dict[str, Any]) -> Path:
    path = folder / "ablation.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def kill_once_it_has_a_checkpoint(run: Run) -> None:
    """As a machine without memory would: no time to tidy up."""
    end = time.monotonic() + 200
    while not (run.folder / "cached" / LATEST).exists():
        assert time.monotonic() < end, "no checkpoint"
        time.sleep(0.01)
    words = {b"distill3d_ros.training.ablation.run_process", b"train", run.variant.encode(), str(run.out).encode()}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = set((process / "cmdline").read_bytes().split(b"\0"))
        except OSError:
            continue
        if words <= command and str(run.seed).encode() in command:
            os.kill(int(process.name), signal.SIGKILL)


@pytest.mark.timeout(1800)  # eight processes, each with its own imports; a busy machine must not fail
def test_a_killed_run_is_reported_and_goes_on_at_the_next_call(perceiver: Path, data: Path, tmp_path: Path) -> None:
    path, out = write(tmp_path, tiny_ablation(perceiver)), tmp_path / "out"
    victim = Run(out=out, variant="k2", seed=1)
    lines: list[str] = []

    def told(line: str) -> None:
        lines.append(line)
        if line.startswith("k2 seed 1: begun"):
            kill_once_it_has_a_checkpoint(victim)

    first = ablate(AblateOptions(config=path, data=(data,), out=out, jobs=2, device="cpu"), report=told)
    assert [f["name"] for f in first["failed"]] == ["k2 seed 1"]
    assert first["failed"][0]["why"] == "ended by SIGKILL"
    assert Path(first["failed"][0]["log"]).is_file()
    assert first["variants"]["k2"]["seeds"] == [0], "what did not fail went on"
    assert first["variants"]["k0"]["seeds"] == [0, 1]
    assert first["claims"][0]["verdict"] == "not measured"
    assert "k2 seed 1: ended by SIGKILL" in (out / "ablation.md").read_text()

    trained = Run(out=out, variant="k0", seed=0).folder / "trained.json"
    at = trained.stat().st_mtime_ns
    result = ablate(AblateOptions(config=path, data=(data,), out=out, jobs=2, device="cpu"), report=lines.append)
    assert result["failed"] == []
    assert "going on from step" in (victim.folder / "log.txt").read_text()
    assert trained.stat().st_mtime_ns == at, "what was trained is not trained again"
    assert not list(out.glob("runs/*/*/*/latest.pt")), "a trained run keeps its student alone"

    k2, k0 = result["variants"]["k2"], result["variants"]["k0"]
    assert k2["seeds"] == k0["seeds"] == [0, 1]
    assert result["questions"] > 12
    assert k2["difference"] is None
    assert k0["difference"]["mean"] == pytest.approx(k0["accuracy"]["mean"] - k2["accuracy"]["mean"])
    assert set(k2["thoughts"]["changed"]) == {"zeroed", "permuted", "other_seed"}
    assert 0 < k2["thoughts"]["attention"]["mean"] < 1
    assert k0["thoughts"] == {"number": 0, "changed": {}, "attention": None}
    assert k2["parameters"] > k0["parameters"]
    assert result["costs"]["k2"]["multiply_adds"] > result["costs"]["k0"]["multiply_adds"] > 0
    assert set(result["hidden_cot"]) == {"k2"}
    assert k2["validation_loss"]["mean"] > 0

    stored = json.loads((out / "ablation.json").read_text())
    assert stored["variants"]["k0"]["accuracy"] == k0["accuracy"]
    text = (out / "ablation.md").read_text()
    assert "## Claims of the paper" in text
    assert ".64 to .71" in text
    assert all((out / name).stat().st_size > 1000 for name in ("accuracy.png", "attention.png", "thoughts.png"))
    assert any("GB used" in line for line in lines)

    # The perception is the one that was given, in every variant, and the seeds differ.
    seeing = load_student(perceiver)
    students = [load_student(Run(out=out, variant="k2", seed=s).student) for s in (0, 1)]
    for name, tensor in seeing.encoder.state_dict().items():
        assert torch.equal(tensor, students[0].encoder.state_dict()[name])
    assert not torch.equal(students[0].language.thoughts.tokens, students[1].language.thoughts.tokens)

    write_results(ResultsOptions(ablation=(out,), out=tmp_path / "results.md"))
    page = (tmp_path / "results.md").read_text()
    assert "## Ablation out" in page
    assert f"| `k0` | none | {k0['accuracy']['mean']:.3f} |" in page
    assert "![out: accuracy](results/out/accuracy.png)" in page
    assert (tmp_path / "results" / "out" / "accuracy.png").stat().st_size > 1000

    # Nothing is left to do, and another configuration does not go on in this folder.
    lines.clear()
    ablate(AblateOptions(config=path, data=(data,), out=out, jobs=2, device="cpu"), report=lines.append)
    assert not any("begun" in line for line in lines)
    changed = tiny_ablation(perceiver)
    changed["base"]["stages"][0]["lr"] = 0.5
    with pytest.raises(
        ValueError, match=r"made in another way: stages\[0\]\.lr was .* and is now 0\.5\. .*another --out"
    ):
        ablate(AblateOptions(config=write(tmp_path, changed), data=(data,), out=out), report=lines.append)


def test_runs_may_begin_as_a_trained_student(perceiver: Path, data: Path, tmp_path: Path) -> None:
    plan = tiny_ablation(perceiver)
    del plan["base"]["perception"]
    plan["base"] |= {"start_from": str(perceiver), "student": tiny_config().student}
    plan["base"]["stages"][0] |= {"steps": 1, "lr": 1e-9}
    plan |= {"seeds": [0], "reference": "k3", "hidden_cot": [], "controls": [], "claims": []}
    plan["variants"] = [{"name": "k3", "changes": {"student.hidden_cot.tokens": 3}}]
    out = tmp_path / "out"
    options = AblateOptions(config=write(tmp_path, plan), data=(data,), out=out, device="cpu")
    assert ablate(options, report=lambda _: None)["failed"] == []
    began, trained = (load_student(f).state_dict() for f in (perceiver, Run(out=out, variant="k3", seed=0).student))
    different = [
        name
        for name, value in began.items()
        if value.shape != trained[name].shape or not torch.allclose(trained[name], value, atol=1e-6)
    ]
    assert different == ["language.thoughts.tokens"], "all but the thoughts is taken"
    assert trained["language.thoughts.tokens"].shape[0] == 3

    plan["base"]["start_from"] = ""
    with pytest.raises(ValueError, match=r"base\.perception or base\.start_from"):
        ablate(AblateOptions(config=write(tmp_path, plan), data=(data,), out=tmp_path / "none"), report=lambda _: None)


@pytest.fixture(scope="module")
def evaluated(perceiver: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("evaluated")
    evaluate(
        EvaluateOptions(model=perceiver, data=data, out=out, questions=12, frames=2, device="cpu"),
        report=lambda _: None,
    )
    return out


def beside_a_teacher(report: Path, folder: Path, *, parameters: int = 7_000_000_000) -> Path:
    """The evaluation as it is with a teacher that is right twice as often and takes ten times as long."""
    content = json.loads((report / "report.json").read_text())

    def entry(part: dict[str, Any]) -> dict[str, Any]:
        return {"accuracy": 0.8, "interval": [0.7, 0.9], "retention": 0.5, "retention_interval": [0.4, 0.6]}

    slow = {name: 10 * ms for name, ms in content["latency_ms"].items()}
    for part in (content, *content["splits"].values()):
        families = {name: entry(family) for name, family in part["families"].items()}
        part["teacher"] = entry(part) | {"families": families}
    content["teacher"] |= {"agreement": 0.45, "latency_ms": slow, "parameters": parameters}
    folder.mkdir()
    (folder / "report.json").write_text(json.dumps(content))
    return folder


def test_the_page_of_results_says_what_the_files_say(
    perceiver: Path, data: Path, evaluated: Path, tmp_path: Path
) -> None:
    page = tmp_path / "docs" / "results.md"
    with_teacher = beside_a_teacher(evaluated, tmp_path / "beside")
    write_results(ResultsOptions(evaluation=(evaluated, with_teacher), model=(perceiver,), out=page))
    text = page.read_text()
    report = json.loads((evaluated / "report.json").read_text())
    assert f"## Evaluation {evaluated.name}: {perceiver.name}" in text, "the model is told by its checksum"
    assert f"| **all** | {report['questions']} | {report['accuracy']:.3f} [" in text
    alone, beside = text.split("## Evaluation beside")
    for part in report["splits"].values():
        rows = [f"{name} | {f['n']} | {f['accuracy']:.3f} [" for name, f in part["families"].items()]
        assert all(row in alone and row in beside for row in rows)
    assert "0.800 [0.700, 0.900] | 0.500 [0.400, 0.600]" in beside
    assert "0.800 [0.700, 0.900]" not in alone
    assert "| 10.0 times: 7,000 M parameters, on one | **holds** |" in text
    assert "(beside) | 0.71 | 0.500 [0.400, 0.600] | **less**" in text
    assert f"`{report['command']}` | 0 |" in text
    assert (
        f"| training of {perceiver.name} | `distill3d train --out a`, then `distill3d train --out b` | 3 | 0.5 |"
        in text
    )
    write_results(
        ResultsOptions(
            evaluation=[beside_a_teacher(evaluated, tmp_path / "small", parameters=20_000_000)],
            ablation=[],
            model=[],
            out=tmp_path / "b.md",
        )
    )
    small = "| 10.0 times: 20 M parameters, on one | **not tested: the teacher is small** |"
    assert small in (tmp_path / "b.md").read_text()
    with pytest.raises(ValueError, match=r"ablation\.json does not exist; `distill3d ablate` writes it"):
        write_results(ResultsOptions(ablation=(tmp_path,), out=page))
    with pytest.raises(ValueError, match="needs --evaluation"):
        write_results(ResultsOptions(model=(perceiver,), out=page))
    with pytest.raises(ValueError, match=r"--data must name folders of .* Got \w+, of another command; leave it out"):
        write_results(ResultsOptions(evaluation=(evaluated,), out=page, data=(data,)))
    assert page.read_text() == text, "what could not be written leaves what was there"


def test_students_that_were_asked_the_same_are_compared_question_by_question(evaluated: Path, tmp_path: Path) -> None:
    first = json.loads((evaluated / "report.json").read_text())
    outcomes = {split: part["outcomes"] for split, part in first["splits"].items()}
    asked = "".join(right for part in outcomes.values() for right in part.values())
    assert len(asked) == first["questions"]
    assert asked.count("1") / len(asked) == pytest.approx(first["accuracy"])

    def another(right: str) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(json.dumps(first)) | {"model_sha256": f"all {right}"}
        for part in report["splits"].values():
            part["outcomes"] = {key: right * len(said) for key, said in part["outcomes"].items()}
        return report

    wrong, second = another("0"), another("1")
    total = side_by_side_lines({"alone": wrong, "taught": second})[2 + len(outcomes) * (len(outcomes) > 1)]
    assert f"| {len(asked)} | 0.000 | 1.000 | +1.000 [+1.000, +1.000] | better |" in total
    assert "taught against alone" in side_by_side_lines({"alone": wrong, "taught": second})[2]
    assert "-1.000 [-1.000, -1.000] | worse |" in side_by_side_lines({"taught": second, "alone": wrong})[2]
    same = first | {"model_sha256": "the same answers"}
    assert "+0.000 [+0.000, +0.000] | not told apart |" in side_by_side_lines({"a": first, "b": same})[2]

    assert side_by_side_lines({"a": first, "b": first}) == [], "one model is not beside itself"
    assert side_by_side_lines({"a": first, "b": second | {"seed": 7}}) == [], "other questions"
    del second["splits"][next(iter(second["splits"]))]["outcomes"]
    assert side_by_side_lines({"a": first, "b": second}) == [], "a report of an earlier release"


def test_mistakes_in_a_configuration_are_found_before_anything_runs(perceiver: Path, tmp_path: Path) -> None:
    def message(**changes: Any) -> str:
        content = tiny_ablation(perceiver) | changes
        with pytest.raises(ValueError) as caught:  # noqa: PT011
            trainings(load_ablation(write(tmp_path, content)), tmp_path)
        return str(caught.value)

    def variant(**changes: Any) -> list[dict[str, Any]]:
        return [{"name": "k2"}, {"name": "k0", "changes": changes}]

    assert "unknown key 'varants'" in message(varants=[])
    assert "did you mean 'steps'" in message(variants=variant(**{"cached.stepz": 5}))
    assert "variant 'k0'" in message(variants=variant(**{"cached.stepz": 5}))
    assert "unknown fields ['tokenz']" in message(variants=variant(**{"student.hidden_cot.tokenz": 5}))
    assert "'reading' is no stage" in message(variants=variant(**{"reading.steps": 5}))
    assert "reference names no variant: 'k9'" in message(reference="k9")
    assert "controls names no variant: 'kO'" in message(controls=["kO"])
    assert "none twice" in message(variants=[{"name": "k2"}, {"name": "k2"}])
    assert "different numbers" in message(seeds=[1, 1])
    assert "must be one size" in message(perception={"augment": {"sizes": [[64, 64], [96, 96]]}})
    assert "cannot change where every run starts" in message(init=str(perceiver))
    assert "perhaps with /real or /rendered behind. Got ['val/painted']" in message(
        evaluate={"splits": ["val/painted"]}
    )
    taught = message(variants=variant(**{"cached.teacher": "answers"}))
    assert "cached.teacher must be perception.teacher, with whose questions the perception is cached, ''." in taught
    with pytest.raises(ValueError, match="no configuration at"):
        load_ablation(tmp_path / "nothing.yaml")


def test_a_variant_that_is_not_there(perceiver: Path, data: Path, tmp_path: Path) -> None:
    path = write(tmp_path, tiny_ablation(perceiver))
    with pytest.raises(ValueError, match="no variant 'k8'; there are k2, k0"):
        ablate(AblateOptions(config=path, data=(data,), out=tmp_path / "out", only=("k8",)))


@pytest.mark.parametrize("file", sorted((ROOT / "config" / "ablate").glob("*.yaml")), ids=lambda f: f.name)
def test_the_tables_that_come_with_the_package_are_understood(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    config = load_ablation(file)
    assert len(config.seeds) >= 3
    made = trainings(config, Path("cache"))
    assert set(made) == {v.name for v in config.variants}
    for name, data in made.items():
        for stage in build(TrainConfig, data, where=name).stages:
            known = (*LANGUAGE_LOSSES, *PERCEPTION_LOSSES, *TEACHER_LOSSES)
            assert set(stage.loss_weights) <= set(known), name
