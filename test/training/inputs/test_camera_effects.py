"""Colours, blur, noise and compression as of other cameras."""

from __future__ import annotations

import numpy as np
import pytest

from distill3d_ros.training.augment_config import AugmentConfig
from distill3d_ros.training.inputs.camera_effects import balanced, jitter_color, lens_blur, random_camera

OFF = {"color": 0.0, "noise": 0.0}
IMAGE = np.random.default_rng(0).integers(0, 255, (64, 48, 3), dtype=np.uint8)


def roughness(image: np.ndarray) -> float:
    """Mean difference of neighbours."""
    return float(np.abs(np.diff(image.astype(float), axis=1)).mean())


def test_what_is_switched_off_changes_and_draws_nothing() -> None:
    rng = np.random.default_rng(3)
    assert np.array_equal(random_camera(IMAGE, AugmentConfig(**OFF), rng), IMAGE)
    assert rng.random() == np.random.default_rng(3).random()


def test_new_settings_at_their_defaults_leave_the_random_numbers_of_earlier_trainings() -> None:
    config = AugmentConfig(color=0.3, noise=0.02)
    expected = jitter_color(IMAGE, 0.3, 0.02, np.random.default_rng(5))
    assert np.array_equal(random_camera(IMAGE, config, np.random.default_rng(5)), expected)


@pytest.mark.parametrize(
    "setting", [{"blur": 2.0}, {"motion": 1.0}, {"white_balance": 0.3}, {"jpeg": (20, 20)}], ids=lambda s: next(iter(s))
)
def test_each_effect_alone(setting: dict[str, object]) -> None:
    config = AugmentConfig(**OFF, **setting)
    results = [random_camera(IMAGE, config, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert results[0].dtype == np.uint8
    assert results[0].shape == IMAGE.shape
    assert np.array_equal(results[0], results[1])
    assert any(not np.array_equal(r, IMAGE) for r in results)
    assert abs(results[0].mean() - IMAGE.mean()) < 12


def test_three_pictures_in_ten_stay_sharp() -> None:
    config = AugmentConfig(**OFF, blur=3.0)
    sharp = [np.array_equal(random_camera(IMAGE, config, np.random.default_rng(s)), IMAGE) for s in range(300)]
    assert np.mean(sharp) == pytest.approx(0.335, abs=0.08)  # 0.3, and those of less than 0.15 pixels


def test_blur_smooths_and_motion_smooths_along_one_direction() -> None:
    assert roughness(lens_blur(IMAGE, 1.5)) < 0.4 * roughness(IMAGE)
    moved = random_camera(IMAGE, AugmentConfig(**OFF, motion=1.0), np.random.default_rng(0))
    assert roughness(moved) < 0.9 * roughness(IMAGE)


def test_white_balance_by_hand() -> None:
    grey = np.full((2, 2, 3), 100, np.uint8)
    assert balanced(grey, 0.2, -0.3)[0, 0].tolist() == [120, 90, 80]
    assert balanced(np.full((1, 1, 3), 250, np.uint8), 0.2, 0)[0, 0].tolist() == [255, 250, 200]
