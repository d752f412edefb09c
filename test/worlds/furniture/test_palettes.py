"""The colours of training rooms: mostly those of homes, some of any kind."""

from __future__ import annotations

import numpy as np
import pytest
from support.furniture_pack import real_pack

from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.worlds.furniture.palettes import (
    LOUD_ROOMS,
    LOUD_THINGS,
    surface_colors,
    thing_color,
    wall_color,
    weaker,
)
from distill3d_ros.worlds.layout.layout import make_room


def saturation(colors: FloatArray) -> FloatArray:
    """(N,) of (N, 3) sRGB."""
    high = colors.max(-1)
    return (high - colors.min(-1)) / np.maximum(high, 1e-6)


def test_walls_are_pale_and_things_of_metal_and_china_white() -> None:
    rng = np.random.default_rng(0)
    walls = np.stack([wall_color(rng) for _ in range(400)])
    assert np.median(walls.max(-1)) > 0.8
    assert saturation(walls).max() < 0.3
    fridges = np.stack([thing_color("fridge", rng) for _ in range(400)])
    vases = np.stack([thing_color("vase", rng) for _ in range(400)])
    assert (saturation(fridges) > 0.4).mean() < LOUD_THINGS
    assert (saturation(vases) > 0.4).mean() > (saturation(fridges) > 0.4).mean()


def test_a_share_of_the_rooms_has_any_colour() -> None:
    chosen = [surface_colors(np.random.default_rng(seed)) for seed in range(300)]
    assert np.mean([c.wall is not wall_color for c in chosen]) == pytest.approx(LOUD_ROOMS, abs=0.08)


def test_training_rooms_are_quieter_than_those_drawn_from_the_wide_range() -> None:
    pack = real_pack()

    def loudness(varied: bool) -> float:
        rooms = [make_room(pack, seed=seed, varied=varied) for seed in range(24)]
        images = [room.surfaces[part].image for room in rooms for part in ("wall_0", "wall_1", "floor")]
        return float(np.mean([saturation(image.reshape(-1, 3).mean(0, keepdims=True))[0] for image in images]))

    assert loudness(varied=True) < 0.85 * loudness(varied=False)


def test_strong_colours_of_a_design_become_weaker_together() -> None:
    rng = np.random.default_rng(3)
    strong, grey, oak = [20, 30, 220], [90, 90, 92], [190, 140, 80]
    colors = np.array([strong, grey, oak, strong], np.uint8)
    seen = np.stack([weaker(colors, rng) for _ in range(60)])
    assert (seen[:, 0] == seen[:, 3]).all()
    assert (seen[:, 1] == grey).all()
    assert (seen[:, 2] == oak).all()
    quiet = saturation(seen[:, 0] / 255.0) < 0.7
    assert quiet.mean() == pytest.approx(1 - LOUD_THINGS, abs=0.15)
