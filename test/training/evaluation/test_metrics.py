"""Metrics against hand cases and other libraries."""

from __future__ import annotations

import math

import numpy as np
import pytest

from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject
from distill3d_ros.training.evaluation.confidence_calibration import abstention, abstention_lines, calibration
from distill3d_ros.training.evaluation.metrics import (
    average_precision,
    box_score,
    depth_score,
    mean_depth_score,
    wilson_interval,
)

CAMERA = Intrinsics.from_fov(width=64, height=48, horizontal_fov=1.0)


def scene(*things: tuple[str, float, float, int]) -> Scene:
    """Cubes of 1 m at x, 0, 5: (label, x, score, visible pixels)."""
    objects = tuple(
        SceneObject(
            id=i, label=label, box=Box3D(center=[x, 0, 5], size=[1, 1, 1], yaw=0.0), score=score, visible_pixels=pixels
        )
        for i, (label, x, score, pixels) in enumerate(things, start=1)
    )
    return Scene(objects=objects, intrinsics=CAMERA)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"), [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (50, 50, 0.9287, 1.0)]
)
def test_wilson_values(hits: int, n: int, low: float, high: float) -> None:
    # scipy.stats.binomtest(hits, n).proportion_ci(method="wilson") gives these.
    assert wilson_interval(hits, n) == pytest.approx((low, high), abs=1e-4)


def test_wilson_agrees_with_scipy() -> None:
    from scipy.stats import binomtest

    for hits, n in ((1, 3), (17, 40), (999, 1000)):
        reference = binomtest(hits, n).proportion_ci(method="wilson")
        assert wilson_interval(hits, n) == pytest.approx((reference.low, reference.high), abs=1e-9)


def test_wilson_without_trials_and_with_nonsense() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError, match="hits 4, n 3"):
        wilson_interval(4, 3)


def test_depth_score_by_hand() -> None:
    true = np.array([[1.0, 2.0], [4.0, 0.0]])  # the last is unknown
    predicted = np.array([[1.1, 2.0], [6.0, 3.0]])
    score = depth_score(predicted, true)
    assert score.absrel == pytest.approx((0.1 + 0.0 + 0.5) / 3)
    assert score.delta1 == pytest.approx(2 / 3)
    assert score.rmse == pytest.approx(math.sqrt((0.01 + 4.0) / 3))


def test_median_scaling_forgives_the_scale_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    true = rng.uniform(0.5, 5.0, (20, 20))
    assert depth_score(true * 3, true).delta1 == 0.0
    forgiven = depth_score(true * 3, true, median_scaled=True)
    assert forgiven.absrel == pytest.approx(0.0, abs=1e-12)
    assert forgiven.delta1 == 1.0


def test_depth_out_of_range_is_not_scored() -> None:
    true = np.array([[0.05, 11.0, 2.0, np.nan]])
    assert depth_score(np.array([[9.0, 9.0, 2.0, 9.0]]), true).absrel == 0.0
    assert depth_score(np.ones((1, 1)), np.zeros((1, 1))) is None
    assert mean_depth_score([None]) is None


def test_depth_agrees_with_torchmetrics() -> None:
    torch = pytest.importorskip("torch")
    metrics = pytest.importorskip("torchmetrics.functional")
    rng = np.random.default_rng(1)
    true = rng.uniform(0.5, 5.0, (30, 30))
    predicted = true * rng.uniform(0.7, 1.4, true.shape)
    score = depth_score(predicted, true)
    p, t = torch.from_numpy(predicted).flatten(), torch.from_numpy(true).flatten()
    assert score.absrel == pytest.approx(metrics.mean_absolute_percentage_error(p, t).item(), rel=1e-6)
    assert score.rmse == pytest.approx(metrics.mean_squared_error(p, t, squared=False).item(), rel=1e-6)


