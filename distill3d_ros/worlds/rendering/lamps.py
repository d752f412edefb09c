"""A room's lamps for the renderers: the strongest ones, and the projections of those that cast shadows."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.worlds.materials import Light
from distill3d_ros.worlds.rendering.interface import MAX_LIGHTS
from distill3d_ros.worlds.room import Room

SHADOW_SIZES = (1024, 512, 512, 512)
"""Sides of the shadow maps, pixels: of the strongest lamp, and of the others in the order of ``strongest_lights``."""
SHADOW_HALF_ANGLE = math.radians(72.0)
"""Largest angle from a shadow map's axis, radians; points beyond count as lit."""
SHADOW_NEAR = 0.12
"""Metres from the lamp; nearer things cast no shadow."""
SHADOW_OFFSETS = (0.012, 0.04, 0.04, 0.04)
"""Metres by which a point is moved along its normal before it is compared with each shadow map: about the
distance between the samples of one point, or surfaces would shade themselves."""
SHADOW_STRENGTH = 0.92
"""Share of the lamp's light that is missing in its shadow."""


def strongest_lights(room: Room) -> list[Light]:
    """The lights that are drawn, the strongest first. Those of the second room come last."""
    first = sorted(room.lights, key=lambda light: -light.intensity)
    if room.second is None:
        return first[:MAX_LIGHTS]
    beyond = sorted(room.second.lights, key=lambda light: -light.intensity)[:MAX_LIGHTS]
    return first[: MAX_LIGHTS - len(beyond)] + beyond


def lights_in(room: Room, space: int) -> list[Light]:
    """``strongest_lights`` as they shine in the room itself (0) or in the second one (1): walls keep the others' out.

    They are dark where they do not shine, so that a light keeps its place in the list. What would fall through the
    opening is left out.
    """
    lights = strongest_lights(room)
    if room.second is None:
        return lights
    own = room.second.lights if space else room.lights
    return [light if any(light is one for one in own) else replace(light, intensity=0.0) for light in lights]


def ambient_in(room: Room, space: int) -> FloatArray:
    """(3,) linear RGB of the light from everywhere in the room itself (0) or in the second one (1)."""
    return room.second.ambient if space and room.second is not None else room.ambient


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowCaster:
    """A lamp with a shadow map."""

    number: int
    """Its index in ``strongest_lights``."""
    position: FloatArray
    """(3,) world, metres."""
    corner: FloatArray
    """(3,) lowest x, y and z of the room that it shines in."""
    size: FloatArray
    """(3,) of that room."""


def shadow_casters(room: Room) -> list[ShadowCaster]:
    """The strongest light, and all others with ``Light.shadow``."""
    casters = []
    for number, light in enumerate(strongest_lights(room)):
        if number and not light.shadow:
            continue
        second = room.second if room.second and any(light is one for one in room.second.lights) else None
        casters.append(
            ShadowCaster(
                number=number,
                position=np.asarray(light.position, float),
                corner=np.zeros(3) if second is None else second.corner,
                size=room.size if second is None else second.size,
            )
        )
    return casters


def casts_shadow(center: FloatArray, radius: float, light: FloatArray) -> bool:
    """Whether a thing with this bounding sphere does: a lampshade round the bulb would darken the whole room."""
    return bool(np.linalg.norm(center - light) >= radius + 0.05)


def lamp_view(caster: ShadowCaster) -> tuple[FloatArray, float]:
    """The view from a lamp down into its room.

    Returns:
        (4, 4) view-from-world matrix, x to the right, y up, looking along -z as OpenGL does; and how far the shadow
        map reaches to each side at distance 1.
    """
    light, size = caster.position, caster.size
    target = caster.corner + np.array([size[0] / 2, size[1] / 2, 0.3 * size[2]])
    forward = target - light
    forward = forward / np.linalg.norm(forward)
    side = np.cross(forward, [0.0, 1.0, 0.0] if abs(forward[2]) > 0.9 else [0.0, 0.0, 1.0])
    side = side / np.linalg.norm(side)
    view = np.eye(4)
    view[:3, :3] = np.stack([side, np.cross(side, forward), -forward])
    view[:3, 3] = -view[:3, :3] @ light
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 0.45)], float) * size + caster.corner
    in_view = (corners - light) @ view[:3, :3].T
    ahead = np.maximum(-in_view[:, 2], 1e-3)
    reach = min(math.tan(SHADOW_HALF_ANGLE), float((np.abs(in_view[:, :2]) / ahead[:, None]).max()))
    return view, reach


def shadow_projection(caster: ShadowCaster) -> FloatArray:
    """(4, 4) clip-from-world matrix of ``lamp_view``, for OpenGL."""
    view, reach = lamp_view(caster)
    near, far = SHADOW_NEAR, float(np.linalg.norm(caster.size)) + 0.5
    clip = np.zeros((4, 4))
    clip[0, 0] = clip[1, 1] = 1 / reach
    clip[2, 2], clip[2, 3] = -(far + near) / (far - near), -2 * far * near / (far - near)
    clip[3, 2] = -1.0
    return clip @ view
