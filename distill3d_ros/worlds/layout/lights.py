"""Lights of training rooms: at lamps and windows, each with its shadow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from distill3d_ros.worlds.materials import FloatArray, Light, room_lights
from distill3d_ros.worlds.room import PlacedObject

SOURCE_SHARE = 0.6
"""Share of the lights at a lamp or a window of the room, as far as it has them; the others are anywhere."""
_FAINT = 0.25
"""A light with less than this share of the strongest one's power casts no shadow: it would be invisible."""
_FROM_WINDOW = 0.3
"""Metres into the room from a window's middle, where its light is put."""
_DAYLIGHT = np.array([0.93, 1.0, 1.07])
_TO_WALLS = 0.15
"""Metres from every wall, at least."""


def training_lights(
    size: FloatArray, objects: Sequence[PlacedObject], rng: np.random.Generator
) -> tuple[list[Light], FloatArray]:
    """One to three lights and the ambient colour of a room of ``size`` (3,) that stands at the origin."""
    lights, ambient = room_lights(size, rng)
    sources = [o for o in objects if o.label in ("lamp", "window")]
    order = [sources[i] for i in rng.permutation(len(sources))]
    strongest = max(light.intensity for light in lights)
    placed = []
    for light in lights:
        if order and rng.uniform() < SOURCE_SHARE:
            light = _at(order.pop(), light, size)
        placed.append(replace(light, shadow=light.intensity >= _FAINT * strongest))
    return placed, ambient


def _at(source: PlacedObject, light: Light, size: FloatArray) -> Light:
    """The light in a lamp's shade, below what hangs from the ceiling, or before a window."""
    box, color = source.box, light.color
    place = box.center.copy()
    if source.label == "window":
        inward = size[:2] / 2 - place[:2]
        axis = int(np.argmax(np.abs(inward) / size[:2]))  # across the wall that it is in
        place[axis] += np.sign(inward[axis]) * _FROM_WINDOW
        color = color * _DAYLIGHT
    elif box.center[2] + box.size[2] / 2 > size[2] - 0.1:
        place[2] -= box.size[2] / 2 + 0.03
    else:
        place[2] += box.size[2] / 4
    place = np.clip(place, _TO_WALLS, size - _TO_WALLS)
    return replace(light, position=place, color=color / color.mean())