def test_average_precision_by_hand() -> None:
    assert average_precision([True, True], 2) == 1.0
    assert average_precision([], 3) == 0.0
    # Precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1; made monotonic: 1 up to recall 1/2, 2/3 up to 1.
    assert average_precision([True, False, True], 2) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    # The false alarm first: 1/2 up to recall 1.
    assert average_precision([False, True], 1) == pytest.approx(0.5)


def test_average_precision_agrees_with_a_sum_over_all_thresholds() -> None:
    rng = np.random.default_rng(2)
    hits = (rng.random(60) < 0.4).tolist()
    n = sum(hits) + 5
    # Brute force: at each recall level the best precision at that recall or beyond.
    expected = 0.0
    for k in range(1, sum(hits) + 1):
        ranks = [i + 1 for i in range(len(hits)) if sum(hits[: i + 1]) >= k]
        expected += max(sum(hits[:r]) / r for r in ranks) / n
    assert average_precision(hits, n) == pytest.approx(expected)


def test_box_score_of_perfect_and_of_shifted_boxes() -> None:
    truth = [scene(("chair", 0.0, 1.0, 500), ("table", 3.0, 1.0, 500))]
    assert box_score(truth, truth).mean(0.5) == 1.0
    # Cubes shifted by half their side overlap by 1/2 of each: IoU 1/3.
    shifted = [scene(("chair", 0.5, 0.9, 0), ("table", 3.5, 0.9, 0))]
    result = box_score(shifted, truth)
    assert result.mean(0.25) == 1.0
    assert result.mean(0.5) == 0.0


def test_box_score_counts_a_second_report_and_a_wrong_name_as_false_alarms() -> None:
    truth = [scene(("chair", 0.0, 1.0, 500))]
    twice = [scene(("chair", 0.0, 0.9, 0), ("chair", 0.1, 0.95, 0))]
    assert (
        box_score(twice, truth).average_precision[0.25]["chair"] == 1.0
    )  # the better score hits, the other is after it
    wrong = [scene(("table", 0.0, 0.9, 0))]
    assert box_score(wrong, truth).average_precision[0.25] == {"chair": 0.0}


def test_hardly_visible_objects_are_neither_hit_nor_miss() -> None:
    truth = [scene(("chair", 0.0, 1.0, 500), ("chair", 3.0, 1.0, 5))]
    found = [scene(("chair", 3.0, 0.95, 0), ("chair", 0.0, 0.9, 0))]
    assert box_score(found, truth).average_precision[0.5]["chair"] == 1.0
    assert box_score(found, truth, min_visible_pixels=1).n_true == {"chair": 2}


def test_boxes_of_other_frames_do_not_match() -> None:
    truth = [scene(("chair", 0.0, 1.0, 500)), scene(("chair", 3.0, 1.0, 500))]
    found = [scene(("chair", 3.0, 0.9, 0)), scene(("chair", 0.0, 0.8, 0))]
    assert box_score(found, truth).mean(0.25) == 0.0


