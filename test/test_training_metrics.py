"""Metrics against hand cases and other libraries."""

from __future__ import annotations

import math

import numpy as np
import pytest

from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject
from distill3d_ros.training.metrics import (
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
