"""Small and loose things: on furniture, under it, beside it, leaning at it."""

from __future__ import annotations

import numpy as np

from distill3d_ros.worlds.layout.builder import Builder
from distill3d_ros.worlds.layout.looks import Instance
from distill3d_ros.worlds.room import PlacedObject

ON_TABLES = ("cup", "bowl", "bottle", "vase", "plant", "computer", "lamp", "box", "bag", "", "", "")
_PROPS = ("cabinet", "wardrobe", "shelf", "fridge", "oven", "washing machine", "desk", "sofa", "bed", "box", "bathtub")


def cover(b: Builder, support: PlacedObject, count: int, labels: tuple[str, ...] = ON_TABLES) -> None:
    """Small things on a surface."""
    for _ in range(count):
        label = str(b.rng.choice(labels))
        instance = small(b, label)
        if instance is None or (label and b.rng.uniform() > 0.5 ** b.count(label)):
            continue
        faces = instance.model.has_front
        yaw = support.yaw + b.rng.normal(0, 0.4) if faces else None
        placed = b.on_top(instance, support, yaw=yaw)
        if placed is not None and b.rng.uniform() < 0.25:
            touch_on(b, placed, support)


def small(b: Builder, label: str) -> Instance | None:
    """A thing that may stand on a table."""
    models = [m for m in b.models(label) if m.mount == "top" or label in ("box", "bag")]
    return b.draw([m for m in models if m.size[2] < 0.8 and m.size[:2].max() < 0.65])


def touch_on(b: Builder, placed: PlacedObject, support: PlacedObject) -> None:
    """Another small thing, side by side with one that stands on the same surface."""
    instance = small(b, str(b.rng.choice(("cup", "bottle", "bowl", "vase", "box", "plant", "computer"))))
    if instance is None or instance.model.label == placed.label:
        return
    angle = b.rng.uniform(-np.pi, np.pi)
    size = placed.model.size * placed.scale
    reach = float(np.hypot(*size[:2]) + np.hypot(*instance.size[:2])) / 2 + 0.005
    start = placed.position[:2] + reach * np.array([np.cos(angle), np.sin(angle)])
    yaw = support.yaw if instance.model.has_front else b.rng.uniform(-np.pi, np.pi)
    b.push_to(instance, placed, start, yaw, reach, z=placed.position[2], on=support)


def touch_on_floor(b: Builder, label: str) -> None:
    """A thing on the floor that touches a larger one."""
    anchors = [o for o in b.objects if o.support is None and o.model.mount == "floor" and o.label not in ("", label)]
    instance = b.pick(label, max_size=(0.9, 0.9, 1.0))
    if not anchors or instance is None or instance.model.mount in ("wall", "ceiling"):
        return
    anchor = anchors[int(b.rng.integers(len(anchors)))]
    angle = b.rng.uniform(-np.pi, np.pi)
    size = anchor.model.size * anchor.scale
    reach = float(np.hypot(*size[:2]) + np.hypot(*instance.size[:2])) / 2 + 0.005
    start = anchor.position[:2] + reach * np.array([np.cos(angle), np.sin(angle)])
    b.push_to(instance, anchor, start, b.rng.uniform(-np.pi, np.pi), reach - 0.05)


def under(b: Builder, table: PlacedObject, chance: float) -> None:
    """A small thing on the floor under a table."""
    if b.rng.uniform() > chance or table.model.drop_top == 0:
        return
    label = str(b.rng.choice(("bag", "box", "trash can")))
    instance = b.pick(label, max_size=(0.6, 0.45, 0.5))
    size = table.model.size * table.scale
    if instance is not None and instance.size[2] < size[2] - 0.12:
        xy = table.position[:2] + table.rotation[:2, :2] @ (b.rng.uniform(-0.2, 0.2, 2) * size[:2])
        b.put_under(instance, table, xy, b.rng.uniform(-np.pi, np.pi))


def loose(b: Builder, label: str) -> None:
    """A thing on the floor: free, or next to a wall."""
    instance = b.pick(label, max_size=(1.2, 1.2, 2.0))
    if instance is None or instance.model.mount in ("wall", "ceiling"):
        return
    if label in ("", "bottle", "cup", "bowl") or (instance.size[2] < 1.2 and b.rng.uniform() < 0.5):
        b.somewhere(instance)
    else:
        b.against_wall(
            instance, int(b.rng.integers(4)), gap=float(b.rng.choice([0.0, 0.05])), turn=b.rng.normal(0, 0.3)
        )


def leaning(b: Builder) -> None:
    """A flat or tall thing that leans at a wall or at furniture."""
    models = [m for label in ("bag", "box", "television", "bowl", "chair", "") for m in b.models(label)]
    instance = b.draw([m for m in models if m.size[2] > 1.1 * m.size[1] and 0.15 < m.size[2] < 1.1])
    if instance is not None:
        tilt = b.rng.uniform(0.12, 0.4)
        props = [o for o in b.objects if o.label in _PROPS and o.support is None and not o.leaning]
        if props and b.rng.uniform() < 0.5:
            b.lean_on(instance, props[int(b.rng.integers(len(props)))], int(b.rng.integers(4)), tilt)
        else:
            b.lean(instance, int(b.rng.integers(4)), tilt)