def test_average_precision_agrees_with_pycocotools() -> None:
    """Upright boxes of one height overlap as their rectangles on the ground do, which is what COCO's tool measures."""
    coco_module, eval_module = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    rng = np.random.default_rng(3)
    true, found = [], []
    for _ in range(8):
        things = [
            (str(rng.choice(["chair", "table"])), *rng.uniform(0, 3, 2), *rng.uniform(0.5, 1.5, 2)) for _ in "123"
        ]
        guesses = [(name, *(np.array(box) + rng.normal(0, 0.2, 4)).clip(0.2)) for name, *box in things for _ in "12"]
        guesses += [("chair", *rng.uniform(0, 3, 2), 1.0, 1.0)]
        true.append(ground_scene(things, rng))
        found.append(ground_scene(guesses, rng))
    ours = box_score(found, true)
    truth = coco_module.COCO()
    names = {"chair": 1, "table": 2}
    truth.dataset = {
        "info": {},
        "images": [{"id": i} for i in range(len(true))],
        "categories": [{"id": number, "name": name} for name, number in names.items()],
        "annotations": [
            {"id": n, "image_id": i, "category_id": names[o.label], "bbox": rectangle(o), "area": 1.0, "iscrowd": 0}
            for n, (i, o) in enumerate(((i, o) for i, scene in enumerate(true) for o in scene.objects), start=1)
        ],
    }
    truth.createIndex()
    reported = truth.loadRes(
        [
            {"image_id": i, "category_id": names[o.label], "bbox": rectangle(o), "score": o.score}
            for i, scene in enumerate(found)
            for o in scene.objects
        ]
    )
    evaluation = eval_module.COCOeval(truth, reported, "bbox")
    evaluation.params.iouThrs = np.array([0.25, 0.5])
    evaluation.params.recThrs = np.linspace(0, 1, 20_001)  # its 101 points are a coarse sum of what we sum exactly
    evaluation.evaluate()
    evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, -1].mean(1)  # (thresholds, categories)
    for t, threshold in enumerate((0.25, 0.5)):
        for name, number in names.items():
            assert ours.average_precision[threshold][name] == pytest.approx(precision[t, number - 1], abs=1e-3)
    assert 0.05 < ours.mean(0.5) < ours.mean(0.25) < 0.99


def ground_scene(things: list[tuple[str, float, float, float, float]], rng: np.random.Generator) -> Scene:
    """Boxes 1 m high: (label, x, z, width, depth)."""
    objects = tuple(
        SceneObject(id=i, label=label, box=Box3D(center=[x, 0, z], size=[w, 1, d], yaw=0.0), score=float(rng.random()))
        for i, (label, x, z, w, d) in enumerate(things, start=1)
    )
    return Scene(objects=objects, intrinsics=CAMERA)


def rectangle(o: SceneObject) -> list[float]:
    """Corner and size on the ground, as COCO writes boxes."""
    return [float(v) for v in (*(o.box.center - o.box.size / 2)[[0, 2]], *o.box.size[[0, 2]])]


def test_calibration_by_hand() -> None:
    # Two answers at 0.95 of which one is right: gap 0.45; two at 0.05 of which none is: gap 0.05.
    found = calibration([0.95, 0.95, 0.05, 0.05], [True, False, False, False])
    assert found["ece"] == pytest.approx((0.45 + 0.05) / 2)
    assert found["accuracy_of_surer_half"] == 0.5


def test_calibration_agrees_with_torchmetrics() -> None:
    torch = pytest.importorskip("torch")
    metrics = pytest.importorskip("torchmetrics.functional.classification")
    rng = np.random.default_rng(4)
    confidence = rng.random(300)
    right = rng.random(300) < confidence**2
    theirs = metrics.binary_calibration_error(
        torch.from_numpy(confidence), torch.from_numpy(right.astype(int)), n_bins=10, norm="l1"
    )
    assert calibration(confidence.tolist(), right.tolist())["ece"] == pytest.approx(theirs.item(), abs=1e-6)


def test_abstention_by_hand() -> None:
    # Twenty answers: the ten surest are right, of the others every second is.
    confidence = [1.0 - i / 40 for i in range(20)]
    right = [True] * 10 + [True, False] * 5
    rows = abstention(confidence, right)
    assert [row["coverage"] for row in rows] == [1.0, 0.9, 0.75, 0.5]
    assert [row["n"] for row in rows] == [20, 18, 15, 10]
    assert [row["accuracy"] for row in rows] == pytest.approx([15 / 20, 14 / 18, 13 / 15, 1.0])
    assert rows[-1]["threshold"] == pytest.approx(1 - 9 / 40)
    assert rows[0]["interval"] == list(wilson_interval(15, 20))
    assert abstention_lines(rows)[-1] == "| 50% | 10 | 1.000 [0.722, 1.000] | 0.78 |"
    assert abstention([], []) == []
