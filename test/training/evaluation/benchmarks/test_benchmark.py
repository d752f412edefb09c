"""A student is asked the questions of a published set: which frames it looks at, and the reports."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.question_files import scanqa_records, write_json, write_scanqa, write_sqa3d, write_vsi_bench
from support.random_student import save_random_student
from support.scannet_scan import COLOR, LOST, SCAN, camera_pose, published_pose, write_sens

from distill3d_ros.cli import main as cli
from distill3d_ros.training.data.importers.published_files import SourceError
from distill3d_ros.training.data.importers.scannet.scan_files import ScanFiles
from distill3d_ros.training.evaluation.benchmarks import benchmark
from distill3d_ros.training.evaluation.benchmarks.benchmark import run_benchmark
from distill3d_ros.training.evaluation.benchmarks.benchmark_options import BenchmarkOptions
from distill3d_ros.training.evaluation.benchmarks.scan_views import scan_views, sharpness

OTHER = "scene0011_00"


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random_student(tmp_path_factory.mktemp("student"))


@pytest.fixture
def scans(published_scans: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage, without what only an import needs."""
    folder = Path(shutil.copytree(published_scans, tmp_path / "scans"))
    shutil.rmtree(folder / SCAN / "depth")
    (folder / SCAN / f"{SCAN}_vh_clean_2.ply").unlink()
    return folder


def blur(path: Path) -> None:
    cv2.imwrite(str(path), cv2.GaussianBlur(cv2.imread(str(path)), (0, 0), 9.0))


def shows(image: np.ndarray, folder: Path, number: int) -> bool:
    return np.array_equal(image, cv2.imread(str(folder / SCAN / "color" / f"{number}.jpg"))[..., ::-1])


def test_views_are_spread_sharp_and_have_a_pose(scans: Path):
    blur(scans / SCAN / "color" / "0.jpg")
    blur(scans / SCAN / "color" / "4.jpg")
    views = scan_views(ScanFiles(scans / SCAN), 2)
    assert [shows(view.image, scans, n) for view, n in zip(views, (1, 3), strict=True)] == [True, True]
    for view, number in zip(views, (1, 3), strict=True):
        pose = np.asarray(view.world_from_camera)
        np.testing.assert_allclose(pose, camera_pose(number), atol=1e-5)
        np.testing.assert_allclose(pose[:3, :3] @ view.up, [0, 0, 1], atol=1e-6)
        assert (view.intrinsics.width, view.intrinsics.height) == (COLOR.width, COLOR.height)


def test_every_frame_is_taken_where_there_are_few(scans: Path):
    (scans / SCAN / "pose" / "3.txt").unlink()
    views = scan_views(ScanFiles(scans / SCAN), 8)
    assert [shows(view.image, scans, n) for view, n in zip(views, (0, 1, 4), strict=True)] == [True] * 3


def test_a_sens_file_gives_the_same_views(scans: Path):
    exported = scan_views(ScanFiles(scans / SCAN), 2)
    write_sens(scans / SCAN / f"{SCAN}.sens")
    shutil.rmtree(scans / SCAN / "color")
    for a, b in zip(exported, scan_views(ScanFiles(scans / SCAN), 2), strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_allclose(a.world_from_camera, b.world_from_camera, atol=1e-5)


def test_sharpness_falls_with_blur():
    image = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    assert sharpness(image) > 3 * sharpness(cv2.GaussianBlur(image, (0, 0), 2.0))


def test_a_scan_without_poses_is_named(scans: Path):
    for path in (scans / SCAN / "pose").iterdir():
        np.savetxt(path, published_pose(LOST))
    with pytest.raises(SourceError, match=r"no frame of .*scene0003_00 has a picture and a finite pose; export"):
        scan_views(ScanFiles(scans / SCAN), 2)


def test_scanqa_is_asked_looking_once_at_each_scan(
    scans: Path, student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    looks = []
    monkeypatch.setattr(benchmark, "scan_views", lambda files, n: looks.append(files.name) or scan_views(files, n))
    said: list[str] = []
    result = run_benchmark(
        BenchmarkOptions(
            name="scanqa", questions=write_scanqa(tmp_path), scans=scans, out=tmp_path / "out", model=student, frames=2
        ),
        report=said.append,
    )
    assert looks == [SCAN]
    assert (result["benchmark"], result["n"], result["scans"], result["skipped"]) == ("ScanQA", 4, 1, {})
    rows = [json.loads(line) for line in (tmp_path / "out" / "answers.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == [record["question_id"] for record in scanqa_records()]
    place, number, other, _ = rows
    assert (place["understood"], place["prediction"], place["score"]) == (False, "", 0.0)
    assert place["said"].startswith('I do not understand "Where is the brown chair located?"')
    assert number["understood"]
    assert number["prediction"].isdigit()
    assert other["prediction"] in ("yes", "no")
    assert other["score"] == float(other["prediction"] == "no")
    assert result["score"] == sum(row["score"] for row in rows) / 4
    assert result["types"]["Place"]["not_understood"] == 1.0
    assert result == json.loads((tmp_path / "out" / "report.json").read_text())
    report = (tmp_path / "out" / "report.md").read_text()
    assert "| Number | 1 | " in report
    assert f"{result['model_sha256']}" in report
    assert any(line.startswith(f"{SCAN}: 4 questions, ") for line in said)


@pytest.mark.parametrize("name", ["sqa3d", "vsi-bench"])
def test_the_command(scans: Path, student: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]):
    file = write_sqa3d(tmp_path) if name == "sqa3d" else write_vsi_bench(tmp_path)
    words = ["benchmark", name, str(file), "--scans", str(scans), "--out", str(tmp_path / "out")]
    assert cli.main([*words, "--model", str(student), "--frames", "1", "--device", "cpu"]) == 0
    assert "report written to" in capsys.readouterr().out
    result = json.loads((tmp_path / "out" / "report.json").read_text())
    report = (tmp_path / "out" / "report.md").read_text()
    if name == "sqa3d":
        assert (result["n"], set(result["types"])) == (3, {"what", "is", "how"})
        assert result["types"]["is"]["score_of_answered"] in (0.0, 1.0)
        assert result["types"]["what"]["not_understood"] == 1.0, "colours are not asked of this student"
    else:
        assert (result["n"], result["skipped"]["about arkitscenes, whose videos are not read"]) == (6, 2)
        assert "- 1 questions about scannetpp, whose videos are not read" in report
        scores = [entry["score"] for entry in result["types"].values()]
        assert result["score"] == pytest.approx(np.mean(scores)), "one type of direction: each type is a task"


def test_missing_scans_are_named_or_left_out(scans: Path, student: Path, tmp_path: Path):
    records = scanqa_records()
    records[0]["scene_id"] = OTHER
    file = write_json(tmp_path / "val.json", records)
    first = BenchmarkOptions(name="scanqa", questions=file, scans=scans, out=tmp_path / "out", model=student, frames=1)
    with pytest.raises(SourceError, match=rf"1 file is missing:\n  .*{OTHER}: download-scannet\.py .* --id {OTHER}"):
        run_benchmark(first, report=print)
    assert not (tmp_path / "out").exists()
    result = run_benchmark(replace(first, skip_missing=True, count=2), report=print)
    assert result["n"] == 2
    assert result["skipped"] == {"about scans that are not there": 1, "to ask fewer (--count)": 1}
    with pytest.raises(SourceError, match="has none of the scans of ScanQA, such as scene0011_00"):
        run_benchmark(replace(first, questions=write_json(file, records[:1]), skip_missing=True), report=print)
    (scans / SCAN / "intrinsic" / "intrinsic_color.txt").unlink()
    (scans / SCAN / f"{SCAN}.txt").unlink()
    with pytest.raises(SourceError, match=r"2 files are missing:\n.*scene0003_00\.txt: .*\n.*intrinsic_color\.txt: "):
        run_benchmark(replace(first, questions=write_scanqa(tmp_path)), report=print)


def test_frames_have_a_limit(scans: Path, tmp_path: Path):
    with pytest.raises(ValueError, match=r"frames must be between 1 and 8\. Got 9"):
        run_benchmark(
            BenchmarkOptions(
                name="scanqa", questions=write_scanqa(tmp_path), scans=scans, out=tmp_path / "out", frames=9
            )
        )
